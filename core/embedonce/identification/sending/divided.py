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
    Here these are waited for, and no further one is sent. If the call is cancelled, they are not waited for.

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
    errors: list[BaseException] = []
    vectors: list[Any] = [None] * len(texts)

    async def ask(start: int) -> None:
        part = list(texts[start : start + size])
        async with slots:
            if not errors:
                try:
                    vectors[start : start + size] = _one_for_each(part, await embed(part))
                except (Exception, asyncio.CancelledError) as error:
                    errors.append(error)

    try:
        await asyncio.gather(*map(ask, range(0, len(texts), size)))
    except asyncio.CancelledError as error:
        # All requests have ended.
        errors.insert(0, error)
    if not errors:
        return vectors
    broken = next((error for error in errors if isinstance(error, EmbedderContractError)), None)
    if broken is not None or all(vector is None for vector in vectors):
        raise errors[0] if broken is None or isinstance(errors[0], asyncio.CancelledError) else broken
    return PartialAnswer(vectors, errors[0])


def _one_for_each(texts: Sequence[str], answer: Any) -> list[Any]:
    """Return an answer as a list, if it has one vector for each text: else it is unknown which is whose."""
    if len(answer) != len(texts):
        msg = f"the embedder broke its contract: it returned {len(answer)} vectors for {len(texts)} texts"
        raise EmbedderContractError(msg)
    return list(answer)
