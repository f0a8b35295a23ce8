"""An object per vector on a distant store, as other caches keep them there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.peers.plain import digests

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ObjectPerKey:
    """Raw numbers by digest, as many requests at once as s3fs sends.

    Args:
        file_system: An fsspec file system.
        prefix: Where the objects are.
        dimensions: Length of the vectors.
    """

    name: ClassVar[str] = "an object per vector"

    def __init__(self, file_system: Any, prefix: str, dimensions: int) -> None:
        self._file_system = file_system
        self._prefix = prefix
        self._dimensions = dimensions

    def _paths(self, texts: list[str]) -> list[str]:
        return [f"{self._prefix}/{key.hex()}" for key in digests(texts)]

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        self._file_system.pipe(dict(zip(self._paths(texts), map(bytes, matrix), strict=True)))

    def get(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Peer`."""
        paths = self._paths(texts)
        found = self._file_system.cat(paths)
        # `cat` of one path gives its bytes alone.
        blobs = [found] if isinstance(found, bytes) else [found[path] for path in paths]
        return np.frombuffer(b"".join(blobs), np.float32).reshape(len(texts), self._dimensions)
