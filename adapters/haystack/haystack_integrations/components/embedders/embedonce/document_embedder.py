"""CachedDocumentEmbedder: a component that embeds every document once."""

import logging
from collections.abc import Callable
from typing import Any

from haystack import Document, component

from embedonce.identification import check_replay
from embedonce.runtime.steps import Steps, Work, arun, run
from embedonce.wrappers import Wrapper
from haystack_integrations.components.embedders.embedonce import texts
from haystack_integrations.components.embedders.embedonce.document_calls import (
    DocumentCall,
    ImpureError,
    PartlyFailedError,
)
from haystack_integrations.components.embedders.embedonce.wrapped import CachedEmbedder

logger = logging.getLogger("embedonce")


@component
class CachedDocumentEmbedder(CachedEmbedder):
    """
    Embeds every document once: a document embedder that asks a cache first.

    It has the inputs and outputs of the component inside and can replace it in any pipeline. Documents are told apart
    by the text that reaches the model, never by their ids. That component is warmed up when a document has to be
    embedded for the first time: for hits it needs neither a key nor a model.

    ### Usage example

    ```python
    from haystack import Document
    from haystack.components.embedders import MockDocumentEmbedder
    from haystack_integrations.components.embedders.embedonce import CachedDocumentEmbedder

    embedder = CachedDocumentEmbedder(MockDocumentEmbedder(dimension=8), "./embeddings")
    print(embedder.run(documents=[Document(content="Vectors are kept.")])["documents"][0].embedding)
    ```
    """

    _INPUT = "documents"
    _OUTPUT = "documents"
    _ROLE = "document"

    def __init__(
        self, embedder: Any, store: Any = None, *, text_fn: Callable[[Document], str] | None = None, **options: Any
    ) -> None:
        """
        Put a cache before a document embedder.

        :param embedder: The document embedder.
        :param store: Where vectors are kept; see `CachedTextEmbedder`.
        :param text_fn: Returns what tells a document apart, instead of the text that reaches the model: a function
            that can be imported. Documents for which it returns the same text get the same vector.
        :param options: All further parameters of `CachedTextEmbedder`.
        :raises IdentityError: What the embedder computes cannot be told apart from another one's; pass `namespace`.
        :raises StoreError: The store cannot be opened, or is not a cache.
        :raises TypeError: The embedder is not a document embedder, or a parameter is unknown.
        :raises ValueError: A parameter is not one of those listed.
        """
        self._text_fn = text_fn
        # The decorator makes another class of this one, which `super` would not know.
        CachedEmbedder.__init__(self, embedder, store, **options)

    def run(self, documents: list[Document], **kwargs: Any) -> dict[str, Any]:
        """
        Embed those of some documents that are not in the cache.

        :param documents: The documents.
        :param kwargs: Further inputs of the component inside; those that are set become part of the key.
        :returns: What the component inside returns: new documents, equal to the given ones but for the embedding, which
            is None where the component inside has failed; `meta` reports the usage of what had to be embedded.
        :raises EmbedderContractError: The embedder's answer is not one finite vector per document.
        """
        return run(self._steps(documents, kwargs))

    async def run_async(self, documents: list[Document], **kwargs: Any) -> dict[str, Any]:
        """
        Embed those of some documents that are not in the cache; the async twin of `run`.

        :param documents: The documents.
        :param kwargs: Further inputs of the component inside; those that are set become part of the key.
        :returns: What the component inside returns: new documents, equal to the given ones but for the embedding, which
            is None where the component inside has failed; `meta` reports the usage of what had to be embedded.
        :raises EmbedderContractError: The embedder's answer is not one finite vector per document.
        """
        return await arun(self._steps(documents, kwargs))

    def _steps(self, documents: list[Document], inputs: dict[str, Any]) -> Steps[Any]:
        if isinstance(documents, list) and not documents:
            return self._answer([], [])
        ask_for_all = self._asking({"documents": documents, **inputs})
        call = yield Work(self._call, documents)
        if call is None:
            return (yield ask_for_all)

        def embed(some: list[str]) -> Steps[Any]:
            sent = yield Work(call.to_run, some, inline=len(some) <= _FEW)
            answer = (yield self._asking({"documents": sent, **inputs})) if sent else None
            # No steps: a call that is cancelled between the answer and the cache would lose what was paid for.
            call.check_texts(some, self._texts_of)
            return call.take(some, sent, answer)

        try:
            vectors = yield from self._embedded(call, inputs, embed)
            if vectors is None:
                return (yield ask_for_all)
            sent = call.uncached
            others = call.take_uncached(sent, (yield self._asking({"documents": sent, **inputs}))) if sent else []
        except ImpureError:
            self._bypass()
            return (yield ask_for_all)
        answered = yield Work(call.result, vectors, others, inline=len(documents) <= _FEW)
        self._trace(len(answered), call.sent)
        return self._answer(answered, call.metas)

    def _embedded(
        self, call: DocumentCall, inputs: dict[str, Any], embed: Callable[[list[str]], Steps[Any]]
    ) -> Steps[Any]:
        """Ask the cache until it has answered for all texts but those at which the component inside has failed."""
        while True:
            try:
                return (yield self._embedding(call.texts, inputs, embed))
            except PartlyFailedError as error:
                call.gave_up(error, self.embedonce_identity)

    def _call(self, documents: Any) -> DocumentCall | None:
        """Return a call for documents; None if the component inside has to be asked itself.

        That component refuses whatever is not a list of documents, in its own words.
        """
        if not isinstance(documents, list) or not all(isinstance(each, Document) for each in documents):
            return None
        if self._bypasses:
            check_replay(self.embedder, self.cache, _IMPURE)
            return None
        call = DocumentCall(documents, self._texts_of(documents), self.embedonce_identity)
        if call.uncached:
            why = "a document cannot be prepared, or its meta holds values that cannot be written down"
            check_replay(self.embedder, self.cache, why)
        return call

    def _texts_of(self, documents: list[Document]) -> list[str | None]:
        if self._text_fn is None:
            return texts.of_documents(self.embedder, documents)
        return [texts.by_function(self.embedder, self._text_fn(document)) for document in documents]

    def _bypass(self) -> None:
        if self._bypasses:
            return
        self._bypasses = True
        logger.warning("calls of %s bypass the cache because %s", type(self.embedder).__name__, _IMPURE)


_FEW = 32
"""Up to so many documents are copied on the event loop itself: a hop to a thread takes longer."""
_IMPURE = "it changes more of a document than its embedding"

# It cannot inherit: components have a metaclass of their own.
Wrapper.register(CachedDocumentEmbedder)
