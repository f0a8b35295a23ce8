"""CachedTextEmbedder: a component that embeds every query once."""

import copy
from typing import Any, Literal

from haystack import component

from embedonce.stores.store_options import LOCAL_TIER_BYTES
from embedonce.wrapping import Wrapper
from haystack_integrations.components.embedders.embedonce import texts
from haystack_integrations.components.embedders.embedonce.document_calls import PartlyFailedError
from haystack_integrations.components.embedders.embedonce.wrapped import CachedEmbedder


class _NothingError(PartlyFailedError):
    """The component inside has answered without a vector, which is handed on and not stored.

    It reaches whoever waits for the text, which may be a document embedder too.
    """

    def __init__(self, text: str, answer: dict[str, Any]) -> None:
        super().__init__({}, {text})
        self.answer = answer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.failed, self.answer)


@component
class CachedTextEmbedder(CachedEmbedder):
    """
    Embeds every query once: a text embedder that asks a cache first.

    It has the inputs and outputs of the component inside and can replace it in any pipeline. That component is warmed
    up when a text has to be embedded for the first time: for hits it needs neither a key nor a model.

    ### Usage example

    ```python
    from haystack.components.embedders import MockTextEmbedder
    from haystack_integrations.components.embedders.embedonce import CachedTextEmbedder

    embedder = CachedTextEmbedder(MockTextEmbedder(dimension=8), "./embeddings")
    print(embedder.run(text="What is a cache?")["embedding"])
    ```
    """

    _INPUT = "text"
    _OUTPUT = "embedding"
    _ROLE = "query"

    def __init__(
        self,
        embedder: Any,
        store: Any = None,
        *,
        namespace: Any = None,
        version: str | int | None = None,
        symmetric: bool | None = None,
        batch_size: Any = "auto",
        key_encoder: Any = "sha256",
        codec: str = "exact",
        mode: Any = "read_write",
        storage_options: dict[str, Any] | None = None,
        on_store_error: Literal["warn", "raise"] = "warn",
        text_safe: bool = False,
        durability: Any = "write_behind",
        refresh_interval: float | None = None,
        local_tier: Any = False,
        local_tier_bytes: int = LOCAL_TIER_BYTES,
    ) -> None:
        """
        Put a cache before a text embedder.

        :param embedder: The text embedder.
        :param store: Where vectors are kept: a path, a URL, an (fs, path) pair, a byte store, an `EmbeddingCache`, or
            None for `$EMBEDONCE_STORE` and else the user's cache directory.
        :param namespace: The whole identity, instead of the one that is derived from the embedder.
        :param version: A salt for what a model's name does not show.
        :param symmetric: True if queries are embedded like documents, so that they share entries.
        :param batch_size: Means nothing for single texts.
        :param key_encoder: See `embedonce.EmbeddingCache`, as for all further parameters.
        :param codec: See `embedonce.EmbeddingCache`.
        :param mode: See `embedonce.EmbeddingCache`.
        :param storage_options: Options of the file system behind a URL; a `Secret` in them stands for its value.
        :param on_store_error: See `embedonce.EmbeddingCache`.
        :param text_safe: See `embedonce.EmbeddingCache`.
        :param durability: See `embedonce.EmbeddingCache`.
        :param refresh_interval: See `embedonce.EmbeddingCache`.
        :param local_tier: See `embedonce.EmbeddingCache`.
        :param local_tier_bytes: See `embedonce.EmbeddingCache`.
        :raises IdentityError: What the embedder computes cannot be told apart from another one's; pass `namespace`.
        :raises StoreError: The store cannot be opened, or is something else than a cache.
        :raises TypeError: The embedder is no text embedder.
        :raises ValueError: A parameter is not one of those listed.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "embedder", "store")}
        given.pop("__class__", None)
        self._set_up(embedder, store, given)

    def run(self, text: str, **kwargs: Any) -> dict[str, Any]:
        """
        Embed a text, if it is not in the cache.

        :param text: The text.
        :param kwargs: Further inputs of the component inside; those that are set become part of the key.
        :returns: What the component inside returns; `meta` reports no usage for a text from the cache.
        :raises EmbedderContractError: The embedder has answered with something else than one finite vector.
        """
        if not isinstance(text, str):
            return self._ask(text=text, **kwargs)
        answers: list[dict[str, Any]] = []
        found: list[Any] = []

        def embed(some: list[str]) -> list[Any]:
            if found:
                return found
            answers.append(self._ask(text=text, **kwargs))
            return _vector_in(answers[-1], *some)

        while True:
            asked = texts.of_text(self.embedder, text)
            try:
                vectors = self._described.embed(self._question([asked], kwargs), embed)
                break
            except _NothingError as error:
                return copy.deepcopy(error.answer)
            except PartlyFailedError as error:
                found = _found_by_others(asked, error)
        return self._ask(text=text, **kwargs) if vectors is None else self._answered(vectors[0], answers)

    async def run_async(self, text: str, **kwargs: Any) -> dict[str, Any]:
        """
        Embed a text, if it is not in the cache; the async twin of `run`.

        :param text: The text.
        :param kwargs: Further inputs of the component inside; those that are set become part of the key.
        :returns: What the component inside returns; `meta` reports no usage for a text from the cache.
        :raises EmbedderContractError: The embedder has answered with something else than one finite vector.
        """
        if not isinstance(text, str):
            return await self._aask(text=text, **kwargs)
        answers: list[dict[str, Any]] = []
        found: list[Any] = []

        async def embed(some: list[str]) -> list[Any]:
            if found:
                return found
            answers.append(await self._aask(text=text, **kwargs))
            return _vector_in(answers[-1], *some)

        while True:
            asked = texts.of_text(self.embedder, text)
            try:
                vectors = await self._described.aembed(self._question([asked], kwargs), embed)
                break
            except _NothingError as error:
                return copy.deepcopy(error.answer)
            except PartlyFailedError as error:
                found = _found_by_others(asked, error)
        return await self._aask(text=text, **kwargs) if vectors is None else self._answered(vectors[0], answers)

    def _answered(self, vector: list[float], answers: list[dict[str, Any]]) -> dict[str, Any]:
        self._tell(1, len(answers))
        return self._answer(vector, [answer.get("meta") or {} for answer in answers])


def _vector_in(answer: dict[str, Any], text: str) -> list[Any]:
    vector = answer.get("embedding")
    if vector is None or len(vector) == 0:
        raise _NothingError(text, answer)
    return [vector]


def _found_by_others(text: str, error: PartlyFailedError) -> list[Any]:
    """Return the vector of a text from a document embedder that was waited for, and has failed at a text of its own."""
    return [error.vectors[text]] if text in error.vectors else []


# It cannot inherit: components have a metaclass of their own.
Wrapper.register(CachedTextEmbedder)
