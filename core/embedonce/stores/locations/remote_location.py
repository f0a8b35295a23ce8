"""A place that a driver of fsspec reaches: opened again in every process, and without showing its secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from embedonce.errors import StoreError
from embedonce.runtime.signals import let_through
from embedonce.secrets import Recipe, keep, recall, scrubbed, shown_url, texts_in, url_without_secrets, without_secrets
from embedonce.stores.drivers.drivers import driver_of, tuned, with_defaults
from embedonce.stores.drivers.faults import fault_of, store_error
from embedonce.stores.drivers.urls import schemes
from embedonce.stores.places.directory import is_namespace_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.stores.places.directory import Directory


class RemoteLocation:
    """A path on an fsspec file system.

    A pickle contains no secrets. They are restored in the process that made the pickle and in its forks; in any other
    process the driver looks for credentials itself, for instance in the environment.

    Args:
        url: What the user wrote.
        storage_options: Options of the file system; never shown, since they may hold secrets.
        file_system: An instance and a path on it, instead of the URL.
    """

    is_local = False

    def __init__(
        self, url: str, storage_options: Mapping[str, Any] | None = None, file_system: tuple[Any, str] | None = None
    ) -> None:
        self._url = url
        self._options = dict(storage_options or {})
        self._recipe: Recipe | None = None
        self._path = ""
        self._is_stripped = False
        self._instance: tuple[int, Any, str] | None = None
        if file_system is not None:
            fs, self._path = file_system
            self._recipe = Recipe.of(fs)
            self._instance = (os.getpid(), fs, self._path)
        self._connect()

    @property
    def is_near(self) -> bool:
        """True for `memory://`, which is in this process."""
        return schemes(self._url) == ["memory"]

    def __str__(self) -> str:
        return shown_url(self._url)

    def __repr__(self) -> str:
        return f"RemoteLocation({str(self)!r})"

    def _content(self) -> tuple[str, dict[str, Any], Recipe | None, str]:
        return self._url, self._options, self._recipe, self._path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteLocation) and self._content() == other._content()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        content = self._content()
        plain = (
            url_without_secrets(self._url),
            without_secrets(self._options),
            without_secrets(self._recipe),
            self._path,
        )
        token = None if plain == content else keep(content)
        return {"content": plain, "token": token, "is_stripped": self._is_stripped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        token = state["token"]
        content = None if token is None else recall(token)
        self._url, self._options, self._recipe, self._path = content or state["content"]
        self._is_stripped = state["is_stripped"] or (token is not None and content is None)
        self._instance = None

    def scrub(self, text: str) -> str:
        """Return a text with `…` instead of every secret of this place."""
        hidden = texts_in(self._url) | texts_in(self._options) | texts_in(self._recipe)
        return scrubbed(text, hidden)

    def error(self, error: BaseException, action: str) -> StoreError:
        """Return the error for callers, without secrets."""
        note = self._advice() if self._is_stripped and fault_of(error) == "denied" else ""
        return store_error(error, action, f"the store at {self}", self.scrub, note)

    def _advice(self) -> str:
        driver = next((found for each in reversed(schemes(self._url)) if (found := driver_of(each))), None)
        places = f"{driver.credentials}, or " if driver is not None else ""
        return (
            "credentials are not pickled with a cache, so this process has to find its own: "
            f"in {places}fsspec's configuration; or make the cache in this process"
        )

    def check(self, *, create: bool) -> None:
        """Connect; a prefix need not be created, and one that does not exist is an empty cache."""
        self._connect()

    def open(self, directory: str, *, create: bool) -> Directory:
        """Return one directory below the root."""
        from embedonce.stores.places.remote import RemoteDirectory

        _, root = self._connect()
        return RemoteDirectory(lambda: self._connect()[0], f"{root.rstrip('/')}/{directory}")

    def directories(self) -> list[str]:
        """Return the names of the directories below the root that hold one namespace each."""
        from embedonce.stores.places.listings import directories_in

        fs, root = self._connect()
        try:
            return sorted(name for name in directories_in(fs, root) if is_namespace_directory(name))
        except Exception as error:
            raise self.error(error, "list") from None

    def _connect(self) -> tuple[Any, str]:
        """Return the file system and the root on it, made anew in a forked child and after unpickling."""
        if self._instance is not None and self._instance[0] == os.getpid():
            return self._instance[1], self._instance[2]
        fs, path = self._open_url() if self._recipe is None else (self._recipe.make(), self._path)
        self._instance = (os.getpid(), fs, path)
        return fs, path

    def _open_url(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        from embedonce.stores.places.listings import beneath_cache

        try:
            fs, path = url_to_fs(self._url, **with_defaults(self._url, self._options))
        except ImportError as error:
            driver = next((found for each in schemes(self._url) if (found := driver_of(each))), None)
            remedy = f'run: pip install "embedonce[{driver.extra}]"' if driver else "install the package that it names"
            msg = f"no driver for {self}: {error}; {remedy}"
            raise StoreError(msg) from error
        except Exception as error:
            let_through(error)
            if self._is_stripped:
                msg = f"cannot open {self}: {type(error).__name__}; {self._advice()}"
                raise StoreError(msg) from None
            if self._options or "@" in self._url:
                # The message of the file system may contain a secret.
                msg = f"cannot open {self}: {type(error).__name__}; check the URL and storage_options"
                raise StoreError(msg) from None
            msg = f"cannot open {self}: {error}; check the URL"
            raise StoreError(msg) from error
        tuned(beneath_cache(fs))
        return fs, str(path)
