"""Ctrl-C at a place of one's choosing."""

from __future__ import annotations

import dis
import functools
import os
from pathlib import Path

import embedonce

PACKAGE = str(Path(embedonce.__file__).parent) + os.sep


class Interrupt:
    """Raises `KeyboardInterrupt` at a place where the interpreter can do so; `trace` is for `sys.settrace`.

    Those are the places where it looks for signals: the start of a function or generator, after a call, and before a
    loop goes on.

    Args:
        at: Number of the place.
        files: What the paths of files begin with in which places are counted.
        counts: Says whether places are counted just now.

    Attributes:
        where: File, function and line of the place; None before it is reached.
    """

    def __init__(self, at, files=PACKAGE, counts=lambda: True):
        self._left, self._files, self._counts = at, files, counts
        self.where = None

    def trace(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(self._files):
            return None
        frame.f_trace_opcodes = True
        places, before = _places(frame.f_code), None

        def count(frame, event, argument):
            nonlocal before
            if event == "opcode":
                if (before, frame.f_lasti) in places and self._counts():
                    self._left -= 1
                    if not self._left:
                        self.where = (frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno)
                        raise KeyboardInterrupt
                before = frame.f_lasti
            return count

        return count


class _Places:
    """Pairs of instructions of a function that follow each other, between which an interrupt can come."""

    def __init__(self, code):
        looking = ("RESUME", "CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "POP_JUMP_BACKWARD")
        self._after = {
            each.offset
            for each in dis.get_instructions(code)
            if each.opname.startswith(looking) and not (each.opname == "RESUME" and each.arg > 1)
        }
        # Where exceptions are handled, since Python 3.11.
        table = getattr(dis, "_parse_exception_table", lambda code: [])(code)
        self._handler = {
            offset: (entry.target, entry.depth) for entry in table for offset in range(entry.start, entry.end, 2)
        }

    def __contains__(self, pair):
        before, now = pair
        # Raised by the former instruction, it would be handled as if it were raised by the latter.
        return before in self._after and self._handler.get(before) == self._handler.get(now)


_places = functools.cache(_Places)
