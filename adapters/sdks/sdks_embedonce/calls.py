"""Calls of methods that embed: what each of them asks for, and how the cache answers it."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from inspect import Parameter
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import unquote

from embedonce import Identity, IdentityError
from embedonce.identification import UnclearSettingError, check_replay
from embedonce.vectors.answers import NotCacheable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from inspect import Signature

    from numpy.typing import NDArray

    from embedonce import EmbeddingCache, WrapOptions
    from embedonce.options import Auto

    Role = Literal["document", "query"]

logger = logging.getLogger("embedonce")

# How SDKs mark an argument that is not given, by the name of the mark's type.
_NOT_GIVEN = frozenset(("NoneType", "NotGiven", "Omit", "Unset", "ellipsis"))


# What reading arguments or a client raises that are not as they were when this was written. The SDK says what is wrong
# with them, or copes with them.
_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)


class BypassError(Exception):
    """Why a call goes to the provider as it is."""


def name_in(given: Mapping[str, Any], argument: str, default: str = "") -> str:
    """Return an argument that is a name.

    Raises:
        BypassError: It is no text, or there is no default and it is empty or not given.
    """
    value = given.get(argument, default)
    if not isinstance(value, str) or not (value or default):
        msg = f"its {argument} is not a name"
        raise BypassError(msg)
    return value


class Method(ABC):
    """A method of an SDK that embeds texts: what decides its vectors, and how it answers.

    The arguments that its methods are shown are all of a call by name, with the SDK's defaults and without those that
    are not given or None.

    Attributes:
        texts: The argument that holds the texts.
        known: The other arguments that it knows; a call with a further one bypasses the cache. None if `identity` takes
            any argument.
        takes_one: True if one text may be given instead of a list.
        names_model: True if each call names its model; a user's namespace then takes the place of the endpoint alone.
    """

    texts: ClassVar[str]
    known: ClassVar[frozenset[str] | None]
    takes_one: ClassVar[bool] = True
    names_model: ClassVar[bool] = True

    @abstractmethod
    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call.

        Args:
            owner: The object whose method it is.
            given: The arguments; those that hold no setting may be missing.

        Raises:
            BypassError: They do not tell.
        """

    def role(self, given: Mapping[str, Any]) -> Role:
        """Return the role of the texts of a call."""
        del given
        return "document"

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse a call that the cache cannot answer, although it is known what decides its vectors.

        Raises:
            BypassError: It is such a call.
        """
        del given

    def texts_in(self, value: Any) -> tuple[list[str], bool]:
        """Return the texts of the argument, and whether it is one text and not a list.

        Raises:
            BypassError: It is something else.
        """
        if isinstance(value, str) and self.takes_one:
            return [value], True
        if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
            return list(value), False
        msg = f"its argument {self.texts!r} is not {'a text or ' if self.takes_one else ''}a list of texts"
        raise BypassError(msg)

    def request(self, asked: Asked, some: list[str]) -> dict[str, Any]:
        """Return the arguments of a request for some texts of a call."""
        return {**asked.arguments, self.texts: some[0] if asked.is_one else some}

    @abstractmethod
    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vectors of a response, in the order of the texts."""

    @abstractmethod
    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> Any:
        """Return the response to a call.

        Args:
            vectors: One for each text.
            asked: What the call asked for.
            paid: The requests that were sent for it; none if all vectors were in the cache.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call asks for.

    Attributes:
        owner: The object whose method it is.
        texts: The texts.
        is_one: True if one text was given and not a list.
        given: The arguments as a `Method` is shown them.
        arguments: The arguments as they were given, by name.
        identity: What decides the vectors.
        role: The role of the texts.
    """

    owner: Any
    texts: list[str]
    is_one: bool
    given: Mapping[str, Any]
    arguments: Mapping[str, Any]
    identity: Identity
    role: Role


@dataclass(frozen=True, slots=True)
class Paid:
    """A request that was sent for a call.

    Attributes:
        texts: What it asked for.
        response: The response of the SDK.
    """

    texts: list[str]
    response: Any


@dataclass(frozen=True, slots=True)
class CachedMethod:
    """A method, or a function, with a cache before it.

    Attributes:
        method: What is known of it.
        name: Its name in messages.
        owner: The object whose method it is.
        function: What is called for texts that are missing, sync or async.
        signature: Its arguments, without `self`.
        cache: The cache.
        options: The options of the wrapper.
        warned: The names of the methods of which a warning was logged.
    """

    method: Method
    name: str
    owner: Any
    function: Callable[..., Any]
    signature: Signature
    cache: EmbeddingCache
    options: WrapOptions
    warned: set[str]

    def call(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Answer a call of a sync method."""
        asked = self._asked(args, named)
        if asked is None:
            return self.function(*args, **named)
        paid: list[Paid] = []

        def embed(some: list[str]) -> Any:
            return self._taken(self.function(**self.method.request(asked, some)), some, asked, paid)

        vectors = self.cache.embed(
            asked.texts, embed, namespace=asked.identity, role=asked.role, batch_size=self._batch_size
        )
        return self.method.response(vectors, asked, paid)

    async def acall(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Answer a call of an async method."""
        asked = self._asked(args, named)
        if asked is None:
            return await self.function(*args, **named)
        paid: list[Paid] = []

        async def embed(some: list[str]) -> Any:
            return self._taken(await self.function(**self.method.request(asked, some)), some, asked, paid)

        vectors = await self.cache.aembed(
            asked.texts, embed, namespace=asked.identity, role=asked.role, batch_size=self._batch_size
        )
        return self.method.response(vectors, asked, paid)

    def identity_of(self, named: dict[str, Any]) -> Identity:
        """Return what decides the vectors of a call with some arguments.

        Raises:
            BypassError: Such a call bypasses the cache.
            TypeError: The method has no such argument.
        """
        bound = self.signature.bind_partial(**named)
        bound.apply_defaults()
        return self._identity(_given(_flat(bound.arguments, self.signature)))

    def _identity(self, given: Mapping[str, Any]) -> Identity:
        try:
            identity = self._named(self.method.identity(self.owner, given), given)
        except (UnclearSettingError, IdentityError) as error:
            raise BypassError(str(error)) from None
        except _UNREADABLE as error:
            raise BypassError(_unreadable(error)) from None
        return self.options.applied_to(identity)

    def _named(self, identity: Identity, given: Mapping[str, Any]) -> Identity:
        """Put the namespace of the user, who vouches for the client, in the place of the endpoint of the client."""
        namespace = self.options.namespace
        if namespace is None:
            return identity
        base = namespace if isinstance(namespace, Identity) else Identity.named(namespace)
        if not self.method.names_model:
            return base
        # A call may name another endpoint.
        client = self.method.identity(self.owner, {"model": given.get("model")})
        return _below(base, identity, without=set(client.parameters))

    def _asked(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> Asked | None:
        """Return what a call asks for; None if it bypasses the cache.

        Raises:
            CacheMissError: It would bypass it, and the mode is `replay`.
        """
        try:
            bound = self.signature.bind(*args, **named)
        except TypeError:
            # The method itself says what is wrong.
            return None
        arguments = _flat(bound.arguments, self.signature)
        bound.apply_defaults()
        given = _given(_flat(bound.arguments, self.signature))
        try:
            known = self.method.known
            unknown = [] if known is None else sorted(given.keys() - known - {self.method.texts})
            if unknown:
                msg = f"the argument {unknown[0]!r} is unknown"
                raise BypassError(msg)
            texts, is_one = self.method.texts_in(given.get(self.method.texts))
            self.method.check(given)
            return Asked(self.owner, texts, is_one, given, arguments, self._identity(given), self.method.role(given))
        except BypassError as error:
            why = str(error)
        except _UNREADABLE as error:
            why = _unreadable(error)
        check_replay(self.owner, self.cache, why)
        if self.name not in self.warned:
            self.warned.add(self.name)
            logger.warning("calls of %s bypass the cache because %s", self.name, why)
        return None

    def _taken(self, response: Any, some: list[str], asked: Asked, paid: list[Paid]) -> Any:
        paid.append(Paid(some, response))
        vectors = self.method.vectors(response, asked.given)
        # The client may have been changed while the request was under way.
        try:
            is_same = self._identity(asked.given) == asked.identity
        except BypassError:
            is_same = False
        return vectors if is_same else NotCacheable(vectors)

    @property
    def _batch_size(self) -> int | Auto | None:
        """Texts in one request: all that are missing, unless the user has said otherwise."""
        sizes: tuple[Any, ...] = (self.options.batch_size, self.cache.batch_size)
        return next((size for size in sizes if size != "auto"), None)


def _unreadable(error: Exception) -> str:
    # Without the message, which may quote a secret.
    return f"its arguments or its client cannot be read ({type(error).__name__})"


def _below(base: Identity, identity: Identity, *, without: set[tuple[str, str]]) -> Identity:
    """Return what a user vouches for, below which each kind of call is kept apart; it names one endpoint."""
    called = {
        name: json.loads(value)
        for name, value in identity.parameters
        if name != "endpoint" or (name, value) not in without
    }
    called["model"] = unquote(identity.name.partition("/")[2])
    return replace(base, dimensions=None).with_additions({"call": called})


def _flat(arguments: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """Return arguments by name; those that a signature gathers under `**` are among the others."""
    flat = dict(arguments)
    for each in signature.parameters.values():
        if each.kind is Parameter.VAR_KEYWORD:
            flat |= flat.pop(each.name, {})
        elif each.kind is Parameter.VAR_POSITIONAL and not flat.get(each.name):
            flat.pop(each.name, None)
    return flat


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if type(value).__name__ not in _NOT_GIVEN}
