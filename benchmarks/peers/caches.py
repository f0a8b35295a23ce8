"""Caches for anything, and those of other libraries for embeddings."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.peers.plain import digests

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_UNLIMITED = 1 << 40
_MODEL = "benchmarks"


class DiskCache:
    """diskcache: an array per digest, pickled."""

    name: ClassVar[str] = "diskcache"
    package: ClassVar[str] = "diskcache"
    gives_lists: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        import diskcache

        self._cache: Any = diskcache.Cache(str(folder), size_limit=_UNLIMITED)

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        with self._cache.transact():
            for key, row in zip(digests(texts), matrix, strict=True):
                self._cache[key] = row

    def get(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Peer`."""
        return np.stack([self._cache[key] for key in digests(texts)])

    def close(self) -> None:
        """See `Peer`."""
        self._cache.close()


class RedisVl:
    """redisvl's `EmbeddingsCache` without the server: its keys, and its own making and reading of the stored hashes."""

    name: ClassVar[str] = "redisvl, client side only"
    package: ClassVar[str] = "redisvl"
    gives_lists: ClassVar[bool] = True
    is_slow: ClassVar[bool] = True

    def __init__(self, folder: Path, dimensions: int) -> None:
        from redisvl.extensions.cache.embeddings import EmbeddingsCache

        # It connects when it is asked, and it is never asked.
        self._cache: Any = EmbeddingsCache(name=_MODEL)
        self._server: dict[str, dict[bytes, bytes]] = {}

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        for text, row in zip(texts, matrix.tolist(), strict=True):
            key, entry = self._cache._prepare_entry_data(text, _MODEL, row)
            self._server[key] = {name.encode(): str(value).encode() for name, value in entry.items()}

    def get(self, texts: list[str]) -> list[list[float]]:
        """See `Peer`."""
        read, key = self._cache._process_cache_data, self._cache._make_cache_key
        return [read(self._server[key(text, _MODEL)])["embedding"] for text in texts]

    def close(self) -> None:
        """See `Peer`."""


class LiteLlm:
    """litellm's disk cache: its keys and its store, an entry per text, as it keeps embeddings."""

    name: ClassVar[str] = "litellm, disk cache"
    package: ClassVar[str] = "litellm"
    gives_lists: ClassVar[bool] = True
    is_slow: ClassVar[bool] = True

    def __init__(self, folder: Path, dimensions: int) -> None:
        # Else it asks the network for prices when it is imported.
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        from importlib.util import find_spec

        from litellm.caching.caching import Cache

        if find_spec("litellm.caching.disk_cache") is None:
            msg = "this version of litellm has no disk cache"
            raise ImportError(msg)
        logging.getLogger("LiteLLM").setLevel(logging.ERROR)
        made: Any = Cache
        self._cache = made(type="disk", disk_cache_dir=str(folder))
        self._cache.cache.disk_cache.reset("size_limit", _UNLIMITED)

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        for text, row in zip(texts, matrix.tolist(), strict=True):
            answer = json.dumps({"object": "embedding", "index": 0, "embedding": row})
            self._cache.add_cache(answer, model=_MODEL, input=text)

    def get(self, texts: list[str]) -> list[list[float]]:
        """See `Peer`."""
        lists = []
        for text in texts:
            answer = self._cache.get_cache(model=_MODEL, input=text)
            lists.append((json.loads(answer) if isinstance(answer, str) else answer)["embedding"])
        return lists

    def close(self) -> None:
        """See `Peer`."""
        self._cache.cache.disk_cache.close()
