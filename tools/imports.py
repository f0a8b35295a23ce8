"""Read the imports of the project's own modules from their source: what imports what, type-only imports included.

python tools/imports.py            circles and imports that go up, with an exit status of 1 if there is one

The layers are those of `.importlinter`. import-linter checks them too; this second count shares no code with it.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (
    "core",
    "adapters/langchain",
    "adapters/llamaindex",
    "adapters/haystack",
    "adapters/sdks",
    "adapters/sentence_transformers",
)


class Import(NamedTuple):
    """One import of one of the project's modules by another."""

    importer: str
    imported: str
    line: int
    is_type_only: bool


class Layers(NamedTuple):
    """Packages in layers, the highest first: a package imports from its own layer and from lower ones.

    Attributes:
        name: What the contract says.
        layers: The packages of each layer.
        independent: For each layer, True if its packages do not import each other.
    """

    name: str
    layers: list[list[str]]
    independent: list[bool]

    def place_of(self, module: str) -> tuple[int, str] | None:
        """Return the layer and the package that a module belongs to, None if it is in no layer."""
        for number, packages in enumerate(self.layers):
            for package in packages:
                if module == package or module.startswith(f"{package}."):
                    return number, package
        return None

    def forbid(self, arrow: Import) -> bool:
        """True if an import goes to a higher layer, or to another package of a layer whose packages are independent."""
        importer, imported = self.place_of(arrow.importer), self.place_of(arrow.imported)
        if importer is None or imported is None:
            return False
        beside = importer[0] == imported[0] and importer[1] != imported[1]
        return imported[0] < importer[0] or (beside and self.independent[importer[0]])


def contracts() -> list[Layers]:
    """Return the contracts of `.importlinter` that are about layers."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    found = []
    for section in map(parser.__getitem__, parser.sections()):
        if section.get("type") != "layers":
            continue
        lines = section["layers"].split("\n")[1:]
        container = f"{section['containers']}." if "containers" in section else ""
        layers = [[container + name for name in re.split(r"\s*[:|]\s*", line)] for line in lines]
        found.append(Layers(section["name"], layers, ["|" in line for line in lines]))
    return found


@cache
def modules() -> dict[str, Path]:
    """Return the project's modules by name."""
    found = {}
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            parts = path.relative_to(ROOT / source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> list[Import]:
    """Return every import between the project's modules."""
    known = modules()
    found = []
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            targets = set()
            if isinstance(node, ast.Import):
                targets = {alias.name for alias in node.names if alias.name in known}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                for alias in node.names:
                    inside = f"{node.module}.{alias.name}"
                    if inside in known:
                        targets.add(inside)
                    elif node.module in known:
                        targets.add(node.module)
            line = getattr(node, "lineno", 0)
            found += [Import(name, target, line, id(node) in guarded) for target in targets if target != name]
    return found


def circles(arrows: list[Import]) -> list[list[str]]:
    """Return the groups of modules that import each other, and of packages that do so through their modules."""
    groups = _circles({(arrow.importer, arrow.imported) for arrow in arrows})
    between: dict[str, set[tuple[str, str]]] = {}
    for arrow in arrows:
        importer, imported = arrow.importer.split("."), arrow.imported.split(".")
        shared = next((i for i, pair in enumerate(zip(importer, imported, strict=False)) if pair[0] != pair[1]), None)
        # A package and what is in it are one.
        if shared is not None:
            pair = ".".join(importer[: shared + 1]), ".".join(imported[: shared + 1])
            between.setdefault(".".join(importer[:shared]), set()).add(pair)
    for pairs in between.values():
        groups += [group for group in _circles(pairs) if group not in groups]
    return groups


def _circles(pairs: set[tuple[str, str]]) -> list[list[str]]:
    """Return the groups of names that lead to each other, by Tarjan's algorithm."""
    after: dict[str, set[str]] = {}
    for name, other in pairs:
        after.setdefault(name, set()).add(other)
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(after.get(name, ())):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            group = []
            while True:
                group.append(stack.pop())
                if group[-1] == name:
                    break
            if len(group) > 1:
                groups.append(sorted(group))

    for name in sorted(after):
        if name not in order:
            visit(name)
    return groups


def upward(arrows: list[Import]) -> list[Import]:
    """Return the imports that go from a lower layer to a higher one, or between independent packages of one layer."""
    layered = contracts()
    return [arrow for arrow in arrows if any(layers.forbid(arrow) for layers in layered)]


def main() -> int:
    """Print what breaks the rules."""
    arrows = imports()
    found_circles, found_upward = circles(arrows), upward(arrows)
    for group in found_circles:
        print("circle:", ", ".join(group))
    for arrow in found_upward:
        print(f"up: {arrow.importer}:{arrow.line} imports {arrow.imported}")
    print(f"{len(modules())} modules, {len(arrows)} imports, {len(found_circles)} circles, {len(found_upward)} up")
    return 1 if found_circles or found_upward else 0


if __name__ == "__main__":
    sys.exit(main())
