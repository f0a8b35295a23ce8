"""Audit all installed classes, or those whose names hold one of the arguments, and print what was found."""

from __future__ import annotations

import argparse
import sys

from identity_audit.classes import AUDITED
from identity_audit.comparing import Audit, keys
from identity_audit.known_differences import NEEDLESS, WRONG


def main() -> int:
    """Return 1 if something was found that is not listed as known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of classes; all without any")
    parser.add_argument("--failed", action="store_true", help="show what could not be compared")
    given = parser.parse_args()
    classes = [of for of in AUDITED if not given.names or any(name in str(of) for name in given.names)]
    audit, out = Audit(), sys.stdout.write
    audit.run(classes)
    for title, differences, known in (("WRONG", audit.wrong, WRONG), ("NEEDLESS", audit.needless, NEEDLESS)):
        for each in differences:
            out(f"{title}{' (known)' * (each.variant.key in known)}: {each}\n")
    if given.failed:
        out("".join(f"NOT COMPARED: {each}\n" for each in audit.failed))
    out("".join(f"TWINS DIFFER: {each}\n" for each in audit.twins.values()))
    out(f"{'class':64} fields variants wrong needless\n")
    for name, fields, variants, wrong, needless in audit.table():
        out(f"{name:64} {fields:6} {variants:8} {wrong:5} {needless:8}\n")
    missing = ", ".join(str(of) for of in classes if of.kind() is None)
    out(f"not installed: {missing or 'none'}\n{audit.figures()}\n")
    return bool((keys(audit.wrong) - set(WRONG)) | (keys(audit.needless) - set(NEEDLESS)))


if __name__ == "__main__":
    sys.exit(main())
