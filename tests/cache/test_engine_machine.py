"""Whatever threads, tasks, loops, embedders, stores and interrupts do: nothing is wrong, lost or waited for in vain."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile

import pytest
import uvloop
from engine_actors import FIGURES, Loop, Place, Vectors
from engine_world import World
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from embedonce.keys.encoders import sha256

NAMESPACES, ROLES = ("acme/e5", "acme/bge?dimensions=5"), ("document", "query")
TEXTS = ["a", "b", "c", "d", "e", "no key"]
POOL = 2


def keyless(text):
    """A key encoder that fails on one text."""
    if "no key" in text:
        raise UnicodeError
    return sha256(text)


CACHES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "mode": st.sampled_from(["read_write", "read_only", "refresh", "replay", "off"]),
            "batch_size": st.sampled_from([1, 2, None]),
            "on_store_error": st.just("raise"),
        },
    ),
    min_size=1,
    max_size=3,
)
ASKED = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=5)
# Most calls are for the same texts of the same model.
TARGETS = st.sampled_from([(NAMESPACES[0], "document")] * 4 + [(name, role) for name in NAMESPACES for role in ROLES])
GOOD = st.sampled_from(["right", "list", "generator"])
BAD = st.sampled_from(["raise", "interrupt", "stop iteration", "zero", "nan", "none", "one more", "one less"])
RE_ENTRANT = st.sampled_from(["asks itself", "asks in a thread", "asks in threads"])
WHICH = st.integers(0, 7)
TURNS = st.integers(0, 12)
TIMES = st.sampled_from([1, 4, None])


class Engine(RuleBasedStateMachine):
    world = None

    @initialize(
        kind=st.sampled_from(["directory", "memory", "foreign", "foreign", "foreign-async"]),
        codec=st.sampled_from(["exact", "exact", "float16", "int8"]),
        encoder=st.sampled_from(["sha256", keyless]),
        caches=CACHES,
        loops=st.lists(st.sampled_from([asyncio.new_event_loop, uvloop.new_event_loop]), min_size=2, max_size=3),
        patience=st.sampled_from([0.02, 0.1]),
    )
    def start(self, kind, codec, encoder, caches, loops, patience):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("embedonce.cache.engine.flight.PATIENCE", patience)
        # A store that is healthy again is asked again.
        self.patch.setattr("embedonce.cache.health._PAUSE", 0.0)
        self.root = tempfile.mkdtemp()
        options = [{"codec": codec, "key_encoder": encoder, **each} for each in caches]
        unkeyed = ["no key"] if encoder is keyless else []
        self.world = World(Place(kind, self.root), Vectors(NAMESPACES, ROLES, TEXTS), options, unkeyed)
        self.world.loops = [Loop(make, POOL) for make in loops]
        for loop in self.world.loops:
            loop.run()

    def _loop(self, which):
        return self.world.loops[which % len(self.world.loops)]

    def _settled(self):
        FIGURES["rules"] += 1
        self.world.settle()

    # Calls

    @rule(cache=WHICH, texts=ASKED, about=TARGETS)
    def call_in_a_thread(self, cache, texts, about):
        self.world.in_thread(cache, texts, about)
        self._settled()

    @rule(
        cache=WHICH,
        texts=ASKED,
        about=TARGETS,
        since=st.sampled_from(["start", "answered", "answered"]),
        at=st.integers(1, 400),
    )
    def call_that_is_interrupted(self, cache, texts, about, since, at):
        self.world.in_thread(cache, texts, about, interrupt=(since, at))
        self._settled()

    @rule(
        loop=WHICH,
        cache=WHICH,
        texts=ASKED,
        about=TARGETS,
        kind=st.sampled_from(["sync", "sync", "async", "async", "awaitable", "blocking", "pool"]),
    )
    def call_in_a_loop(self, loop, cache, texts, about, kind):
        self.world.in_loop(self._loop(loop), cache, texts, about, kind)
        self._settled()

    @rule(cache=WHICH, texts=ASKED, about=TARGETS)
    def call_whose_embedder_answers_at_once(self, cache, texts, about):
        call = self.world.in_thread(cache, texts, about, is_immediate=True)
        if not self.world.place.held:
            self.world.await_end([call], "HANGS: a call whose embedder answers at once has not ended")
        self._settled()

    # What embedders do

    def _answer(self, which, how, turns):
        questions = list(self.world.questions)
        if questions:
            question = questions[which % len(questions)]
            self.world.release(question, how)
            FIGURES[f"answers: {how}"] += 1
            if turns is not None and question.call.task is not None:
                self.world.cancel(question.call, turns)
        self._settled()

    @rule(which=WHICH, how=GOOD)
    def answer(self, which, how):
        self._answer(which, how, None)

    @rule(which=WHICH, how=BAD)
    def answer_badly(self, which, how):
        self._answer(which, how, None)

    @rule(which=WHICH, how=RE_ENTRANT)
    def ask_the_cache_inside_of_an_embedder(self, which, how):
        self._answer(which, how, None)

    @rule(which=WHICH, how=st.one_of(GOOD, BAD, RE_ENTRANT), turns=TURNS)
    def answer_and_cancel(self, which, how, turns):
        self._answer(which, how, turns)

    # What befalls calls, loops and the store

    @rule(which=WHICH, turns=TURNS)
    def cancel(self, which, turns):
        tasks = self.world.tasks()
        if tasks:
            self.world.cancel(tasks[which % len(tasks)], turns)
        self._settled()

    @rule(which=WHICH)
    def interrupt(self, which):
        calls = [
            call
            for call in self.world.calls
            if call.thread is not None and not (call.is_racing or call.may_be_interrupted or call.ended.is_set())
        ]
        # What a held store waits for is not made for interrupts.
        if calls and not self.world.place.held:
            self.world.interrupt(calls[which % len(calls)])
        self._settled()

    @rule(which=WHICH, what=st.sampled_from(["stop", "stop", "run", "run", "close"]))
    def change_a_loop(self, which, what):
        loop = self._loop(which)
        if what == "stop":
            loop.stop()
        elif what == "run":
            loop.run()
        elif which % len(self.world.loops):
            # One is left to call in.
            loop.close()
            self.world.forget_dead_tasks()
        self._settled()

    @rule(which=WHICH, is_busy=st.booleans())
    def change_a_pool(self, which, is_busy):
        if is_busy:
            self._loop(which).block(POOL)
        else:
            self._loop(which).free()
        self._settled()

    @rule(what=st.sampled_from(["hold", "fail"]), verb=st.sampled_from(["mget", "mset"]), times=TIMES)
    def trouble_the_store(self, what, verb, times):
        if what == "hold":
            self.world.place.hold(verb)
        elif not self.world.place.is_faulty:
            self.world.fail(verb, times)

    @rule()
    def let_all_but_embedders_go_on_and_compare(self):
        self.world.rest()
        self._settled()
        self.world.verify()

    def teardown(self):
        if self.world is None:
            return
        try:
            self.world.finish()
        finally:
            self.patch.undo()
            shutil.rmtree(self.root, ignore_errors=True)


# The same sequences in each run, in which threads may still take turns in another order.
CALM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("examples", "steps"),
    [pytest.param(25, 20, id="short"), pytest.param(400, 40, marks=pytest.mark.soak, id="long")],
)
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings(
    "ignore:coroutine",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    # An interrupt may come between the opening of a file and the statement that closes it.
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_any_order_of_events_ends_with_right_vectors_and_keeps_what_was_paid(examples, steps):
    FIGURES.clear()
    run_state_machine_as_test(Engine, settings=settings(CALM, max_examples=examples, stateful_step_count=steps))
    # pytest --log-cli-level=INFO shows it.
    logging.getLogger(__name__).info("wrong 0, lost 0, left 0: %s", dict(FIGURES))
