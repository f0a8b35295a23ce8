"""A byte store in one SQLite file: `acme:///path/of/file.db`."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def open_store(url: str, *, password: str = "", timeout: float = 30.0) -> AcmeStore:
    """Open a store; embedonce calls this with the user's `storage_options` as keyword arguments.

    Args:
        url: `acme:///path/of/file.db`; the file need not exist.
        password: Only who knows the password with which the file was made may open it. Nothing is encrypted.
        timeout: Seconds to wait for others who write.

    Raises:
        ValueError: The URL holds something else than a path.
        PermissionError: The password is wrong.
        sqlite3.Error: The file cannot be opened, or is no database.
    """
    parts = urlsplit(url)
    path = url2pathname(parts.path)
    if parts.netloc or parts.query or parts.fragment or not path.strip("/\\"):
        msg = "the URL of a store of Acme is acme:// and an absolute path: acme:///path/of/file.db"
        raise ValueError(msg)
    store = AcmeStore(path, timeout)
    store.unlock(password)
    return store


class AcmeStore:
    """Keeps bytes under keys (see `embedonce.ByteStore`), for any number of threads and processes.

    Args:
        path: The file.
        timeout: Seconds to wait for others who write.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        # One for each call: a connection must cross neither threads nor forks, and opening one takes little.
        connection = sqlite3.connect(self._path, timeout=self._timeout)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def unlock(self, password: str) -> None:
        """Set the password of a new file, and ask for that of any other.

        Raises:
            PermissionError: It is wrong.
        """
        with self._database() as database:
            database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            database.execute("CREATE TABLE IF NOT EXISTS locks (only INTEGER PRIMARY KEY, salt BLOB, digest BLOB)")
            salt = os.urandom(16)
            database.execute("INSERT OR IGNORE INTO locks VALUES (1, ?, ?)", (salt, _digest(password, salt)))
            salt, digest = database.execute("SELECT salt, digest FROM locks").fetchone()
        if not hmac.compare_digest(_digest(password, salt), digest):
            msg = f"{self._path} was made with another password"
            raise PermissionError(msg)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of the keys, None for each key that is absent."""
        with self._database() as database:
            rows = [database.execute("SELECT value FROM vectors WHERE key = ?", (key,)).fetchone() for key in keys]
        return [None if row is None else row[0] for row in rows]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store the values, all or none."""
        with self._database() as database:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", key_value_pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete the keys; absent ones are ignored."""
        with self._database() as database:
            database.executemany("DELETE FROM vectors WHERE key = ?", [(key,) for key in keys])

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix, as they were when this began."""
        with self._database() as database:
            keys = database.execute("SELECT key FROM vectors").fetchall()
        yield from (key for (key,) in keys if key.startswith(prefix or ""))


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 12, r=8, p=1)
