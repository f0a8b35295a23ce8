"""Haystack in `embedonce demo`: the embedder of the demo as a component that embeds documents."""

from dataclasses import replace
from typing import Any

from embedonce.hookspecs import Demo


def _model(embedder: Any) -> Any:
    from haystack import Document, component

    @component
    class DemoDocumentEmbedder:
        """A document embedder that asks the embedder of the demo."""

        embedonce_identity = embedder.embedonce_identity

        @component.output_types(documents=list[Document])
        def run(self, documents: list[Document]) -> dict[str, Any]:
            """
            Embed documents.

            :param documents: The documents.
            """
            vectors = embedder.embed_documents([document.content or "" for document in documents])
            pairs = zip(documents, vectors, strict=True)
            return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}

    return DemoDocumentEmbedder()


def _embed(cached: Any, texts: list[str]) -> list[list[float]]:
    from haystack import Document

    documents = cached.run(documents=[Document(content=text) for text in texts])["documents"]
    return [document.embedding for document in documents]


DEMO = Demo(
    framework="Haystack",
    package="haystack",
    requirement="embedonce[haystack]",
    model=_model,
    embed=_embed,
)
