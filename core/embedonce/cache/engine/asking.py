"""Asking an embedder, which may be sync or async."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from embedonce.runtime.threads import in_thread, is_async

if TYPE_CHECKING:
    from collections.abc import Callable


def asked(embed: Callable[[list[str]], Any], texts: list[str]) -> Any:
    """Return the answer of an embedder; something to be awaited if it is async.

    Raises:
        RuntimeError: It raised `StopIteration`, which cannot be handed on: it would end the steps of a call as if they
            were done, and no future can hold it.
        Exception: Whatever else it raises.
    """
    try:
        return embed(texts)
    except StopIteration as error:
        msg = "the embedder raised StopIteration; did it call next() on an empty answer?"
        raise RuntimeError(msg) from error


class Asking:
    """Asks an embedder (see `embedonce.runtime.steps.Step`); one that is not async is asked in a thread."""

    __slots__ = ("_embed", "_texts")

    def __init__(self, embed: Callable[[list[str]], Any], texts: list[str]) -> None:
        self._embed = embed
        self._texts = texts

    def run(self) -> Any:
        """Return its answer."""
        return asked(self._embed, self._texts)

    async def arun(self) -> Any:
        """Async twin of `run`."""
        if is_async(self._embed):
            return await self._embed(self._texts)
        answer = await in_thread(asked, self._embed, self._texts)
        return await answer if inspect.isawaitable(answer) else answer
