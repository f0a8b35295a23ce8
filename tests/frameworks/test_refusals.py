"""Every refusal says what is wrong, and shows a line that works when it is run as it is shown."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from haystack import Document, component
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import ConfigDict, PrivateAttr
from pydantic import BaseModel

import embedonce

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "q7Zk2Lw9Xv4Tn8Rb3Hc6Yd1Mf"


def vectors(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


async def vectors_async(texts: list[str]) -> list[list[float]]:
    return vectors(texts)


def of_an_sdk(*, input: list[str], model: str, dimensions: int = 2) -> Any:  # noqa: A002 - as SDKs call it
    assert model
    return SimpleNamespace(data=[SimpleNamespace(embedding=[*each][:dimensions]) for each in vectors(input)])


class Lang(Embeddings):
    """As users write them for LangChain."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update({"model": "m", "api_key": SECRET, **fields})

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return vectors(texts)

    def embed_query(self, text: str) -> list[float]:
        return vectors([text])[0]


class Counting(Lang):
    """Counts what it does, in fields that decide nothing."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(calls=0, last=None, **fields)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls += 1
        self.last = object()
        return vectors(texts)


class MistakenIgnores(Counting):
    embedonce_ignores: Any = ("cals", "last")


class IgnoresAsText(Lang):
    embedonce_ignores: Any = "pooling"

    def __init__(self) -> None:
        super().__init__(pooling=object())


class IdentityAsNumber(Lang):
    embedonce_identity: Any = 7


class IdentityWithParameters(Lang):
    embedonce_identity: Any = "acme/x@1?dimensions=3"


class Fields(BaseModel, Embeddings):
    """A model of pydantic, whose classes refuse attributes without a type."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    model: str = "m"
    live: Any = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return vectors(texts)

    def embed_query(self, text: str) -> list[float]:
        return vectors([text])[0]


class Llama(BaseEmbedding):
    model_name: str = "m"
    _live: Any = PrivateAttr(None)

    def _get_text_embedding(self, text: str) -> list[float]:
        return vectors([text])[0]

    _get_query_embedding = _get_text_embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return vectors([query])[0]


class LiveLlama(Llama):
    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._live = object()


@component
class Hay:
    def __init__(self, name: str = "m") -> None:
        self.name = name

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        found = vectors([each.content or "" for each in documents])
        return {"documents": [replace(*each, embedding=row) for *each, row in zip(documents, found, strict=True)]}


@component
class NotAnEmbedder:
    @component.output_types(value=str)
    def run(self, value: str) -> dict[str, str]:
        return {"value": value}


class OnlyDocuments:
    api_key = SECRET

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return vectors(texts)


class Encoder:
    def encode(self, sentences: list[str], normalize: bool = False) -> list[list[float]]:
        assert not normalize
        return vectors(sentences)


class Called:
    def __call__(self, texts: list[str]) -> list[list[float]]:
        return vectors(texts)


class CalledForAnotherPurpose(Encoder):
    def __call__(self, batch: dict[str, Any]) -> Any:
        raise NotImplementedError


class Opaque:
    token = SECRET


class OfAScript(Lang):
    pass


OfAScript.__module__ = "__main__"


@dataclass
class Case:
    """An embedder that is refused, and what the message has to name."""

    make: Callable[[], Any]
    named: str
    own: bool = True
    options: tuple[tuple[str, Any], ...] = ()


NAMED = (("namespace", "mine"),)
CASES = {
    "a live object": Case(lambda: Lang(encoder=object()), r"'encoder' holds a builtins\.object"),
    "a live client": Case(lambda: Lang(_aclient=object()), "'_aclient' holds"),
    "no model": Case(lambda: Lang(model=None), "no field names its model"),
    "a bad url": Case(lambda: Lang(base_url=f"http://me:{SECRET}@host:port"), "'base_url' holds a URL that cannot be"),
    "a script": Case(OfAScript, r"__main__\.OfAScript.*defined in a script"),
    "a number as identity": Case(IdentityAsNumber, "`embedonce_identity` is an int"),
    "an identity with parameters": Case(IdentityWithParameters, r"'acme/x@1\?dimensions=3'"),
    "a field that is not there": Case(MistakenIgnores, "'cals', and it has no such field"),
    "a text of names": Case(IgnoresAsText, "`embedonce_ignores` is not a tuple"),
    "a class of pydantic": Case(lambda: Fields(live=object()), "'live' holds"),
    "a class of LlamaIndex": Case(LiveLlama, "'_live' holds"),
    "a component of Haystack": Case(Hay, "no field names its model"),
    "a component that embeds nothing": Case(NotAnEmbedder, "cannot wrap NotAnEmbedder", own=False),
    "a function": Case(lambda: vectors, "what model 'vectors' calls", own=False),
    "an async function": Case(lambda: vectors_async, "'vectors_async'", own=False),
    "a lambda": Case(lambda: lambda texts: [*vectors(texts)], "lambda", own=False),
    "a partial": Case(lambda: functools.partial(vectors), "'partial'", own=False),
    "a method": Case(lambda: Encoder().encode, r"'Encoder\.encode'", own=False),
    "an object that is called": Case(Called, "'Called'"),
    "an object with encode that is called": Case(CalledForAnotherPurpose, "'CalledForAnotherPurpose'", own=False),
    "a class": Case(lambda: Encoder, "the class Encoder", own=False),
    "an object with embed_documents": Case(OnlyDocuments, "an OnlyDocuments", own=False),
    "an object with encode": Case(Encoder, "an Encoder", own=False),
    "a runnable of texts": Case(lambda: RunnableLambda(vectors), "a RunnableLambda", own=False),
    "a method of an SDK": Case(lambda: of_an_sdk, "'of_an_sdk'.*a list of texts alone", own=False, options=NAMED),
    "an object without methods": Case(Opaque, "an Opaque", own=False),
    "a name of a model": Case(lambda: "text-embedding-3-small", "a str, 'text-embedding-3-small'", own=False),
    "a secret": Case(lambda: f"sk-{SECRET}", "a str:", own=False),
    "nothing": Case(lambda: None, "cannot wrap None", own=False),
}
CALL = re.compile(r"embedonce\.wrap\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
IN_CLASS = re.compile(r"embedonce_(?:identity|ignores)(?:: [\w\[\], .]+)? = (?:\"[^\"]+\"|\(.*?\)|[\w.]+\(.*?\))")


def documents(wrapped: Any, texts: list[str]) -> list[list[float]]:
    """Return vectors of texts through whatever a wrapper has for that."""
    if isinstance(wrapped, Embeddings):
        return wrapped.embed_documents(texts)
    if isinstance(wrapped, BaseEmbedding):
        return wrapped.get_text_embedding_batch(texts)
    if hasattr(wrapped, "run"):
        return [
            each.embedding for each in wrapped.run(documents=[Document(content=text) for text in texts])["documents"]
        ]
    found = wrapped(texts)
    return (asyncio.run(found) if asyncio.iscoroutine(found) else found).tolist()


def check(wrapped: Any) -> None:
    """Ask twice: once it is paid, once found."""
    for _ in range(2):
        assert documents(wrapped, ["a", "bc"]) == vectors(["a", "bc"])
    stats = wrapped.cache.stats()
    assert (stats.embedded, stats.hits) == (2, 2)


def with_line(made: Any, line: str) -> Any:
    """Return an object like one that was refused, of a class with a line in its body; nothing else makes it refused."""
    name = "embedonce_" + ("ignores" if "ignores" in line else "identity")
    base: type = type(made)
    while name in vars(base):
        base = base.__bases__[0]
    module = sys.modules[__name__]
    scope = {**vars(module), "Base": base}
    exec(f"class WithLine(Base):\n    {line}", scope)
    kind: Any = scope["WithLine"]
    kind.__module__ = __name__
    module.WithLine = kind  # type: ignore[attr-defined]
    if isinstance(made, BaseModel):
        own = {field: getattr(made, field) for field in type(made).model_fields}
        return kind(**own)
    own = kind.__new__(kind)
    vars(own).update(vars(made))
    return own


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_refusal_names_what_is_wrong_and_shows_lines_that_work(case: Case) -> None:
    with pytest.raises(embedonce.EmbedOnceError, match=case.named) as caught:
        embedonce.wrap(case.make(), embedonce.MemoryStore(), **dict(case.options))
    message = str(caught.value)
    assert SECRET not in message
    calls = CALL.findall(message)
    assert calls
    for line in calls[: 1 if "if it takes" in message else None]:
        scope = {"embedder": case.make(), "store": embedonce.MemoryStore(), "function": vectors}
        wrapped = eval(line, {**vars(sys.modules[__name__]), **scope})
        assert wrapped.namespace == "acme/my-model@1"
        check(wrapped)
    lines = [match[0] for match in IN_CLASS.finditer(message)]
    assert any("embedonce_identity" in line for line in lines) == case.own
    for line in lines:
        wrapped = embedonce.wrap(with_line(case.make(), line), embedonce.MemoryStore())
        assert "ignores" in line or wrapped.namespace.startswith("acme/my-model@1")
        check(wrapped)


class Response(BaseModel):
    """As SDKs answer; it can be iterated over."""

    data: list[Any] = []
    embeddings: list[Any] | None = None


def of_a_client(texts: list[str]) -> Response:
    return Response(data=[SimpleNamespace(embedding=each) for each in vectors(texts)])


def of_another_client(texts: list[str]) -> Any:
    return SimpleNamespace(embeddings=vectors(texts))


@pytest.mark.parametrize("embedder", [of_a_client, of_another_client])
def test_a_response_of_an_sdk_in_place_of_vectors_is_refused_with_a_line_that_works(embedder: Any) -> None:
    wrapped = embedonce.wrap(embedder, embedonce.MemoryStore(), namespace="mine")
    with pytest.raises(embedonce.EmbedderContractError, match=r"it returned \w+ instead of 1 vectors") as caught:
        wrapped(["a"])
    (line,) = CALL.findall(str(caught.value))
    check(eval(line, {"embedonce": embedonce, "embedder": embedder, "store": embedonce.MemoryStore()}))


class Ignoring(Counting):
    embedonce_ignores: Any = ("calls", "last")


class IgnoringMore(Ignoring):
    """Adds to what its base ignores; a field that is set late is told of by its annotation."""

    embedonce_ignores: Any = ("tokens", "__private", "late")
    late: Any

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.tokens = 0
        self.__private = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.tokens += 1
        self.__private += 1
        self.late = object()
        return super().embed_documents(texts)


class IgnoringSlots:
    __slots__ = ("calls", "model")
    embedonce_ignores = ("calls",)

    def __init__(self) -> None:
        self.model = "m"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls = object()
        return vectors(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class IgnoringFields(Llama):
    embedonce_ignores: tuple[str, ...] = ("calls",)
    calls: int = 0

    def _get_text_embedding(self, text: str) -> list[float]:
        self.calls += 1
        return super()._get_text_embedding(text)


@pytest.mark.parametrize("kind", [Ignoring, IgnoringMore, IgnoringFields])
def test_fields_that_a_class_ignores_do_not_count(kind: Any) -> None:
    check(embedonce.wrap(kind(), embedonce.MemoryStore()))
    assert embedonce.wrap(kind(), embedonce.MemoryStore()).namespace == f"{__name__}.{kind.__name__}/m"


def test_a_slot_that_a_class_ignores_does_not_count() -> None:
    check(embedonce.wrap(IgnoringSlots(), embedonce.MemoryStore()))


def test_other_fields_of_a_class_that_ignores_some_count() -> None:
    namespaces = {embedonce.wrap(Ignoring(pooling=each), embedonce.MemoryStore()).namespace for each in "ab"}
    assert len(namespaces) == 2


def test_a_class_that_counts_in_a_field_is_not_stored_and_the_warning_names_the_field(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrapped = embedonce.wrap(Counting(), embedonce.MemoryStore())
    with caplog.at_level(logging.WARNING, "embedonce"):
        for _ in range(3):
            assert wrapped.embed_documents(["a"]) == vectors(["a"])
    said = [each.getMessage() for each in caplog.records if "while it embedded" in each.getMessage()]
    assert len(said) == 1
    assert "fields 'calls', 'last'" in said[0]
    assert SECRET not in caplog.text
    assert wrapped.cache.stats().stored == 0
    (line,) = IN_CLASS.findall(said[0])
    check(embedonce.wrap(with_line(Counting(), line), embedonce.MemoryStore()))
    (line,) = CALL.findall(said[0])
    check(eval(line, {"embedonce": embedonce, "embedder": Counting(), "store": embedonce.MemoryStore()}))


def test_a_field_of_a_known_class_that_decides_is_not_ignored() -> None:
    from langchain_openai import OpenAIEmbeddings

    untyped = {"__annotations__": {"embedonce_ignores": Any}}
    kind: Any = type(
        "Own", (OpenAIEmbeddings,), {"__module__": __name__, "embedonce_ignores": ("dimensions",), **untyped}
    )
    sys.modules[__name__].Own = kind  # type: ignore[attr-defined]
    with pytest.raises(embedonce.IdentityError, match="'dimensions', which decides its vectors"):
        embedonce.wrap(kind(model="m", api_key="x"), embedonce.MemoryStore())
