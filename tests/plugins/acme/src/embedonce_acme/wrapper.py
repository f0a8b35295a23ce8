"""The adapter: an embedder of Acme that asks a cache first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acme import Embedder
from embedonce import Identity, Wrapper
from embedonce.identification import (
    Describer,
    EmbedRequest,
    IdentityTracker,
    KnownClass,
    describe_with,
    endpoint_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce import EmbeddingCache, WrapOptions
    from embedonce.keys.specification import Role


def _describe(model_name: Any, base_url: Any, prefix: Any) -> Identity:
    url = endpoint_of((), base_url, official={"https://api.acme.example/v1"})
    return Identity.of("acme", model_name, url=url, prefix=prefix)


describer = Describer({("acme", "Embedder"): KnownClass(_describe, ignores="api_key billed")})
"""Which fields of an embedder of Acme decide its vectors; subclasses are told apart by all that they add."""


class CachedEmbedder(Embedder, Wrapper):
    """An embedder of Acme that embeds every text once. What it does not have is that of the embedder inside.

    Args:
        embedder: The embedder inside.
        cache: What to ask first.
        options: What the user said.

    Raises:
        IdentityError: No namespace is given, and the embedder cannot be identified.
        StoreError: The store cannot be opened.
    """

    def __init__(self, embedder: Embedder, cache: EmbeddingCache, options: WrapOptions) -> None:
        self.embedder = embedder
        self.cache = cache
        self.wrap_options = options
        self._look_anew()
        cache.open(self.identity)

    def _look_anew(self) -> None:
        self._tracker = IdentityTracker(describer, lambda each: describe_with(describer, each, self.wrap_options))

    @property
    def identity(self) -> Identity:
        """What decides the vectors just now; it follows when the embedder is changed."""
        return self._tracker.identity(self.embedder)

    def encode_passages(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of passages."""
        embed = self.embedder.encode_passages
        vectors = self._tracker.embed(self._request(texts, "document"), embed)
        # None if the embedder was changed into one that cannot be told from others.
        return embed(texts) if vectors is None else vectors

    def encode_question(self, text: str) -> list[float]:
        """Return the vector of a question."""
        embed = self.embedder.encode_question
        vectors = self._tracker.embed(self._request([text], "query"), lambda texts: [embed(texts[0])])
        return embed(text) if vectors is None else vectors[0]

    async def encode_passages_async(self, texts: list[str]) -> list[list[float]]:
        """Async twin of `encode_passages`."""
        embed = self.embedder.encode_passages_async
        vectors = await self._tracker.aembed(self._request(texts, "document"), embed)
        return await embed(texts) if vectors is None else vectors

    async def encode_question_async(self, text: str) -> list[float]:
        """Async twin of `encode_question`."""
        embed = self.embedder.encode_question_async

        async def embed_one(texts: list[str]) -> list[list[float]]:
            return [await embed(texts[0])]

        vectors = await self._tracker.aembed(self._request([text], "query"), embed_one)
        return await embed(text) if vectors is None else vectors[0]

    def _request(self, texts: Sequence[str], role: Role) -> EmbedRequest:
        return EmbedRequest(self.embedder, self.cache, texts, role, self.wrap_options.batch_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.embedder).__name__}, cache={self.cache!r})"

    def __getattr__(self, name: str) -> Any:
        # Copying and unpickling ask before anything is here at all.
        if name == "embedder" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.embedder, name)

    def __getstate__(self) -> dict[str, Any]:
        # A copy looks at its own embedder anew.
        return {name: value for name, value in self.__dict__.items() if name != "_tracker"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._look_anew()
