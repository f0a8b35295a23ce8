"""Async calls of embedders that send several requests at once, in which one that fails costs no other."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from embedonce.errors import EmbedderContractError
from embedonce.vectors.answers import PartialAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from embedonce.identification.sending.requests import Requests


async def embed_divided(
    embed: Callable[[list[str]], Awaitable[Any]], texts: Sequence[str], requests: Requests
) -> list[Any] | PartialAnswer:
    """Return the vectors of texts, with a call of the embedder for each of its requests.

    The embedder's own call would end with the first request that fails, and with it what other requests are paid for.
    Here these are waited for, and no further one is sent.

    Args:
        embed: Asks the embedder.
        texts: The texts.
        requests: How it sends them.

    Raises:
        EmbedderContractError: A call has answered with another number of vectors.
        Exception: Whatever the embedder raises, if no request was answered.
    """
    size, at_once = requests.size, requests.at_once_async
    slots = nullcontext() if at_once is None else asyncio.Semaphore(at_once)
    errors: list[Exception] = []

    async def ask(part: list[str]) -> list[Any]:
        async with slots:
            if not errors:
                try:
                    return _one_for_each(part, await embed(part))
                except Exception as error:
                    errors.append(error)
        return [None] * len(part)

    parts = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
    vectors = [vector for answer in await asyncio.gather(*map(ask, parts)) for vector in answer]
    if not errors:
        return vectors
    contract = next((error for error in errors if isinstance(error, EmbedderContractError)), None)
    if contract is not None or all(vector is None for vector in vectors):
        raise contract or errors[0]
    return PartialAnswer(vectors, errors[0])


def _one_for_each(texts: Sequence[str], answer: Any) -> list[Any]:
    """Return an answer as a list, if it has one vector for each text: else it is unknown which is whose."""
    if len(answer) != len(texts):
        msg = f"the embedder broke its contract: it returned {len(answer)} vectors for {len(texts)} texts"
        raise EmbedderContractError(msg)
    return list(answer)
