"""The command: `python -m benchmarks --quick`, and `python -m benchmarks publish REPORT.json`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.peers.registry import PEERS, versions
from benchmarks.plots import draw
from benchmarks.publishing import publish
from benchmarks.report import report_of, write
from benchmarks.run import Clock, Run
from benchmarks.scales import SCALES

WORKLOADS = ("hits", "frameworks", "mixes", "sizes", "writing", "processes", "concurrency", "event_loop", "distant")


def main(arguments: list[str] | None = None) -> int:
    """Run the workloads and write the report, or publish one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    for name, scale in SCALES.items():
        sizes.add_argument(f"--{name}", dest="scale", action="store_const", const=scale, help=f"the {name} scale")
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="one workload; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"), help="folder of the report")
    commands = parser.add_subparsers(dest="command")
    publishing = commands.add_parser("publish", help="put the figures of a report into the documentation")
    publishing.add_argument("report", type=Path, metavar="REPORT.json")
    chosen = parser.parse_args(arguments)
    if chosen.command == "publish":
        for path in publish(chosen.report):
            _say(str(path))
        return 0
    run, clock = Run(chosen.scale or SCALES["quick"], say=_say), Clock()
    for name in chosen.only or WORKLOADS:
        run.say(f"== {name} ({clock.seconds:.0f} seconds)")
        import_module(f"benchmarks.workloads.{name}").measure(run)
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    report = report_of(run, machine=machine(), versions=versions(PEERS), seconds=clock.seconds, date=date)
    write(report, chosen.out, draw(report, chosen.out))
    run.say(f"{chosen.out / 'report.md'}, {clock.seconds:.0f} seconds")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
