"""A cache with all that uses it: threads, tasks, embedders that answer when they are told how; and what has to hold."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
import time
import traceback
from collections import Counter

import numpy as np
from core_support import BoomError, in_flight
from engine_actors import FIGURES, LIMIT, WRITING, Call, Loop, Question
from interrupting import Interrupt

from embedonce import CacheMissError, EmbedderContractError, StoreError


class World:
    """Everything that one example consists of: caches with some options on one place, and those who call them."""

    def __init__(self, place, vectors, caches, unkeyed=()):
        self.place, self.vectors, self.options = place, vectors, caches
        self.caches = [place.cache(**options) for options in caches]
        self.unkeyed = set(unkeyed)
        self.calls: list[Call] = []
        self.questions: list[Question] = []
        self.loops: list[Loop] = []
        self.given = Counter()
        self.told: set[str] = set()
        self.had_faults = False
        self._lock = threading.Lock()
        self._leaving = threading.Lock()
        self.is_over = False

    # Embedders

    def embedder(self, call, kind):
        """Return the embedder of a call, of some kind; see `Question`."""

        def embed(texts):
            return self._asked(call, texts)

        async def aembed(texts):
            return await self._aasked(self._question(call, texts))

        return {"sync": embed, "async": aembed, "awaitable": lambda texts: self._aasked(self._question(call, texts))}[
            kind
        ]

    def _question(self, call, texts):
        texts = list(texts)
        options = self.options[call.cache]
        assert options.get("mode") != "replay", "an embedder is asked in mode replay"
        if options.get("mode") != "off":
            assert len(set(texts)) == len(texts), f"asked twice for one text: {texts}"
        question = Question(call, texts)
        with self._lock:
            self.given[call.cache] += len(texts)
            if not (self.is_over or call.is_immediate):
                self.questions.append(question)
                return question
        question.is_released = True
        return question

    def _asked(self, call, texts):
        question = self._question(call, texts)
        while not question.is_released:
            time.sleep(0.001)
        if question.how.startswith("asks"):
            return self._own(question)
        return self._answered(question)

    async def _aasked(self, question):
        call, texts = question.call, question.texts
        if not question.is_released:
            question.future = asyncio.get_running_loop().create_future()
            # It may have been released meanwhile.
            while not question.is_released:
                await asyncio.wait([question.future], timeout=0.05)
        if question.how == "asks itself":
            return await asyncio.ensure_future(self._aembed(self._inner(call, texts)))
        if question.how.startswith("asks"):
            return self._own(question)
        return self._answered(question)

    def _inner(self, call, texts):
        inner = Call(call.cache, list(texts), call.target, is_immediate=True, outer=call)
        with self._lock:
            self.calls.append(inner)
        return inner

    def _own(self, question):
        """Answer with what the cache says, asked from the own thread, from another one, or from several at once."""
        call, texts = question.call, question.texts
        if question.how == "asks itself":
            inner = [self._inner(call, texts)]
            self._run(inner[0], self._embed)
        else:
            parts = [texts] if question.how == "asks in a thread" else [[text] for text in texts]
            inner = [self._inner(call, part) for part in parts]
            for each in inner:
                self._start(each, self._embed)
        for each in inner:
            assert each.ended.wait(LIMIT), self.report("a call inside of an embedder has not ended", [each])
            call.may_be_interrupted |= each.may_be_interrupted
            if each.error is not None:
                raise each.error
        self._keep(call, texts)
        return np.concatenate([each.result for each in inner])

    def _answered(self, question):
        call, texts, how = question.call, question.texts, question.how
        if how == "raise":
            raise BoomError
        if how == "interrupt":
            call.may_be_interrupted = True
            raise KeyboardInterrupt
        if how == "stop iteration":
            return next(iter([]))
        rows = self.vectors.new(call.target, texts)
        first = {(*call.target, texts[0])}
        if how in ("one more", "one less"):
            return np.concatenate([rows, rows[:1]]) if how == "one more" else rows[:-1]
        if how == "nan":
            rows[0, -1] = np.nan
        elif how == "zero":
            self.vectors.zeroed |= first
            rows[0] = 0
        if how == "generator":
            return self._one_by_one(call, rows)
        self._keep(call, texts[1:] if how in ("nan", "none", "zero") else texts)
        if how == "none":
            return [None, *rows.tolist()[1:]]
        return rows.tolist() if how == "list" else rows

    @staticmethod
    def _one_by_one(call, rows):
        yield from rows
        # It is not owed: what has been read of an iterator when it is interrupted is lost.
        call.answered = True

    def _keep(self, call, texts):
        call.answered = True
        if self.options[call.cache].get("mode", "read_write") in WRITING and not call.may("is_racing"):
            call.owed |= {(*call.target, text) for text in texts if text not in self.unkeyed}
        call.may_fail |= self.place.is_faulty

    # Calls

    def _new(self, cache, texts, target, **options):
        call = Call(cache % len(self.caches), texts, target, **options)
        call.may_fail = self.place.is_faulty
        with self._lock:
            self.calls.append(call)
        return call

    def _arguments(self, call, kind):
        namespace, role = call.target
        return (call.texts, self.embedder(call, kind)), {"namespace": namespace, "role": role}

    def _embed(self, call):
        given, named = self._arguments(call, "sync")
        return self.caches[call.cache].embed(*given, **named)

    async def _aembed(self, call, kind="async"):
        given, named = self._arguments(call, kind)
        try:
            result = await self.caches[call.cache].aembed(*given, **named)
        except BaseException as error:
            call.end(error=error)
            raise
        call.end(result)
        return result

    @staticmethod
    def _run(call, function):
        try:
            call.end(function(call))
        except BaseException as error:
            call.end(error=error)

    def _start(self, call, function):
        def run():
            try:
                self._run(call, function)
            finally:
                sys.settrace(None)
                with self._leaving:
                    call.has_left = True

        call.thread = threading.Thread(target=run, daemon=True)
        call.thread.start()

    def in_thread(self, cache, texts, target, interrupt=None, **options):
        """Call `embed` in a thread; `interrupt` says at which place after which event it is interrupted."""
        call = self._new(cache, texts, target, **options)

        def embed(call):
            if interrupt is None:
                return self._embed(call)
            since, at = interrupt
            interrupted = Interrupt(at, counts=lambda: since == "start" or call.answered)
            call.may_be_interrupted = True
            sys.settrace(interrupted.trace)
            try:
                return self._embed(call)
            finally:
                FIGURES["interrupts at a place"] += interrupted.where is not None

        FIGURES["calls of embed"] += 1
        self._start(call, embed)
        return call

    def in_loop(self, loop, cache, texts, target, kind):
        """Call `aembed` in a task of a loop, or `embed` in its thread or in its pool."""
        if loop.loop.is_closed():
            return None
        call = self._new(cache, texts, target, is_immediate=kind == "blocking")
        call.loop = loop

        def embed():
            self._run(call, self._embed)

        def begin():
            call.task = loop.loop.create_task(self._aembed(call, kind))
            call.task.add_done_callback(lambda task: task.cancelled() or task.exception())

        FIGURES["calls of embed" if kind in ("blocking", "pool") else "calls of aembed"] += 1
        if kind == "pool":
            loop.pool.submit(embed)
        else:
            loop.soon(embed if kind == "blocking" else begin)
        return call

    def forget_dead_tasks(self):
        """Let go of tasks whose loop is closed: what they have been answered is stored when they are destroyed."""
        for call in self.calls:
            if call.is_dead:
                call.task = None
        gc.collect()

    def tasks(self):
        return [call for call in self.calls if call.task is not None and not call.task.done()]

    def cancel(self, call, turns):
        if not call.loop.loop.is_closed():
            FIGURES["cancellations"] += 1
            call.may_be_cancelled = True
            call.loop.after(turns, call.task.cancel)

    def interrupt(self, call):
        """Interrupt the thread of a call at whatever it does now; once, since it has to note that."""
        FIGURES["interrupts at any time"] += 1
        call.may_be_interrupted = call.is_racing = True
        # Nobody knows whether its embedder has just returned.
        for each in self.calls:
            if each.may("is_racing"):
                each.owed.clear()
        with self._leaving:
            # The number of a thread that has ended may be that of another one.
            if not call.has_left and call.thread.ident is not None:
                number, error = ctypes.c_ulong(call.thread.ident), ctypes.py_object(KeyboardInterrupt)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(number, error)

    def release(self, question, how):
        with self._lock:
            if question in self.questions:
                self.questions.remove(question)
        self.told.add(how)
        question.release(how)

    # What has to hold

    def settle(self):
        """Wait until nothing happens any more, for a moment."""
        since, seen = time.monotonic(), None
        end = since + 1.0
        while (now := time.monotonic()) < min(since + 0.004, end):
            state = len(self.questions), sum(call.ended.is_set() for call in self.calls), len(self.calls)
            if state != seen:
                since, seen = now, state
            time.sleep(0.001)

    def rest(self):
        """Let everything go on but the embedders."""
        for loop in self.loops:
            loop.free()
        self.place.let_go()
        if self.place.is_faulty:
            self.place.heal()
            for call in self.calls:
                # It may have begun without the store.
                call.may_fail |= not call.ended.is_set()
        for loop in self.loops:
            loop.run()

    def fail(self, verb, times):
        self.rest()
        self.settle()
        self.verify()
        for call in self.calls:
            call.may_fail |= not call.ended.is_set()
        self.had_faults = True
        self.place.fail(verb, times)

    def verify(self):
        """Compare what has come of all calls so far, and what is in the store, with the model."""
        owed = set()
        for call in list(self.calls):
            if call.error is not None:
                self._check_error(call)
            elif call.result is not None:
                self.vectors.check(call.target, call.texts, call.result)
                FIGURES["texts compared"] += len(call.texts)
                if self.options[call.cache].get("mode", "read_write") in WRITING:
                    call.owed |= {
                        key
                        for text in call.texts
                        if (key := (*call.target, text)) not in self.vectors.zeroed and text not in self.unkeyed
                    }
            if not call.may_fail:
                owed |= call.owed
        if self.place.is_faulty:
            return
        missing, end = owed, time.monotonic() + LIMIT
        while missing:
            missing = self.not_stored(missing)
            owing = [call for call in self.calls if call.owed & missing and not call.may_fail]
            assert time.monotonic() < end, self.report(f"LOST: {missing} were answered and are not in the store", owing)
            if missing:
                time.sleep(0.002)

    def not_stored(self, keys):
        """Return which keys a new cache does not answer."""
        texts = {}
        for namespace, role, text in keys:
            texts.setdefault((namespace, role), []).append(text)
        missing = set()
        options = {name: self.options[0][name] for name in ("codec", "key_encoder") if name in self.options[0]}
        for (namespace, role), some in texts.items():
            asked = []

            def embed(batch, asked=asked, target=(namespace, role)):
                asked.extend(batch)
                return self.vectors.new(target, batch)

            cache = self.place.cache(mode="read_only", **options)
            matrix = cache.embed(some, embed, namespace=namespace, role=role)
            cache.close()
            self.vectors.check((namespace, role), some, matrix)
            missing |= {(namespace, role, text) for text in asked}
        return missing

    def _check_error(self, call):
        error = call.error
        allowed = {
            BoomError: "raise" in self.told,
            EmbedderContractError: bool(self.told & {"one more", "one less", "nan", "none"}),
            CacheMissError: self.options[call.cache].get("mode") == "replay",
            asyncio.CancelledError: call.may("may_be_cancelled"),
            GeneratorExit: call.is_dead,
            KeyboardInterrupt: call.may("may_be_interrupted"),
            StoreError: self.had_faults,
            RuntimeError: "stop iteration" in self.told or call.is_dead,
        }
        if not any(isinstance(error, kind) and is_allowed for kind, is_allowed in allowed.items()):
            msg = f"{call} has raised what it must not raise"
            raise AssertionError(msg) from error
        FIGURES["calls that raised"] += not call.may_be_interrupted

    def await_end(self, calls, what):
        """Wait until calls have ended; those of a closed loop never do."""
        end = time.monotonic() + LIMIT
        for call in calls:
            while not call.ended.wait(0.02):
                if call.is_dead:
                    break
                assert time.monotonic() < end, self.report(what, [call])

    def probe(self):
        """Ask for texts that are in flight: nobody waits for ever for those whose embedders do not answer."""
        targets = {question.call.target: None for question in self.questions}
        calls = []
        for target in targets:
            texts = list(self.vectors._texts)
            for cache, options in enumerate(self.options):
                if options.get("mode") not in ("replay", "off"):
                    calls.append(self.in_thread(cache, texts, target, is_immediate=True))
                    break
            else:
                continue
            call = self._new(cache, texts, target, is_immediate=True)
            self._start(call, lambda call: asyncio.run(self._aembed(call)))
            calls.append(call)
        FIGURES["probes"] += len(calls)
        self.await_end(calls, "HANGS: a call for texts of embedders that do not answer has not ended")

    def finish(self):
        """End everything, and compare all there is with the model."""
        if self.place.is_faulty or self.place.held:
            self.rest()
            self.settle()
        for loop in self.loops:
            loop.free()
        self.probe()
        with self._lock:
            self.is_over = True
        self.rest()
        for question in list(self.questions):
            self.release(question, "right")
        end = time.monotonic() + LIMIT
        while any(not call.ended.is_set() and not call.is_dead for call in self.calls):
            self.rest()
            left = [call for call in self.calls if not call.ended.is_set()]
            assert time.monotonic() < end, self.report("HANGS: a call has not ended after all embedders answered", left)
            time.sleep(0.001)
        for loop in self.loops:
            loop.stop(LIMIT)
            loop.close()
        self.forget_dead_tasks()
        self.verify()
        self.check_counters()
        while in_flight():
            gc.collect()
            assert time.monotonic() < end + LIMIT, self.report("LEFT: texts are still claimed", self.calls)
            time.sleep(0.001)
        for cache in self.caches:
            cache.close()
        FIGURES["examples"] += 1

    def check_counters(self):
        for number, cache in enumerate(self.caches):
            stats = cache.stats()
            for name in ("hits", "joined", "embedded", "stored", "zero"):
                FIGURES[name] += getattr(stats, name)
            calls = [call for call in self.calls if call.cache == number]
            if not any(call.may_be_interrupted for call in calls):
                assert stats.embedded == self.given[number], (stats, self.given[number])
            if all(call.error is None and call.ended.is_set() for call in calls):
                assert stats.calls == len(calls), (stats, calls)
                assert stats.texts == sum(len(call.texts) for call in calls), (stats, calls)
                assert stats.texts == stats.duplicates + stats.hits + stats.joined + stats.embedded, (stats, calls)
                FIGURES["caches whose counters were compared"] += 1

    def report(self, what, calls=()):
        """Return a message that says where all threads are."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stacks = [
            f"{names.get(number)}:\n{''.join(traceback.format_stack(frame)[-8:])}"
            for number, frame in sys._current_frames().items()
            if number != threading.get_ident()
        ]
        return "\n".join([what, *map(repr, calls), *stacks])
