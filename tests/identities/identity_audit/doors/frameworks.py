"""How embedders of each framework are made and asked, and what settings they take."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Coroutine
from functools import reduce
from typing import Any, NamedTuple

from identity_audit.doors.sdks import CALLS, Call
from identity_audit.doors.setting import Setting, settings_of
from identity_audit.server.telling import QUERY, TEXTS

Answers = dict[str, str]
"""What was answered in each way, written so that a whole number is not equal to one with a point."""


class LangChain:
    """Embedders with `embed_documents` and `embed_query`."""

    def names(self, path: str) -> list[str]:
        """Return the names of the classes that are one embedder, given its module and name."""
        return [path.rpartition(".")[2]]

    def settings(self, kind: Any) -> list[Setting]:
        """Return what can be set when an embedder is built."""
        return _fields(kind)

    def make(self, kind: Any, settings: dict[str, Any]) -> Any:
        """Return an embedder."""
        return kind(**settings)

    def parts(self, embedder: Any) -> list[Any]:
        """Return the objects that are wrapped."""
        return [embedder]

    def rebuilt(self, embedder: Any, parts: list[Any]) -> Any:
        """Return an embedder of wrapped parts."""
        return parts[0]

    def ask(self, embedder: Any) -> Answers:
        """Return what is answered to documents and a query, sync and async."""

        async def asked() -> tuple[Any, Any]:
            return await embedder.aembed_documents(TEXTS), await embedder.aembed_query(QUERY)

        documents, query = embedder.embed_documents(TEXTS), embedder.embed_query(QUERY)
        return _answers(documents, query, *_awaited(asked()))


class LlamaIndex(LangChain):
    """Embedders with `get_text_embedding_batch` and `get_query_embedding`."""

    def ask(self, embedder: Any) -> Answers:
        """See `LangChain`."""

        async def asked() -> tuple[Any, Any]:
            return await embedder.aget_text_embedding_batch(TEXTS), await embedder.aget_query_embedding(QUERY)

        documents, query = embedder.get_text_embedding_batch(TEXTS), embedder.get_query_embedding(QUERY)
        return _answers(documents, query, *_awaited(asked()))


class Haystack(LangChain):
    """Pairs of a component for documents and one for texts."""

    def names(self, path: str) -> list[str]:
        """See `LangChain`."""
        name = path.rpartition(".")[2]
        return [f"{name}DocumentEmbedder", f"{name}TextEmbedder"]

    def settings(self, kind: Any) -> list[Setting]:
        """See `LangChain`."""
        found = {setting.name: setting for each in kind for setting in _arguments(each)}
        return list(found.values())

    def make(self, kind: Any, settings: dict[str, Any]) -> Any:
        """See `LangChain`."""
        return [each(**_accepted(each, settings)) for each in kind]

    def parts(self, embedder: Any) -> list[Any]:
        """See `LangChain`."""
        return list(embedder)

    def rebuilt(self, embedder: Any, parts: list[Any]) -> Any:
        """See `LangChain`."""
        return parts

    def ask(self, embedder: Any) -> Answers:
        """See `LangChain`."""
        from haystack import Document

        of_documents, of_texts = embedder
        for each in embedder:
            if hasattr(each, "warm_up"):
                each.warm_up()

        def given() -> list[Any]:
            return [Document(content=text, meta={"one": "first", "other": "second"}) for text in TEXTS]

        async def asked() -> tuple[Any, Any]:
            documents = await of_documents.run_async(documents=given())
            return documents, await of_texts.run_async(text=QUERY)

        def vectors(documents: Any, text: Any) -> tuple[Any, Any]:
            return [document.embedding for document in documents["documents"]], text["embedding"]

        answers = vectors(of_documents.run(documents=given()), of_texts.run(text=QUERY))
        # Wrapped components have an async method in any case; the component inside may have none.
        inside = [getattr(each, "embedder", each) for each in embedder]
        if all(hasattr(each, "run_async") for each in inside):
            return _answers(*answers, *vectors(*_awaited(asked())))
        return _answers(*answers)


class SdkClient(NamedTuple):
    """A client of an SDK, and its async twin if that is another one; and what its calls are given."""

    clients: list[Any]
    call: Call
    arguments: dict[str, Any]


class Sdk(LangChain):
    """Clients with their async twins; what a call is given has names that begin with `call.`."""

    def names(self, path: str) -> list[str]:
        """See `LangChain`."""
        name, call = path.rpartition(".")[2], CALLS[path]
        if not call.method:
            return [name, f"a{name}"]
        return [name] if call.async_method else [name, f"Async{name}"]

    def settings(self, kind: Any) -> list[Setting]:
        """See `LangChain`."""
        call = _call(kind)
        return [*(_arguments(_first(kind)) if call.method else []), *call.arguments()]

    def make(self, kind: Any, settings: dict[str, Any]) -> Any:
        """See `LangChain`."""
        arguments = {name[5:]: value for name, value in settings.items() if name.startswith("call.")}
        given = {name: value for name, value in settings.items() if not name.startswith("call.")}
        kinds, call = kind if isinstance(kind, list) else [kind], _call(kind)
        return SdkClient([each(**given) for each in kinds] if call.method else kinds, call, arguments)

    def parts(self, embedder: Any) -> list[Any]:
        """See `LangChain`."""
        return embedder.clients

    def rebuilt(self, embedder: Any, parts: list[Any]) -> Any:
        """See `LangChain`."""
        return embedder._replace(clients=parts)

    def ask(self, embedder: Any) -> Answers:
        """See `LangChain`."""
        call, client, async_client = embedder.call, embedder.clients[0], embedder.clients[-1]

        def arguments(texts: Any, own: dict[str, Any]) -> dict[str, Any]:
            return {call.texts: texts, **own, **embedder.arguments}

        of_documents, of_query = arguments(TEXTS, call.documents), arguments([QUERY], call.query)
        embed = _method(client, call.method)
        answers = [embed(**of_documents), embed(**of_query)]

        async def asked() -> tuple[Any, Any]:
            embed = _method(async_client, call.async_method or call.method)
            return await embed(**of_documents), await embed(**of_query)

        return _answers(*map(call.vectors, (*answers, *_awaited(asked()))))


def _first(kind: Any) -> Any:
    return kind[0] if isinstance(kind, list) else kind


def _call(kind: Any) -> Call:
    first = _first(kind)
    package = first.__module__.split(".")[0]
    return next(
        call for path, call in CALLS.items() if path.startswith(package) and path.endswith(f".{first.__name__}")
    )


def _method(client: Any, path: str) -> Any:
    return reduce(getattr, path.split("."), client) if path else client


def _accepted(kind: Any, settings: dict[str, Any]) -> dict[str, Any]:
    accepted = inspect.signature(kind.__init__).parameters
    return {name: value for name, value in settings.items() if name in accepted}


_loop: asyncio.AbstractEventLoop | None = None


def _awaited(asked: Coroutine[Any, Any, Any]) -> Any:
    # One for all: starting one for each question would take longer than the question.
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
    return _loop.run_until_complete(asked)


def close_loop() -> None:
    """Close the event loop in which embedders have been asked."""
    global _loop
    if _loop is not None:
        # SDKs have tasks of their own, such as those that write logs.
        tasks = asyncio.all_tasks(_loop)
        for task in tasks:
            task.cancel()
        _loop.run_until_complete(asyncio.wait(tasks) if tasks else asyncio.sleep(0))
        _loop.run_until_complete(_loop.shutdown_default_executor())
        _loop.close()
        _loop = None


def _answers(*vectors: Any) -> Answers:
    ways = ("documents", "query", "documents, async", "query, async")
    return dict(zip(ways, (json.dumps(_plain(each)) for each in vectors), strict=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


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
    return settings_of(kind.__init__)


class SentenceTransformers(LangChain):
    """Models that are used without a framework."""

    def ask(self, embedder: Any) -> Answers:
        """See `LangChain`."""
        return _answers(embedder.encode_document(TEXTS), embedder.encode_query(QUERY))


DOORS = {
    "langchain": LangChain(),
    "llamaindex": LlamaIndex(),
    "haystack": Haystack(),
    "sdk": Sdk(),
    "sentence-transformers": SentenceTransformers(),
}
