"""From responses of OpenAI's SDK to vectors, and from vectors to a response of the same classes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from openai.types import CreateEmbeddingResponse, Embedding
from openai.types.create_embedding_response import Usage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sdks_embedonce.requests import Asked


def vectors_in(response: Any) -> list[Any]:
    """Return the vectors of a response in the order of its inputs."""
    data = list(response.data)
    places: list[Any] = [getattr(each, "index", None) for each in data]
    # Some servers number nothing, and answer in order.
    if None not in places and sorted(places) == list(range(len(data))):
        data.sort(key=lambda each: each.index)
    return [_vector(each.embedding) for each in data]


def _vector(embedding: Any) -> Any:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return embedding


def response_of(vectors: NDArray[Any], asked: Asked, model: str, paid: list[Any]) -> CreateEmbeddingResponse:
    """Return the response to a call.

    Args:
        vectors: One for each text.
        asked: What the call asked for.
        model: The model that it named.
        paid: The responses to the requests that were sent for it.
    """
    data = [_embedding(vector, i, is_base64=asked.is_base64) for i, vector in enumerate(vectors)]
    last = paid[-1] if paid else None
    answered_by = getattr(last, "model", None)
    response = CreateEmbeddingResponse(
        data=data,
        model=answered_by if isinstance(answered_by, str) else model,
        object="list",
        usage=Usage(prompt_tokens=_sum(paid, "prompt_tokens"), total_tokens=_sum(paid, "total_tokens")),
    )
    response._request_id = getattr(last, "_request_id", None)
    return response


def _embedding(vector: NDArray[Any], index: int, *, is_base64: bool) -> Embedding:
    if is_base64:
        # Not what the class declares, but what the SDK puts there.
        text: Any = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return Embedding.construct(embedding=text, index=index, object="embedding")
    return Embedding(embedding=vector.tolist(), index=index, object="embedding")


def _sum(paid: list[Any], name: str) -> int:
    """Return how many tokens were paid for; a server may not say."""
    return sum(getattr(getattr(each, "usage", None), name, None) or 0 for each in paid)
