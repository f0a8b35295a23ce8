"""Where every module may be and what it may import, counted by tools/imports.py without import-linter."""

from __future__ import annotations

import runpy
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core" / "embedonce"
TOOL = runpy.run_path(str(ROOT / "tools" / "imports.py"))
Import = TOOL["Import"]

MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_PACKAGE = 1_000
"""Of the files that are directly in its folder."""
LARGER_PACKAGES = {
    ".": "the front door, the contract with plugins, and values that every part uses",
    "testing/suites": "suites that are shipped",
    "testing/suites/adapters": "suites that are shipped",
}


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def arrows() -> list[Any]:
    return TOOL["imports"]()


def test_no_module_imports_itself_through_others(arrows: list[Any]) -> None:
    assert TOOL["circles"](arrows) == []


def test_no_import_goes_up(arrows: list[Any]) -> None:
    assert len(arrows) > 500
    assert TOOL["upward"](arrows) == []


@pytest.mark.parametrize(
    ("importer", "imported", "is_forbidden"),
    [
        ("embedonce.errors", "embedonce.options", True),
        ("embedonce.options", "embedonce.errors", False),
        ("embedonce.keys.hmac", "embedonce.vectors.rows", False),
        ("embedonce.stores.segments.lookup.view", "embedonce.stores.segments.store", True),
        ("embedonce.stores.segments.catalog.catalog", "embedonce.stores.segments.reading.rows", True),
        ("embedonce.stores.segments.catalog.catalog", "embedonce.stores.segments.catalog.resolving", False),
        ("embedonce.cache.cache", "langchain_embedonce.embeddings", True),
        ("llama_index.embeddings.embedonce.base", "langchain_embedonce.embeddings", True),
    ],
)
def test_the_layers_of_the_contract_are_understood(importer: str, imported: str, is_forbidden: bool) -> None:
    """As import-linter understands them; an import for types only counts."""
    arrow = Import(importer, imported, 1, is_type_only=True)
    assert TOOL["upward"]([arrow]) == [arrow] * is_forbidden


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("a>b b>c c>a c>d d>e", [["a", "b", "c"]]),
        ("a.x.one>a.y.one a.y.two>a.x.two", [["a.x", "a.y"]]),
        ("a.x.one>a.y a.y>a.x", [["a.x", "a.y"]]),
        ("a>a.x a.x.one>a.x.two a.x.two>a.y a.y>b", []),
    ],
)
def test_circles_are_found(names: str, found: list[list[str]]) -> None:
    """Of modules, and of packages that import each other's modules."""
    arrows = [Import(*arrow.split(">"), 1, is_type_only=False) for arrow in names.split()]
    assert TOOL["circles"](arrows) == found


def test_every_package_is_in_a_layer() -> None:
    """A package that no layer names could import anything."""
    (layers,) = (contract for contract in TOOL["contracts"]() if "embedonce.cli" in contract.layers[0])
    placed = {module for module in TOOL["modules"]() if layers.place_of(module)}
    assert {module for module in TOOL["modules"]() if module.startswith("embedonce.")} == placed


def test_the_top_level_can_be_surveyed() -> None:
    entries = {path.name for path in CORE.iterdir()} - {"__pycache__", "py.typed"}
    assert len(entries) <= 22


def test_files_are_short() -> None:
    sizes = {path: lines_of(path) for part in ("core", "adapters") for path in (ROOT / part).rglob("*.py")}
    assert {path for path, lines in sizes.items() if lines > MOST_LINES_OF_A_FILE} == set()


@pytest.mark.parametrize(
    "package",
    [
        "embedonce",
        "embedonce.hookspecs",
        "embedonce.stores",
        "embedonce.identification",
        "embedonce.identification.providers",
        "embedonce.testing",
    ],
)
def test_no_module_has_the_name_of_what_its_package_exports(package: str) -> None:
    """Importing the module would put it in the place of the function."""
    public = import_module(package)
    functions = {name for name in public.__all__ if not isinstance(getattr(public, name), ModuleType)}
    below = {
        module.removeprefix(f"{package}.").partition(".")[0]
        for module in TOOL["modules"]()
        if module.startswith(f"{package}.")
    }
    assert functions & below == set()


def test_packages_are_small() -> None:
    sizes: Counter[str] = Counter()
    for path in CORE.rglob("*.py"):
        sizes[path.parent.relative_to(CORE).as_posix()] += lines_of(path)
    assert {folder for folder, lines in sizes.items() if lines > MOST_LINES_OF_A_PACKAGE} == set(LARGER_PACKAGES)
