"""CachedTextEmbedder: a component that embeds every query once."""

import copy
from typing import Any

from haystack import component

from embedonce.runtime.steps import Steps, arun, run
from embedonce.vectors.answers import NotCacheable
from embedonce.wrappers import Wrapper
from haystack_integrations.components.embedders.embedonce import texts
from haystack_integrations.components.embedders.embedonce.document_calls import PartlyFailedError
from haystack_integrations.components.embedders.embedonce.wrapped import CachedEmbedder


class _NothingError(PartlyFailedError):
    """The component inside has answered without a vector, which is handed on and not stored.

    Every call that waits for the text gets this error, also one of a document embedder.
    """

    def __init__(self, text: str, answer: dict[str, Any]) -> None:
        super().__init__({}, {text})
        self.answer = answer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.failed, self.answer)


@component
class CachedTextEmbedder(CachedEmbedder):
    """
    Embeds every query once: a text embedder that asks a cache first.

    It has the inputs and outputs of the component inside and can replace it in any pipeline. That component is warmed
    up when a text has to be embedded for the first time: for hits it needs neither a key nor a model.

    ### Usage example

    ```python
    from haystack.components.embedders import MockTextEmbedder
    from haystack_integrations.components.embedders.embedonce import CachedTextEmbedder

    embedder = CachedTextEmbedder(MockTextEmbedder(dimension=8), "./embeddings")
    print(embedder.run(text="What is a cache?")["embedding"])
    ```
    """

    _INPUT = "text"
    _OUTPUT = "embedding"
    _ROLE = "query"

    def run(self, text: str, **kwargs: Any) -> dict[str, Any]:
        """
        Embed a text, if it is not in the cache.

        :param text: The text.
        :param kwargs: Further inputs of the component inside; those that are set become part of the key.
        :returns: What the component inside returns; `meta` reports no usage for a text from the cache.
        :raises EmbedderContractError: The embedder's answer is not one finite vector.
        """
        return run(self._steps(text, kwargs))

    async def run_async(self, text: str, **kwargs: Any) -> dict[str, Any]:
        """
        Embed a text, if it is not in the cache; the async twin of `run`.

        :param text: The text.
        :param kwargs: Further inputs of the component inside; those that are set become part of the key.
        :returns: What the component inside returns; `meta` reports no usage for a text from the cache.
        :raises EmbedderContractError: The embedder's answer is not one finite vector.
        """
        return await arun(self._steps(text, kwargs))

    def _steps(self, text: str, inputs: dict[str, Any]) -> Steps[Any]:
        if not isinstance(text, str):
            # The component inside refuses it in its own words.
            return (yield self._asking({"text": text, **inputs}))
        answers: list[dict[str, Any]] = []
        found: list[Any] = []

        def embed(some: list[str]) -> Steps[Any]:
            if found:
                return found
            answers.append((yield self._asking({"text": text, **inputs})))
            return self._vector_now(text, answers[-1], *some)

        while True:
            asked = texts.of_text(self.embedder, text)
            try:
                vectors = yield self._embedding([asked], inputs, embed)
                break
            except _NothingError as error:
                return copy.deepcopy(error.answer)
            except PartlyFailedError as error:
                found = _found_by_others(asked, error)
        if vectors is None:
            return (yield self._asking({"text": text, **inputs}))
        return self._answered(vectors[0], answers)

    def _vector_now(self, text: str, answer: dict[str, Any], asked: str) -> Any:
        """Return the vector in an answer, as one that is not stored if a prefix was changed meanwhile."""
        vector = _vector_in(answer, asked)
        return vector if texts.of_text(self.embedder, text) == asked else NotCacheable(vector)

    def _answered(self, vector: list[float], answers: list[dict[str, Any]]) -> dict[str, Any]:
        self._trace(1, len(answers))
        return self._answer(vector, [answer.get("meta") or {} for answer in answers])


def _vector_in(answer: dict[str, Any], text: str) -> list[Any]:
    vector = answer.get("embedding")
    if vector is None or len(vector) == 0:
        raise _NothingError(text, answer)
    return [vector]


def _found_by_others(text: str, error: PartlyFailedError) -> list[Any]:
    """Return the vector of a text from a document embedder that was waited for, and has failed at a text of its own."""
    return [error.vectors[text]] if text in error.vectors else []


# It cannot inherit: components have a metaclass of their own.
Wrapper.register(CachedTextEmbedder)
