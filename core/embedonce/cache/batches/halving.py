"""Halving batches that the embedder refuses, so that one text does not fail the others (`split_on_error`)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from embedonce.cache.batches.embedding import Embedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce.cache.engine.state import CallState
    from embedonce.runtime.steps import Steps

_MOST_IN_A_ROW = 64
"""After so many refused requests, of all batches of a call, the embedder is taken to refuse everything."""


def embedding(state: CallState, positions: Sequence[int]) -> Steps[bool]:
    """Return the steps that embed a batch; their result is False if all of it was refused.

    With `split_on_error`, a batch that is refused is tried again in halves, down to single texts. Where many texts in a
    row are refused, the search goes on elsewhere in the batch, and ends if that is refused as well. What is refused is
    noted in `state.refusals`.

    Args:
        state: The call.
        positions: Numbers of the texts in its plan, which the call has claimed.

    Raises:
        Exception: See `Embedding`; also that of a refused batch, if the embedder seems to refuse everything.
    """
    # So many requests lead from the whole batch to one text.
    depth = len(positions).bit_length() + 1
    parts, in_a_row, is_accepted = deque([positions]), 0, False
    while parts and in_a_row < 3 * depth:
        # The last part is next to what was tried before, the first one is the largest and farthest away.
        part = parts.popleft() if in_a_row and in_a_row % depth == 0 else parts.pop()
        step = Embedding(state, part)
        try:
            yield step
        except Exception as error:
            if not step.refused:
                raise
            if len(step.refused) < len(part):
                # Some of its requests were answered.
                part, in_a_row, is_accepted, state.refusals.in_a_row = step.refused, 0, True, 0
            in_a_row += 1
            state.refusals.note(part, error)
            if state.refusals.in_a_row > _MOST_IN_A_ROW:
                raise
            if len(part) > 1:
                state.count_split(len(part))
                half = len(part) // 2
                parts += (part[:half], part[half:])
        else:
            in_a_row = 0
            is_accepted = True
            state.refusals.in_a_row = 0
    return is_accepted
