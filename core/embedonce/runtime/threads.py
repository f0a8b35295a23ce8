"""Work that must not hold up an event loop."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread of the loop's pool, and return what it returns."""
    # Whoever awaits this has imported it already; `import embedonce` need not.
    import asyncio

    return await asyncio.to_thread(function, *args, **kwargs)


def is_async(embed: object) -> bool:
    """True if calling an embedder is known to give a coroutine."""
    return inspect.iscoroutinefunction(embed) or inspect.iscoroutinefunction(getattr(embed, "__call__", None))  # noqa: B004
