"""A handler of a signal that raises, as job queues limit the time of a job: the program gets its error, and nothing
that was paid for is lost."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from itertools import count
from pathlib import Path

import pytest
from core_support import BYTE_STORES, NAMESPACE, Model, Worker, bits, is_awaited, until

import embedonce
from embedonce import EmbeddingCache

PACKAGE = str(Path(embedonce.__file__).parent) + os.sep

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs alarms"),
    pytest.mark.usefixtures("nothing_is_left_in_flight"),
]


class TimeLimitError(Exception):
    """What a job queue raises."""


class LateError(TimeoutError):
    """What looks like a fault of the network."""


class WrongError(ValueError):
    """What looks like damage or a wrong answer."""


@pytest.fixture(params=[TimeLimitError, LateError, WrongError])
def limit(request):
    """The error that the handler raises."""

    def end(*_):
        raise request.param

    before = signal.signal(signal.SIGALRM, end)
    yield request.param
    signal.signal(signal.SIGALRM, before)


def time_is_over(*_):
    signal.raise_signal(signal.SIGALRM)


def over_at(number, function):
    """Call a function, and let the time be over when it calls something of embedonce for the n-th time."""
    calls = count(1)

    def watch(frame, event, argument):
        # What is raised in a generator that is being closed reaches nobody.
        is_counted = frame.f_code.co_filename.startswith(PACKAGE) and not frame.f_code.co_flags & inspect.CO_GENERATOR
        if event == "call" and is_counted and next(calls) == number:
            sys.setprofile(None)
            time_is_over()

    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", ["directory", "memory:", *BYTE_STORES])
def test_the_error_of_a_handler_reaches_the_program_wherever_it_is_raised(kind, step, limit, tmp_path):
    texts = ["a", "bb", "ccc", "a"]
    for number in count(1, step):
        if kind in BYTE_STORES:
            cache = EmbeddingCache(BYTE_STORES[kind](), split_on_error=True)
        else:
            store = f"memory://{tmp_path}/{number}" if kind == "memory:" else tmp_path / str(number)
            cache = EmbeddingCache(store, split_on_error=True, durability="write_through")
        model = Model()
        cache.embed(["warm"], Model(), namespace=NAMESPACE)
        try:
            over_at(number, lambda cache=cache, model=model: cache.embed(texts, model, namespace=NAMESPACE))
        except limit:
            again = Model()
            assert bits(cache.embed(texts, again, namespace=NAMESPACE)) == bits(model.rows(texts))
            assert not (model.calls and again.calls), f"paid twice after call {number}"
            assert cache.stats().damaged == cache.stats().read_errors == cache.stats().write_errors == 0
        else:
            assert number > 100, "it was swallowed"
            return


class Late(list):
    """An answer during whose first reading the time is over."""

    is_late = True

    def __iter__(self):
        if self.is_late:
            self.is_late = False
            time_is_over()
        return super().__iter__()


def test_an_answer_is_kept_when_the_time_is_over_while_it_is_checked(place, limit):
    cache, model = place.cache(), Model()
    with pytest.raises(limit):
        cache.embed(["a", "b"], lambda texts: Late(model.rows(texts).tolist()), namespace=NAMESPACE)
    again = Model()
    assert bits(cache.embed(["a", "b"], again, namespace=NAMESPACE)) == bits(model.rows(["a", "b"]))
    assert again.calls == []
    assert cache.stats().stored == 2


def test_the_error_of_a_handler_is_no_refusal_of_texts(place, limit):
    model = Model(answer=time_is_over)
    with pytest.raises(limit):
        place.cache(split_on_error=True).embed(["a", "b"], model, namespace=NAMESPACE)
    assert model.calls == [["a", "b"]]


def test_who_waits_for_a_call_whose_time_is_over_embeds_for_himself(place, limit):
    cache, model = place.cache(), Model()

    def embed(texts):
        workers.append(Worker(cache.embed, texts, model, namespace=NAMESPACE))
        until(lambda: is_awaited(len(texts)))
        time_is_over()

    workers = []
    with pytest.raises(limit):
        cache.embed(["a", "b"], embed, namespace=NAMESPACE)
    assert bits(workers[0].result()) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a", "b"]]
