"""Every Python block of the documentation runs, or says why it cannot."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
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


def slow_tests(path: Path) -> dict[str, bool]:
    """Return the tests of a file, and of each whether only `make soak` runs it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    marks = [ast.unparse(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    all_slow = any("mark.soak" in mark for mark in marks if mark.startswith("pytest"))
    return {
        node.name: all_slow or any(ast.unparse(each) == "pytest.mark.soak" for each in node.decorator_list)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_promises_name_tests_that_exist() -> None:
    """Every test that docs/promises.md names is a test of this repository, and a slow one is called slow."""
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    promised = {
        name: is_slow
        for row in page.splitlines()
        for is_slow, part in enumerate(row.split("slow:", maxsplit=1))
        for name in re.findall(r"`(test_\w+)`", part)
    }
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "core" / "embedonce" / "testing" / "suites").rglob("*.py")]
    written: dict[str, bool] = {}
    for path in files:
        for name, is_slow in slow_tests(path).items():
            written[name] = written.get(name, True) and is_slow
    assert promised
    assert promised.items() - written.items() == set()
