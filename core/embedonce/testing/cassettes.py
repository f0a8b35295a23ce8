"""Cassettes: embeddings that are recorded once and replayed by tests, for the pytest fixture `replay`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from embedonce.cache.cache import EmbeddingCache
from embedonce.errors import CacheMissError, StoreError
from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical
from embedonce.options import checked_choice
from embedonce.testing.call_sites import call_site, shown_path

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedonce.cache.engine.state import CallState
    from embedonce.identity import Identity
    from embedonce.keys.specification import Role
    from embedonce.options import Auto, Mode

Record = Literal["none", "new", "all"]

_MODES: dict[str, Mode] = {"none": "replay", "new": "read_write", "all": "refresh"}
_SHOWN = 5
"""Texts that a message describes one by one."""


class Cassette(EmbeddingCache):
    """A directory of recorded embeddings, as one test uses it.

    It remembers every miss and every fault of the directory, so that code that continues without the vectors, such as
    a retry or a fallback, does not hide them.

    Args:
        directory: Where the recordings are.
        record: `none`: a text that is not recorded is a `CacheMissError`; `new`: it is embedded and recorded; `all`:
            everything is embedded and recorded again.
        remedy: The command that records what is missing, for messages.
        root: Paths in messages are relative to it.

    Raises:
        StoreError: The directory cannot be used, or holds other files.
        ValueError: `record` is not one of those listed.
    """

    def __init__(self, directory: str | os.PathLike[str], *, record: Record = "none", remedy: str, root: Path) -> None:
        checked_choice("record", record, tuple(_MODES))
        self._remedy = remedy
        self._root = root
        # Without an error, a vector that could not be written would be missing from the recording.
        super().__init__(directory, mode=_MODES[record], on_store_error="raise")

    def _start(self) -> None:
        super()._start()
        self._failures: list[Exception] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_remedy": self._remedy, "_root": self._root}

    # Frameworks copy what they are given, and misses of the copy must fail the test too.

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def take_failures(self) -> list[Exception]:
        """Return the misses and faults since the last call of this method."""
        taken, self._failures = self._failures, []
        return taken

    def embed(
        self,
        texts: Iterable[str],
        embed: Callable[[list[str]], Any],
        *,
        namespace: str | Identity,
        role: Role = "document",
        batch_size: int | Auto | None = "auto",
    ) -> NDArray[Any]:
        """Return the vectors of texts as `EmbeddingCache.embed` does, and remember a miss or fault."""
        with self._remembering():
            return super().embed(texts, embed, namespace=namespace, role=role, batch_size=batch_size)

    async def aembed(
        self,
        texts: Iterable[str],
        embed: Callable[[list[str]], Any] | Callable[[list[str]], Awaitable[Any]],
        *,
        namespace: str | Identity,
        role: Role = "document",
        batch_size: int | Auto | None = "auto",
    ) -> NDArray[Any]:
        """Async twin of `embed`."""
        with self._remembering():
            return await super().aembed(texts, embed, namespace=namespace, role=role, batch_size=batch_size)

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except (CacheMissError, StoreError) as error:
            self._failures.append(error)
            raise

    def _miss_error(self, state: CallState) -> CacheMissError:
        texts, missing = state.plan.texts, state.rows.missing
        namespace, role = state.request.identity.namespace, state.request.role
        shown = ", ".join(_described(role, texts[i]) for i in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        msg = (
            f"{len(missing)} of {len(texts)} texts are not recorded for namespace {namespace!r} "
            f"(role {role}): {shown}{more}; asked for by {call_site(self._root)}; "
            f"{self._recorded(namespace)}; record with: {self._remedy}"
        )
        return CacheMissError(msg)

    def _recorded(self, namespace: str) -> str:
        """Describe what the directory holds: the reason is often another model, or that nothing is recorded yet."""
        where = shown_path(str(self.store), self._root)
        names = [usage.namespace for usage in self.usage()]
        if not names:
            return f"nothing is recorded in {where} yet"
        if namespace not in names:
            return f"{where} holds recordings of {', '.join(map(repr, names))} only"
        return f"{where} holds other texts of it"


def _described(role: str, text: str) -> str:
    return f"one of {len(text)} characters with the SHA-256 key {sha256(canonical(role, text))[:16]}…"
