"""The pictures in docs/architecture.md are those of the code."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("architecture_pictures", ROOT / "tools" / "architecture_pictures.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "architecture_pictures", module)
    spec.loader.exec_module(module)
    return module


def test_the_pictures_are_current(tool):
    """Run tools/architecture_pictures.py after a change of what imports what."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == tool.page(text)


def test_arrows_that_follow_from_others_are_left_out(tool):
    assert tool.without_implied({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {
        ("a", "b"),
        ("b", "c"),
        ("a", "d"),
    }


def test_files_and_folders_that_the_page_names_exist():
    """In the tables: paths below core/embedonce, and tools."""
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", text))
    places = [
        ROOT,
        *(ROOT / "core" / "embedonce" / part for part in (".", "cache", "cache/engine", "stores", "stores/segments")),
    ]
    assert {"options.py", "stores/drivers/", "tools/imports.py", "lookup/"} <= named
    missing = {name for name in named if not any((place / name).exists() for place in places)}
    assert missing == {"providers/"}


def test_paths_and_commands_of_contributing_exist():
    """Somebody new follows them to the letter."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"(?<![\w./])((?:core|adapters|tests|tools|docs)/[\w./-]*\w)", text))
    assert {"tests/langchain/langchain_known.py", "core/embedonce/keys/encoders.py", "tools/public_api.py"} <= paths
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert "setup" in targets
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets
