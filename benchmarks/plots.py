"""The plots of a report."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from benchmarks.report import Report

Lines = dict[str, list[tuple[float, float]]]

OURS = "embedonce"
_COLOURS = ("#999999", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#f0e442", "#8c564b", "#7f7f7f")
_OURS_COLOUR = "#d55e00"


def draw(report: Report, folder: Path, *, only: Collection[str] = ()) -> dict[str, str]:
    """Draw what a report holds.

    Args:
        report: The report.
        folder: Where the files go.
        only: File names, if not all.

    Returns:
        Their titles by file name; nothing if matplotlib is not installed, which `missing` then says.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        report["missing"]["plots"] = f"not installed: {error}"
        return {}
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name: each for name, each in PLOTS.items() if not only or name in only}
    return {name: title for name, (title, plot) in wanted.items() if plot(report, folder / name, title)}


def _by_batch(report: Report, path: Path, title: str) -> bool:
    dimensions = max((each["case"]["dimensions"] for each in _of(report, "warm hits") if len(each["measured"]) > 4),
                     default=None)  # fmt: skip
    lines = _lines(
        [each for each in _of(report, "warm hits") if each["case"]["dimensions"] == dimensions],
        lambda case: case["batch"],
        lambda case, seconds: case["batch"] / seconds,
    )
    return _line_plot(lines, path, title, "texts per call", "vectors per second")


def _by_dimensions(report: Report, path: Path, title: str) -> bool:
    cases = _of(report, "warm hits")
    batch = max((each["case"]["batch"] for each in cases), default=None)
    lines = _lines(
        [each for each in cases if each["case"]["batch"] == batch],
        lambda case: case["dimensions"],
        lambda case, seconds: case["batch"] / seconds,
    )
    several = {name: line for name, line in lines.items() if len(line) > 1}
    return _line_plot(several, path, title, "numbers per vector", "vectors per second")


def _by_rows(report: Report, path: Path, title: str) -> bool:
    cases = _of(report, "lookups by size of the store")
    lines = _lines(cases, lambda case: case["rows"], lambda _, seconds: 1 / seconds)
    return _line_plot(lines, path, title, "vectors in the store", "lookups per second")


def _distant(report: Report, path: Path, title: str) -> bool:
    cases = [each for each in report["results"] if each["workload"].startswith("S3")]
    return _bar_plot(
        [(f"{each['workload'].partition(', ')[2]}: {_UNITS.get(each['unit'], each['unit'])}", each["measured"])
         for each in cases],
        path, title,
    )  # fmt: skip


def _memory(report: Report, path: Path, title: str) -> bool:
    merged: dict[str, Any] = {}
    for each in _of(report, "memory per key"):
        merged |= each["measured"]
    on_disk: dict[str, Any] = {}
    for each in _of(report, "bytes per vector"):
        on_disk |= each["measured"]
    panels = [("bytes in memory per vector", merged), ("bytes on disk per vector", on_disk)]
    return _bar_plot([panel for panel in panels if panel[1]], path, title)


_UNITS = {"s per text": "seconds per vector", "B": "bytes"}

PLOTS: dict[str, tuple[str, Callable[[Report, Path, str], bool]]] = {
    "throughput-by-batch.png": ("Warm hits by texts per call", _by_batch),
    "throughput-by-dimensions.png": ("Warm hits by length of the vectors", _by_dimensions),
    "throughput-by-store.png": ("Lookups by size of the store", _by_rows),
    "s3.png": ("S3 with latency", _distant),
    "memory.png": ("Memory and disk per vector", _memory),
}


def _of(report: Report, workload: str) -> list[dict[str, Any]]:
    return [result for result in report["results"] if result["workload"] == workload]


def _lines(
    results: list[dict[str, Any]],
    x_of: Callable[[dict[str, Any]], float],
    y_of: Callable[[dict[str, Any], float], float],
) -> Lines:
    lines: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for result in results:
        for name, spread in result["measured"].items():
            # The first one of several is that of the larger store.
            lines[name].setdefault(x_of(result["case"]), y_of(result["case"], spread["median"]))
    return {name: sorted(points.items()) for name, points in lines.items()}


def _line_plot(lines: Lines, path: Path, title: str, x_label: str, y_label: str) -> bool:
    if not lines:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    last = {name: line[-1][1] for name, line in lines.items()}
    for name, colour, style in _styled(sorted(lines, key=lambda name: -last[name])):
        x, y = zip(*lines[name], strict=True)
        axes.plot(x, y, f"o{style}", color=colour, linewidth=3 if name == OURS else 1.5, label=name)
    axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label, title=title)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    figure.savefig(path, dpi=110)
    return True


def _bar_plot(panels: list[tuple[str, dict[str, Any]]], path: Path, title: str) -> bool:
    if not panels:
        return False
    from matplotlib.figure import Figure

    height = sum(0.6 + 0.3 * len(measured) for _, measured in panels)
    figure = Figure(figsize=(9, height + 0.6), layout="constrained")
    ratios = [0.6 + 0.3 * len(measured) for _, measured in panels]
    for axes, (label, measured) in zip(
        figure.subplots(len(panels), squeeze=False, height_ratios=ratios)[:, 0], panels, strict=True
    ):
        names = sorted(measured, key=lambda name: measured[name]["median"], reverse=True)
        values = [max(measured[name]["median"], 0) for name in names]
        colours = [_OURS_COLOUR if name.startswith(OURS) else _COLOURS[1] for name in names]
        bars = axes.barh(names, values, color=colours)
        axes.bar_label(bars, [f"{value:,.3g}" for value in values], padding=3, fontsize="small")
        axes.set_xscale("symlog", linthresh=min((value for value in values if value > 0), default=1) / 2)
        axes.set_xlabel(label, fontsize="small")
        axes.margins(x=0.15)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    return True


def _styled(names: list[str]) -> list[tuple[str, str, str]]:
    """Return colour and line style of each name; dashed where colours begin anew."""
    others = [name for name in names if name != OURS]
    styles = {name: (_COLOURS[i % len(_COLOURS)], "--" if i >= len(_COLOURS) else "-") for i, name in enumerate(others)}
    return [(name, *styles.get(name, (_OURS_COLOUR, "-"))) for name in names]
