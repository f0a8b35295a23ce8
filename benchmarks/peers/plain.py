"""What one would write by hand: a digest of the text, and the numbers of the vector under it."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_AT_ONCE = 500


def digests(texts: list[str]) -> list[bytes]:
    """Return the keys of texts."""
    return [hashlib.sha256(text.encode()).digest() for text in texts]


class Lmdb:
    """LMDB: one transaction, one get per key, nothing verified."""

    name: ClassVar[str] = "LMDB, plain gets"
    package: ClassVar[str] = "lmdb"
    gives_lists: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        import lmdb

        self._dimensions = dimensions
        self._environment: Any = lmdb.open(str(folder), map_size=1 << 36)

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        with self._environment.begin(write=True) as transaction:
            for key, row in zip(digests(texts), matrix, strict=True):
                transaction.put(key, row.tobytes())

    def get(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Peer`."""
        matrix = np.empty((len(texts), self._dimensions), np.float32)
        with self._environment.begin(buffers=True) as transaction:
            get = transaction.get
            for row, key in zip(matrix, digests(texts), strict=True):
                row[:] = np.frombuffer(get(key), np.float32)
        return matrix

    def close(self) -> None:
        """See `Peer`."""
        self._environment.close()


class Sqlite:
    """SQLite: blobs by digest, five hundred keys per SELECT."""

    name: ClassVar[str] = "SQLite, blobs"
    package: ClassVar[str] = ""
    gives_lists: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        self._dimensions = dimensions
        self._connection = sqlite3.connect(folder / "vectors.sqlite", check_same_thread=False)
        self._connection.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, value BLOB)")

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        rows = ((key, row.tobytes()) for key, row in zip(digests(texts), matrix, strict=True))
        with self._connection:
            self._connection.executemany("INSERT INTO vectors VALUES (?, ?)", rows)

    def get(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Peer`."""
        keys = digests(texts)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            found.update(self._connection.execute(f"SELECT key, value FROM vectors WHERE key IN ({marks})", some))  # noqa: S608
        joined = b"".join([found[key] for key in keys])
        return np.frombuffer(joined, np.float32).reshape(len(keys), self._dimensions)

    def close(self) -> None:
        """See `Peer`."""
        self._connection.close()


class Files:
    """One file of raw numbers per vector."""

    name: ClassVar[str] = "one raw file per vector"
    package: ClassVar[str] = ""
    gives_lists: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        self._folder = f"{folder}/"
        self._dimensions = dimensions

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        for key, row in zip(digests(texts), matrix, strict=True):
            with open(self._folder + key.hex(), "wb") as file:
                file.write(row.data)

    def get(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Peer`."""
        matrix = np.empty((len(texts), self._dimensions), np.float32)
        for row, key in zip(matrix, digests(texts), strict=True):
            with open(self._folder + key.hex(), "rb", buffering=0) as file:
                file.readinto(row.data)
        return matrix

    def close(self) -> None:
        """See `Peer`."""
