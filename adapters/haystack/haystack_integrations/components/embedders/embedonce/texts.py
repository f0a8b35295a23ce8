"""The texts that stand for documents and queries in keys.

Of a class that is known, that is the text which reaches the model, made by the component itself: versions of a package
differ in what they make of one document. Of any other class it is all that a function of one document can see.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from haystack_integrations.components.embedders.embedonce.identities import describer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from haystack import Document

_MARK = "\0embedonce document 1\0"
"""What a text begins with that stands for more than itself."""

_PLAIN = (str, int, float, bool, type(None))
# Of these types exactly: a subclass, such as a time stamp of pandas, may hold more.
_SCALARS: dict[type, Callable[[Any], list[Any]]] = {
    bytes: lambda value: [value.hex()],
    bytearray: lambda value: [value.hex()],
    date: lambda value: [value.isoformat()],
    datetime: lambda value: [value.isoformat(), value.fold, str(value.tzinfo)],
    time: lambda value: [value.isoformat(), value.fold, str(value.tzinfo)],
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
    Decimal: lambda value: [str(value)],
    UUID: lambda value: [str(value)],
}
_DEEPEST = 50
# What the vector of a document never depends on, and what has a place of its own below.
_NOT_EMBEDDED = frozenset({"id", "score", "embedding", "sparse_embedding", "content", "meta", "blob"})

_TextOf = Callable[[Any], str | None]


def of_documents(component: Any, documents: Sequence[Document]) -> list[str | None]:
    """Return the text that stands for each document, None for one that has no such text and has to bypass the cache.

    Args:
        component: The embedder of the documents; it is not changed, and makes the text of each of them.
        documents: The documents.
    """
    known = describer.how_known(component)
    effective = None if known == "not" else _effective_text_of(component, is_exact=known == "exactly")
    if known == "exactly":
        return [_sure(effective, document) for document in documents] if effective else [None] * len(documents)
    if known == "as a subclass":
        return [_canonical(document, _sure(effective, document) if effective else None) for document in documents]
    return [_whole(document) for document in documents]


def of_text(component: Any, text: str) -> str:
    """Return the text that stands for a query: the one that reaches the model, as far as that is known."""
    if describer.how_known(component) == "exactly":
        prefix, suffix = _affixes(component)
        return f"{prefix}{text}{suffix}"
    return _escaped(text)


def by_function(component: Any, text_key: Any) -> Any:
    """Return what stands for a document that the user's function has turned into a text.

    That function knows nothing of what a known component puts around each text, which its identity leaves out.
    """
    prefix, suffix = _affixes(component) if describer.how_known(component) == "exactly" else ("", "")
    if not (prefix or suffix) or not isinstance(text_key, str):
        return text_key
    return _MARK + _json({"told": text_key, "prefix": prefix, "suffix": suffix})


# Known classes


def _sure(effective: _TextOf, document: Document) -> str | None:
    """Return the effective text of a document, None if the component cannot make it: it will raise the error itself."""
    try:
        return effective(document)
    except Exception:
        return None


def _effective_text_of(component: Any, *, is_exact: bool) -> _TextOf | None:
    for name in ("_prepare_texts_to_embed", "_prepare_text_to_embed"):
        prepare = getattr(component, name, None)
        if callable(prepare):
            return _only_text_of(prepare) if name.endswith("texts_to_embed") else _text_of(prepare)
    # What a subclass does in `run` is unknown.
    if not is_exact or "embedding_backend" not in vars(component):
        return None
    if "run" in vars(component):
        # What was put in the place of `run` asks the component itself, and may send any text.
        return lambda _: None
    if not getattr(component, "meta_fields_to_embed", None):
        prefix, suffix = _affixes(component)
        return lambda document: f"{prefix}{document.content or ''}{suffix}"
    return _sent_text_of(component)


def _only_text_of(prepare: Callable[[list[Document]], Any]) -> _TextOf:
    def text_of(document: Document) -> str | None:
        # One at a time: some classes return a dictionary by id, and ids need not differ where documents do.
        prepared = prepare([document])
        return _only(list(prepared.values()) if isinstance(prepared, dict) else prepared)

    return text_of


def _text_of(prepare: Callable[[Document], Any]) -> _TextOf:
    return lambda document: _only([prepare(document)])


def _only(texts: Any) -> str | None:
    return texts[0] if isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str) else None


class _Listener:
    """Stands in the place of a model and notes what it is sent."""

    def __init__(self) -> None:
        self.sent: Any = None

    def embed(self, texts: list[str], **_: Any) -> list[list[float]]:
        self.sent = texts
        return [[0.0]] * len(texts)


def _sent_text_of(component: Any) -> _TextOf:
    """Let a copy of the component run without its model, for classes that make texts in `run` itself."""
    listener, copied = _Listener(), object.__new__(type(component))
    copied.__dict__.update(vars(component), embedding_backend=listener)

    def text_of(document: Document) -> str | None:
        listener.sent = None
        type(copied).run(copied, documents=[document])
        return _only(listener.sent)

    return text_of


def _affixes(component: Any) -> tuple[str, str]:
    """Return what a known component puts before and behind each text."""
    own = vars(component)
    backend = own.get("_backend")
    # Google's components have private attributes, those of Optimum keep theirs in an object.
    for holder in (own.get("_params"), getattr(backend, "params", None), getattr(backend, "parameters", None)):
        if holder is not None and hasattr(holder, "prefix"):
            return holder.prefix or "", holder.suffix or ""
    return own.get("prefix", own.get("_prefix")) or "", own.get("suffix", own.get("_suffix")) or ""


# Documents as a whole


class _NotPlainError(ValueError):
    """A value that has no form which is the same in every process."""


def _escaped(text: str) -> str:
    return _MARK + _json({"content": text}) if text.startswith(_MARK) else text


def _whole(document: Document) -> str | None:
    if document.content is None or document.meta or document.blob is not None or _further_fields(type(document)):
        return _canonical(document)
    return _escaped(document.content)


@lru_cache(maxsize=64)
def _further_fields(kind: type) -> list[str]:
    """Return the fields that a subclass of Document adds, or that a former version had."""
    names = [field.name for field in fields(kind)]
    return [name for name in names if name not in _NOT_EMBEDDED]


def _canonical(document: Document, effective: str | None = None) -> str | None:
    """Return one text for all that a document holds but its id, score and embedding, and no other document has it."""
    try:
        # In the order of the document: a component may put its metadata into one text in that order.
        whole = {"content": document.content, "meta": _typed(document.meta), "effective": effective}
        blob = document.blob
        if blob is not None:
            whole["blob"] = [hashlib.sha256(blob.data).hexdigest(), blob.mime_type, _typed(blob.meta)]
        for name in _further_fields(type(document)):
            whole[f"field {name}"] = _typed(getattr(document, name))
        return _MARK + _json(whole)
    except (_NotPlainError, AttributeError, TypeError):
        return None


def _json(value: Any) -> str:
    # As it is: escaped, two lone surrogates would look like the character that they make up together.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _typed(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON that keeps types distinct: all but plain scalars become lists that begin with the type."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > _DEEPEST:
        raise _NotPlainError
    if kind is dict:
        return ["dict", *[[_typed(key, depth + 1), _typed(each, depth + 1)] for key, each in value.items()]]
    if kind in (list, tuple):
        return [kind.__name__, *[_typed(each, depth + 1) for each in value]]
    if kind in (set, frozenset):
        return [kind.__name__, *sorted([_typed(each, depth + 1) for each in value], key=_json)]
    if isinstance(value, Enum):
        return ["enum", kind.__module__, kind.__qualname__, value.name, _typed(value.value, depth + 1)]
    if isinstance(value, PurePath):
        return ["path", str(value)]
    if kind not in _SCALARS:
        raise _NotPlainError
    return [kind.__name__, *_SCALARS[kind](value)]
