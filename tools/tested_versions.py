"""Write docs/tested-versions.md: which class of which version is known, and what an audit of identities finds of it.

It audits all installed classes, which takes minutes. A test fails while the page is not current, in what does not
depend on what is installed.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tested-versions.md"

_HEAD = """\
# Tested versions

<!-- Written by tools/tested_versions.py. -->

For each class that embeds texts through a provider, an audit changes every setting of its constructor, every argument
of a call, what its clients show, the globals of its SDK and the variables of the environment that it reads, one at a
time. What reaches a stand-in for the provider is compared with the namespace of the wrapped embedder, for documents
and queries, in sync and async calls, with one store for all: whatever changes a request has to change the namespace or
to bypass the cache.

**{figures}**. `make audit` measures it. *Needless* are settings that change the namespace and not the request, so that
vectors are paid for again; each has a reason, in `tests/identities/identity_audit/known_differences.py`.

- *known*: embedonce knows which settings decide the vectors, and namespaces are the same in all frameworks;
- *by its fields*: all fields count but those that are certainly secret or say how requests travel, as for a class of
  your own;
- *refused*: it is not cached, unless `namespace=` names what it computes.

Other versions work as long as their settings are the same. `make audit` checks the versions that are installed: see
[CONTRIBUTING](../CONTRIBUTING.md#check-a-new-version-of-a-package).
"""
_COLUMNS = ("class", "provider", "package", "tested", "identified", "settings varied")


def page(audit: Any = None) -> str:
    """Return what the page has to be.

    Args:
        audit: What an audit of all classes has found; without one, the page lacks all that is measured.
    """
    coverage = import_module("identity_audit.coverage")
    fields = {} if audit is None else {name: count for name, count, *_ in audit.table()}
    sections = [_HEAD.format(figures=_figures(audit))]
    entries = coverage.entries()
    for framework in dict.fromkeys(entry.framework for entry in entries):
        rows = [_row(entry, fields) for entry in entries if entry.framework == framework]
        head = [
            "| class | provider | package | tested | identified | settings varied |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        title = "SDKs" if framework == "SDK" else framework
        sections.append("\n".join([f"## {title}\n", *head, *rows, ""]))
    return "\n".join(sections)


def without_measures(text: str) -> str:
    """Return the page without versions and numbers, which depend on what is installed."""
    text = re.sub(r"^\*\*.*\*\*\.", "", text, flags=re.MULTILINE)
    return "\n".join(map(_without_numbers, text.splitlines()))


def _without_numbers(line: str) -> str:
    cells = line.split(" | ")
    if len(cells) != len(_COLUMNS):
        return line
    *names, _, how, measured = cells
    return " | ".join([*names, how, re.sub(r"^\d* *\|$", "|", measured)])


def _row(entry: Any, fields: dict[str, int]) -> str:
    measured = str(fields.get(entry.audited, "")) if entry.audited else entry.remark
    cells = [entry.name, entry.provider, f"`{entry.package}`", entry.version, entry.how, measured]
    return f"| {' | '.join(cells)} |"


def _figures(audit: Any) -> str:
    if audit is None:
        return ""
    classes = len({name for name, _ in audit.fields})
    wrong, needless = (len({each.variant.key for each in found}) for found in (audit.wrong, audit.needless))
    return (
        f"{classes} classes, {len(audit.fields):,} settings, {sum(audit.counts.values()):,} variants, of which "
        f"{audit.counts['compared']:,} could be compared: wrong {wrong}, needless {needless}"
    )


def main() -> None:
    """Audit all installed classes and write the page."""
    tests = ROOT / "tests"
    sys.path[:0] = [str(tests / part) for part in ("identities", "frameworks", "remote")]
    audit = import_module("identity_audit.comparing").Audit()
    audit.run(import_module("identity_audit.classes").AUDITED)
    PAGE.write_text(page(audit), encoding="utf-8")
    print(f"{PAGE}: {audit.figures()}")


if __name__ == "__main__":
    main()
