"""The embedder of the demo as a component of Haystack; imported only where Haystack is installed."""

from dataclasses import replace
from typing import Any

from haystack import Document, component

from embedonce.identity import Identity


@component
class DemoDocumentEmbedder:
    """Gives documents the vectors of an embedder.

    Args:
        embedder: It has the methods of LangChain's embedders.
    """

    def __init__(self, embedder: Any) -> None:
        self.embedder = embedder

    @property
    def embedonce_identity(self) -> Identity:
        """What decides the vectors."""
        identity: Identity = self.embedder.embedonce_identity
        return identity

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents.

        Args:
            documents: The documents.
        """
        vectors = self.embedder.embed_documents([document.content or "" for document in documents])
        return {"documents": [replace(each, embedding=vector) for each, vector in zip(documents, vectors, strict=True)]}
