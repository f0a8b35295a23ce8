"""What stands for documents and queries in keys: the text that reaches the model, or all that a document holds."""

from __future__ import annotations

import enum
import json
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from haystack_later import CORE, INTEGRATIONS, of_class, token
from lazily import lazily
from variants import over

from embedonce.identity import Identity
from haystack_integrations.components.embedders.embedonce.texts import of_documents, of_text

classes = lazily("haystack_classes")
hs = lazily("haystack", "haystack.components.embedders", "haystack.dataclasses", "haystack.utils")

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # Of the packages' own making: at import, and where a subclass of Document is built.
    pytest.mark.filterwarnings("ignore:Mutating attribute:Warning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]

TOKEN = token("s3cr3t")
MARK = "\0embedonce document 1\0"

AZURE = {"azure_endpoint": "https://x.openai.azure.com", "api_key": TOKEN}
TEI = {"api_type": "text_embeddings_inference", "api_params": {"url": "http://localhost:8080"}, "token": TOKEN}

DOCUMENTS: dict[str, Callable[..., Any]] = {
    "openai": of_class(f"{CORE}.OpenAIDocumentEmbedder", api_key=TOKEN),
    "azure": of_class(f"{CORE}.AzureOpenAIDocumentEmbedder", **AZURE),
    "mock": of_class(f"{CORE}.MockDocumentEmbedder"),
    "mistral": of_class(f"{INTEGRATIONS}.mistral.MistralDocumentEmbedder", api_key=TOKEN),
    "jina": of_class(f"{INTEGRATIONS}.jina.JinaDocumentEmbedder", api_key=TOKEN),
    "nvidia": of_class(f"{INTEGRATIONS}.nvidia.NvidiaDocumentEmbedder", api_key=TOKEN, model="m"),
    "google": of_class(f"{INTEGRATIONS}.google_genai.GoogleGenAIDocumentEmbedder", api_key=TOKEN),
    "huggingface": of_class(f"{INTEGRATIONS}.huggingface_api.HuggingFaceAPIDocumentEmbedder", **TEI),
    "fastembed": of_class(f"{INTEGRATIONS}.fastembed.FastembedDocumentEmbedder"),
    "voyage": of_class(f"{INTEGRATIONS}.voyage_embedders.VoyageDocumentEmbedder", model="voyage-3", api_key=TOKEN),
    "ollama": of_class(f"{INTEGRATIONS}.ollama.OllamaDocumentEmbedder"),
    "cohere": of_class(f"{INTEGRATIONS}.cohere.CohereDocumentEmbedder", api_key=TOKEN),
    "bedrock": of_class(
        f"{INTEGRATIONS}.amazon_bedrock.AmazonBedrockDocumentEmbedder", model="amazon.titan-embed-text-v1"
    ),
}
TEXTS: dict[str, Callable[..., Any]] = {
    "openai": of_class(f"{CORE}.OpenAITextEmbedder", api_key=TOKEN),
    "azure": of_class(f"{CORE}.AzureOpenAITextEmbedder", **AZURE),
    "mock": of_class(f"{CORE}.MockTextEmbedder"),
    "mistral": of_class(f"{INTEGRATIONS}.mistral.MistralTextEmbedder", api_key=TOKEN),
    "jina": of_class(f"{INTEGRATIONS}.jina.JinaTextEmbedder", api_key=TOKEN),
    "nvidia": of_class(f"{INTEGRATIONS}.nvidia.NvidiaTextEmbedder", api_key=TOKEN, model="m"),
    "google": of_class(f"{INTEGRATIONS}.google_genai.GoogleGenAITextEmbedder", api_key=TOKEN),
    "huggingface": of_class(f"{INTEGRATIONS}.huggingface_api.HuggingFaceAPITextEmbedder", **TEI),
    "fastembed": of_class(f"{INTEGRATIONS}.fastembed.FastembedTextEmbedder"),
    "voyage": of_class(f"{INTEGRATIONS}.voyage_embedders.VoyageTextEmbedder", model="voyage-3", api_key=TOKEN),
}
_WITHOUT_AFFIXES = ("cohere", "bedrock")


def unknown() -> Any:
    """Return a component of a class that nobody knows."""
    return classes.Plain()


# -- known components ----------------------------------------------------------------------------------------------


@over(name=list(DOCUMENTS))
def test_effective_text_of_documents(name: str) -> None:
    """Metadata, its separator, prefix and suffix are in the text, and falsy values as the component has them."""
    fields = "metadata_fields_to_embed" if name == "voyage" else "meta_fields_to_embed"
    affixes = {} if name in _WITHOUT_AFFIXES else {"prefix": "<", "suffix": ">"}
    before, after = ("", "") if name in _WITHOUT_AFFIXES else ("<", ">")
    component = DOCUMENTS[name](**{fields: ["title", "n", "none"], "embedding_separator": "|", **affixes})
    found = of_documents(
        component,
        [
            hs.Document(content="a", meta={"title": "t", "n": 0, "none": None, "other": "x"}),
            hs.Document(content="a", meta={"title": "", "n": False}),
            hs.Document(content=None),
            hs.Document(content="a\ue000\nb"),
        ],
    )
    newline = " " if name == "ollama" else "\n"
    assert found == [
        f"{before}t|0|a{after}",
        f"{before}|False|a{after}",
        f"{before}{after}",
        f"{before}a\ue000{newline}b{after}",
    ]


@over(name=list(TEXTS))
def test_effective_text_of_queries(name: str) -> None:
    assert of_text(TEXTS[name](prefix="<", suffix=">"), "a\nb") == "<a\nb>"
    assert of_text(TEXTS[name](), f"{MARK}a") == f"{MARK}a"


@pytest.mark.parametrize("package", ["cohere.CohereTextEmbedder", "ollama.OllamaTextEmbedder"])
def test_queries_of_components_that_add_nothing(package: str) -> None:
    settings = {"api_key": TOKEN} if package.startswith("cohere") else {}
    assert of_text(of_class(f"{INTEGRATIONS}.{package}", **settings)(), " a\n") == " a\n"


def test_mock_embeds_the_effective_text() -> None:
    settings: dict[str, Any] = {"prefix": "<", "suffix": ">"}
    documents = hs.MockDocumentEmbedder(meta_fields_to_embed=["n"], **settings)
    document = hs.Document(content="a", meta={"n": 0})
    [text] = of_documents(documents, [document])
    assert text is not None
    same = hs.MockTextEmbedder().run(text)["embedding"]
    assert documents.run([document])["documents"][0].embedding == same
    assert hs.MockTextEmbedder(**settings).run("b")["embedding"] == hs.MockTextEmbedder().run("<b>")["embedding"]


def test_one_id_and_different_texts() -> None:
    documents = [hs.Document(id="1", content="a"), hs.Document(id="1", content="b")]
    assert of_documents(DOCUMENTS["openai"](), documents) == ["a", "b"]
    assert of_documents(classes.Plain(), documents) == ["a", "b"]


def test_equal_texts_of_different_documents() -> None:
    documents = [hs.Document(content="a", meta={"n": n}, score=n, embedding=[float(n)]) for n in (1, 2)]
    assert of_documents(DOCUMENTS["openai"](), documents) == ["a", "a"]
    assert of_documents(DOCUMENTS["openai"](meta_fields_to_embed=["n"]), documents) == ["1\na", "2\na"]


@over(
    text=["e\u0301", "\u00e9", "\ud800", "\ud83d\ude00", "\U0001f600", "", " ", "\0"],
    make=[DOCUMENTS["openai"], DOCUMENTS["mock"], unknown],
)
def test_texts_are_left_as_they_are(make: Callable[..., Any], text: str) -> None:
    # With an id: Haystack cannot make one for a lone surrogate.
    assert of_documents(make(), [hs.Document(id="1", content=text)]) == [text]


def test_document_that_the_component_cannot_prepare_has_no_text() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError

    component = DOCUMENTS["openai"](meta_fields_to_embed=["x"])
    documents = [hs.Document(id="1", content="a", meta={"x": Broken()}), hs.Document(id="2", content="b")]
    assert of_documents(component, documents) == [None, "b"]


@pytest.mark.parametrize("answer", [[], ["a", "b"], [b"a"], None, {"1": 1}, "a"])
def test_answer_that_is_not_one_text_is_none(answer: Any) -> None:
    component = DOCUMENTS["openai"]()
    component._prepare_texts_to_embed = lambda _: answer
    assert of_documents(component, [hs.Document(content="x")]) == [None]


# -- sentence-transformers, which makes its texts where it runs --------------------------------------------------------


class _Sentences:
    """What the component does, in the version that drops falsy values and in the one that keeps them."""

    keeps_falsy = True

    def __init__(self, **settings: Any) -> None:
        self.prefix, self.suffix, self.embedding_separator = "", "", "\n"
        self.meta_fields_to_embed: list[str] = []
        self.embedding_backend: Any = None
        vars(self).update(settings)

    def warm_up(self) -> None:
        raise AssertionError

    def run(self, documents: list[Any]) -> dict[str, Any]:
        if self.embedding_backend is None:
            self.warm_up()
        texts = []
        for document in documents:
            values = [document.meta.get(name) for name in self.meta_fields_to_embed]
            kept = [str(value) for value in values if (value is not None if self.keeps_falsy else value)]
            joined = self.embedding_separator.join([*kept, document.content or ""])
            texts.append(f"{self.prefix}{joined}{self.suffix}")
        vectors = self.embedding_backend.embed(texts, batch_size=32)
        pairs = zip(documents, vectors, strict=True)
        return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}


def _sentence_transformers(package: str, *, keeps_falsy: bool = True, **settings: Any) -> Any:
    members = {"__module__": package, "keeps_falsy": keeps_falsy}
    return type("SentenceTransformersDocumentEmbedder", (_Sentences,), members)(**settings)


@pytest.mark.parametrize("package", ["haystack.components.embedders.x", f"{INTEGRATIONS}.sentence_transformers.x"])
def test_sentence_transformers_text_is_the_one_that_its_version_makes(package: str) -> None:
    document = hs.Document(content="a", meta={"n": 0, "t": "t"})
    plain = _sentence_transformers(package, prefix="<", suffix=">")
    assert of_documents(plain, [document, hs.Document(content=None)]) == ["<a>", "<>"]
    settings: dict[str, Any] = {"meta_fields_to_embed": ["n", "t"], "prefix": "<", "embedding_separator": "|"}
    loaded = SimpleNamespace(model=None)
    for keeps_falsy, expected in ((True, "<0|t|a"), (False, "<t|a")):
        component = _sentence_transformers(package, keeps_falsy=keeps_falsy, embedding_backend=loaded, **settings)
        assert of_documents(component, [document, hs.Document(content="b")]) == [expected, "<b"]
        assert component.embedding_backend is loaded


def test_sentence_transformers_of_a_version_that_runs_otherwise_has_no_texts() -> None:
    component = _sentence_transformers(f"{INTEGRATIONS}.sentence_transformers.x", meta_fields_to_embed=["n"])
    type(component).run = lambda self, documents: self.embedding_backend.encode(documents)
    assert of_documents(component, [hs.Document(content="a")]) == [None]


def test_what_was_put_in_the_place_of_run_is_not_asked_for_texts() -> None:
    """It would ask the model itself, once for each document, and nobody knows what it sends."""
    asked: list[Any] = []
    component = _sentence_transformers(
        f"{INTEGRATIONS}.sentence_transformers.x",
        meta_fields_to_embed=["n"],
        embedding_backend=SimpleNamespace(embed=lambda texts, **_: asked.extend(texts) or [[1.0]] * len(texts)),
    )
    run = component.run
    component.run = lambda documents: {**run(documents)}
    assert of_documents(component, [hs.Document(content="a")]) == [None]
    assert asked == []


# -- subclasses of known components, and unknown ones --------------------------------------------------------------


def test_subclass_sees_the_whole_document_and_the_text() -> None:
    component = classes.MyMock(prefix="<")
    one, other, none = of_documents(
        component,
        [hs.Document(content="a", meta={"n": 1}), hs.Document(content="a", meta={"n": 2}), hs.Document(content="a")],
    )
    assert len({one, other, none}) == 3
    assert one is not None
    assert one.startswith(MARK)
    assert json.loads(one.removeprefix(MARK))["effective"] == "<a"
    # Its attributes are part of its identity.
    assert of_text(classes.MyTextMock(prefix="<"), "a") == "a"


@pytest.mark.parametrize("name", ["Plain", "Nameless"])
def test_unknown_component_without_metadata(name: str) -> None:
    component = getattr(classes, name)()
    component.embedonce_identity = Identity.named("mine")
    # A component may tell nothing from an empty text.
    plain, empty, nothing = of_documents(component, [hs.Document(content=each) for each in ("a", "", None)])
    assert (plain, empty) == ("a", "")
    assert nothing not in ("", "a", None)
    assert of_text(component, "a") == "a"


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


_UTC = timezone.utc
_NAIVE = datetime(2020, 1, 1, tzinfo=_UTC).replace(tzinfo=None)
_VALUES: list[Any] = [
    *(None, True, False, 0, 1, 1.0, 0.0, -0.0, "", "1", "None", "true", b"", b"1", bytearray(b"1")),
    *([], [1], [[1]], (), (1,), {}, {"a": 1}, {"a": "1"}, {"a": None}, {1: 1}, {"1": 1}, {1}, frozenset({1}), {1, 2}),
    *(["dict"], ["dict", ["a", 1]], ["list"], "[]", Colour.RED, Colour.BLUE, Number.ONE),
    *(date(2020, 1, 1), _NAIVE, _NAIVE.replace(tzinfo=_UTC), "2020-01-01"),
    *(_NAIVE.replace(fold=1), time(1), timedelta(1), timedelta(0, 1), Decimal(1), Decimal("1.0")),
    *(uuid.UUID(int=1), uuid.UUID(int=2), Path("a"), PurePosixPath("b"), float("nan"), float("inf"), 2**70),
    *("e\u0301", "\u00e9", "\ud83d\ude00", "\U0001f600", "\ud800", "a\nb", "a\\nb", '"', "\0"),
]


def test_no_two_documents_have_one_text() -> None:
    """Each value of each type in the same place, and in other places, makes another text."""
    component = classes.Plain()
    documents = [hs.Document(id="1", content="a", meta={"x": value}) for value in _VALUES]
    documents += [
        hs.Document(id="1", content="a", meta={"y": 1}),
        hs.Document(id="1", content="a", meta={"x": {"y": 1}}),
    ]
    documents += [hs.Document(id="1", content="b", meta={"x": 1}), hs.Document(id="1", content=None, meta={"x": 1})]
    documents += [hs.Document(id="1", content="", meta={"x": 1}), hs.Document(id="1", content="a")]
    documents += [
        hs.Document(id="1", content="a", meta={"x": 1, "y": 2}),
        hs.Document(id="1", content="a", meta={"x": [2]}),
    ]
    documents += [
        hs.Document(id="1", content="a", blob=hs.ByteStream(data=data, meta=meta, mime_type=mime))
        for data in (b"", b"1")
        for meta in ({}, {"x": 1})
        for mime in (None, "text/plain", "")
    ]
    documents += [hs.Document(id="1", content=text) for text in (f"{MARK}a", f"{MARK}", MARK + '{"content":"a"}')]
    texts = of_documents(component, documents)
    # Such a text may be copied out of somewhere and embedded as a document itself.
    texts += of_documents(component, [hs.Document(id="1", content=text) for text in texts if text and text != "a"])
    assert None not in texts
    assert len(set(texts)) == len(texts)


def test_text_does_not_depend_on_what_is_not_embedded() -> None:
    component = classes.Plain()
    one = hs.Document(id="1", content="a", meta={"x": {1, 2, 3}}, score=1.0, embedding=[1.0])
    other = hs.Document(id="2", content="a", meta={"x": {3, 2, 1}}, score=2.0)
    assert of_documents(component, [one]) == of_documents(component, [other])


def test_order_of_metadata_counts() -> None:
    """A component may join it into one text."""
    one, other = hs.Document(content="a", meta={"x": 1, "y": 2}), hs.Document(content="a", meta={"y": 2, "x": 1})
    assert len(set(of_documents(classes.Plain(), [one, other]))) == 2


class _Text(str):
    __slots__ = ()


@dataclass
class _Point:
    x: int = 1


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


_NO_PLAIN_DATA: list[Any] = [
    *(np.float32(1), np.array([1, 2]), np.str_("a"), np.datetime64("2020-01-01"), _Text("a"), _Point(), object()),
    *(_circle(), len, Path, {"a": [object()]}),
]


@over(value=[(each,) for each in _NO_PLAIN_DATA])
def test_metadata_that_is_not_plain_data_has_no_text(value: tuple[Any]) -> None:
    (value,) = value
    documents = [hs.Document(id="1", content="a", meta={"x": value}), hs.Document(id="2", content="a", meta={"x": 1})]
    none, some = of_documents(classes.Plain(), documents)
    assert none is None
    assert some is not None
    # Where the component itself says what is embedded, that is all that counts.
    assert of_documents(DOCUMENTS["openai"](), documents) == ["a", "a"]
    in_blob = hs.Document(id="1", content="a", blob=hs.ByteStream(data=b"1", meta={"x": value}))
    assert of_documents(classes.Plain(), [in_blob]) == [None]


def test_timestamp_of_pandas_has_no_text() -> None:
    """It is a datetime that may hold nanoseconds."""
    pandas = pytest.importorskip("pandas")
    document = hs.Document(id="1", content="a", meta={"x": pandas.Timestamp(1)})
    assert of_documents(classes.Plain(), [document]) == [None]


def test_field_that_a_subclass_of_document_adds_counts() -> None:
    one, other = classes.WithSummary(content="a", summary="x"), classes.WithSummary(content="a", summary="y")
    assert len(set(of_documents(classes.Plain(), [one, other, hs.Document(content="a")]))) == 3


def test_query_that_looks_like_a_document() -> None:
    [text] = of_documents(classes.Plain(), [hs.Document(content="a", meta={"x": 1})])
    assert text is not None
    assert of_text(classes.Plain(), text) != text
    assert of_documents(classes.Plain(), [hs.Document(content=text)]) == [of_text(classes.Plain(), text)]


def test_normal_forms_of_unicode_are_different_texts() -> None:
    composed = "\u00e9"
    decomposed = unicodedata.normalize("NFD", composed)
    documents = [hs.Document(content=text, meta={"x": 1}) for text in (composed, decomposed)]
    for component in (classes.Plain(), DOCUMENTS["openai"](), classes.MyMock()):
        assert len(set(of_documents(component, documents))) == 2


def test_asking_changes_neither_component_nor_documents() -> None:
    component = DOCUMENTS["openai"](meta_fields_to_embed=["x"])
    document = hs.Document(content="a", meta={"x": [1]})
    before = dict(vars(component)), document.to_dict()
    of_documents(component, [document, document])
    assert (dict(vars(component)), document.to_dict()) == before
    assert of_documents(component, []) == []


def test_haystack_is_not_imported_to_know_its_classes() -> None:
    """Only what is asked for is imported: the plugin is loaded in every process."""
    for name in ("identities", "parameters", "texts", "providers.hosted", "providers.local", "providers.openai"):
        module = import_module(f"{INTEGRATIONS}.embedonce.{name}")
        assert not {"Document", "Secret", "component", "haystack"} & set(vars(module))
