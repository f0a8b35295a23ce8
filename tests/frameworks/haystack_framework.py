"""Haystack, for the tests that all frameworks share: a text and a document component in front of one model."""

from __future__ import annotations

from typing import Any, NamedTuple

from frameworks_support import FrameworkSuite
from lazily import lazily

hs = lazily("haystack_embedders", "haystack", "haystack.core.component", "haystack.utils")

WRAP_OPTIONS = ("namespace", "version", "symmetric", "batch_size")


class Pair(NamedTuple):
    """What users have in their two pipelines; wrapped, both share one cache."""

    documents: Any
    queries: Any

    @property
    def cache(self):
        assert self.documents.cache is self.queries.cache
        return self.documents.cache

    @property
    def identity(self):
        return self.documents.identity

    @property
    def namespace(self):
        return " ".join(dict.fromkeys(each.namespace for each in self))

    @property
    def wrap_options(self):
        assert self.documents.wrap_options == self.queries.wrap_options
        return self.documents.wrap_options


def made(text):
    """A document of a text; anything else as it is."""
    if not isinstance(text, str):
        return text
    # Haystack cannot hash half a surrogate pair for an id, and leaves ids to the user.
    halves = any("\ud800" <= character <= "\udfff" for character in text)
    return hs.Document(content=text, **({"id": repr(text)} if halves else {}))


def documents_of(texts):
    return list(map(made, texts)) if isinstance(texts, list) else texts


def vectors_of(answer):
    return [document.embedding for document in answer["documents"]]


class Haystack(FrameworkSuite):
    plugin = "haystack"
    # The component inside refuses what is not a text, in its own words.
    no_text = no_texts = "expects a (string|list of Documents) as"
    # Documents that could not be embedded come back as they were, and so do queries.
    may_leave_out = True

    @property
    def kind(self):
        return hs.Component

    def embedder(self, model):
        if model.is_known:
            return Pair(hs.KnownToDocuments(model), hs.KnownToTexts(model))
        return Pair(hs.StrangerToDocuments(model), hs.StrangerToTexts(model))

    def embedder_of_fields(self, *, api_key="", **fields):
        fields["api_key"] = hs.Secret.from_token(api_key) if api_key else None
        return Pair(hs.PlainToDocuments(**fields), hs.PlainToTexts(**fields))

    def wrap(self, embedder, store, **options):
        documents = super().wrap(embedder.documents, store, **options)
        said = {name: value for name, value in options.items() if name in WRAP_OPTIONS}
        return Pair(documents, super().wrap(embedder.queries, documents.cache, **said))

    def parts(self, embedder):
        return list(embedder)

    def insides(self, wrapped):
        return [each.embedder for each in wrapped]

    def shown(self, wrapped):
        return f"{super().shown(wrapped)} {' '.join(map(written, wrapped))}"

    def embed_documents(self, wrapped, texts):
        return vectors_of(wrapped.documents.run(documents=documents_of(texts)))

    def embed_query(self, wrapped, text):
        return wrapped.queries.run(text=text)["embedding"]

    async def aembed_documents(self, wrapped, texts):
        return vectors_of(await wrapped.documents.run_async(documents=documents_of(texts)))

    async def aembed_query(self, wrapped, text):
        return (await wrapped.queries.run_async(text=text))["embedding"]


def written(wrapper):
    """What stands in a file of a pipeline, or why nothing may stand there."""
    try:
        return f"{wrapper.to_dict()}"
    except Exception as error:
        return f"{error!r}"
