"""tools/trace_calls.py counts what it says."""

from __future__ import annotations

import runpy
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

TOOL = runpy.run_path(str(Path(__file__).resolve().parents[1] / "tools" / "trace_calls.py"))
FILES = {
    "core/low.py": "def low(number): return number\n",
    "core/high.py": "from low import low\ndef high(): return sorted([2, 1], key=low)\n",
    "elsewhere.py": "from high import high\ndef run(): return high()\n",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, code in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        monkeypatch.syspath_prepend(str(path.parent))
    import elsewhere

    yield elsewhere.run
    for name in FILES:
        del sys.modules[Path(name).stem]


@pytest.fixture
def tracer(tmp_path: Path) -> Any:
    before = sys.getprofile(), threading.getprofile()
    tracer = TOOL["Tracer"](tmp_path)
    tracer.install()
    yield tracer
    sys.setprofile(before[0])
    threading.setprofile(before[1])


def in_thread(run: Any) -> None:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.parametrize("way", [lambda run: run(), in_thread], ids=["here", "in a thread"])
def test_calls_and_moves_of_the_project_are_counted(run: Any, tracer: Any, way: Any) -> None:
    """`high` enters `low` twice, from a function of Python itself, and control comes back each time."""
    count = tracer.count(lambda: way(run))
    assert count.entered == {"core/high.py": {"high": 1}, "core/low.py": {"low": 2}}
    assert (count.calls, count.moves) == (3, 4)


def test_nothing_is_counted_between_runs(run: Any, tracer: Any) -> None:
    run()
    assert tracer.count(lambda: None) == ({}, 0)
    run()
    assert tracer.count(run).calls == 3


def test_a_scenario_is_counted() -> None:
    count = TOOL["counted"]("LangChain, one hit")
    root = TOOL["checkout"]()
    assert all((root / file).exists() for file in count.entered)
    assert next(iter(count.entered)).startswith("adapters/langchain/")
    assert any(file.startswith("core/embedonce/stores/segments/") for file in count.entered)
    assert count.calls >= len(count.entered)
