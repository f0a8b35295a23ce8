"""Every workload runs at toy size; what it times is compared with the truth by the run itself."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
from benchmarks.__main__ import WORKLOADS
from benchmarks.goals import GOALS
from benchmarks.peers.caches import LiteLlm, RedisVl
from benchmarks.peers.registry import PEERS
from benchmarks.run import Run
from benchmarks.scales import TOY

FIGURES = {
    "hits": {"hits-single", "hits-middle", "hits-large", "lmdb-middle", "lmdb-large"},
    "frameworks": {"langchain", "langchain-own", "llamaindex", "haystack"},
    "mixes": set(),
    "sizes": {"lookups", "open", "memory"},
    "writing": {"writing", "bytes"},
    "processes": {"import"},
    "concurrency": set(),
    "event_loop": {"stall", "stall-misses", "stall-bytes", "join", "join-async"},
    "distant": {"s3-time", "s3-requests"},
}


def test_every_workload_is_run_and_every_goal_has_one():
    folder = Path(__file__).resolve().parents[2] / "benchmarks" / "workloads"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(WORKLOADS) == set(FIGURES)
    assert set().union(*FIGURES.values()) == set(GOALS)


@pytest.mark.soak
# Frameworks and peers warn of their own dependencies, and drop connections when they are let go of.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_measures_what_its_goals_need(name, monkeypatch):
    # Importing them takes longer than all else, and `test_peers` has them.
    monkeypatch.setattr("benchmarks.run.PEERS", [peer for peer in PEERS if peer not in (LiteLlm, RedisVl)])
    run = Run(TOY, say=lambda _: None)
    import_module(f"benchmarks.workloads.{name}").measure(run)
    assert set(run.figures) == FIGURES[name]
    assert run.missing == {}
    for result in run.results:
        assert result["measured"]
        for spread in result["measured"].values():
            assert spread["low"] <= spread["high"]
    for goal, figure in run.figures.items():
        assert figure["reached"] or goal in run.profiles or goal in ("bytes", "s3-requests")


def test_no_test_of_the_benchmarks_compares_a_time():
    """Times are for reports: a test that asserts one fails on a busy machine."""
    for path in Path(__file__).parent.glob("test_*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert names & {"perf_counter", "monotonic", "process_time"} == set(), path
