"""How embedders of each framework are asked, and what settings their constructors take."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, NamedTuple, get_type_hints

from telling_server import QUERY, TEXTS


class Setting(NamedTuple):
    """A field or an argument of a constructor."""

    name: str
    annotation: Any


class LangChain:
    """Embedders with `embed_documents` and `embed_query`."""

    name = "langchain"

    def settings(self, kind: Any) -> list[Setting]:
        return _fields(kind)

    def make(self, kind: Any, settings: dict[str, Any]) -> Any:
        return kind(**settings)

    def parts(self, embedder: Any) -> list[Any]:
        return [embedder]

    def rebuilt(self, parts: list[Any]) -> Any:
        return parts[0]

    def ask(self, embedder: Any) -> dict[str, Any]:
        async def asked() -> tuple[Any, Any]:
            return await embedder.aembed_documents(TEXTS), await embedder.aembed_query(QUERY)

        documents, query = embedder.embed_documents(TEXTS), embedder.embed_query(QUERY)
        return _answers(documents, query, *asyncio.run(asked()))


class LlamaIndex(LangChain):
    """Embedders with `get_text_embedding_batch` and `get_query_embedding`."""

    name = "llamaindex"

    def ask(self, embedder: Any) -> dict[str, Any]:
        async def asked() -> tuple[Any, Any]:
            return await embedder.aget_text_embedding_batch(TEXTS), await embedder.aget_query_embedding(QUERY)

        documents, query = embedder.get_text_embedding_batch(TEXTS), embedder.get_query_embedding(QUERY)
        return _answers(documents, query, *asyncio.run(asked()))


class Haystack:
    """Pairs of a component for documents and one for texts."""

    name = "haystack"

    def settings(self, kind: Any) -> list[Setting]:
        found = {setting.name: setting for each in kind for setting in _arguments(each)}
        return list(found.values())

    def make(self, kind: Any, settings: dict[str, Any]) -> Any:
        pair = []
        for each in kind:
            accepted = inspect.signature(each.__init__).parameters
            pair.append(each(**{name: value for name, value in settings.items() if name in accepted}))
        return pair

    def parts(self, embedder: Any) -> list[Any]:
        return list(embedder)

    def rebuilt(self, parts: list[Any]) -> Any:
        return parts

    def ask(self, embedder: Any) -> dict[str, Any]:
        from haystack import Document

        of_documents, of_texts = embedder
        for each in embedder:
            if hasattr(each, "warm_up"):
                each.warm_up()

        def given() -> list[Any]:
            return [Document(content=text) for text in TEXTS]

        async def asked() -> tuple[Any, Any]:
            documents = await of_documents.run_async(documents=given())
            return documents, await of_texts.run_async(text=QUERY)

        def vectors(documents: Any, text: Any) -> tuple[Any, Any]:
            return [document.embedding for document in documents["documents"]], text["embedding"]

        answers = vectors(of_documents.run(documents=given()), of_texts.run(text=QUERY))
        # Wrapped components have an async method in any case; the component inside may have none.
        inside = [getattr(each, "embedder", each) for each in embedder]
        if all(hasattr(each, "run_async") for each in inside):
            return _answers(*answers, *vectors(*asyncio.run(asked())))
        return _answers(*answers)


def _answers(*vectors: Any) -> dict[str, Any]:
    ways = ("documents", "query", "documents, async", "query, async")
    return dict(zip(ways, (_plain(each) for each in vectors), strict=False))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return [_plain(each) for each in value]
    return float(value)


def _fields(kind: Any) -> list[Setting]:
    fields = getattr(kind, "model_fields", {})
    found = {}
    for name, field in fields.items():
        by_name = kind.model_config.get("populate_by_name") or kind.model_config.get("validate_by_name")
        given = field.alias if field.alias and not by_name else name
        found[given] = Setting(given, field.annotation)
    aliases = {field.alias for field in fields.values()}
    for setting in _arguments(kind):
        if setting.name not in aliases:
            found.setdefault(setting.name, setting)
    return list(found.values())


def _arguments(kind: Any) -> list[Setting]:
    try:
        hints = get_type_hints(kind.__init__)
    except Exception:
        hints = {}
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [
        Setting(each.name, hints.get(each.name, each.annotation))
        for each in parameters
        if each.name != "self" and each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    ]


DOORS = {door.name: door for door in (LangChain(), LlamaIndex(), Haystack())}
