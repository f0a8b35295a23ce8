"""Compares embedders as they are with what a cache makes of them."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import openai_service
import pytest
import surroundings

import embedonce
from identity_audit.changes import Change, changes, changes_around, noting_variables
from identity_audit.classes.audited import AuditedClass
from identity_audit.doors.frameworks import Answers, close_loop
from identity_audit.server.rerouting import rerouted

Key = tuple[str, str]
"""Class and setting, by which known differences are listed."""
Names = tuple[str, ...]
"""The namespaces that were asked, of documents and of queries."""


class Variant(NamedTuple):
    """One way to set an embedder up.

    Attributes:
        of: Its class.
        base: The setup that is varied.
        change: How it is varied.
    """

    of: AuditedClass
    base: int
    change: Change

    def __str__(self) -> str:
        return f"{self.of}({_shown(self.of.bases[self.base])}) {self.change}"

    @property
    def key(self) -> Key:
        """See `Key`."""
        return str(self.of), self.change.key


class Difference(NamedTuple):
    """A variant for which identity and request do not agree."""

    variant: Variant
    names: Names
    detail: str

    def __str__(self) -> str:
        return f"{self.variant}\n    namespace: {' and '.join(self.names)}\n    {self.detail}"


class NotingCache(embedonce.EmbeddingCache):
    """A cache that notes which namespaces it is asked for."""

    asked: list[str]

    def embed(self, texts: Any, embed: Any, *, namespace: Any, **given: Any) -> Any:
        """See `EmbeddingCache`."""
        self.asked.append(str(namespace))
        return super().embed(texts, embed, namespace=namespace, **given)

    async def aembed(self, texts: Any, embed: Any, *, namespace: Any, **given: Any) -> Any:
        """See `EmbeddingCache`."""
        self.asked.append(str(namespace))
        return await super().aembed(texts, embed, namespace=namespace, **given)


class _NotAnsweredError(Exception):
    """Why a variant is not answered as it is."""


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:150]}"


def _cached(plain: Answers, ask: Callable[[], Answers]) -> Answers | str:
    """Return what a wrapped embedder answers, or why it is refused."""
    try:
        return ask()
    except (embedonce.UnsupportedEmbedderError, embedonce.IdentityError) as error:
        return str(error)
    except Exception as error:
        # It answers as it is: wrapped, it has to answer as well.
        return dict.fromkeys(plain, _told(error))


@dataclass
class Audit:
    """What has been found so far.

    Attributes:
        counts: How many variants were compared, not cached by embedonce, refused by the class or its client.
        variants: How many of each class were compared.
        fields: Classes and settings that were compared.
        wrong: Those that were answered with another vector.
        needless: Those that change the name and not the request.
        failed: What could not be compared, and why.
        bases_not_compared: Classes of which nothing is known, since they are not answered or not cached as they are.
        twins: Classes whose async methods send other requests than their sync ones.
        names: All namespaces, by class.
    """

    counts: Counter[str] = field(default_factory=Counter)
    variants: Counter[str] = field(default_factory=Counter)
    fields: set[Key] = field(default_factory=set)
    wrong: list[Difference] = field(default_factory=list)
    needless: list[Difference] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    bases_not_compared: dict[str, str] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    _seen: list[str] = field(default_factory=list)
    _cache: Any = field(default_factory=lambda: NotingCache(embedonce.MemoryStore()))
    _bases: dict[tuple[AuditedClass, int], tuple[Names, Answers]] = field(default_factory=dict)
    _first: dict[tuple[str, str], str] = field(default_factory=dict)

    def run(self, classes: Iterable[AuditedClass], chosen: Callable[[list[Variant]], list[Variant]] = list) -> None:
        """Audit some classes; those that are not installed are left out.

        Args:
            classes: The classes.
            chosen: Chooses from the variants of one setting; all of them by default.
        """
        with _quiet(), rerouted(self._seen):
            try:
                for of in classes:
                    if of.kind() is not None:
                        for variant in self._variants(of, chosen):
                            self.compare(variant)
            finally:
                close_loop()

    def _variants(self, of: AuditedClass, chosen: Callable[[list[Variant]], list[Variant]]) -> Iterator[Variant]:
        found: dict[str, list[Variant]] = {}
        for change in changes(of.door, of.kind(), of.choices):
            for base in range(len(of.bases)):
                found.setdefault(change.key, []).append(Variant(of, base, change))
        for base in range(len(of.bases)):
            yield Variant(of, base, Change(""))
            if str(of) in self.bases_not_compared:
                continue
            with noting_variables() as variables:
                embedder = of.door.make(of.kind(), of.given(base))
                of.door.ask(embedder)
            for change in changes_around(of.door.parts(embedder), variables, of.modules):
                found.setdefault(change.key, []).append(Variant(of, base, change))
        for variants in found.values():
            yield from chosen(variants)

    def compare(self, variant: Variant) -> None:
        """Ask an embedder as it is and wrapped."""
        self._cache.asked = []
        try:
            plain, cached, sent = self._of_used(variant) if variant.change.is_of_used else self._of_new(variant)
        except _NotAnsweredError as error:
            self.counts["refused by the class"] += 1
            self.failed.append(f"{variant}: {error}")
            if not variant.change.name:
                self.bases_not_compared[str(variant.of)] = f"{variant}: {error}"
            return
        names = tuple(dict.fromkeys(self._cache.asked))
        self.counts["compared" if names else "not cached"] += 1
        self.names.setdefault(str(variant.of), set()).update(names)
        if isinstance(cached, str):
            if not variant.change.name:
                self.bases_not_compared[str(variant.of)] = f"{variant}: {cached}"
            self._note_refusal(variant, plain, cached)
            return
        self.fields.add(variant.key)
        self.variants[str(variant.of)] += 1
        self._note(variant, names, plain, cached, sent)

    def _of_new(self, variant: Variant) -> tuple[Answers, Answers | str, str]:
        """Return what two new embedders answer, one of them wrapped, and what the other one has sent."""
        change, door = variant.change, variant.of.door

        def asked(wrap: Callable[[Any], Any] | None = None) -> Answers:
            with ExitStack() as surrounding:
                surrounding.enter_context(change.before())
                embedder = self._made(variant)
                parts = door.parts(embedder)
                wrapped = embedder if wrap is None else door.rebuilt(embedder, [wrap(part) for part in parts])
                surrounding.enter_context(change.after(parts))
                return door.ask(wrapped)

        plain, sent = self._plain(asked)
        return plain, _cached(plain, lambda: asked(self._cache.wrap)), sent

    def _of_used(self, variant: Variant) -> tuple[Answers, Answers | str, str]:
        """Return what an embedder in use answers after a change, as it is and wrapped before, and what it has sent."""
        change, door = variant.change, variant.of.door
        try:
            embedder = self._made(variant)
            wrapped = door.rebuilt(embedder, [self._cache.wrap(part) for part in door.parts(embedder)])
            # The cache may answer for the embedder, and clients may be built when they are first needed.
            door.ask(embedder)
            door.ask(wrapped)
            self._cache.asked = []
            restoring = change.after(door.parts(embedder))
        except Exception as error:
            raise _NotAnsweredError(_told(error)) from error
        with restoring:
            plain, sent = self._plain(lambda: door.ask(embedder))
            return plain, _cached(plain, lambda: door.ask(wrapped)), sent

    def _made(self, variant: Variant) -> Any:
        # Classes may change dictionaries that they are given.
        given = variant.of.given(variant.base) | copy.deepcopy(variant.change.given())
        return variant.of.door.make(variant.of.kind(), given)

    def _plain(self, ask: Callable[[], Answers]) -> tuple[Answers, str]:
        del self._seen[:]
        try:
            return ask(), " | ".join(dict.fromkeys(self._seen))
        except Exception as error:
            raise _NotAnsweredError(_told(error)) from error

    def _note(self, variant: Variant, names: Names, plain: Answers, cached: Answers, sent: str) -> None:
        base = self._bases.setdefault((variant.of, variant.base), (names, plain))
        if not variant.change.name:
            self._note_twins(variant, plain)
        bad = [way for way in plain if plain[way] != cached[way]]
        name = " and ".join(names)
        if bad:
            first = self._first.get((name, bad[0]), "the same embedder, asked in another way")
            answered = cached[bad[0]] if "Error" in cached[bad[0]] else f"as of {first}"
            self.wrong.append(Difference(variant, names, f"{', '.join(bad)}: {answered}\n    sent: {sent[:600]}"))
        elif plain == base[1] and names != base[0]:
            self.needless.append(Difference(variant, names, f"instead of {' and '.join(base[0])}"))
        for way in plain:
            self._first.setdefault((name, way), str(variant))

    def _note_refusal(self, variant: Variant, plain: Answers, why: str) -> None:
        base = self._bases.get((variant.of, variant.base))
        if base is not None and base[0] and plain == base[1]:
            self.needless.append(Difference(variant, (), f"not cached: {why[:300]}"))

    def _note_twins(self, variant: Variant, plain: Answers) -> None:
        for way in ("documents", "query"):
            if plain.get(f"{way}, async", plain[way]) != plain[way]:
                self.twins[str(variant.of)] = f"{variant}: {way}"

    def table(self) -> list[tuple[str, int, int, int, int]]:
        """Return for each class how many settings and variants were compared, and how many are wrong and needless."""
        fields = Counter(name for name, _ in self.fields)
        wrong = Counter(str(each.variant.of) for each in self.wrong)
        needless = Counter(str(each.variant.of) for each in self.needless)
        return [(name, fields[name], self.variants[name], wrong[name], needless[name]) for name in self.variants]

    def figures(self) -> str:
        """Return all numbers in one line."""
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return (
            f"classes {len({name for name, _ in self.fields})}, fields {len(self.fields)}, "
            f"variants {sum(self.counts.values())} ({counts}), wrong {len(self.wrong)} in "
            f"{len(keys(self.wrong))} fields, needless {len(self.needless)} in {len(keys(self.needless))} fields"
        )


def keys(differences: Iterable[Difference]) -> set[Key]:
    """Return the classes and settings of differences."""
    return {each.variant.key for each in differences}


def few(listed: Iterable[Key], shared: Iterable[str]) -> Callable[[list[Variant]], list[Variant]]:
    """Return what chooses one variant of each setting, the same at every run.

    What surrounds embedders is changed for the first class alone. Of what is listed, all variants are chosen.

    Args:
        listed: Settings of classes.
        shared: Settings of any class.
    """
    keys_listed, settings, around = set(listed), set(shared), set()

    def chosen(variants: list[Variant]) -> list[Variant]:
        key = variants[0].key
        if key in keys_listed or key[1] in settings:
            return variants
        if key[1].startswith(("$", "global ")):
            if key[1] in around:
                return []
            around.add(key[1])
        return [variants[zlib.crc32(repr(key).encode()) % len(variants)]]

    return chosen


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the environment of the machine out, and warnings of clients away."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        surroundings.clean(patch)
        patch.setenv("TQDM_DISABLE", "1")
        patch.setenv("DISABLE_AIOHTTP_TRANSPORT", "True")
        openai_service.without_vocabularies(patch)
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def _shown(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
