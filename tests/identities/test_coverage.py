"""No class is forgotten: what embedonce knows is audited or has a reason, and docs/tested-versions.md shows it."""

from __future__ import annotations

import runpy
from pathlib import Path

from identity_audit.classes import AUDITED
from identity_audit.coverage import forgotten, known
from identity_audit.known_differences import NEEDLESS, REFUSED, TWINS, WRONG
from identity_audit.not_audited import NOT_AUDITED

TOOL = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "tested_versions.py"))


def test_every_known_class_is_audited_or_has_a_reason_not_to_be():
    """A class that comes into a table of an adapter has an entry in identity_audit/classes."""
    assert forgotten() == []


def test_every_reason_is_that_of_a_known_class():
    classes = {(framework, name) for framework, _, name, _ in known()}
    assert {key for key in NOT_AUDITED if key[0] != "sdk"} <= classes
    names = {str(of) for of in AUDITED}
    assert len(names) == len(AUDITED)
    assert {name for name, _ in [*WRONG, *NEEDLESS]} | TWINS.keys() | REFUSED.keys() <= names


def test_the_page_of_tested_versions_is_current():
    """Python tools/tested_versions.py writes it."""
    written = TOOL["PAGE"].read_text(encoding="utf-8")
    assert TOOL["without_measures"](written) == TOOL["without_measures"](TOOL["page"]())
