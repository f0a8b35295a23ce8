"""Build the wheel and check that it holds every package file that git tracks, and nothing else.

The build succeeds quietly when a folder is missing from `packages` in pyproject.toml; this check does not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_ROOTS = (Path("core"), *(path.relative_to(ROOT) for path in sorted((ROOT / "adapters").iterdir())))


def tracked() -> set[str]:
    """Return the files below the import roots that git tracks, relative to their roots."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    paths = [Path(line) for line in listed.stdout.splitlines()]
    return {path.relative_to(root).as_posix() for root in IMPORT_ROOTS for path in paths if path.is_relative_to(root)}


def in_wheel() -> set[str]:
    """Build the wheel and return the files in it, without its metadata."""
    with tempfile.TemporaryDirectory() as directory:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return {name for name in archive.namelist() if ".dist-info/" not in name}


def main() -> int:
    """Compare both; 0 if they agree."""
    wanted, found = tracked(), in_wheel()
    for name in sorted(wanted - found):
        print(f"missing from the wheel: {name}")
    for name in sorted(found - wanted):
        print(f"in the wheel but not tracked: {name}")
    print(f"{len(found)} files in the wheel, {len(wanted)} tracked")
    return int(wanted != found)


if __name__ == "__main__":
    sys.exit(main())
