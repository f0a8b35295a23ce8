"""The wrapper of a stranger's adapter for the made-up framework."""

from __future__ import annotations

from acme import AcmeEmbedder
from embedonce import Wrapper
from embedonce.identification import Describer, EmbedRequest, IdentityTracker, describe_with

describer = Describer({})


class CachedAcme(AcmeEmbedder, Wrapper):
    def __init__(self, embedder, cache, options):
        self.embedder, self.cache, self.wrap_options = embedder, cache, options
        self.look_anew()
        cache.open(self.identity)

    def look_anew(self):
        self.described = IdentityTracker(
            describer, lambda embedder: describe_with(describer, embedder, self.wrap_options)
        )

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "described"}

    def __setstate__(self, state):
        vars(self).update(state)
        self.look_anew()

    @property
    def identity(self):
        return self.described.identity(self.embedder)

    def embed_many(self, texts):
        return self.ask(texts, "document", self.embedder.embed_many)

    def embed_question(self, text):
        return self.ask([text], "query", lambda some: [self.embedder.embed_question(some[0])])[0]

    def ask(self, texts, role, embed):
        asked = EmbedRequest(self.embedder, self.cache, texts, role, self.wrap_options.batch_size)
        vectors = self.described.embed(asked, embed)
        return embed(texts) if vectors is None else vectors
