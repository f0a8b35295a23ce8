"""Putting the figures of a report between the markers of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.goals import GOALS
from benchmarks.plots import OURS, draw
from benchmarks.report import FORMAT, conditions, goals_table, quantity, results_table

if TYPE_CHECKING:
    from benchmarks.report import Report

ROOT = Path(__file__).resolve().parent.parent
PLOT = "throughput-by-batch.png"
_IN_README = ("hits-large", "langchain", "langchain-own", "s3-time", "s3-requests", "memory", "open")


def read(path: Path) -> Report:
    """Read a report.

    Raises:
        ValueError: It is not a report, or one of another version of this program.
    """
    report: Any = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        msg = f"{path} is not a report of format {FORMAT}; make one with: python -m benchmarks"
        raise ValueError(msg)
    return report


def publish(path: Path, root: Path = ROOT) -> list[Path]:
    """Write a report's figures into `docs/performance.md`, its plot into `docs/images`, and a block of the README.

    Args:
        path: The report as JSON.
        root: The checkout.

    Returns:
        The files that were written. A file without the markers is left alone.

    Raises:
        ValueError: It is not a report.
    """
    report = read(path)
    images = root / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn = [images / name for name in draw(report, images, only=(PLOT,))]
    replaced = {
        root / "docs" / "performance.md": {
            "conditions": conditions(report),
            "goals": goals_table(report),
            "plot": f"![Warm hits by texts per call](images/{PLOT})" if drawn else "",
            "results": all_results(report),
        },
        root / "README.md": {"performance": readme_block(report)},
    }
    written = [file for file, blocks in replaced.items() if file.exists() and _replace(file, blocks)]
    return [*drawn, *written]


def all_results(report: Report) -> str:
    """Return the tables of all workloads."""
    workloads = dict.fromkeys(result["workload"] for result in report["results"])
    return "\n\n".join(f"### {name[0].upper()}{name[1:]}\n\n{results_table(report, name)}" for name in workloads)


def readme_block(report: Report) -> str:
    """Return one plot and one table."""
    machine = report["machine"]
    lines = ["| figure | measured |", "| --- | --- |"]
    for name in _IN_README:
        if name in report["figures"]:
            goal, median = GOALS[name], report["figures"][name]["median"]
            lines.append(f"| {goal.figure} | {quantity(median, '×' if goal.unit == 'x' else goal.unit)} |")
    text = (
        f"Measured beside each other in one run on {machine['processor']} with {machine['cores']} cores; "
        "[docs/performance.md](docs/performance.md) says how, and holds all figures."
    )
    return "\n\n".join([text, f"![Warm hits of {OURS} and others](docs/images/{PLOT})", "\n".join(lines)])


def marked(name: str) -> tuple[str, str]:
    """Return the markers around a block that this command writes."""
    return f"<!-- benchmarks: {name} -->", f"<!-- /benchmarks: {name} -->"


def _replace(file: Path, blocks: dict[str, str]) -> bool:
    before = text = file.read_text(encoding="utf-8")
    for name, block in blocks.items():
        start, end = marked(name)
        if start in text and end in text:
            head, _, rest = text.partition(start)
            text = f"{head}{start}\n\n{block}\n\n{end}{rest.partition(end)[2]}"
    if text != before:
        file.write_text(text, encoding="utf-8")
    return text != before
