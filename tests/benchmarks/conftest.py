"""What the tests of the benchmarks share."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# With --import-mode=importlib the root of the repository is on no path.
sys.path.insert(0, str(ROOT))
