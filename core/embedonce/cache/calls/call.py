"""One call of `embed` or `aembed` as steps, written once for both; input and output are in the steps."""

from __future__ import annotations

import logging
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.cache.batches.halving import embedding
from embedonce.cache.batches.saving import saving
from embedonce.cache.engine.flight import Failed, Landed
from embedonce.errors import CacheMissError, EmbedderContractError, StoreError
from embedonce.events import EmbedEvent
from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical
from embedonce.namespaces.detached import DetachedNamespace
from embedonce.runtime.steps import Work
from embedonce.vectors.rows import RowBuffer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce.cache.engine.state import CallState
    from embedonce.runtime.steps import Steps


logger = logging.getLogger("embedonce")

_OFFERED_AT_ONCE = 4096
"""So many flights are offered to others on an event loop itself, in less than a millisecond."""
_JOINED_AT_ONCE = 1024
"""So many vectors of other calls are copied in one step, less than a few milliseconds."""


def calling(state: CallState) -> Steps[NDArray[Any]]:
    """Return the steps of a call; their result has one row per text, shape (n, d).

    Raises:
        CacheMissError: The mode is `replay`, and a text is not in the cache.
        EmbedderContractError: The embedder's answer is not one finite vector per text.
        StoreError: The store failed, and `on_store_error="raise"` or the mode is `replay`.
        Exception: Whatever the embedder raises.
    """
    plan, mode, namespace = state.plan, state.options.mode, state.namespace
    state.options.health.count(
        calls=1, texts=plan.asked, duplicates=plan.asked - len(plan.texts), unkeyed=state.unkeyed
    )
    try:
        if mode != "refresh":
            yield from _looking_up(state)
            state.count_hits(int(state.rows.found.sum()))
        while state.rows.missing:
            if mode == "replay":
                raise state.options.miss_error(state)
            if state.claim() and mode != "refresh":
                yield from _looking_up(state)
                state.count_hits(state.release_found())
            yield from _embedding_mine(state)
            while state.take_over():
                yield from _embedding_mine(state)
            if state.theirs:
                yield state.waiter.waiting_for(state.theirs.values())
                yield from _joining(state)
        if state.saved_rows:
            yield Work(_end_call, state, inline=not namespace.waits)
    except BaseException as error:
        # In the background: this call may have been cancelled.
        namespace.flush_soon()
        _notify(state, None, type(error).__name__)
        raise
    finally:
        try:
            state.end()
        except BaseException:
            # Interrupted before it was done.
            state.end()
            raise
    result: NDArray[Any] = yield Work(_result, state, inline=state.request.is_small or not plan.has_duplicates)
    _notify(state, result)
    return result


def _looking_up(state: CallState) -> Steps[None]:
    """Take from the namespace what is missing."""
    namespace, health, codec = state.namespace, state.options.health, state.options.codec
    is_replay = state.options.mode == "replay"
    # That a namespace could not be opened is counted already. In mode `replay`, a request that is left out would look
    # like a text that was not recorded.
    at_hand = not isinstance(namespace, DetachedNamespace) and not is_replay and health.is_pausing(writing=False)
    stored = state.rows
    if not codec.is_exact:
        stored = RowBuffer(len(state.plan.texts), None)
        stored.found[:] = state.rows.found
    try:
        with state.timed("reading"):
            has_answered = yield from namespace.loading(state.request.role, state.plan.keys, stored, at_hand=at_hand)
            if stored is not state.rows:
                yield Work(_decode, state, stored, inline=state.request.is_small)
    except StoreError as error:
        # Something may be found nevertheless.
        if stored is not state.rows:
            yield Work(_decode, state, stored, inline=state.request.is_small)
        if is_replay and state.rows.missing:
            # Taken for a miss, an outage would say that a recorded text is not there.
            raise
        health.failed(error, writing=False)
    else:
        if has_answered:
            health.succeeded(writing=False)
        elif at_hand and state.rows.missing:
            health.count(skipped=1)


def _decode(state: CallState, stored: RowBuffer) -> None:
    """Take vectors from the rows that a codec has written."""
    new = np.flatnonzero(stored.found & ~state.rows.found)
    if len(new) and stored.matrix is not None:
        vectors = state.options.codec.vectors_of(stored.matrix[new])
        if state.rows.dimensions in (None, vectors.shape[1]):
            state.rows.dimensions = vectors.shape[1]
            state.rows.put(new, vectors)


def miss_error(state: CallState) -> CacheMissError:
    """Return the error for texts that are not in the cache, in mode `replay`."""
    missing, texts, request = state.rows.missing, state.plan.texts, state.request
    first = texts[missing[0]]
    digest = sha256(canonical(request.role, first))
    msg = (
        f"{len(missing)} of {len(texts)} texts are not in the cache for namespace {request.identity.namespace!r} "
        f"(role {request.role}); the first one has the SHA-256 key {digest[:16]}… and {len(first)} "
        "characters; record it by running once with mode='read_write'"
    )
    return CacheMissError(msg)


def _embedding_mine(state: CallState) -> Steps[None]:
    """Embed what the call has claimed, batch by batch.

    Raises:
        Exception: The embedder's, at once; with `split_on_error`, that for the first refused text after all batches.
    """
    pace, refusals = state.pace, state.refusals
    mine, begun, refused, is_accepted = deque(sorted(state.mine)), 0, 0, True
    # Texts that were refused before come first, since all others are stored: go on at the other end.
    while positions := state.begin(mine, pace.size, at_end=not is_accepted):
        if not begun:
            flights = [state.mine[i] for i in mine]
            yield Work(state.offer, flights, inline=len(flights) <= _OFFERED_AT_ONCE)
        before = state.seconds["embedding"]
        is_accepted = yield from embedding(state, positions)
        pace.took(len(positions), state.seconds["embedding"] - before)
        begun += len(positions)
        if refusals.error is not None:
            refused += int((~state.rows.found[positions]).sum())
    if refused and refusals.error is not None:
        logger.warning(
            "the embedder refused %d of %d texts, one of them text %d of the call; the others are stored",
            refused,
            begun,
            state.plan.first_of(refusals.position),
        )
        raise refusals.error


def _joining(state: CallState) -> Steps[None]:
    """Take what other calls have embedded; what they have not stays missing.

    Raises:
        EmbedderContractError: Their vectors are of another length.
        Exception: The embedder's error, if it failed on nothing but texts that this call wants too.
    """
    landed = yield Work(_landed, state, inline=state.request.is_small)
    state.theirs.clear()
    for outcomes in landed:
        # Part by part, so that other threads get their turn in between.
        for start in range(0, len(outcomes), _JOINED_AT_ONCE):
            part = dict(outcomes[start : start + _JOINED_AT_ONCE])
            yield Work(_take, state, part, inline=state.request.is_small)
            if state.options.mode != "read_only":
                yield from _saving_for_others(state, part)


def _landed(state: CallState) -> list[list[tuple[int, Landed]]]:
    """Return what other calls have embedded, by dtype.

    Raises:
        Exception: The embedder's error, if it failed on nothing but texts that this call wants too.
    """
    wanted = {key for key in state.plan.keys if key is not None}
    landed: dict[np.dtype[Any], list[tuple[int, Landed]]] = {}
    for position, flight in state.theirs.items():
        outcome = flight.outcome
        if outcome is None and not flight.has_landed:
            # Waited for in vain: from now on this call waits for nobody, and nobody waits for the other one.
            state.leader.is_patient = False
            flight.leader.is_overdue = True
        elif isinstance(outcome, Landed):
            landed.setdefault(outcome.vector.dtype, []).append((position, outcome))
        elif isinstance(outcome, Failed) and outcome.keys <= wanted:
            # Otherwise it may have failed because of a text that is not asked for here.
            raise outcome.error
    return list(landed.values())


def _take(state: CallState, outcomes: Mapping[int, Landed]) -> None:
    """Take vectors of one dtype that other calls have embedded.

    Raises:
        EmbedderContractError: They are of another length.
    """
    for length in {len(outcome.vector) for outcome in outcomes.values()}:
        state.count_hits(-state.rows.settle(length))
        if state.rows.dimensions is None:
            state.rows.dimensions = length
        if length != state.rows.dimensions:
            msg = (
                f"namespace {state.request.identity.namespace!r} was answered with vectors of length {length} and "
                f"{state.rows.dimensions}: two models share it; give each its own namespace= or version="
            )
            raise EmbedderContractError(msg)
    where = np.fromiter(outcomes, np.intp, len(outcomes))
    state.rows.put(where, np.stack([outcome.vector for outcome in outcomes.values()]))
    joined = int(state.rows.found[where].sum())
    state.joined += joined
    state.options.health.count(joined=joined)


def _saving_for_others(state: CallState, outcomes: Mapping[int, Landed]) -> Steps[None]:
    """Store vectors of other calls that these may not store."""
    unstored = {position: outcome for position, outcome in outcomes.items() if outcome.claim_storing()}
    if unstored:
        yield from saving(state, list(unstored), np.stack([outcome.vector for outcome in unstored.values()]))


def _end_call(state: CallState) -> None:
    """Make much safe before the call returns; little may wait."""
    try:
        with state.timed("writing"):
            state.namespace.end_call(state.saved_rows, state.saved_bytes)
    except StoreError as error:
        state.options.health.failed(error, writing=True)


def _result(state: CallState) -> NDArray[Any]:
    """Return one row per text of the call, shape (n, d)."""
    matrix = state.rows.matrix
    if matrix is None:
        width = state.namespace.dimensions if state.options.codec.is_exact else None
        return np.empty((0, state.rows.dimensions or width or 0), np.float32)
    return state.plan.spread(matrix)


def _notify(state: CallState, result: NDArray[Any] | None, error: str = "") -> None:
    """Tell observers of a call that has just ended with a matrix or an error."""
    if state.observers is None:
        return
    state.observers.notify(
        EmbedEvent(
            namespace=state.request.identity.namespace,
            role=state.request.role,
            mode=state.options.mode,
            store=str(state.options.store),
            texts=state.plan.asked,
            duplicates=state.plan.asked - len(state.plan.texts),
            hits=state.hits,
            joined=state.joined,
            embedded=state.embedded,
            stored=state.saved_rows,
            unkeyed=state.unkeyed,
            zero=state.zero,
            split=state.split,
            dimensions=None if result is None or not result.size else result.shape[1],
            bytes_returned=0 if result is None else result.nbytes,
            bytes_stored=state.saved_bytes,
            seconds=perf_counter() - state.started,
            seconds_reading=state.seconds["reading"],
            seconds_embedding=state.seconds["embedding"],
            seconds_writing=state.seconds["writing"],
            error=error,
        )
    )
