"""One attempt for many callers: who waits shares its outcome, unless Ctrl-C has cut it short."""

from __future__ import annotations

import threading

import pytest
from core_support import LIMIT, Worker

from embedonce.runtime.sharing import SharedAttempt


class Announcing:
    """A lock that tells when somebody wants it."""

    def __init__(self, lock):
        self.lock, self.is_wanted = lock, threading.Event()

    def __enter__(self):
        self.is_wanted.set()
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)


def two(outcome, *, fresh):
    """Let a second thread wait for an attempt with some outcome; return both, and how many attempts the second made."""
    shared, reached, gate, made = SharedAttempt(), threading.Event(), threading.Event(), []

    def held():
        reached.set()
        assert gate.wait(LIMIT)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    first = Worker(shared.run, held, fresh=False)
    assert reached.wait(LIMIT)
    shared.lock = Announcing(shared.lock)
    second = Worker(shared.run, lambda: made.append(1) or False, fresh=fresh)
    assert shared.lock.is_wanted.wait(LIMIT)
    gate.set()
    return first, second, made


def test_who_waits_shares_the_result():
    first, second, made = two(outcome=False, fresh=False)
    assert first.result() is False
    assert second.result() is True, "there was an attempt"
    assert made == []


def test_who_waits_shares_the_error():
    first, second, made = two(OSError("down"), fresh=False)
    for each in (first, second):
        with pytest.raises(OSError, match="down"):
            each.result()
    assert made == []


def test_who_knows_of_a_change_makes_an_attempt_that_begins_later():
    _, second, made = two(outcome=True, fresh=True)
    assert second.result() is False
    assert made == [1]


@pytest.mark.parametrize("fresh", [False, True])
def test_an_attempt_that_was_interrupted_is_none(fresh):
    first, second, made = two(KeyboardInterrupt(), fresh=fresh)
    with pytest.raises(KeyboardInterrupt):
        first.result()
    assert second.result() is False
    assert made == [1]
