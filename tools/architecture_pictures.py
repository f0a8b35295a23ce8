"""Draw the pictures of docs/architecture.md from the imports of the code, and list the packages with their docstrings.

Run it after a change of what imports what; a test fails while the page is not current. An arrow means "imports", for
types only or not. Arrows that follow from others are left out: if a imports b and b imports c, a may import c as well.
"""

from __future__ import annotations

import ast
from pathlib import Path

from imports import circles, imports, modules

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"
PACKAGES = ("embedonce", "embedonce.cache", "embedonce.stores", "embedonce.stores.segments")
"""What has a picture and a table of its own."""
FRONT_DOOR = "embedonce"
ADAPTERS = "adapters"

_Arrows = set[tuple[str, str]]


def part_of(module: str, package: str) -> str | None:
    """Return which part of a package a module belongs to, None for a module elsewhere."""
    if module.startswith(f"{package}."):
        return module.removeprefix(f"{package}.").partition(".")[0]
    if package != FRONT_DOOR or module.startswith("pytest_embedonce"):
        return None
    return FRONT_DOOR if module == FRONT_DOOR else ADAPTERS


def arrows_in(package: str) -> _Arrows:
    """Return which part of a package imports which."""
    pairs = {(part_of(each.importer, package), part_of(each.imported, package)) for each in imports()}
    return {(one, other) for one, other in pairs if one and other and one != other}


def without_implied(arrows: _Arrows) -> _Arrows:
    """Return the arrows that do not follow from others; there must be no circle."""
    below: dict[str, set[str]] = {}

    def reached_from(part: str) -> set[str]:
        if part not in below:
            direct = {other for one, other in arrows if one == part}
            below[part] = direct.union(*map(reached_from, direct))
        return below[part]

    return {
        (one, other)
        for one, other in arrows
        if not any(other in reached_from(between) for above, between in arrows if above == one)
    }


def picture(package: str) -> str:
    """Return a picture of a package in the language of Mermaid."""
    arrows = sorted(without_implied(arrows_in(package)))
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {one} --> {other}" for one, other in arrows), "```"])


def table(package: str) -> str:
    """Return the parts of a package with the first sentence of their documentation, the highest first."""
    found = modules()
    parts = {part for name in found if name.startswith(f"{package}.") and (part := part_of(name, package))}
    arrows = arrows_in(package)

    def height(part: str) -> int:
        return 1 + max((height(other) for one, other in arrows if one == part), default=0)

    rows = ["| part | what it is |", "| --- | --- |"]
    for part in sorted(parts, key=lambda part: (-height(part), part)):
        path = found[f"{package}.{part}"]
        name = f"{part}/" if path.name == "__init__.py" else path.name
        documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rows.append(f"| `{name}` | {' '.join(documentation.partition(chr(10) * 2)[0].split())} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """Return a page with its generated parts renewed.

    Raises:
        ValueError: The page has no place for a picture, or there are circles of imports, which cannot be drawn.
    """
    if groups := circles(imports()):
        msg = f"these import each other: {groups}"
        raise ValueError(msg)
    for package in PACKAGES:
        begin, end = f"<!-- drawn: {package} -->", "<!-- /drawn -->"
        drawn = f"{begin}\n\n{picture(package)}\n\n{table(package)}\n\n{end}"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        if not after:
            msg = f"{PAGE.name} has no place for the picture of {package}"
            raise ValueError(msg)
        text = before + drawn + after
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE}: {len(PACKAGES)} pictures")
