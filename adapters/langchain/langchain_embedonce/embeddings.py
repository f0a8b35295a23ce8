"""CacheBackedEmbeddings: LangChain's class of that name, drop-in, on the caching core of embedonce."""

from __future__ import annotations

import asyncio
import functools
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from langchain_core.embeddings import Embeddings

from embedonce import EmbeddingCache
from embedonce.identification import EmbedRequest, IdentityTracker, attribute_inside, check_replay
from embedonce.options import WrapOptions
from embedonce.stores import is_byte_store
from embedonce.wrappers import Wrapper
from langchain_embedonce.identities import describer
from langchain_embedonce.legacy import LangChainByteStores, LangChainKey, ListStores
from langchain_embedonce.naming import Naming
from langchain_embedonce.store_arguments import cache_at, check_file_names, check_list_store, is_same_place
from langchain_embedonce.stores import TextVectorStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from langchain_core.stores import BaseStore

    from embedonce import Identity, Role
    from embedonce.hookspecs import Cache
    from embedonce.options import Auto

_BASES = ("langchain_core",)
_NO_QUERIES = "its queries are not cached"
_warned_about_sha1 = False


class CacheBackedEmbeddings(Embeddings, Wrapper):
    """LangChain embeddings that ask a cache first.

    It is used wherever the embeddings inside it were, and gives what they give, number for number, as plain
    `list[list[float]]`. Attributes that it does not have are those of the embeddings inside it; in mode `replay` its
    methods raise `CacheMissError`, since they may ask the model.

    Build it with `embedonce.wrap` or `from_bytes_store`. The constructor is that of LangChain's class: its stores
    have raw texts as keys and lists as values, and do not name the model; give each model stores of its own.

    Args:
        underlying_embeddings: The embeddings inside it.
        document_embedding_store: Keeps the vectors of documents by text.
        batch_size: Texts that are embedded between two writes, None for all at once.
        query_embedding_store: Keeps the vectors of queries by text; None if queries are not cached.

    Raises:
        ValueError: The batch size is not a positive number.
        TypeError: A store is not a LangChain store.
    """

    def __init__(
        self,
        underlying_embeddings: Embeddings,
        document_embedding_store: BaseStore[str, list[float]],
        *,
        batch_size: int | None = None,
        query_embedding_store: BaseStore[str, list[float]] | None = None,
    ) -> None:
        check_list_store(document_embedding_store)
        shared = is_same_place(query_embedding_store, document_embedding_store)
        documents = EmbeddingCache(ListStores(document_embedding_store, shared=shared))
        queries = None
        if query_embedding_store is not None:
            check_list_store(query_embedding_store)
            queries = documents
            if query_embedding_store is not document_embedding_store:
                queries = EmbeddingCache(ListStores(query_embedding_store, shared=shared))
        naming = Naming("lists", WrapOptions(batch_size=batch_size)).owned_by(underlying_embeddings)
        self._set_up(underlying_embeddings, documents, queries, naming)

    @classmethod
    def from_bytes_store(
        cls,
        underlying_embeddings: Embeddings,
        document_embedding_cache: Any,
        *,
        namespace: str = "",
        batch_size: int | None = None,
        query_embedding_cache: Any = False,
        key_encoder: Callable[[str], str] | str = "sha1",
    ) -> CacheBackedEmbeddings:
        """Build one as LangChain does; see `docs/langchain.md` for what differs.

        Args:
            underlying_embeddings: The embeddings inside it.
            document_embedding_cache: A LangChain `ByteStore` (its keys are those of LangChain, and existing JSON
                values are read), or a path, a URL, an (fs, path) pair or an `EmbeddingCache`.
            namespace: Put before the keys of a byte store. Both there and on a path it keeps one cache apart from
                another, and it names the model only where the embedder itself does not.
            batch_size: Texts that are embedded between two writes, None for all at once.
            query_embedding_cache: True to cache queries in the same place, or another store for them.
            key_encoder: Name of a key encoder or a callable. On a path the default is SHA-256.

        Raises:
            IdentityError: There is no namespace, and the embedder cannot be identified.
            KeyEncoderError: The key encoder is unknown, or not an encoder.
            StoreError: The store cannot be opened.
            ValueError: The batch size is not a positive number, or a byte store gets a namespace beside a callable or
                one that it cannot hold.
        """
        # Anything else that counts as false, such as `b""`, is refused.
        options = WrapOptions(None if namespace == "" else namespace, batch_size=batch_size)
        if not is_byte_store(document_embedding_cache):
            return cls._on_paths(
                underlying_embeddings, document_embedding_cache, query_embedding_cache, options, key_encoder
            )
        key = LangChainKey.of(key_encoder, namespace)
        check_file_names(document_embedding_cache, key)
        naming = Naming("langchain-keys", options, is_vouched_for=not isinstance(key_encoder, str))
        naming = naming.owned_by(underlying_embeddings)
        if key_encoder == "sha1":
            _warn_about_sha1()
        documents = EmbeddingCache(LangChainByteStores(document_embedding_cache, key, naming.owner))
        queries = None
        if query_embedding_cache is True or is_same_place(query_embedding_cache, document_embedding_cache):
            queries = documents
        elif is_byte_store(query_embedding_cache):
            check_file_names(query_embedding_cache, key)
            queries = EmbeddingCache(LangChainByteStores(query_embedding_cache, key, naming.owner, only_queries=True))
        elif query_embedding_cache is not False and query_embedding_cache is not None:
            queries = cache_at(query_embedding_cache, key_encoder)
        self = cls.__new__(cls)
        self._set_up(underlying_embeddings, documents, queries, naming)
        return self

    @classmethod
    def _on_paths(
        cls,
        underlying_embeddings: Embeddings,
        documents: Any,
        queries: Any,
        options: WrapOptions,
        key_encoder: Any,
    ) -> CacheBackedEmbeddings:
        if isinstance(documents, EmbeddingCache) and key_encoder != "sha1":
            msg = "key_encoder: give it to the EmbeddingCache itself, not to from_bytes_store"
            raise ValueError(msg)
        cache = cache_at(documents, key_encoder)
        query_cache = None
        if queries is True:
            query_cache = cache
        elif queries is not False and queries is not None:
            query_cache = cache_at(queries, key_encoder)
        return cls._wrapping(underlying_embeddings, cache, query_cache, Naming("paths", options))

    @classmethod
    def from_cache(
        cls, underlying_embeddings: Embeddings, cache: EmbeddingCache, options: WrapOptions | None = None
    ) -> CacheBackedEmbeddings:
        """Build one on an `EmbeddingCache`, for documents and queries; what `embedonce.wrap` calls.

        Raises:
            IdentityError: No namespace is given, and the embedder cannot be identified.
            StoreError: The store cannot be opened.
        """
        return cls._wrapping(underlying_embeddings, cache, cache, Naming("embedonce", options or WrapOptions()))

    @classmethod
    def _wrapping(
        cls,
        underlying_embeddings: Embeddings,
        cache: EmbeddingCache,
        query_cache: EmbeddingCache | None,
        naming: Naming,
    ) -> CacheBackedEmbeddings:
        self = cls.__new__(cls)
        self._set_up(underlying_embeddings, cache, query_cache, naming)
        identity = self._tracker.declared(self.underlying_embeddings)
        if identity is not None:
            cache.open(identity)
            if query_cache is not None:
                query_cache.open(identity)
        return self

    def _set_up(
        self, embedder: Embeddings, documents: EmbeddingCache, queries: EmbeddingCache | None, naming: Naming
    ) -> None:
        self.underlying_embeddings = embedder
        self.cache = documents
        self.query_cache = queries
        self.wrap_options = naming.options
        self._naming = naming
        self._start_tracking()

    @property
    def batch_size(self) -> int | Auto | None:
        """Texts that are embedded between two writes; `"auto"` if that depends on how long the embedder takes."""
        return describer.batch_size(self.underlying_embeddings, self.cache, self.wrap_options)

    @batch_size.setter
    def batch_size(self, batch_size: int | Auto | None) -> None:
        self.wrap_options = replace(self.wrap_options, batch_size=batch_size)

    def _start_tracking(self) -> None:
        self._tracker = IdentityTracker(describer, self._naming.describe)

    @property
    def embedonce_identity(self) -> Identity | None:
        """The identity that this embedder declares to a wrapper around it; None if it is unknown."""
        return self._naming.declared(self.underlying_embeddings)

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not here. Copying and unpickling ask before anything is here at all.
        inner, cache = (self.__dict__.get(each) for each in ("underlying_embeddings", "cache"))
        if inner is None or cache is None or (name.startswith("__") and name.endswith("__")):
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        return attribute_inside(inner, name, cache, _BASES)

    def __getstate__(self) -> dict[str, Any]:
        # What was read from the embedder is read again from its copy.
        return {name: value for name, value in self.__dict__.items() if name != "_tracker"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_tracking()

    def __repr__(self) -> str:
        inner = type(self.underlying_embeddings).__name__
        return f"{type(self).__name__}({inner}, cache={self.cache!r})"

    @property
    def document_embedding_store(self) -> BaseStore[str, list[float]]:
        """The vectors of documents by text."""
        return self._store_of(self.cache, "document")

    @property
    def query_embedding_store(self) -> BaseStore[str, list[float]] | None:
        """The vectors of queries by text, None if queries are not cached."""
        return None if self.query_cache is None else self._store_of(self.query_cache, "query")

    def _store_of(self, cache: Cache, role: str) -> BaseStore[str, list[float]]:
        if isinstance(cache.store, ListStores):
            return cache.store.store
        identity = self.identity
        return TextVectorStore(cache.open(identity), "document" if identity.symmetric else role, cache.codec)

    # Identity

    @property
    def identity(self) -> Identity:
        """What decides the vectors at present; it follows when the embedder's model is changed.

        Raises:
            IdentityError: The embedder is one whose vectors must not be cached.
        """
        return self._tracker.identity(self.underlying_embeddings)

    # Embedding

    def embed_documents(self, texts: list[str], **kwargs: Any) -> list[list[float]]:
        """Return the vectors of documents.

        Args:
            texts: The documents.
            **kwargs: Passed on to the embeddings inside; those that change vectors become part of the identity.

        Raises:
            EmbedderContractError: The embedder's answer is not one finite vector per text.
            Exception: What the embedder raises.
        """
        embed = self.underlying_embeddings.embed_documents
        asked = self._request(self.cache, texts, "document", kwargs)
        vectors = self._tracker.embed(asked, lambda some: embed(some, **kwargs))
        return embed(texts, **kwargs) if vectors is None else vectors

    def embed_query(self, text: str, **kwargs: Any) -> list[float]:
        """Return the vector of a query; see `embed_documents`."""
        embed = self.underlying_embeddings.embed_query
        if self.query_cache is None:
            check_replay(self.underlying_embeddings, self.cache, _NO_QUERIES)
            return embed(text, **kwargs)
        asked = self._request(self.query_cache, [text], "query", kwargs)
        vectors = self._tracker.embed(asked, lambda some: [embed(some[0], **kwargs)])
        return embed(text, **kwargs) if vectors is None else vectors[0]

    def _request(self, cache: Cache, texts: Sequence[str], role: Role, arguments: Mapping[str, Any]) -> EmbedRequest:
        return EmbedRequest(self.underlying_embeddings, cache, texts, role, self.wrap_options.batch_size, arguments)

    async def aembed_documents(self, texts: list[str], **kwargs: Any) -> list[list[float]]:
        """Async twin of `embed_documents`."""
        embed = _async_method(self.underlying_embeddings, "embed_documents")
        sync = _sync_method(self.underlying_embeddings, "embed_documents")

        async def embed_some(some: list[str]) -> Any:
            return await embed(some, **kwargs)

        asked = self._request(self.cache, texts, "document", kwargs)
        in_thread = functools.partial(sync or self.underlying_embeddings.embed_documents, **kwargs)
        given: Any = in_thread if sync else embed_some
        vectors = await self._tracker.aembed(asked, given, is_sync=sync is not None, twin=in_thread)
        return cast("list[list[float]]", await embed(texts, **kwargs)) if vectors is None else vectors

    async def aembed_query(self, text: str, **kwargs: Any) -> list[float]:
        """Async twin of `embed_query`."""
        embed = _async_method(self.underlying_embeddings, "embed_query")
        if self.query_cache is None:
            check_replay(self.underlying_embeddings, self.cache, _NO_QUERIES)
            return cast("list[float]", await embed(text, **kwargs))
        sync = _sync_method(self.underlying_embeddings, "embed_query")

        async def embed_one(some: list[str]) -> Any:
            return [await embed(some[0], **kwargs)]

        asked = self._request(self.query_cache, [text], "query", kwargs)
        in_thread = (lambda some: [sync(some[0], **kwargs)]) if sync else None
        vectors = await self._tracker.aembed(asked, in_thread or embed_one, is_sync=sync is not None)
        return cast("list[float]", await embed(text, **kwargs)) if vectors is None else vectors[0]


def _async_method(embedder: object, name: str) -> Callable[..., Awaitable[Any]]:
    """Return the async twin of a method; objects that only look like embeddings may have none."""
    method = getattr(embedder, f"a{name}", None)
    if method is not None:
        return cast("Callable[..., Awaitable[Any]]", method)
    return functools.partial(asyncio.to_thread, getattr(embedder, name))


def _sync_method(embedder: object, name: str) -> Callable[..., Any] | None:
    """Return a method whose async twin only calls it in a thread, None if the twin does something of its own.

    The cache calls such a method in a thread itself: the answer is kept if the task is cancelled meanwhile.
    """
    twin = getattr(embedder, f"a{name}", None)
    # An object that stands for another one may hand out that one's method.
    is_own = getattr(twin, "__self__", None) is embedder
    is_plain = twin is None or (is_own and getattr(twin, "__func__", None) is getattr(Embeddings, f"a{name}"))
    return getattr(embedder, name) if is_plain else None


def _warn_about_sha1() -> None:
    """Warn once in a process."""
    global _warned_about_sha1
    if not _warned_about_sha1:
        _warned_about_sha1 = True
        warnings.warn(
            "key_encoder='sha1' is the default for the sake of existing caches, but SHA-1 is not collision-resistant: "
            "somebody who can choose texts could make two of them share a vector. For a new cache pass "
            "key_encoder='sha256'; another encoder means another cache.",
            # The caller of `from_bytes_store`.
            stacklevel=3,
        )
