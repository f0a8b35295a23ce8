"""Halving batches that the embedder refuses, so that one text does not fail the others (`split_on_error`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from embedonce.cache.batches.embedding import Embedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce.cache.engine.state import CallState
    from embedonce.runtime.steps import Steps

logger = logging.getLogger("embedonce")


def embedding(state: CallState, positions: Sequence[int]) -> Steps[Exception | None]:
    """Return the steps that embed a batch; their result is the first error of texts that were refused one by one.

    With `split_on_error`, a batch that is refused is tried again in halves. That is given up when too many requests in
    a row are refused, for instance since the embedder refuses everything.

    Args:
        state: The call.
        positions: Numbers of the texts in its plan, which the call has claimed.

    Raises:
        Exception: See `Embedding`.
    """
    most_in_a_row = 2 * len(positions).bit_length() + 2
    batches, refused, in_a_row = [positions], 0, 0
    first: Exception | None = None
    while batches:
        batch = batches.pop()
        step = Embedding(state, batch)
        try:
            yield step
        except Exception as error:
            in_a_row += 1
            if not step.is_refused or in_a_row > most_in_a_row:
                raise
            if len(batch) > 1:
                state.count_split(len(batch))
                half = len(batch) // 2
                batches += [batch[half:], batch[:half]]
                continue
            refused += 1
            first = first or error
        else:
            in_a_row = 0
    if refused < len(positions) and first is not None:
        logger.warning("the embedder refused %d of %d texts; the others are stored", refused, len(positions))
    return first
