"""The statistics of the benchmarks, and what a run does with what it measures."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.corpus import Corpus
from benchmarks.goals import GOALS
from benchmarks.measuring import Spread, Timings, interleaved
from benchmarks.run import Run, WrongVectorsError
from benchmarks.scales import TOY


def test_a_spread_is_the_median_and_the_quartiles():
    assert Spread.of([4.0, 1.0, 3.0, 2.0, 5.0]) == Spread(3.0, 2.0, 4.0)
    values = np.random.default_rng(0).random(37).tolist()
    spread = Spread.of(values)
    assert [spread.low, spread.median, spread.high] == pytest.approx(np.percentile(values, [25, 50, 75]).tolist())


def test_a_single_value_is_its_own_spread():
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_a_ratio_is_that_of_the_medians_with_the_quartiles_of_each_repetition():
    timings = Timings({"ours": [2.0, 4.0, 9.0], "floor": [1.0, 2.0, 3.0], "lists": [1.0, 2.0, 3.0]})
    assert timings.ratio("ours", "floor") == Spread(4.0 / 2.0, 2.0, 2.5)
    assert timings.ratio("ours", "floor", "lists") == Spread(1.0, 1.0, 1.25)


def test_a_ratio_leaves_out_repetitions_that_one_side_has_not_taken_part_in():
    timings = Timings({"slow": [30.0, None, None], "ours": [3.0, 1.0, 1.0]})
    assert timings.spread("slow") == Spread(30.0, 30.0, 30.0)
    assert timings.ratio("slow", "ours") == Spread(30.0, 10.0, 10.0)


def test_candidates_take_turns_and_all_are_asked_for_the_same():
    calls = []
    candidates = {name: lambda sample, name=name: calls.append((name, sample)) for name in "abc"}
    timings = interleaved(candidates, lambda repetition: [(repetition, 0), (repetition, 1)], repetitions=4)
    firsts = [name for name, (_, number) in calls[::6] if number == 0]
    assert firsts == ["a", "b", "c", "a"]
    for name in "abc":
        assert [sample for each, sample in calls if each == name] == [(i, j) for i in range(4) for j in range(2)]
        assert len(timings.seconds[name]) == 4


def test_what_has_taken_its_time_is_left_out_of_further_repetitions():
    calls = {"slow": 0, "other": 0}

    def counted(name):
        calls[name] += 1

    # A budget of less than nothing is used up by anything.
    timings = interleaved(
        {name: lambda _, name=name: counted(name) for name in calls}, lambda _: [None], repetitions=5, budget=-1,
        at_least=2,
    )  # fmt: skip
    assert calls == {"slow": 2, "other": 2}
    assert [each is None for each in timings.seconds["slow"]] == [False, False, True, True, True]


def test_texts_and_vectors_of_a_corpus_all_differ_and_belong_together():
    corpus = Corpus(8)
    numbers = np.arange(5000)
    texts, vectors = corpus.texts(numbers), corpus.vectors(numbers)
    assert len(set(texts)) == len(np.unique(vectors, axis=0)) == 5000
    assert {len(text) for text in texts} == {100}
    order = np.random.default_rng(0).permutation(5000)
    assert np.array_equal(corpus.embed([texts[i] for i in order]), vectors[order])
    sample = corpus.any_of(50, 20, seed=1)
    assert len(set(sample.texts)) == 20
    assert sample.texts == [texts[i] for i in sample.numbers]


def test_a_run_refuses_an_answer_that_is_not_the_truth():
    corpus = Corpus(4)
    run = Run(TOY, say=lambda _: None)
    with pytest.raises(WrongVectorsError, match="liar answered with wrong vectors"):
        run.compare(
            "w", {}, {"liar": lambda sample: corpus.vectors(sample.numbers)[::-1]}, lambda i: [corpus.any_of(9, 3, i)],
            corpus=corpus,
        )  # fmt: skip


@pytest.mark.parametrize("goal", GOALS)
def test_a_goal_is_reached_on_its_side_of_the_bound(goal):
    bound, sign = GOALS[goal].bound, GOALS[goal].sign
    assert GOALS[goal].reached(bound)
    assert GOALS[goal].reached(bound * 0.9) is (sign == "<=")
    assert GOALS[goal].reached(bound * 1.1) is (sign == ">=")


def test_only_what_is_not_reached_is_profiled():
    run = Run(TOY, say=lambda _: None)
    run.judge("open", Spread.of([100.0]), basis="x", profile=lambda: "of open")
    run.judge("stall", Spread.of([100.0]), basis="x", profile=lambda: "of stall")
    assert run.profiles == {"stall": "of stall"}
    assert [run.figures[goal]["reached"] for goal in ("open", "stall")] == [True, False]
