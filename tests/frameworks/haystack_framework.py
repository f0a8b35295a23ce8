"""Haystack, for the tests that all frameworks share: a text and a document component in front of one model."""

# Components show the types of their inputs, so annotations stay objects here.

import hashlib
from dataclasses import replace
from typing import Any, NamedTuple

from frameworks_support import FrameworkSuite
from haystack import Document, component
from haystack.core.component import Component
from haystack.utils import Secret

WRAP_OPTIONS = ("namespace", "version", "symmetric", "batch_size")


def a_text(text):
    if not isinstance(text, str):
        msg = "expects a string as an input"
        raise TypeError(msg)
    return text


def contents(documents):
    if not isinstance(documents, list) or not all(isinstance(each, Document) for each in documents):
        msg = "expects a list of Documents as input"
        raise TypeError(msg)
    return [document.content for document in documents]


def embedded(documents, vectors):
    """As many documents as there are vectors, whatever was asked for."""
    kept = [documents[min(position, len(documents) - 1)] for position in range(len(vectors))]
    return {"documents": [replace(each, embedding=vector) for each, vector in zip(kept, vectors, strict=True)]}


@component
class StrangerToTexts:
    """Asks a model for queries, and nobody can tell which."""

    def __init__(self, behind: Any):
        self.behind = behind

    @component.output_types(embedding=list[float])
    def run(self, text: str):
        return {"embedding": self.behind.answer_one("query", a_text(text))}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str):
        return {"embedding": await self.behind.aanswer_one("query", a_text(text))}


@component
class StrangerToDocuments:
    """Asks a model for documents, and nobody can tell which."""

    def __init__(self, behind: Any):
        self.behind = behind

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        return embedded(documents, self.behind.answer("document", contents(documents)))

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]):
        return embedded(documents, await self.behind.aanswer("document", contents(documents)))


@component
class KnownToTexts(StrangerToTexts):
    """Asks a model for queries, and says which."""

    @property
    def embedonce_identity(self):
        return self.behind.identity


@component
class KnownToDocuments(StrangerToDocuments):
    """Asks a model for documents, and says which."""

    @property
    def embedonce_identity(self):
        return self.behind.identity


class Fields:
    """Nothing but fields."""

    def __init__(self, model_name: str = "", api_key: Secret | None = None, base_url: str = "", prefix: str = ""):
        self.model_name = model_name
        self.api_key = api_key
        self.base_url = base_url
        self.prefix = prefix

    def vector(self, text):
        fields = f"{self.model_name}\0{self.base_url}\0{self.prefix}\0{text}"
        return [float(byte) for byte in hashlib.sha256(fields.encode()).digest()[:3]]


@component
class PlainToTexts(Fields):
    @component.output_types(embedding=list[float])
    def run(self, text: str):
        return {"embedding": self.vector(text)}


@component
class PlainToDocuments(Fields):
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        return embedded(documents, list(map(self.vector, contents(documents))))


class Pair(NamedTuple):
    """What users have in their two pipelines; wrapped, both share one cache."""

    documents: Any
    queries: Any

    @property
    def cache(self):
        assert self.documents.cache is self.queries.cache
        return self.documents.cache

    @property
    def identity(self):
        return self.documents.identity

    @property
    def namespace(self):
        return " ".join(dict.fromkeys(each.namespace for each in self))

    @property
    def wrap_options(self):
        assert self.documents.wrap_options == self.queries.wrap_options
        return self.documents.wrap_options


def made(text):
    """A document of a text; anything else as it is."""
    if not isinstance(text, str):
        return text
    # Haystack cannot hash half a surrogate pair for an id, and leaves ids to the user.
    halves = any("\ud800" <= character <= "\udfff" for character in text)
    return Document(content=text, **({"id": repr(text)} if halves else {}))


def documents_of(texts):
    return list(map(made, texts)) if isinstance(texts, list) else texts


def vectors_of(answer):
    return [document.embedding for document in answer["documents"]]


class Haystack(FrameworkSuite):
    plugin = "haystack"
    kind = Component
    # The component inside refuses what is no text, in its own words.
    no_text = no_texts = "expects a (string|list of Documents) as"
    # Documents that could not be embedded come back as they were, and so do queries.
    may_leave_out = True

    def embedder(self, model):
        return Pair(*(each(model) for each in ((KnownToDocuments, KnownToTexts) if model.is_known else STRANGERS)))

    def embedder_of_fields(self, *, api_key="", **fields):
        fields["api_key"] = Secret.from_token(api_key) if api_key else None
        return Pair(PlainToDocuments(**fields), PlainToTexts(**fields))

    def wrap(self, embedder, store, **options):
        documents = super().wrap(embedder.documents, store, **options)
        said = {name: value for name, value in options.items() if name in WRAP_OPTIONS}
        return Pair(documents, super().wrap(embedder.queries, documents.cache, **said))

    def parts(self, embedder):
        return list(embedder)

    def insides(self, wrapped):
        return [each.embedder for each in wrapped]

    def shown(self, wrapped):
        return f"{super().shown(wrapped)} {' '.join(map(written, wrapped))}"

    def embed_documents(self, wrapped, texts):
        return vectors_of(wrapped.documents.run(documents=documents_of(texts)))

    def embed_query(self, wrapped, text):
        return wrapped.queries.run(text=text)["embedding"]

    async def aembed_documents(self, wrapped, texts):
        return vectors_of(await wrapped.documents.run_async(documents=documents_of(texts)))

    async def aembed_query(self, wrapped, text):
        return (await wrapped.queries.run_async(text=text))["embedding"]


STRANGERS = (StrangerToDocuments, StrangerToTexts)


def written(wrapper):
    """What stands in a file of a pipeline, or why nothing may stand there."""
    try:
        return f"{wrapper.to_dict()}"
    except Exception as error:
        return f"{error!r}"
