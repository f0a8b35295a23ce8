"""Errors that a handler of a signal has raised, in the middle of whatever the program was doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def raised_by_handler(error: BaseException) -> bool:
    """True if a handler of a signal has raised an error, as the time limits of job queues do.

    Such an error says nothing about what it has interrupted. A handler is known by what it is called with: the frame
    that it interrupts.
    """
    link = error.__traceback__
    while link is not None and link.tb_next is not None:
        interrupted, link = link.tb_frame, link.tb_next
        if _is_given(interrupted, link.tb_frame):
            return True
    return False


def let_through(error: BaseException) -> None:
    """Raise an error again if a handler of a signal has raised it: it is meant for the program.

    For handlers of errors that would otherwise take it for a fault of what it has interrupted.
    """
    if raised_by_handler(error):
        raise error


def _is_given(interrupted: FrameType, called: FrameType) -> bool:
    for value in called.f_locals.values():
        # `def handler(*arguments)` has it in a tuple.
        if value is interrupted or (type(value) is tuple and any(each is interrupted for each in value)):
            return True
    return False
