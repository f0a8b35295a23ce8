"""Components of Haystack in front of one model, for the tests that all frameworks share."""

# Components show the types of their inputs, so annotations stay objects here.

import hashlib
from dataclasses import replace
from typing import Any

from haystack import Document, component
from haystack.utils import Secret


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
    """Asks a model for queries, and which cannot be told."""

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
    """Asks a model for documents, and which cannot be told."""

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
