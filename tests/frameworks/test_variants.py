"""Tests that run over variants run all of them, and say which one has failed; slow ones leave no value out."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest
from lazily import lazily
from variants import InDirectory, covering, over


def test_all_combinations_run_each_with_a_directory_of_its_own(tmp_path):
    seen = []

    @over(one=["a", "b"], other={"x": 1, "y": 2}, made={"m": InDirectory(lambda directory: directory / "m")})
    def test(one, other, made, tmp_path):
        assert tmp_path.is_dir()
        assert made == tmp_path / "m"
        seen.append((one, other, tmp_path))

    test(tmp_path=tmp_path)
    assert [each[:2] for each in seen] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert len({directory for *_, directory in seen}) == 4


@pytest.mark.parametrize("fails", [lambda: pytest.fail("broken"), lambda: 1 / 0])
def test_a_failure_names_its_combination(fails):
    @over(one=["a", "b"], other={"x": 1, "y": 2})
    def test(one, other):
        if (one, other) == ("b", 1):
            fails()

    with pytest.raises(AssertionError, match="with one=b, other=x: "):
        test()

    @over(one=["a", "b"])
    async def test_async(one):
        assert one == "a"

    with pytest.raises(AssertionError, match="with one=b: "):
        asyncio.run(test_async())


def test_what_a_combination_patches_or_logs_is_gone_in_the_next(monkeypatch, caplog):
    @over(number=[1, 2])
    def test(number, monkeypatch, caplog):
        assert not hasattr(sys, "patched_by_a_variant")
        monkeypatch.setattr(sys, "patched_by_a_variant", number, raising=False)
        logging.getLogger("embedonce").warning("once")
        assert caplog.messages == ["once"]

    test(monkeypatch=monkeypatch, caplog=caplog)


def test_a_test_is_skipped_if_all_its_combinations_are():
    @over(number=[1, 2])
    def test(number):
        if number in missing:
            pytest.skip("no such package")

    missing = {1}
    test()
    missing = {1, 2}
    with pytest.raises(pytest.skip.Exception, match="no such package"):
        test()


@pytest.mark.parametrize("counts", [(3, 2), (2, 3), (6, 2, 2), (12, 3, 6)], ids=str)
def test_few_combinations_hold_each_value(counts):
    every = covering(*map(range, counts))
    few = [each.values for each in every if not each.marks]
    assert [{values[axis] for values in few} for axis in range(len(counts))] == [set(range(count)) for count in counts]
    assert len({each.values for each in every}) == len(every) > len(few)


def test_a_module_is_imported_when_something_is_taken_from_it():
    sys.modules.pop("colorsys", None)
    modules = lazily("string", "colorsys")
    assert not hasattr(modules, "__wrapped__")
    assert not hasattr(modules, "_mock_name")
    assert modules.ascii_letters.isalpha()
    assert "colorsys" not in sys.modules
    assert callable(modules.rgb_to_hls)
    with pytest.raises(AttributeError, match="none of string, colorsys has 'nothing'"):
        _ = modules.nothing
