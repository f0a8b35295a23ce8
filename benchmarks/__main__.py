"""The command: `python -m benchmarks --quick`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.peers.registry import PEERS, versions
from benchmarks.report import report_of, write
from benchmarks.run import Clock, Run
from benchmarks.scales import SCALES

WORKLOADS = ("hits", "frameworks", "mixes", "sizes", "writing", "processes", "concurrency", "distant")


def main(arguments: list[str] | None = None) -> int:
    """Run the workloads and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    for name, scale in SCALES.items():
        sizes.add_argument(f"--{name}", dest="scale", action="store_const", const=scale, help=f"the {name} scale")
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="one workload; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"), help="folder of the report")
    chosen = parser.parse_args(arguments)
    run, clock = Run(chosen.scale or SCALES["quick"], say=_say), Clock()
    for name in chosen.only or WORKLOADS:
        run.say(f"== {name}")
        import_module(f"benchmarks.workloads.{name}").measure(run)
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    report = report_of(run, machine=machine(), versions=versions(PEERS), seconds=clock.seconds, date=date)
    write(report, chosen.out, {})
    run.say(f"{chosen.out / 'report.md'}, {clock.seconds:.0f} seconds")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
