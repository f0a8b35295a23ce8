"""Every Python block of the documentation runs, or says why it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after the other, as a reader would type them; others at least parse."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "documentation"}
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        code = compile(match["code"], str(page), "exec")
        if match["reason"] is None:
            exec(code, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file of the repository."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_promises_name_tests_that_exist() -> None:
    """Every test that docs/promises.md names is a test of this repository."""
    promised = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")))
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "core" / "embedonce" / "testing" / "suites").rglob("*.py")]
    sources = "".join(path.read_text(encoding="utf-8") for path in files)
    assert promised
    assert {name for name in promised if f"def {name}(" not in sources} == set()
