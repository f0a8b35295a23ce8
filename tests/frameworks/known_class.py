"""What holds for every embedder class of a provider that embedonce knows, in whatever framework."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SECRET = "s3cr3t-0123456789"
"""What the tables have in the place of keys and passwords: no identity may hold it."""


@dataclass(frozen=True)
class Known:
    """A known class: what it is in its default setup, and how its settings count.

    Attributes:
        make: Makes an embedder with the given settings.
        namespace: That of an embedder in its default setup, which is the same in every framework.
        symmetric: True if the default setup embeds queries like documents.
        changes: Settings that change vectors.
        keeps: Settings that change no vector.
        batch: How many texts are embedded between two writes: at most eight requests that are sent one after the other;
            two numbers if async methods send more at once.
        effective: What some texts become before the model sees them; empty if texts are left as they are.
        whole_up_to: Length in bytes up to which no text is split.
    """

    make: Callable[..., Any]
    namespace: str
    symmetric: bool
    changes: list[dict[str, Any]]
    keeps: list[dict[str, Any]] = field(default_factory=list)
    batch: int | str | tuple[int | str, int | str] = 1024
    effective: dict[str, str] = field(default_factory=dict)
    whole_up_to: int | None = None


def namespace_of(describer, embedder):
    """Return the namespace of an embedder that has an identity."""
    identity = describer.describe(embedder).identity
    assert identity is not None
    return identity.namespace


def check_default(describer, known, *, secret=SECRET):
    """The default setup: its names must not change by accident, and descriptions are sent to worker processes."""
    description = describer.describe(known.make())
    assert description.identity is not None
    assert description.identity.namespace == known.namespace
    assert description.identity.symmetric is known.symmetric
    assert (description.not_cacheable, description.whole_up_to) == ("", known.whole_up_to)
    assert (description.effective_text is None) == (not known.effective)
    for text, effective in known.effective.items():
        # The embedder is sent this text, and must make no other one of it.
        assert description.effective_text(text) == description.effective_text(effective) == effective
    in_sync_calls, in_async_calls = known.batch if isinstance(known.batch, tuple) else (known.batch, known.batch)
    assert describer.sub_batch(known.make()) == in_sync_calls
    assert describer.sub_batch(known.make(), is_async=True) == in_async_calls
    assert secret not in f"{description} {description.identity}"
    assert pickle.loads(pickle.dumps(description)) == description


def check_settings(describer, known, *, alone=False, secret=SECRET):
    """What changes vectors changes the namespace, nothing else does, and the fingerprint tells without describing.

    Args:
        describer: That of the framework.
        known: The class.
        alone: True if settings that change no vector may change how texts are prepared or split.
        secret: What the settings have in the place of keys and passwords.

    Returns:
        The namespaces of all settings that change vectors.
    """
    plain = describer.describe(known.make())
    seen = [(describer.fingerprint(known.make()), plain)]
    for settings in (*known.changes, *known.keeps):
        embedder = known.make(**settings)
        state, description = describer.fingerprint(embedder), describer.describe(embedder)
        assert description.identity is not None, settings
        if settings in known.changes:
            assert description.identity.namespace != known.namespace, settings
        elif alone:
            assert description.identity.namespace == known.namespace, settings
        else:
            assert description == plain, settings
        assert secret not in f"{description} {description.identity}", settings
        assert all(description == other for earlier, other in seen if earlier == state), settings
        seen.append((state, description))
    return [description.identity.namespace for _, description in seen[1 : 1 + len(known.changes)]]


def check_no_side_effects(describer, embedder):
    """Asking what an embedder is changes neither fields nor hidden attributes, and builds no client."""

    def state():
        return dict(vars(embedder)), dict(getattr(embedder, "__pydantic_private__", None) or {})

    before = state()
    copies = copy.deepcopy({key: value for key, value in before[0].items() if isinstance(value, dict | list)})
    assert describer.fingerprint(embedder) == describer.fingerprint(embedder)
    describer.describe(embedder)
    describer.sub_batch(embedder)
    assert state() == before
    assert all(vars(embedder)[key] == value for key, value in copies.items())


def check_unchanged_fingerprint(describer, embedder, attribute, value):
    """A setting that changes no vector costs no new description at the next call."""
    before = describer.fingerprint(embedder)
    setattr(embedder, attribute, value)
    assert describer.fingerprint(embedder) == before
