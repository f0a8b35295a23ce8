"""The report, its plots and what is published of it, from fixed numbers."""

from __future__ import annotations

import builtins
import json

import pytest
from benchmarks.__main__ import main
from benchmarks.plots import PLOTS, draw
from benchmarks.publishing import marked, publish
from benchmarks.report import FORMAT, markdown, number, quantity, write


def spread(median):
    return {"median": median, "low": median * 0.9, "high": median * 1.1}


def result(workload, case, unit, **measured):
    return {"workload": workload, "case": case, "unit": unit, "measured": {k: spread(v) for k, v in measured.items()}}


def report():
    return {
        "format": FORMAT,
        "scale": "quick",
        "date": "2026-01-02",
        "seconds": 61.5,
        "machine": {"processor": "Abacus", "cores": "2"},
        "versions": {"numpy": "2.0"},
        "missing": {"litellm, disk cache": "not installed: No module named 'litellm'"},
        "figures": {
            "hits-large": {**spread(1.2), "reached": True, "basis": "10,000 texts"},
            "open": {**spread(250.0), "reached": False, "basis": "1,000,000 vectors"},
        },
        "results": [
            result("warm hits", {"batch": batch, "dimensions": dimensions}, "s per call", floor=2e-6 * batch,
                   embedonce=3e-6 * batch, lmdb=4e-6 * batch, diskcache=5e-5 * batch, files=2e-5 * batch)
            for batch in (1, 100) for dimensions in (384, 1536)
        ] + [
            result("lookups by size of the store", {"rows": rows}, "s per text", embedonce=1e-6) for rows in (10, 1000)
        ] + [
            result("S3, reading", {"vectors": 10_000}, "requests", embedonce=5, objects=20_000),
            result("memory per key", {"rows": 10_000}, "B", embedonce=0, lmdb=10),
            result("bytes per vector", {"texts": 10_000}, "B", embedonce=6200),
        ],
        "profiles": {"open": "ncalls tottime"},
    }  # fmt: skip


def test_the_report_says_what_was_reached_missed_not_measured_and_missing():
    text = markdown(report(), {"a.png": "A plot"})
    assert "| warm hits, array, large batch / floor | ≤ 1.25 × | 1.2 × (1.08 to 1.32) | yes | 10,000 texts |" in text
    assert (
        "| opening the largest store, first hit | ≤ 200 ms | 250 ms (225 to 275) | **no** | 1,000,000 vectors |" in text
    )
    assert "| import embedonce / import numpy | ≤ 1.3 × | not measured | | |" in text
    assert "- litellm, disk cache: not installed: No module named 'litellm'" in text
    assert "| batch 100, dimensions 1,536 | embedonce | 300 µs per call | 270 µs per call to 330 µs per call |" in text
    assert "### opening the largest store, first hit\n\n```text\nncalls tottime\n```" in text
    assert "![A plot](a.png)" in text
    assert "Abacus" in text


def test_numbers_have_three_digits_and_fitting_units():
    assert [number(each) for each in (0.12345, 1.5, 12.34, 123.4, 12345.6)] == ["0.123", "1.5", "12.3", "123", "12,346"]
    assert quantity(0.0015, "s per text") == "1.5 ms per text"
    assert quantity(2.5e-7, "s") == "0.25 µs"
    assert quantity(0.0, "s") == "0 s"
    assert quantity(20.0, "B") == "20 B"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    assert set(draw(report(), tmp_path)) == set(PLOTS)
    for name in PLOTS:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_plot_of_what_was_not_measured_is_left_out(tmp_path):
    pytest.importorskip("matplotlib")
    some = {**report(), "results": [each for each in report()["results"] if each["workload"].startswith("S3")]}
    assert set(draw(some, tmp_path)) == {"s3.png"}


def test_without_matplotlib_the_report_says_so(tmp_path, monkeypatch):
    importing = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    whole = report()
    write(whole, tmp_path, draw(whole, tmp_path))
    assert "- plots: not installed: matplotlib" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == whole


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_publishing_replaces_what_stands_between_the_markers_and_nothing_else(tmp_path):
    pytest.importorskip("matplotlib")
    start, end = marked("goals")
    docs, readme = tmp_path / "docs" / "performance.md", tmp_path / "README.md"
    docs.parent.mkdir()
    docs.write_text(f"Before.\n\n{start}\nold\n{end}\n\nAfter.\n", encoding="utf-8")
    readme.write_text("No markers.\n", encoding="utf-8")
    (tmp_path / "report.json").write_text(json.dumps(report()), encoding="utf-8")
    for _ in range(2):
        publish(tmp_path / "report.json", tmp_path)
        text = docs.read_text(encoding="utf-8")
        assert text.startswith(f"Before.\n\n{start}\n\n| figure | goal |")
        assert text.endswith(f"|\n\n{end}\n\nAfter.\n")
        assert "old" not in text
    assert readme.read_text(encoding="utf-8") == "No markers.\n"
    assert [path.name for path in (tmp_path / "docs" / "images").iterdir()] == ["throughput-by-batch.png"]


def test_the_readme_gets_a_plot_and_a_table(tmp_path):
    pytest.importorskip("matplotlib")
    start, end = marked("performance")
    (tmp_path / "README.md").write_text(f"{start}\n{end}\n", encoding="utf-8")
    (tmp_path / "report.json").write_text(json.dumps(report()), encoding="utf-8")
    publish(tmp_path / "report.json", tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "(docs/images/throughput-by-batch.png)" in text
    assert "| warm hits, array, large batch / floor | 1.2 × |" in text


def test_what_is_not_a_report_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"format": 0}', encoding="utf-8")
    with pytest.raises(ValueError, match="is not a report of format 1"):
        publish(tmp_path / "other.json", tmp_path)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_the_command_writes_both_files(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.run.PEERS", ())
    assert main(["--toy", "--only", "hits", "--out", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert written["scale"] == "toy"
    assert set(written["figures"]) == set()
    assert "## Warm hits" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
