"""CachedSentenceTransformer: a SentenceTransformer that asks a cache first."""

from __future__ import annotations

import copy
from functools import lru_cache, partial, wraps
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import SentenceTransformer

from embedonce import EmbeddingCache
from embedonce.identification import (
    EmbedRequest,
    attribute_inside,
    check_replay,
    providers,
)
from embedonce.options import WrapOptions, split_keywords
from embedonce.vectors.answers import NotCacheable
from embedonce.wrappers import Wrapper
from sentence_transformers_embedonce.calls import Call
from sentence_transformers_embedonce.outputs import Form
from sentence_transformers_embedonce.state import State, asked_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self, Unpack

    from embedonce import Identity
    from embedonce.options import Auto, WrapKeywords

_TEXTS_OF_A_PROCESS = 1024
"""Texts between two writes for each process of a pool."""
_FUNCTIONS = (BuiltinFunctionType, FunctionType, MethodType, partial)


class CachedSentenceTransformer(SentenceTransformer):
    """A SentenceTransformer that asks a cache first.

    It is used wherever the model inside it was, and gives what that gives, in the same types. Only texts that are not
    in the cache reach the model. All else is that of the model inside, with which it shares its attributes: settings
    that are changed in one are changed in both.

    Args:
        inner: The model.
        store: Where vectors are kept: a path, a URL, an (fs, path) pair, a byte store, an `EmbeddingCache`, or None
            for `$EMBEDONCE_STORE` and else the user's cache directory.
        **options: See `embedonce.wrap`.

    Raises:
        IdentityError: What the model computes cannot be told apart from another one's; pass `namespace=`.
        StoreError: The store cannot be opened, or is not a cache.
        TypeError: `inner` is not a SentenceTransformer, or an option is unknown.
        ValueError: An option is not one of those listed, or the model is wrapped already.
    """

    # Everything else is in the dictionary of the model inside.
    __slots__ = ("_embedonce",)
    _embedonce: State

    def __new__(cls, inner: Any = None, *_: Any, **__: Any) -> Self:
        """Make a wrapper that is an instance of the class of the model, too."""
        kinds: tuple[Any, Any] = (cls, type(inner))
        self: Self = object.__new__(_class_for(*kinds))
        return self

    def __init__(self, inner: SentenceTransformer, store: object = None, **options: Unpack[WrapKeywords]) -> None:
        cache_options, wrap_options = split_keywords(options)
        self._set_up(inner, EmbeddingCache.of(store, cache_options), wrap_options)

    @classmethod
    def from_cache(cls, inner: SentenceTransformer, cache: EmbeddingCache, options: WrapOptions | None = None) -> Self:
        """Build one on an `EmbeddingCache`; what `embedonce.wrap` calls.

        Raises:
            IdentityError: No namespace is given, and the model cannot be identified.
            StoreError: The store cannot be opened.
            TypeError: `inner` is not a SentenceTransformer.
            ValueError: It is wrapped already.
        """
        self = cls.__new__(cls, inner)
        self._set_up(inner, cache, options or WrapOptions())
        return self

    def _set_up(self, inner: Any, cache: EmbeddingCache, options: WrapOptions) -> None:
        if not isinstance(inner, SentenceTransformer):
            msg = f"inner must be a SentenceTransformer, got {type(inner).__name__}"
            raise TypeError(msg)
        if isinstance(inner, Wrapper):
            msg = "inner is wrapped already; wrap the SentenceTransformer inside it instead"
            raise ValueError(msg)
        self._hold(State(inner, cache, options))
        if self._embedonce.tracker.declared(inner) is not None:
            cache.open(self.identity)

    def _hold(self, state: State) -> None:
        # Without torch noticing, which would register the model inside as a part of this one.
        object.__setattr__(self, "_embedonce", state)
        object.__setattr__(self, "__dict__", state.inner.__dict__)

    if not TYPE_CHECKING:

        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if isinstance(found, _FUNCTIONS) and name in object.__getattribute__(self, "__dict__"):
                state = object.__getattribute__(self, "_embedonce")
                if state.was_put_before(name, found):
                    return getattr(type(self), name).__get__(self)
                # Put on the model itself, such as another name of its `encode`: it asks that model.
                return attribute_inside(state.inner, name, state.cache)
            return found

    # What every wrapper shows

    @property
    def inner(self) -> SentenceTransformer:
        """The model inside."""
        inner: SentenceTransformer = self._embedonce.inner
        return inner

    @property
    def cache(self) -> EmbeddingCache:
        """The cache that it asks."""
        return self._embedonce.cache

    @property
    def wrap_options(self) -> WrapOptions:
        """The options with which the model was wrapped."""
        return self._embedonce.options

    @property
    def identity(self) -> Identity:
        """What decides the vectors of `encode` without further arguments at present; each call has its own.

        Raises:
            IdentityError: The model can no longer be told apart from another one.
        """
        state = self._embedonce
        call = Call.of(state.inner, "encode", ("",), providers.held_arguments(state.inner, "encode") or {})
        return state.refine(state.tracker.identity(state.inner), call, state.settings(call))

    @property
    def namespace(self) -> str:
        """The name under which the vectors of `encode` without further arguments live."""
        return self.identity.namespace

    def __repr__(self) -> str:
        # Not what is inside: that is pages long.
        return f"{type(self).__name__}({type(self.inner).__name__}, cache={self.cache!r})"

    # Embedding

    @wraps(SentenceTransformer.encode)
    def encode(self, *args: Any, **kwargs: Any) -> Any:
        """Return the vectors of texts; see `SentenceTransformer.encode`.

        Raises:
            CacheMissError: In mode `replay`, a text is not in the cache, or the call bypasses it.
            EmbedderContractError: The model's answer is not one finite vector per text.
            Exception: What the model raises; batches that were finished before are stored.
        """
        return self._ask("encode", args, kwargs)

    @wraps(SentenceTransformer.encode_query)
    def encode_query(self, *args: Any, **kwargs: Any) -> Any:
        """Return the vectors of queries; see `encode`."""
        return self._ask("encode_query", args, kwargs)

    @wraps(SentenceTransformer.encode_document)
    def encode_document(self, *args: Any, **kwargs: Any) -> Any:
        """Return the vectors of documents; see `encode`."""
        return self._ask("encode_document", args, kwargs)

    def _ask(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        state = self._embedonce
        inner = state.inner
        if any(each is inner for each in asked_now()):
            return getattr(type(inner), method)(inner, *args, **kwargs)
        kwargs = {**(providers.held_arguments(inner, method) or {}), **kwargs}
        ask = state.asking(method)
        try:
            call = Call.of(inner, method, args, kwargs)
            settings = state.settings(call)
            form = Form.of(inner, call)
            size = call.batch_size
        except (TypeError, ValueError, RuntimeError) as error:
            return self._not_understood(method, error, ask, args, kwargs)
        if size < 1:
            return self._not_understood(method, ValueError(f"batch_size={size}"), ask, args, kwargs)
        texts = call.texts()
        if texts == []:
            return ask(*args, **kwargs)
        refusal = call.refusal() or state.replaced(method) or _refusal(form)
        refusal = refusal or ("" if texts else "of inputs that are not texts")

        def embed(some: list[str]) -> Any:
            answer = ask(some, **form.arguments())
            if form.agrees(answer) and state.settings(call) == settings:
                return form.matrix(answer)
            # An answer of another type, or under other settings, is for this call alone.
            form.learn(answer)
            return NotCacheable(form.matrix(answer))

        request = EmbedRequest(
            inner,
            state.cache,
            texts or [],
            call.role,
            self._texts_between_writes(call, size),
            call.others(),
            lambda identity: state.refine(identity, call, settings),
            refusal,
        )
        matrix = state.tracker.matrix(request, embed)
        if matrix is None:
            return ask(*args, **kwargs)
        with torch.inference_mode():
            return form.give(matrix)

    def _not_understood(
        self, method: str, error: Exception, ask: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Ask the model, which will refuse the call in its own words; if it does not, say that nothing is cached.

        Raises:
            CacheMissError: The mode is `replay`.
        """
        check_replay(self.inner, self.cache, f"its arguments are not valid ({error})")
        answer = ask(*args, **kwargs)
        self._embedonce.warn_of(f"arguments of `{method}` that it takes are not understood ({error})")
        return answer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the model inside computes of tokens; nothing of it is cached.

        Raises:
            CacheMissError: The mode is `replay`.
        """
        check_replay(self.inner, self.cache, "what it computes of tokens is not cached")
        return super().forward(*args, **kwargs)

    def _texts_between_writes(self, call: Call, size: int) -> int | Auto | None:
        for given in (self.wrap_options.batch_size, self.cache.batch_size):
            if given != "auto":
                return given
        if isinstance(call.arguments.get("device"), list | tuple):
            # Each request starts processes of its own.
            return None
        pool = call.arguments.get("pool") or {}
        most = _TEXTS_OF_A_PROCESS * len(pool.get("processes", ()))
        # The model sorts the texts that it gets by length and cuts them into batches of `size`, none of which is paid
        # for, so that without a pool nothing but the time that it takes decides.
        return max(size, most - most % size) if most else "auto"

    # What needs to be done by the model inside: where its class counts, or where it is sent to other processes

    def save(self, *args: Any, **kwargs: Any) -> Any:
        """Save the model inside."""
        return self.inner.save(*args, **kwargs)

    def save_pretrained(self, *args: Any, **kwargs: Any) -> Any:
        """Save the model inside."""
        return self.inner.save_pretrained(*args, **kwargs)

    def push_to_hub(self, *args: Any, **kwargs: Any) -> Any:
        """Send the model inside to the hub."""
        return self.inner.push_to_hub(*args, **kwargs)

    def start_multi_process_pool(self, *args: Any, **kwargs: Any) -> Any:
        """Start processes that the model inside can use."""
        return self.inner.start_multi_process_pool(*args, **kwargs)

    # Copies

    def __copy__(self) -> Self:
        return self._with(copy.copy(self.inner))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = self._with(copy.deepcopy(self.inner, memo))
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        state = self._embedonce
        return _rebuilt, (state.inner, state.cache, state.options, state.was_trained)

    def _with(self, inner: Any) -> Self:
        state = self._embedonce
        copied: Self = _rebuilt(inner, state.cache, state.options, state.was_trained)
        return copied


def _rebuilt(inner: Any, cache: EmbeddingCache, options: WrapOptions, was_trained: bool) -> Any:  # noqa: FBT001
    self = CachedSentenceTransformer.__new__(CachedSentenceTransformer, inner)
    self._hold(State(inner, cache, options, was_trained=was_trained))
    return self


def _refusal(form: Form) -> str:
    """Return why the surroundings of a call forbid caching; empty if they do not."""
    if torch.is_autocast_enabled(form.device.type):
        return "torch.autocast computes it with other numbers"
    return ""


@lru_cache(maxsize=64)
def _class_for(kind: Any, inner: Any) -> Any:
    """Return the class of wrappers of models of a class, which inherits from that as well."""
    if not issubclass(inner, SentenceTransformer) or inner is SentenceTransformer or issubclass(inner, kind):
        return kind
    own = inner.__mro__[: inner.__mro__.index(SentenceTransformer)]
    added = {
        name: _checking_replay(method)
        for each in reversed(own)
        for name, method in vars(each).items()
        if isinstance(method, FunctionType) and not name.startswith("_") and not hasattr(kind, name)
    }
    body = {**added, "__slots__": (), "__module__": kind.__module__}
    return type(kind)(f"Cached{inner.__name__}", (kind, inner), body)


def _checking_replay(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that the class of a model adds, which may ask its modules for vectors."""

    @wraps(method)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_replay(self.inner, self.cache, f"`{method.__name__}` is not a method whose answers are cached")
        return method(self, *args, **kwargs)

    return checked


# Its metaclass is that of the package.
Wrapper.register(CachedSentenceTransformer)
