"""CachedEmbedding: an embedding model of LlamaIndex that asks a cache first."""

from __future__ import annotations

import asyncio
import copy
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding, SimilarityMode
from llama_index.core.bridge.pydantic import Field, PrivateAttr, SerializeAsAny, model_serializer
from typing_extensions import override

from embedonce import EmbeddingCache
from embedonce.errors import IdentityError
from embedonce.identification import EmbedRequest, IdentityTracker, attribute_inside, describe_with
from embedonce.options import WrapOptions, split_keywords
from embedonce.wrappers import Wrapper
from llama_index.embeddings.embedonce.identities import describer, has_sync_methods_only
from llama_index.embeddings.embedonce.store_arguments import place_of

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from fsspec import AbstractFileSystem
    from llama_index.core.schema import BaseNode
    from typing_extensions import Self, Unpack

    from embedonce import Identity, Role
    from embedonce.options import WrapKeywords

_OWN_CACHE = (
    "embeddings_cache must be None: embedonce is the cache, and LlamaIndex's own one knows neither models nor roles"
)
_BASES = ("llama_index.core",)
_SHARED = frozenset({"callback_manager", "embed_batch_size", "model_name", "num_workers", "rate_limiter"})
"""Fields of every embedding model whose values are those of the model inside."""
_SET_INSIDE = _SHARED | {"embeddings_cache"}
"""Fields that are set on the model inside when they are set on the wrapper."""


@dataclass(eq=False, slots=True)
class _State:
    """What a wrapper has besides the model inside; wrappers of one model share it.

    Attributes:
        cache: The cache that it asks.
        options: The options with which the model was wrapped.
        tracker: What decides the vectors.
    """

    cache: EmbeddingCache
    options: WrapOptions
    tracker: IdentityTracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = IdentityTracker(describer, partial(describe_with, describer, options=self.options))

    def __deepcopy__(self, memo: dict[int, Any]) -> _State:
        # The model inside is copied too, and each of the two may be changed.
        return _State(self.cache, self.options)


class CachedEmbedding(BaseEmbedding):
    """An embedding model that asks a cache first.

    It is used wherever the model inside it was, and gives what that gives, number for number. Only texts that are
    not in the cache reach the model, through its own public methods: its batches, workers, rate limiter, retries,
    callbacks and events see exactly those. Attributes that it does not have are those of the model inside; in mode
    `replay` its methods raise `CacheMissError`, since they may ask the model.

    Args:
        inner: The embedding model.
        store: Where vectors are kept: a path, a URL, an (fs, path) pair, a byte store, an `EmbeddingCache`, or None
            for `$EMBEDONCE_STORE` and else the user's cache directory.
        persist_path: Instead of `store`, as LlamaIndex names it: a path, or a URL.
        fs: The fsspec file system on which the path is.
        **options: See `embedonce.wrap`.

    Raises:
        IdentityError: What the model computes cannot be told apart from another one's; pass `namespace=`.
        StoreError: The store cannot be opened, or is not a cache.
        TypeError: `inner` is not an embedding model, or an option is unknown.
        ValueError: An option is not one of those listed, or the model has an `embeddings_cache` of its own.
    """

    inner: SerializeAsAny[BaseEmbedding] = Field(description="The embedding model inside.", repr=False)
    _state: _State = PrivateAttr()

    def __init__(
        self,
        inner: BaseEmbedding,
        store: object = None,
        *,
        persist_path: str | os.PathLike[str] | None = None,
        fs: AbstractFileSystem | None = None,
        **options: Unpack[WrapKeywords],
    ) -> None:
        self._check_inner(inner)
        cache_options, wrap_options = split_keywords(options)
        cache = EmbeddingCache.of(place_of(store, persist_path, fs), cache_options)
        self._set_up(inner, cache, wrap_options)
        self._open()

    @classmethod
    def from_cache(cls, inner: BaseEmbedding, cache: EmbeddingCache, options: WrapOptions | None = None) -> Self:
        """Build one on an `EmbeddingCache`; what `embedonce.wrap` calls.

        Raises:
            IdentityError: No namespace is given, and the model cannot be identified.
            StoreError: The store cannot be opened.
            ValueError: The model has an `embeddings_cache` of its own.
        """
        cls._check_inner(inner)
        self = cls.__new__(cls)
        self._set_up(inner, cache, options or WrapOptions())
        self._open()
        return self

    @classmethod
    def _check_inner(cls, inner: object) -> None:
        if not isinstance(inner, BaseEmbedding):
            msg = f"inner must be an embedding model of LlamaIndex, got {type(inner).__name__}"
            raise TypeError(msg)
        if isinstance(inner, Wrapper):
            msg = "inner is wrapped already; wrap the embedding model inside it instead"
            raise ValueError(msg)
        if inner.embeddings_cache is not None:
            raise ValueError(_OWN_CACHE)

    def _set_up(self, inner: BaseEmbedding, cache: EmbeddingCache, options: WrapOptions) -> None:
        super().__init__(inner=inner)  # type: ignore[call-arg]
        self._show_shared()
        self._state = _State(cache, options)

    def _show_shared(self) -> None:
        # Not checked: the class of the model inside may allow what the base class does not, such as larger batches.
        self.__dict__.update({name: getattr(self.inner, name) for name in _SHARED & type(self).model_fields.keys()})

    def _open(self) -> None:
        identity = self.embedonce_identity
        if identity is not None:
            self.cache.open(identity)

    # What every wrapper shows

    @property
    def cache(self) -> EmbeddingCache:
        """The cache that it asks."""
        return self._state.cache

    @property
    def wrap_options(self) -> WrapOptions:
        """The options with which the model was wrapped."""
        return self._state.options

    @property
    def identity(self) -> Identity:
        """What decides the vectors at present; it follows when the settings of the model are changed.

        Raises:
            IdentityError: The model is one whose vectors must not be cached.
        """
        return self._state.tracker.identity(self.inner)

    @property
    def namespace(self) -> str:
        """The name under which the vectors live."""
        return self.identity.namespace

    @property
    def embedonce_identity(self) -> Identity | None:
        """The identity that this model declares to a wrapper around it; None if its vectors must not be cached."""
        return self._state.tracker.declared(self.inner)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.inner).__name__}, cache={self.cache!r})"

    __str__ = __repr__

    # What LlamaIndex does with the fields of a component

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                inner, state = self.__dict__.get("inner"), (self.__pydantic_private__ or {}).get("_state")
                if inner is None or state is None or name.startswith("_"):
                    raise
            return attribute_inside(inner, name, state.cache, _BASES)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "inner":
            self._check_inner(value)
        if name == "embeddings_cache" and value is not None:
            raise ValueError(_OWN_CACHE)
        if name in _SET_INSIDE:
            setattr(self.inner, name, value)
        super().__setattr__(name, value)
        if name == "inner":
            self._show_shared()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; what is changed of the model inside is changed in a copy of that.

        Args:
            update: New values of fields.
            deep: Copy the model inside in any case.

        Raises:
            TypeError: The new `inner` is not an embedding model.
            ValueError: It is wrapped already or has an `embeddings_cache`, or there is no such field.
        """
        changes = dict(update or {})
        copied = super().model_copy(deep=deep)
        inner = changes.pop("inner", copied.inner)
        if inner is not copied.inner:
            copied._check_inner(inner)
        shared = {name: changes.pop(name) for name in _SET_INSIDE & changes.keys()}
        if shared:
            inner = inner.model_copy(update=shared)
        if inner is not copied.inner:
            copied._state = _State(self.cache, self.wrap_options)
            copied.inner = inner
        for name, value in changes.items():
            setattr(copied, name, value)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        # LlamaIndex removes what cannot be pickled from the object that is pickled, which is therefore a copy.
        return {"inner": copy.copy(self.inner), "cache": self.cache, "options": self.wrap_options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What was removed is missing where the class has a constructor of its own.
        missing = BaseEmbedding.model_fields.keys() - state["inner"].__dict__.keys()
        for name in missing:
            state["inner"].__dict__[name] = BaseEmbedding.model_fields[name].get_default(call_default_factory=True)
        self._set_up(**state)

    @classmethod
    @override
    def class_name(cls) -> str:
        return "CachedEmbedding"

    @model_serializer(mode="plain")
    def _serialized(self) -> dict[str, Any]:
        return self.to_dict()

    def to_dict(self, **_: Any) -> dict[str, Any]:
        """Return what decides the vectors, which an ingestion pipeline makes its key of, and nothing else.

        It holds no secret, and does not depend on batches, workers, callbacks, retries or stores.
        """
        identity = self.embedonce_identity
        if identity is None:
            # Models that cannot be told apart must not look alike, and one that may have changed not the same.
            return {"class_name": self.class_name(), "unidentified": uuid.uuid4().hex}
        return {"class_name": self.class_name(), "namespace": identity.namespace}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """Build one from what `to_dict` has answered and from what that leaves out.

        Args:
            data: The answer.
            **kwargs: Arguments of the constructor; `inner` at least.

        Raises:
            IdentityError: The model given is another one.
            TypeError: `inner` is missing.
        """
        if "inner" not in kwargs:
            msg = "the model inside is not part of a dictionary; pass it: from_dict(data, inner=…, store=…)"
            raise TypeError(msg)
        self = cls(**kwargs)
        if self.to_dict() != data:
            msg = f"the model given has the namespace {self.namespace!r}, not {data.get('namespace')!r}"
            raise IdentityError(msg)
        return self

    def to_payload(self) -> dict[str, Any]:
        """Return what events show of this model: no secrets."""
        shared = {name: getattr(self.inner, name) for name in ("model_name", "embed_batch_size")}
        return {"class_name": self.class_name(), **shared}

    def similarity(
        self, embedding1: list[float], embedding2: list[float], mode: SimilarityMode = SimilarityMode.DEFAULT
    ) -> float:
        """Return how similar two vectors are to the model inside.

        Raises:
            CacheMissError: The mode is `replay`, and the model compares them in a way of its own.
        """
        compare: Callable[..., float] = attribute_inside(self.inner, "similarity", self.cache, _BASES)
        return compare(embedding1, embedding2, mode)

    # Embedding

    def get_query_embedding(self, query: str) -> list[float]:
        """Return the vector of a query; see `get_text_embedding_batch`."""
        return self._one(query, "query", self.inner.get_query_embedding)

    async def aget_query_embedding(self, query: str) -> list[float]:
        """Async twin of `get_query_embedding`."""
        return await self._aone(query, "query", self.inner.aget_query_embedding)

    def get_text_embedding(self, text: str) -> list[float]:
        """Return the vector of a text; see `get_text_embedding_batch`."""
        return self._one(text, "document", self.inner.get_text_embedding)

    async def aget_text_embedding(self, text: str) -> list[float]:
        """Async twin of `get_text_embedding`."""
        inner = self.inner
        return await self._aone(text, "document", inner.aget_text_embedding, inner.get_text_embedding)

    def get_text_embedding_batch(
        self, texts: Sequence[str], show_progress: bool = False, **kwargs: Any
    ) -> list[list[float]]:
        """Return the vectors of texts.

        Args:
            texts: The texts.
            show_progress: Show the bar of the model inside, for the texts that it has to embed.
            **kwargs: Passed on to the model inside.

        Raises:
            EmbedderContractError: The model's answer is not one finite vector per text.
            Exception: What the model raises; batches that were finished before are stored.
        """
        inner = self.inner
        given = {**kwargs, **({"show_progress": True} if show_progress else {})}
        request = self._request(texts, "document", self._changing(kwargs, "get_text_embedding_batch"))
        vectors = self._state.tracker.embed(request, lambda some: inner.get_text_embedding_batch(some, **given))
        return inner.get_text_embedding_batch(list(texts), **given) if vectors is None else vectors

    async def aget_text_embedding_batch(
        self, texts: Sequence[str], show_progress: bool = False, **kwargs: Any
    ) -> list[list[float]]:
        """Async twin of `get_text_embedding_batch`."""
        inner = self.inner
        given = {**kwargs, **({"show_progress": True} if show_progress else {})}
        request = self._request(texts, "document", self._changing(kwargs, "aget_text_embedding_batch"))

        def twin(some: list[str]) -> list[list[float]]:
            return inner.get_text_embedding_batch(some, **given)

        is_sync = has_sync_methods_only(inner)
        vectors = await self._state.tracker.aembed(
            request,
            twin if is_sync else lambda some: inner.aget_text_embedding_batch(some, **given),
            # Each call would show a bar of its own.
            may_divide=not show_progress,
            is_sync=is_sync,
            twin=twin,
        )
        return await inner.aget_text_embedding_batch(list(texts), **given) if vectors is None else vectors

    def _one(self, text: str, role: Role, embed: Callable[[str], list[float]]) -> list[float]:
        vectors = self._state.tracker.embed(self._request([text], role), lambda some: [embed(some[0])])
        return embed(text) if vectors is None else vectors[0]

    async def _aone(
        self,
        text: str,
        role: Role,
        embed: Callable[[str], Awaitable[list[float]]],
        sync: Callable[[str], list[float]] | None = None,
    ) -> list[float]:
        async def embed_one(some: list[str]) -> list[list[float]]:
            return [await embed(some[0])]

        twin = None if sync is None else lambda some: [sync(some[0])]
        is_sync = twin is not None and has_sync_methods_only(self.inner)
        asked = twin if twin is not None and is_sync else embed_one
        vectors = await self._state.tracker.aembed(self._request([text], role), asked, is_sync=is_sync, twin=twin)
        return await embed(text) if vectors is None else vectors[0]

    def _request(self, texts: Sequence[str], role: Role, arguments: Mapping[str, Any] | None = None) -> EmbedRequest:
        state = self._state
        return EmbedRequest(self.inner, state.cache, texts, role, state.options.batch_size, arguments or {})

    def _changing(self, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        """Return the arguments of a call that may change vectors: none where the method is LlamaIndex's own.

        That one ignores them, and an ingestion pipeline passes on all that it is given.
        """
        # Not compared as attributes: a method that LlamaIndex decorates is another object at each access.
        defined_by = next(kind for kind in type(self.inner).__mro__ if method in kind.__dict__)
        return {} if defined_by is BaseEmbedding else arguments

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Give nodes their vectors, as a step of a pipeline.

        What is embedded is stored when it returns, on distant stores too: an ingestion pipeline terminates its
        worker processes as soon as they have answered.
        """
        embedded = super().__call__(nodes, **kwargs)
        self.cache.settle()
        return embedded

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Async twin of `__call__`."""
        embedded = await super().acall(nodes, **kwargs)
        await asyncio.to_thread(self.cache.settle)
        return embedded

    # What the public methods of the base class would call, and parts of LlamaIndex do call

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.get_query_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await self.aget_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.get_text_embedding(text)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await self.aget_text_embedding(text)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self.get_text_embedding_batch(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await self.aget_text_embedding_batch(texts)


# It cannot inherit: pydantic would take the attributes of `Wrapper` for fields.
Wrapper.register(CachedEmbedding)
