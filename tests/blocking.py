"""A guard against calls that hold up an event loop: what blocks, and what opens or lists anything on a disk."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio imports it on the loop, with its first thread
import sys
from contextlib import contextmanager

from blockbuster import blockbuster_ctx

_OF_DISKS = ("open", "mmap.__new__")
_seen: list[str] | None = None
_is_watched = False


def _watch(event, arguments):
    if (
        _seen is not None
        and (event in _OF_DISKS or event.startswith("os."))
        and asyncio._get_running_loop() is not None
    ):
        _seen.append(f"{event} {arguments[:1]}")


@contextmanager
def no_blocking_calls():
    """Fail where something that an event loop runs blocks, or opens or lists anything; threads may."""
    global _seen, _is_watched
    if not _is_watched:
        # An audit hook stays for good; it sees what blockbuster does not replace, such as `open`.
        _is_watched = True
        sys.addaudithook(_watch)
    _seen = []
    try:
        with blockbuster_ctx():
            yield
        assert not _seen
    finally:
        _seen = None
