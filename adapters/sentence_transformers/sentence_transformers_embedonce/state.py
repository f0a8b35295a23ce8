"""What a wrapper knows of the model inside: whether it was changed, and what decides the vectors of a call."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embedonce.identification import Description, IdentityTracker, describe_with, providers
from embedonce.options import WrapOptions
from sentence_transformers_embedonce.calls import Call
from sentence_transformers_embedonce.identities import describer
from sentence_transformers_embedonce.settings import METHODS, Settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedonce import EmbeddingCache, Identity

logger = logging.getLogger("embedonce")

_TRAINED = (
    "its weights were changed in memory; save it and load it again, or wrap the model inside it again with version=… "
    "or another namespace=…"
)
_PLAIN = ("encode_document", "encode_query")
_ASKED: ContextVar[tuple[Any, ...]] = ContextVar("models that are asked by their own wrapper", default=())


def asked_now() -> tuple[Any, ...]:
    """Return the models that their own wrappers are asking in this context."""
    return _ASKED.get()


class State:
    """What a wrapper has besides the model inside.

    Args:
        inner: The model inside.
        cache: The cache that it asks.
        options: The options with which it was wrapped.
        was_trained: True if its weights are no longer those that it was wrapped with.
    """

    def __init__(self, inner: Any, cache: EmbeddingCache, options: WrapOptions, *, was_trained: bool = False) -> None:
        self.inner = inner
        self.cache = cache
        self.options = options
        self._loaded = providers.Loaded.of(inner)
        # What was put in the place of a method before: the model is asked through it.
        self._put = {name: vars(inner)[name] for name in METHODS if name in vars(inner)}
        self.tracker = IdentityTracker(describer, self._describe)
        if describer.was_trained(inner) and options.namespace is None and options.version is None:
            # It was wrapped before it was trained, and its name is still that of what it was then.
            was_trained = True
        self._weights = None if was_trained else describer.weights(inner)
        self._has_warned = False
        # What a call without arguments does under a name that the user vouches for.
        self._usual = self._usual_settings()

    @property
    def was_trained(self) -> bool:
        """True if the weights are no longer those that the model was wrapped with."""
        before = self._weights
        return before is None or bool(describer.weights(self.inner).were_trained_since(before))

    def _describe(self, embedder: object) -> Description:
        if self.was_trained:
            return Description(None, not_cacheable=_TRAINED)
        return describe_with(describer, embedder, WrapOptions(self.options.namespace))

    @property
    def _is_named(self) -> bool:
        """True if a user vouches for what the model computes."""
        return self.options.namespace is not None or hasattr(self.inner, "embedonce_identity")

    def _usual_settings(self) -> Settings:
        documents, queries = (self.settings(Call.of(self.inner, method, ("",), {})) for method in _PLAIN)
        return Settings(documents.documents, queries.queries)

    def settings(self, call: Call) -> Settings:
        """Return what decides the vectors of a call besides the model.

        Raises:
            UnclearSettingError: There is no prompt of the given name.
        """
        return settings_of(self._loaded.now(), call, providers.held_arguments(self.inner, "encode") or {})

    def was_put_before(self, method: str, found: Any) -> bool:
        """Return whether something was put in the place of a method before the model was wrapped."""
        return found is not None and self._put.get(method) is found

    def asking(self, method: str) -> Callable[..., Any]:
        """Return the function that asks the model: a method of its class, or what was put in its place before."""
        put = self._put.get(method)
        if put is None or vars(self.inner).get(method) is not put or providers.held_arguments(self.inner, method):
            own: Callable[..., Any] = getattr(type(self.inner), method).__get__(self.inner)
        else:
            own = put

        def ask(*args: Any, **kwargs: Any) -> Any:
            # What is put on the model may lead to the wrapper, which then is in the place of the model.
            token = _ASKED.set((*_ASKED.get(), self.inner))
            try:
                return own(*args, **kwargs)
            finally:
                _ASKED.reset(token)

        return ask

    def replaced(self, method: str) -> str:
        """Return why a call is unclear: something was put in the place of a method; empty if it was not."""
        if self._is_named:
            return ""
        for name in {method, "encode"}:
            put = vars(self.inner).get(name)
            # What was put there afterwards has already passed on what this call asks for.
            is_behind = name != method or put is self._put.get(name)
            if put is not None and is_behind and providers.held_arguments(self.inner, name) is None:
                return f"its method `{name}` was replaced on the model, which may change texts and arguments"
        return ""

    def warn_of(self, why: str) -> None:
        """Say once why calls bypass the cache."""
        if not self._has_warned:
            self._has_warned = True
            logger.warning("calls of %s bypass the cache because %s", type(self.inner).__name__, why)

    def refine(self, identity: Identity, call: Call, settings: Settings) -> Identity:
        """Return the identity of a call from that of the model."""
        if not self._is_named:
            return self.options.applied_to(settings.refine(identity))
        if settings.of(call.role) == self._usual.of(call.role):
            own = settings.refine(identity).symmetric and self._usual.is_symmetric
            return self.options.applied_to(_symmetric(identity, own))
        more = identity.with_additions({"call": dict(settings.of(call.role)) or "plain"})
        return self.options.applied_to(_symmetric(more, own=False))


def _symmetric(identity: Identity, own: bool) -> Identity:  # noqa: FBT001
    return replace(identity, symmetric=own)
