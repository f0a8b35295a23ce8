"""One test for all variants of a case, where a test for each would spend more time in pytest than in its body."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class InDirectory(NamedTuple):
    """A value that is made anew for each variant.

    Attributes:
        make: Makes the value, given an empty directory of the variant's own.
    """

    make: Callable[[Path], Any]


def over(**variants):
    """Run a test once for each combination of values of some arguments; a failure names the combination.

    All combinations share the fixtures of the test, with three exceptions: each has a directory of its own in place of
    `tmp_path` or any other path, a `monkeypatch` of its own, and an empty `caplog`.

    Args:
        variants: For each argument its values, which are named by their text, or by their keys if it is a mapping.
    """
    axes = [
        [
            (name, label, value)
            for label, value in (values.items() if isinstance(values, Mapping) else _labelled(values))
        ]
        for name, values in variants.items()
    ]

    def decorate(test):
        signature = inspect.signature(test)
        wanted = {name: each for name, each in signature.parameters.items() if name not in variants}
        if any(isinstance(value, InDirectory) for axis in axes for _, _, value in axis):
            wanted.setdefault("tmp_path", inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD))

        @functools.wraps(test)
        def run(**fixtures):
            skipped = []
            for number, combination in enumerate(itertools.product(*axes)):
                with _one(combination, number, fixtures, signature, skipped) as arguments:
                    test(**arguments)
            _skip_if_nothing_ran(skipped, axes)

        @functools.wraps(test)
        async def run_async(**fixtures):
            skipped = []
            for number, combination in enumerate(itertools.product(*axes)):
                with _one(combination, number, fixtures, signature, skipped) as arguments:
                    await test(**arguments)
            _skip_if_nothing_ran(skipped, axes)

        decorated = run_async if inspect.iscoroutinefunction(test) else run
        decorated.__signature__ = signature.replace(parameters=list(wanted.values()))
        return decorated

    return decorate


def covering(*axes):
    """Return parameters for all combinations of some values, of which few are asked in the fast suite.

    Those few hold each value of each axis, and as far as possible each pair of values of the first two; the others are
    marked as `soak`.
    """
    counts = [len(axis) for axis in axes]
    chosen, step = set(), [1] * len(axes)
    for position in range(2, len(axes)):
        step[position] = step[position - 1] * counts[position - 1]
    for number in range(max(each * count for each, count in zip(step, counts, strict=True))):
        chosen.add(tuple(number // step[position] % count for position, count in enumerate(counts)))
    every = itertools.product(*(enumerate(axis) for axis in axes))
    return [
        pytest.param(
            *(value for _, value in combination),
            marks=[] if tuple(position for position, _ in combination) in chosen else [pytest.mark.soak],
            id="-".join(getattr(value, "__name__", None) or str(value) for _, value in combination),
        )
        for combination in every
    ]


def _labelled(values):
    return [(str(value), value) for value in values]


@contextlib.contextmanager
def _one(combination, number, fixtures, signature, skipped):
    """Prepare the arguments of one combination, and name it if the test fails."""
    with pytest.MonkeyPatch.context() as patch:
        own = {name: _own(value, number, patch) for name, value in fixtures.items()}
        for name, _, value in combination:
            own[name] = value.make(own["tmp_path"]) if isinstance(value, InDirectory) else value
        try:
            yield {name: own[name] for name in signature.parameters}
        except pytest.skip.Exception as reason:
            skipped.append(str(reason))
        except (Exception, pytest.fail.Exception) as error:
            told = ", ".join(f"{name}={label}" for name, label, _ in combination)
            msg = f"with {told}: {type(error).__name__}: {error}"
            raise AssertionError(msg) from error


def _own(fixture, number, patch):
    """What one combination gets of a fixture that it would leave something behind in."""
    if isinstance(fixture, pytest.MonkeyPatch):
        return patch
    if isinstance(fixture, pytest.LogCaptureFixture):
        fixture.clear()
    if isinstance(fixture, Path):
        if not fixture.is_dir():
            return fixture.with_name(f"{fixture.name}-{number}")
        (fixture / f"variant-{number}").mkdir()
        return fixture / f"variant-{number}"
    return fixture


def _skip_if_nothing_ran(skipped, axes):
    if len(skipped) == len(list(itertools.product(*axes))):
        pytest.skip(skipped[0])
