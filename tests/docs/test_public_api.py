"""What is public: docs/public-api.md lists it, and the documentation uses nothing else."""

from __future__ import annotations

import ast
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest
from pages import blocks

from embedonce import hookspecs

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "public-api.md"
TOOL = runpy.run_path(str(ROOT / "tools" / "public_api.py"))
FACES = TOOL["FACES"]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_page_lists_what_is_public():
    """A name that comes or goes is announced by running tools/public_api.py, and belongs into the changelog."""
    assert PAGE.read_text(encoding="utf-8") == TOOL["page"]()


@pytest.mark.parametrize("face", FACES)
def test_the_names_on_the_page_can_be_imported(face):
    """Read independently of the tool."""
    (section,) = re.findall(
        rf"^## {re.escape(face)}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names = re.findall(r"^\| `(\w+)` \| \S", section, re.MULTILINE)
    module = import_module(face)
    assert sorted(names) == sorted(module.__all__)
    assert len(set(names)) == len(names) > 0
    for name in names:
        assert getattr(module, name) is not None
        assert name in dir(module)


def test_every_hook_is_public():
    hooks = [name for name in vars(hookspecs) if name.startswith("embedonce_")]
    assert hooks
    assert set(hooks) <= set(hookspecs.__all__)


def imported_from(code):
    """Return the modules of the core that code imports."""
    nodes = list(ast.walk(ast.parse(code)))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name for name in found if name.partition(".")[0] == "embedonce"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_import_from_public_modules_only(page):
    for language, code in blocks(page):
        if language == "python":
            assert imported_from(code) <= set(FACES)
