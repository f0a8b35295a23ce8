"""The audit of identities: whatever changes what reaches a provider must change the identity.

Every setting of every class of a provider is varied one by one; all variants share one store. A wrapped embedder has to
answer what the unwrapped one answers, for documents and queries, sync and async.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / part) for part in ("identities", "frameworks", "remote")]

import openai_service
import pytest
import surroundings
from known_differences import NEEDLESS, WRONG
from rerouting import rerouted
from rows import LATER, ROWS, Row
from settings import values

import embedonce


class Variant(NamedTuple):
    """One way to set an embedder up.

    Attributes:
        row: Its class.
        base: The setup that is varied.
        name: The setting that is varied, empty for the setup itself.
        value: Its value.
        is_later: True if it is set after building.
    """

    row: Row
    base: int
    name: str
    value: Any = None
    is_later: bool = False

    def __str__(self) -> str:
        of = f"{self.row}[{self.row.bases[self.base]}]"
        return f"{of} {'then ' * self.is_later}{self.name}={self.value!r}" if self.name else of

    def made(self) -> Any:
        """Return a new embedder."""
        given = {name: value() if _is_later(value) else value for name, value in self.row.needs.items()}
        given |= self.row.bases[self.base]
        if not self.name:
            return self.row.door.make(self.row.kind(), given)
        if not self.is_later:
            return self.row.door.make(self.row.kind(), given | {self.name: self.value})
        embedder = self.row.door.make(self.row.kind(), given)
        for part in self.row.door.parts(embedder):
            if hasattr(part, self.name):
                setattr(part, self.name, self.value)
        return embedder


def _is_later(value: Any) -> bool:
    return callable(value) and value in LATER


class Difference(NamedTuple):
    """A setting for which identity and request do not agree."""

    variant: Variant
    namespace: str
    detail: str

    @property
    def key(self) -> tuple[str, str]:
        """Class and setting, by which known differences are listed."""
        return str(self.variant.row), self.variant.name

    def __str__(self) -> str:
        return f"{self.variant}\n    namespace: {self.namespace}\n    {self.detail}"


@dataclass
class Audit:
    """What has been found so far.

    Attributes:
        counts: How many variants were compared, refused by embedonce, refused by the class or its client.
        fields: Classes and settings that were compared.
        wrong: Those that were answered with another vector.
        needless: Those that change the name and not the request.
        failed: What could not be compared, and why.
    """

    counts: Counter[str] = field(default_factory=Counter)
    fields: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[Difference] = field(default_factory=list)
    needless: list[Difference] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _store: Any = field(default_factory=embedonce.MemoryStore)
    _plain: dict[tuple[str, int], tuple[str, Any]] = field(default_factory=dict)
    _first: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)

    def compare(self, variant: Variant) -> None:
        """Ask an embedder as it is and wrapped."""
        seen: list[str] = []
        try:
            with rerouted(seen):
                plain = variant.row.door.ask(variant.made())
                inside = variant.made()
        except Exception as error:
            self.counts["refused by the class"] += 1
            self.failed.append(f"{variant}: {type(error).__name__}: {str(error)[:150]}")
            return
        try:
            wrapped = [embedonce.wrap(part, self._store) for part in variant.row.door.parts(inside)]
        except (embedonce.UnsupportedEmbedderError, embedonce.IdentityError):
            self.counts["refused by embedonce"] += 1
            return
        try:
            with rerouted():
                cached = variant.row.door.ask(variant.row.door.rebuilt(wrapped))
            namespace = " ".join(dict.fromkeys(each.namespace for each in wrapped))
        except embedonce.IdentityError:
            self.counts["refused by embedonce"] += 1
            return
        except Exception as error:
            # It answers as it is: wrapped, it has to answer as well.
            namespace, cached = " ".join(each.namespace for each in wrapped), dict.fromkeys(plain, str(error))
        self.counts["compared"] += 1
        self.fields.add((str(variant.row), variant.name))
        self._note(variant, namespace, plain, cached, seen)

    def _note(self, variant: Variant, namespace: str, plain: Any, cached: Any, seen: list[str]) -> None:
        base = self._plain.setdefault((str(variant.row), variant.base), (namespace, plain))
        bad = [way for way in plain if plain[way] != cached[way]]
        if bad:
            first = self._first.get((namespace, bad[0]), ("the same embedder, asked in another way", None))[0]
            told = " | ".join(dict.fromkeys(seen))
            self.wrong.append(Difference(variant, namespace, f"{', '.join(bad)}: as of {first}\n    sent: {told}"))
        elif plain == base[1] and namespace != base[0]:
            self.needless.append(Difference(variant, namespace, f"instead of {base[0]}"))
        for way in plain:
            self._first.setdefault((namespace, way), (str(variant), plain[way]))

    def unknown(self) -> list[Difference]:
        """Return what is not listed as known."""
        return [each for each in self.wrong if each.key not in WRONG] + [
            each for each in self.needless if not is_needless(each.key)
        ]

    def figures(self) -> str:
        """Return all numbers in one line."""
        classes = len({name for name, _ in self.fields})
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return (
            f"classes {classes}, fields {len(self.fields)}, variants {sum(self.counts.values())} ({counts}), "
            f"wrong {len(self.wrong)}, needless {len(self.needless)}"
        )


def is_needless(key: tuple[str, str]) -> bool:
    """True if a difference is listed as a needless miss."""
    return key in NEEDLESS or ("*", key[1]) in NEEDLESS


def variants(row: Row) -> Iterator[Variant]:
    """Yield every setup of a class: its bases, and each of its settings with each value."""
    for base in range(len(row.bases)):
        yield Variant(row, base, "")
    kind = row.kind()
    for setting in row.door.settings(kind):
        for value in values(setting, row.choices):
            for base in range(len(row.bases)):
                yield Variant(row, base, setting.name, value)
                if row.set_later:
                    yield Variant(row, base, setting.name, value, is_later=True)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the environment of the machine out, and warnings of clients away."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        surroundings.clean(patch)
        openai_service.without_vocabularies(patch)
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def audited(rows: list[Row], step: int = 1) -> Audit:
    """Return what an audit of some classes finds.

    Args:
        rows: The classes; those that are not installed are left out.
        step: Compares each setup itself and every so many of its variants.
    """
    found = Audit()
    with quiet():
        for row in rows:
            if row.kind() is None:
                continue
            for number, variant in enumerate(variants(row)):
                if not variant.name or number % step == 0:
                    found.compare(variant)
    return found


def main() -> int:
    """Audit all installed classes, or those whose names hold one of the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of classes; all without any")
    parser.add_argument("--failed", action="store_true", help="show what could not be compared")
    given = parser.parse_args()
    rows = [row for row in ROWS if not given.names or any(name in str(row) for name in given.names)]
    found = audited(rows)
    out = sys.stdout.write
    for title, differences in (("WRONG", found.wrong), ("NEEDLESS", found.needless)):
        for each in differences:
            known = each.key in WRONG if title == "WRONG" else is_needless(each.key)
            out(f"{title}{' (known)' * known}: {each}\n")
    if given.failed:
        out("".join(f"NOT COMPARED: {each}\n" for each in found.failed))
    out(f"not installed: {', '.join(str(row) for row in rows if row.kind() is None) or 'none'}\n{found.figures()}\n")
    return bool(found.unknown())


if __name__ == "__main__":
    sys.exit(main())
