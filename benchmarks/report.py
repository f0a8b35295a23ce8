"""The report of a run, as JSON and as Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.goals import GOALS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.run import Run

Report = dict[str, Any]
FORMAT = 1
_SCALES = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"))


def report_of(run: Run, *, machine: dict[str, str], versions: dict[str, str], seconds: float, date: str) -> Report:
    """Return what is written as JSON."""
    return {
        "format": FORMAT,
        "scale": run.scale.name,
        "date": date,
        "seconds": round(seconds, 1),
        "machine": machine,
        "versions": versions,
        "missing": run.missing,
        "figures": run.figures,
        "results": run.results,
        "profiles": run.profiles,
    }


def write(report: Report, folder: Path, plots: dict[str, str]) -> None:
    """Write both files.

    Args:
        report: The report.
        folder: Where.
        plots: Titles by file name, as they lie in that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report, plots), encoding="utf-8")


def markdown(report: Report, plots: dict[str, str]) -> str:
    """Return the whole report."""
    parts = ["# Benchmarks", conditions(report), "## Goals", goals_table(report)]
    if report["missing"]:
        parts += ["## Peers that were not measured", *(f"- {name}: {why}" for name, why in report["missing"].items())]
    parts += [f"![{title}]({name})" for name, title in plots.items()]
    for workload in dict.fromkeys(result["workload"] for result in report["results"]):
        parts += [f"## {workload.capitalize()}", results_table(report, workload)]
    if report["profiles"]:
        parts.append("## What stands in the way")
        for goal, profile in report["profiles"].items():
            parts += [f"### {GOALS[goal].figure}", f"```text\n{profile}\n```"]
    return "\n\n".join(parts) + "\n"


def conditions(report: Report) -> str:
    """Say on what and with what a report was made."""
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    versions = ", ".join(f"{name} {value}" for name, value in report["versions"].items())
    return (
        f"Scale `{report['scale']}`, {report['date']}, {report['seconds']:.0f} seconds.\n\n"
        f"Machine: {machine}.\n\nVersions: {versions}.\n\n"
        "Medians of repetitions in which all candidates take turns; in brackets the quartiles, for ratios those of "
        "the ratios within each repetition."
    )


def goals_table(report: Report) -> str:
    """Return every goal beside what was measured."""
    lines = ["| figure | goal | measured | reached | in this case |", "| --- | --- | --- | --- | --- |"]
    for name, goal in GOALS.items():
        figure = report["figures"].get(name)
        if figure is None:
            lines.append(f"| {goal.figure} | {goal} | not measured | | |")
            continue
        unit = "×" if goal.unit == "x" else goal.unit
        numbers = f"{number(figure['median'])} {unit} ({number(figure['low'])} to {number(figure['high'])})"
        reached = "yes" if figure["reached"] else "**no**"
        lines.append(f"| {goal.figure} | {goal} | {numbers} | {reached} | {figure['basis']} |")
    return "\n".join(lines)


def results_table(report: Report, workload: str) -> str:
    """Return the results of one workload, a line for each case and candidate."""
    lines = ["| case | candidate | median | quartiles |", "| --- | --- | --- | --- |"]
    for result in report["results"]:
        if result["workload"] != workload:
            continue
        case = ", ".join(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
                         for name, value in result["case"].items())  # fmt: skip
        for name, spread in result["measured"].items():
            middle, low, high = (quantity(spread[part], result["unit"]) for part in ("median", "low", "high"))
            lines.append(f"| {case} | {name} | {middle} | {low} to {high} |")
    return "\n".join(lines)


def quantity(value: float, unit: str) -> str:
    """Return a number with its unit, seconds in a fitting one."""
    first, _, rest = unit.partition(" ")
    if first != "s" or value == 0:
        return f"{number(value)} {unit}"
    size, name = next((each for each in _SCALES if value >= each[0]), _SCALES[-1])
    return f"{number(value / size)} {name} {rest}".rstrip()


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
