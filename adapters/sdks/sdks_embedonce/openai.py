"""Clients of OpenAI's SDK whose `embeddings.create` asks a cache first.

A wrapped client is the client: it has the same attributes, and what is set on one is set on both. Only `embeddings` is
another object, of a subclass of the SDK's own.
"""

from __future__ import annotations

import logging
from functools import cache as remembered
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import openai
from openai.resources.embeddings import AsyncEmbeddings, Embeddings

from embedonce import Identity, IdentityError, Wrapper
from embedonce.identification import UnclearSettingError, check_replay
from embedonce.vectors.answers import NotCacheable
from sdks_embedonce.answers import response_of, vectors_in
from sdks_embedonce.requests import Asked, PastTheCacheError, asked_by, identity_of_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedonce import EmbeddingCache, WrapOptions
    from embedonce.options import Auto

logger = logging.getLogger("embedonce")

_KNOWN = (openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI)


def cached_client(client: Any, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Return a client of the same type whose embeddings are cached.

    Raises:
        IdentityError: It is of a class that may send requests elsewhere than it shows, and no namespace is given.
    """
    kind: Any = type(client)
    if options.namespace is None and (kind not in _KNOWN or getattr(client, "_provider", None) is not None):
        msg = (
            f"cannot tell where a {kind.__qualname__} sends its requests: it is not an OpenAI, AsyncOpenAI, "
            "AzureOpenAI or AsyncAzureOpenAI itself, or it has a provider of its own; pass namespace='…' naming the "
            "server, beside which the model and the other arguments of each call count"
        )
        raise IdentityError(msg)
    self = _class_for(kind).__new__(_class_for(kind))
    self.__dict__ = client.__dict__
    self.inner, self.cache, self.wrap_options = client, cache, options
    self._cached_embeddings = None
    return self


@remembered
def _class_for(kind: Any) -> Any:
    return type(f"Cached{kind.__name__}", (CachedClient, kind), {"__slots__": (), "__module__": __name__})


class _NoIdentityError(IdentityError, AttributeError):
    """A client has no identity of its own; `hasattr` takes that for an attribute that does not exist."""


class CachedClient(Wrapper):
    """A client of OpenAI's SDK that asks a cache before it embeds; it is an instance of the client's class as well.

    Attributes:
        inner: The client inside, with which it shares its attributes.
    """

    __slots__ = ("_cached_embeddings", "cache", "inner", "wrap_options")

    inner: Any
    _cached_embeddings: Any

    def __repr__(self) -> str:
        return f"{type(self).__name__}(cache={self.cache!r})"

    @property
    def identity(self) -> Identity:
        """Not there, since each call names its model: `embeddings.identity_of(model="…")` tells that of a call.

        Raises:
            IdentityError: Always.
        """
        msg = "a client has no identity of its own: each call names its model; ask embeddings.identity_of(model='…')"
        raise _NoIdentityError(msg)

    @property
    def embeddings(self) -> Any:
        """The SDK's resource, with a `create` that asks the cache first."""
        if self._cached_embeddings is None:
            self._cached_embeddings = _cached_resource(self)
        return self._cached_embeddings

    # Both make a resource for raw responses, which calls `create` of the one that it is made from.

    @property
    def with_raw_response(self) -> Any:
        """The SDK's client for raw responses; they are not cached."""
        return type(self.inner.with_raw_response)(self)

    @property
    def with_streaming_response(self) -> Any:
        """The SDK's client for streamed responses; they are not cached."""
        return type(self.inner.with_streaming_response)(self)

    def copy(self, **changes: Any) -> Any:
        """Return a client with other options and the same cache."""
        return cached_client(self.inner.copy(**changes), cast("EmbeddingCache", self.cache), self.wrap_options)

    with_options = copy


def _cached_resource(client: CachedClient) -> Any:
    inner = client.inner.embeddings
    kind = _CachedAsyncEmbeddings if isinstance(inner, AsyncEmbeddings) else _CachedEmbeddings
    return kind(client, inner)


class _Door:
    """What both resources know: the wrapped client, and the resource inside."""

    _client: Any
    _inner: Any
    _has_warned: bool

    def __init__(self, client: CachedClient, inner: Any) -> None:
        super().__init__(client)  # type: ignore[call-arg]
        self._inner = inner
        self._has_warned = False

    def identity_of(self, **arguments: Any) -> Identity:
        """Return what decides the vectors of a call of `create` with some arguments, at least `model=`.

        Raises:
            IdentityError: Such a call bypasses the cache.
        """
        try:
            return identity_of_call(self._client.inner, self._client.wrap_options, arguments)
        except (PastTheCacheError, UnclearSettingError) as error:
            msg = f"such a call of embeddings.create bypasses the cache: {error}"
            raise IdentityError(msg) from error

    def _asked(self, given: Mapping[str, Any]) -> Asked | None:
        """Return what a call asks for; None if it bypasses the cache.

        Raises:
            CacheMissError: It would bypass it, and the mode is `replay`.
        """
        try:
            return asked_by(self._client.inner, self._client.wrap_options, given)
        except PastTheCacheError as error:
            check_replay(self._client.inner, self._client.cache, str(error))
            if not self._has_warned:
                self._has_warned = True
                logger.warning("calls of embeddings.create bypass the cache because %s", error)
            return None

    @property
    def _batch_size(self) -> int | Auto | None:
        """Texts in one request: all that are missing, unless the user has said otherwise."""
        for size in (self._client.wrap_options.batch_size, self._client.cache.batch_size):
            if size != "auto":
                return cast("int | None", size)
        return None

    def _taken(self, response: Any, asked: Asked, given: Mapping[str, Any], paid: list[Any]) -> Any:
        paid.append(response)
        vectors = vectors_in(response)
        # The client may have been changed while the request was under way.
        return vectors if self._identity_now(given) == asked.identity else NotCacheable(vectors)

    def _identity_now(self, given: Mapping[str, Any]) -> Identity | None:
        try:
            return identity_of_call(self._client.inner, self._client.wrap_options, given)
        except (PastTheCacheError, UnclearSettingError):
            return None


def _with_texts(given: Mapping[str, Any], asked: Asked, some: list[str]) -> dict[str, Any]:
    """Return the arguments of a request for some texts of a call."""
    return {**given, "input": some[0] if asked.is_one else some}


def _shown_as(method: Any) -> Callable[[Any], Any]:
    """Give a method the signature of another one, for those who look at it."""
    return wraps(method)


class _CachedEmbeddings(_Door, Embeddings):
    @_shown_as(Embeddings.create)
    def create(self, **given: Any) -> Any:
        """See `openai.resources.Embeddings.create`; texts that are in the cache are not sent."""
        asked = self._asked(given)
        if asked is None:
            return self._inner.create(**given)
        paid: list[Any] = []

        def embed(some: list[str]) -> Any:
            return self._taken(self._inner.create(**_with_texts(given, asked, some)), asked, given, paid)

        vectors = self._client.cache.embed(asked.texts, embed, namespace=asked.identity, batch_size=self._batch_size)
        return response_of(vectors, asked, given["model"], paid)


class _CachedAsyncEmbeddings(_Door, AsyncEmbeddings):
    @_shown_as(AsyncEmbeddings.create)
    async def create(self, **given: Any) -> Any:
        """See `openai.resources.AsyncEmbeddings.create`; texts that are in the cache are not sent."""
        asked = self._asked(given)
        if asked is None:
            return await self._inner.create(**given)
        paid: list[Any] = []

        async def embed(some: list[str]) -> Any:
            return self._taken(await self._inner.create(**_with_texts(given, asked, some)), asked, given, paid)

        vectors = await self._client.cache.aembed(
            asked.texts, embed, namespace=asked.identity, batch_size=self._batch_size
        )
        return response_of(vectors, asked, given["model"], paid)
