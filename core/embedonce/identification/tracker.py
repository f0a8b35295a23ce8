"""An embedder and what decides its vectors at the moment, which is checked in every call."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from embedonce import remedies
from embedonce.errors import IdentityError
from embedonce.identification.known_classes import Description
from embedonce.identification.sending.divided import embed_divided
from embedonce.identification.sending.requests import REQUESTS_BETWEEN_WRITES
from embedonce.identification.settings.names import OPERATIONAL
from embedonce.identity import Identity
from embedonce.inside import check_replay
from embedonce.keys.specification import utf8
from embedonce.options import checked_texts
from embedonce.runtime.threads import in_thread
from embedonce.vectors.answers import NotCacheable
from embedonce.vectors.lists import as_lists, as_lists_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.hookspecs import Cache
    from embedonce.identification.describer import Describer
    from embedonce.keys.specification import Role
    from embedonce.options import Auto, WrapOptions

logger = logging.getLogger("embedonce")
_PLAINLY = "leave them out, or give each a number, a text or a dict of those"


@dataclass(slots=True)
class EmbedRequest:
    """What a call of a wrapper asks for; the tracker completes copies of it and never changes one.

    It is not frozen, since that would double the time it takes to make one, and each call makes two.

    Attributes:
        embedder: The embedder inside.
        cache: The cache to ask.
        texts: What is asked for.
        role: As what it is embedded.
        batch_size: Texts that are embedded between two writes; `"auto"` for the cache's own setting, and else for what
            is known of how the embedder sends its requests.
        arguments: Further arguments of the call that reach the embedder.
        refine: Turns the identity of the embedder into that of the call; None if `arguments` alone does that.
        not_cacheable: Why this call must not be cached even if its embedder may be; empty if it may be, too.
        identity: What decides the vectors of the texts; the tracker fills it in.
        positions: Where the texts stand in the call, None if they are all of it; the tracker fills it in.
        numbers: The type of numbers that the embedder answers with, if that is known; the tracker fills it in.
    """

    embedder: object
    cache: Cache
    texts: Sequence[str]
    role: Role
    batch_size: int | Auto | None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    refine: Callable[[Identity], Identity] | None = None
    not_cacheable: str = ""
    identity: Identity | None = None
    positions: Sequence[int] | None = None
    numbers: type[int | float] | None = None

    def completed(
        self,
        texts: Sequence[str],
        identity: Identity,
        positions: Sequence[int] | None,
        batch_size: int | Auto | None,
        numbers: type[int | float] | None,
    ) -> EmbedRequest:
        """Return a request for texts that reach the model in one way."""
        completed = EmbedRequest(self.embedder, self.cache, texts, self.role, batch_size)
        completed.identity, completed.positions, completed.numbers = identity, positions, numbers
        return completed

    def ask(self, method: Callable[..., Any], embed: Callable[[list[str]], Any]) -> Any:
        """Call `embed` or `aembed` of the cache for this request, once it is completed."""
        return method(self.texts, embed, namespace=self.identity, role=self.role, batch_size=self.batch_size)


class IdentityTracker:
    """What decides the vectors of an embedder; it follows when the embedder or its settings are changed.

    Copies of a wrapper may share it, so every method takes the embedder that is meant.

    Args:
        describer: What the framework's classes are known by.
        describe: Returns the description of an embedder that the wrapper uses.
    """

    def __init__(self, describer: Describer, describe: Callable[[object], Description]) -> None:
        self._describer = describer
        self._describe = describe
        self._before: tuple[object, Description] | None = None
        self._has_warned_of_bypass = False
        self._has_warned_of_change = False

    def identity(self, embedder: object) -> Identity:
        """Return what decides the vectors at the moment.

        Raises:
            IdentityError: The embedder is one whose vectors must not be cached.
        """
        description = self.now(embedder)
        if description.identity is None:
            msg = f"{type(embedder).__name__} has no identity: {description.not_cacheable}"
            raise IdentityError(msg)
        return description.identity

    def now(self, embedder: object) -> Description:
        """Return what decides the vectors at the moment, and how texts reach the model.

        Raises:
            IdentityError: The embedder was changed and can no longer be identified.
        """
        return self._now(embedder, self._describer.fingerprint(embedder))

    def _now(self, embedder: object, state: object) -> Description:
        """Return what decides the vectors in this state of the embedder."""
        before = self._before
        if before is not None and before[0] == state:
            return before[1]
        description = self._describe(embedder)
        if (
            before is not None
            and description.identity not in (None, before[1].identity)
            and not self._has_warned_of_change
        ):
            self._has_warned_of_change = True
            logger.warning(
                "%s has changed since it was wrapped%s: the namespace of its vectors is now %s instead of %s",
                type(embedder).__name__,
                _named_fields(self._describer.changes(before[0], state)),
                description.identity,
                before[1].identity,
            )
        self._before = (state, description)
        return description

    def declared(self, embedder: object) -> Identity | None:
        """Return the identity that a wrapper declares; None if vectors must not be cached, or no longer.

        Raises:
            IdentityError: The embedder could never be identified.
        """
        try:
            return self.now(embedder).identity
        except IdentityError:
            if self._before is None:
                raise
            return None

    def embed(self, request: EmbedRequest, embed: Callable[[list[str]], Any]) -> list[list[float]] | None:
        """Return the vectors of texts, those that are missing from the embedder.

        Args:
            request: What is asked for.
            embed: Asks the embedder.

        Returns:
            One list for each text, each of its own; None if the call bypasses the cache.

        Raises:
            CacheMissError: It would bypass the cache, or a text is missing, and the mode is `replay`.
            EmbedderContractError: The embedder's answer is not one finite vector per text.
            Exception: Whatever the embedder raises.
        """
        groups, state = self._groups(request, self._describer.fingerprint(request.embedder), is_async=False)
        watched = self._watching(request, state, embed)
        return _in_order(groups, [as_lists(each.ask(each.cache.embed, watched), each.numbers) for each in groups])

    async def aembed(
        self,
        request: EmbedRequest,
        embed: Callable[[list[str]], Awaitable[Any]] | Callable[[list[str]], Any],
        *,
        may_divide: bool = True,
        is_sync: bool = False,
        twin: Callable[[list[str]], Any] | None = None,
    ) -> list[list[float]] | None:
        """Async twin of `embed`.

        Args:
            request: What is asked for.
            embed: Asks the embedder.
            may_divide: True if the embedder may be asked by several calls at once where it would send several requests.
            is_sync: True if `embed` is to be called in a thread, where its answer is kept if the task is cancelled.
            twin: The sync method, which is called in a thread instead where the async one sends something else.
        """
        state = self._describer.fingerprint(request.embedder)
        if self._before is not None and self._before[0] == state:
            groups, state = self._groups(request, state, is_async=True)
        else:
            # Describing an embedder may look at the files of a model.
            groups, state = await in_thread(self._groups, request, state, is_async=True)
        if twin is not None and groups and self._now(request.embedder, state).is_sync_only:
            embed, is_sync = twin, True

        before = self._before  # Now: another call may look at it before this one is answered.

        async def embed_watched(some: list[str]) -> Any:
            requests = self._describer.requests(request.embedder, request.arguments) if may_divide else None
            is_split = bool(request.cache.arguments.get("split_on_error"))
            divides = requests is not None and requests.divides(len(some), is_split=is_split)
            answer = await (embed_divided(embed, some, requests) if requests and divides else embed(some))
            # Not in a thread: once there is an answer, nothing is awaited in which cancelling could lose it.
            return self._watched(request, state, before, answer)

        watched = self._watching(request, state, embed) if is_sync else embed_watched
        answers = [
            await as_lists_in_thread(await each.ask(each.cache.aembed, watched), each.numbers) for each in groups
        ]
        return _in_order(groups, answers)

    def matrix(self, request: EmbedRequest, embed: Callable[[list[str]], Any]) -> NDArray[Any] | None:
        """Return the vectors of texts as `EmbeddingCache.embed` does, for embedders that never split a text.

        See `embed` for all else.
        """
        groups, state = self._groups(request, self._describer.fingerprint(request.embedder), is_async=False)
        answers = [each.ask(each.cache.embed, self._watching(request, state, embed)) for each in groups]
        assert len(answers) <= 1
        return answers[0] if answers else None

    def _watching(
        self, request: EmbedRequest, state: object, embed: Callable[[list[str]], Any]
    ) -> Callable[[list[str]], Any]:
        """Return a function that asks the embedder and watches whether it is changed meanwhile; see `_watched`."""
        before = self._before
        return lambda some: self._watched(request, state, before, embed(some))

    def _watched(
        self, request: EmbedRequest, state: object, before: tuple[object, Description] | None, answer: Any
    ) -> Any:
        """Return an answer as one that is not stored, if the embedder was changed while it was asked.

        It is then unknown which settings the answer belongs to. `before` is what was known of it when it was asked.
        """
        if isinstance(answer, NotCacheable):
            return answer
        after = self._describer.fingerprint(request.embedder)
        if after == state:
            return answer
        try:
            identity = self._describe(request.embedder).identity
        except Exception:
            # A guard against blocking calls may forbid a look at files; the answer is not lost for that.
            identity = None
        if identity is not None and before is not None and before[0] == state and identity == before[1].identity:
            # Only something was built that this call was the first to need, such as a client.
            return answer
        self._warn_of_change(request.embedder, self._describer.changes(state, after))
        return NotCacheable(answer)

    def _warn_of_change(self, embedder: object, changed: list[str]) -> None:
        """Say once that vectors are not stored because the embedder was changed while it was asked."""
        if self._has_warned_of_change:
            return
        self._has_warned_of_change = True
        kind = type(embedder)
        remedy = "name the model"
        if changed:
            decides = f"{' and '.join(map(repr, changed))} decide{'s' if len(changed) == 1 else ''}"
            line = remedies.ignoring(changed, kind)
            remedy = f"if {decides} nothing about vectors, write in the class: {line}; else {remedy}"
        logger.warning(
            "%s has changed while it embedded%s: its vectors are not stored, because it is unknown which settings they "
            "belong to; %s, %s: %s",
            kind.__name__,
            _named_fields(changed),
            remedy,
            remedies.RAISE_IT,
            remedies.wrapping(),
        )

    def _groups(self, request: EmbedRequest, state: object, *, is_async: bool) -> tuple[list[EmbedRequest], object]:
        """Group the texts of a call by how they reach the model; no group if the call bypasses the cache.

        Returns:
            A completed request for each group, and the state of the embedder that they hold for.
        """
        try:
            description = self._now(request.embedder, state)
        except IdentityError as error:
            if self._before is None:
                raise
            return self._bypassed(request, f"it has changed: {error}"), None
        changing = {name: value for name, value in request.arguments.items() if name not in OPERATIONAL}
        identity, refused = description.identity, description.not_cacheable or request.not_cacheable
        if identity is not None and not refused:
            identity = called_with(identity if request.refine is None else request.refine(identity), changing)
        if identity is None or refused:
            reason = (
                f"of the arguments {', '.join(map(repr, sorted(changing)))}, which are not plain values; {_PLAINLY}"
            )
            return self._bypassed(request, refused or reason), state
        texts = checked_texts(request.texts)
        if description.effective_text is not None:
            texts = [description.effective_text(text) for text in texts]
        size = self._batch_size(request, texts, is_async=is_async)
        limit = description.whole_up_to
        long = [] if limit is None else [i for i, text in enumerate(texts) if _is_longer(text, limit)]
        if not long:
            return [request.completed(texts, identity, None, size, description.numbers)], state
        averaged = identity.with_additions({"averaged_beyond": limit})
        short = sorted(set(range(len(texts))) - set(long))
        return [
            request.completed([texts[i] for i in positions], kind, positions, size, description.numbers)
            for kind, positions in ((identity, short), (averaged, long))
            if positions
        ], state

    def _batch_size(self, request: EmbedRequest, texts: Sequence[str], *, is_async: bool) -> int | Auto | None:
        """Return how many of some texts to embed between two writes."""
        for size in (request.batch_size, request.cache.batch_size):
            if size != "auto":
                return size
        if len(texts) <= REQUESTS_BETWEEN_WRITES or request.cache.mode == "replay":
            # However they are sent; in a replay none is, and a property of the embedder might send a request.
            return None
        return self._describer.sub_batch(request.embedder, texts=texts, arguments=request.arguments, is_async=is_async)

    def _bypassed(self, request: EmbedRequest, why: str) -> list[EmbedRequest]:
        """Return no request, and say once why calls bypass the cache.

        Raises:
            CacheMissError: The mode is `replay`.
        """
        check_replay(request.embedder, request.cache, why)
        name = type(request.embedder).__name__
        if not self._has_warned_of_bypass:
            self._has_warned_of_bypass = True
            logger.warning("calls of %s bypass the cache because %s", name, why)
        return []


def _named_fields(names: list[str]) -> str:
    """Return the names of changed fields, to follow the class in a message."""
    return f" (its field{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))})" if names else ""


def _in_order(groups: Sequence[EmbedRequest], vectors: Sequence[list[list[float]]]) -> list[list[float]] | None:
    """Return the vectors of all groups in the order of the call, None if there is no group."""
    if len(groups) < 2:
        return vectors[0] if vectors else None
    placed = {
        position: vector
        for group, rows in zip(groups, vectors, strict=True)
        for position, vector in zip(group.positions or (), rows, strict=True)
    }
    return [placed[position] for position in range(len(placed))]


def _is_longer(text: str, limit: int) -> bool:
    """Return whether a text has more UTF-8 bytes than the limit; no character takes more than four."""
    return len(text) * 4 > limit and (len(text) > limit or len(utf8(text)) > limit)


def describe_with(describer: Describer, embedder: object, options: WrapOptions) -> Description:
    """Return what decides an embedder's vectors, with the user's options; a namespace is the whole identity.

    Raises:
        IdentityError: It cannot be identified, and the user has not named it.
    """
    try:
        derived = describer.describe(embedder)
    except IdentityError:
        if options.namespace is None:
            raise
        derived = Description(None)
    if derived.not_cacheable:
        return replace(derived, identity=None)
    return replace(derived, identity=options.applied_to(_named(derived.identity, options.namespace)))


def _named(derived: Identity | None, named: str | Identity | None) -> Identity:
    if isinstance(named, Identity):
        return named
    if named is None:
        assert derived is not None
        return derived
    if derived is None:
        return Identity.named(named)
    return Identity.named(named, symmetric=derived.symmetric, dimensions=derived.dimensions)


def called_with(identity: Identity, arguments: Mapping[str, object]) -> Identity | None:
    """Return the identity of a call with further keyword arguments, None if such a call cannot be cached.

    A list may hold one value per text, and only plain values can be written down: such calls bypass the cache.
    """
    if not arguments:
        return identity
    if not all(map(_is_plain, arguments.values())):
        return None
    # The arguments may change the length of the vectors, and what distinguishes documents from queries.
    return replace(identity.with_additions({"call": dict(arguments)}), dimensions=None, symmetric=False)


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(each) for name, each in value.items())
    return value is None or isinstance(value, str | int)
