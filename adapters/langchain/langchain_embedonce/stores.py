"""The segment store as a LangChain byte store, and cached vectors as a LangChain store by text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.stores import BaseStore

from embedonce.options import StoreOptions
from embedonce.stores import SegmentStore
from embedonce.vectors.codecs import EXACT
from embedonce.vectors.lists import as_lists

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from typing_extensions import Unpack

    from embedonce.namespaces.protocol import Namespace
    from embedonce.options import StoreKeywords
    from embedonce.vectors.codecs import Codec


class FsspecByteStore(SegmentStore, BaseStore[str, bytes]):
    """A LangChain `ByteStore` on any path or URL: packed, checked, safe for many processes.

    Args:
        path: A path, a URL, an (fs, path) pair or a `UPath`.
        namespace: Stores of different namespaces on one path see nothing of each other.
        storage_options: Options of the file system behind a URL; `fsync`, `file_mode` and `dir_mode` for a path.
        read_only: True to write nothing.
        **options: `durability`, `refresh_interval`, `local_tier` and `local_tier_bytes` of `embedonce.EmbeddingCache`.
            On a distant path a few values may wait for others; `flush` and `close` end that.

    Raises:
        StoreError: The path cannot be read, or holds something that is not a cache.
    """

    def __init__(
        self,
        path: object,
        *,
        namespace: str = "bytes",
        storage_options: Mapping[str, Any] | None = None,
        read_only: bool = False,
        **options: Unpack[StoreKeywords],
    ) -> None:
        super().__init__(
            path, namespace, storage_options=storage_options, read_only=read_only, options=StoreOptions.of(options)
        )


class TextVectorStore(BaseStore[str, list[float]]):
    """Cached vectors by text: what LangChain's class shows as `document_embedding_store`.

    Texts are hashed, so `yield_keys` gives the keys under which they are stored and not the texts.

    Args:
        namespace: Where the vectors are kept.
        role: `document` or `query`.
        codec: How they are written.
    """

    def __init__(self, namespace: Namespace, role: str, codec: Codec = EXACT) -> None:
        self._namespace = namespace
        self._role = role
        self._codec = codec

    def mget(self, keys: Sequence[str]) -> list[list[float] | None]:
        """Return the vectors of texts, None where there is none."""
        from embedonce.vectors.rows import RowBuffer

        found = RowBuffer(len(keys), None)
        self._namespace.load(self._role, self._namespace.keys(self._role, keys), found)
        if found.matrix is None:
            return [None] * len(keys)
        vectors = iter(as_lists(self._codec.vectors_of(found.matrix[found.found])))
        return [next(vectors) if is_found else None for is_found in found.found]

    def mset(self, key_value_pairs: Sequence[tuple[str, list[float]]]) -> None:
        """Store vectors by text.

        Raises:
            EmbedderContractError: The values are not vectors of one length.
            StoreError: The store cannot be written.
        """
        from embedonce.vectors.answers import vectors_of

        given = dict(key_value_pairs)
        keys = self._namespace.keys(self._role, list(given))
        # The last one of several texts with one key; a text without a key cannot be stored.
        vectors = {key: vector for key, vector in zip(keys, given.values(), strict=True) if key is not None}
        if vectors:
            known = self._namespace.dimensions if self._codec.is_exact else None
            matrix = self._codec.kept(vectors_of(list(vectors.values()), len(vectors), known))
            self._namespace.save(self._role, list(vectors), self._codec.rows_of(matrix))
            self._namespace.end_call()

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete the vectors of texts; absent ones are ignored."""
        self._namespace.delete([key for key in self._namespace.keys(self._role, keys) if key is not None])

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the stored keys that start with the prefix."""
        yield from self._namespace.stored_keys(prefix)

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncIterator[str]:
        """Async twin of `yield_keys`."""
        import asyncio

        for key in await asyncio.to_thread(lambda: list(self._namespace.stored_keys(prefix))):
            yield key
