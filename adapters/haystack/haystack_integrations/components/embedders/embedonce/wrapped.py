"""What both cached components share: the component inside, its sockets, lifetime and serialisation."""

from __future__ import annotations

import asyncio
import copy
import inspect
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from haystack import component, default_from_dict, default_to_dict
from haystack.core.serialization import component_to_dict
from haystack.tracing.tracer import tracer
from haystack.utils import serialize_callable

from embedonce import EmbeddingCache
from embedonce.errors import IdentityError
from embedonce.identification import (
    Description,
    EmbedRequest,
    IdentityTracker,
    attribute_inside,
    check_replay,
    describe_with,
)
from embedonce.options import WrapOptions, split_keywords
from embedonce.runtime.steps import Twins, arun, run
from embedonce.wrappers import Wrapper
from haystack_integrations.components.embedders.embedonce.arguments import (
    arguments_of,
    changed,
    read,
    resolved,
    without_secrets,
    written,
)
from haystack_integrations.components.embedders.embedonce.identities import describer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self, Unpack

    from embedonce import Identity, Role
    from embedonce.options import WrapKeywords
    from embedonce.runtime.steps import Steps


# Components of Haystack itself are in `haystack.components`.
_BASES = ("haystack.core",)
_NOT_TEXTS = "its inputs are not those of a cache"


class CachedEmbedder:
    """What `CachedTextEmbedder` and `CachedDocumentEmbedder` share.

    Attributes:
        embedder: The component inside.
        cache: The cache that it asks.
        wrap_options: The options with which the component was wrapped.
    """

    _INPUT = ""
    """The input that every component of this kind has."""

    _OUTPUT = ""
    """The output that comes from the cache."""

    _ROLE: Role = "document"

    _text_fn: Any = None
    """The user's function that tells documents apart, None for the text that reaches the model."""

    embedder: Any
    cache: EmbeddingCache
    wrap_options: WrapOptions

    def __init__(
        self,
        embedder: Any,
        store: Any = None,
        **options: Unpack[WrapKeywords],
    ) -> None:
        """
        Put a cache before a component.

        :param embedder: The component.
        :param store: Where vectors are kept: a path, a URL, an (fs, path) pair, a byte store, an `EmbeddingCache`, or
            None for `$EMBEDONCE_STORE` and else the user's cache directory.
        :param options: See `embedonce.wrap`. A `Secret` in `storage_options` stands for its value.
        :raises IdentityError: What the embedder computes cannot be told apart from another one's; pass `namespace`.
        :raises StoreError: The store cannot be opened, or is not a cache.
        :raises TypeError: The embedder is not a component of this kind, or a parameter is unknown.
        :raises ValueError: A parameter is not one of those listed.
        """
        if isinstance(embedder, Wrapper):
            msg = "the embedder is wrapped already; wrap the component inside it instead"
            raise ValueError(msg)
        if not self.takes(embedder):
            msg = (
                f"{type(self).__name__} wraps components that take `{self._INPUT}`, and {type(embedder).__name__} "
                "is not one of them"
            )
            raise TypeError(msg)
        self.embedder = embedder
        self._bypasses = False
        given = changed(options)
        self._arguments = arguments_of(store, given)
        if self._text_fn is not None:
            self._arguments["text_fn"] = self._text_fn
        cache_options, self.wrap_options = split_keywords(resolved(given))
        self.cache = EmbeddingCache.of(store, cache_options)
        self._connect()
        self._start_tracking()
        identity = self.embedonce_identity
        if identity is not None:
            self.cache.open(identity)

    @classmethod
    def takes(cls, embedder: object) -> bool:
        """Tell whether an object is a component that this class can wrap."""
        if isinstance(embedder, type):
            return False
        return cls._INPUT in _sockets(embedder, "input") and bool(_sockets(embedder, "output"))

    @classmethod
    def from_cache(cls, embedder: object, cache: EmbeddingCache, options: WrapOptions | None = None) -> Self:
        """Build one on an `EmbeddingCache`; what `embedonce.wrap` calls.

        :param embedder: The component inside.
        :param cache: The cache to ask.
        :param options: The user's options.
        :returns: The wrapper.
        :raises IdentityError: No namespace is given, and the component cannot be identified.
        :raises StoreError: The store cannot be opened.
        """
        options = options or WrapOptions()
        return cls(embedder, cache, **vars(options))

    def _connect(self) -> None:
        """Take over the sockets of the component inside, so that it can be replaced by this one in any pipeline."""
        for name, socket in _sockets(self.embedder, "input").items():
            if name != self._INPUT:
                component.set_input_type(self, name, socket.type, socket.default_value)
        outputs = {name: socket.type for name, socket in _sockets(self.embedder, "output").items()}
        component.set_output_types(self, **outputs)
        self._gives_meta = "meta" in outputs

    def _start_tracking(self) -> None:
        self._tracker = IdentityTracker(describer, partial(_describe, self, self.wrap_options))

    # What every wrapper shows

    @property
    def identity(self) -> Identity:
        """What decides the vectors at present; it follows when the settings of the component are changed.

        :raises IdentityError: The component is one whose vectors must not be cached.
        """
        return self._tracker.identity(self.embedder)

    @property
    def namespace(self) -> str:
        """The name under which the vectors live."""
        return self.identity.namespace

    @property
    def embedonce_identity(self) -> Identity | None:
        """The identity that this component declares to a wrapper around it; None if its vectors must not be cached."""
        return self._tracker.declared(self.embedder)

    def __getattr__(self, name: str) -> Any:
        inner, cache = self.__dict__.get("embedder"), self.__dict__.get("cache")
        if inner is None or cache is None or name.startswith("_"):
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        return attribute_inside(inner, name, cache, _BASES)

    def __setattr__(self, name: str, value: Any) -> None:
        # What is read from the component inside is set there too: else a change of its settings would change nothing.
        inner = self.__dict__.get("embedder")
        is_own = name.startswith("_") or name in ("embedder", "cache", "wrap_options") or hasattr(type(self), name)
        if inner is None or is_own or not _has(inner, name):
            object.__setattr__(self, name, value)
        else:
            setattr(inner, name, value)

    def __getstate__(self) -> dict[str, Any]:
        # What was read from the component is read again from its copy.
        state = {name: value for name, value in self.__dict__.items() if name != "_tracker"}
        return {**state, "_arguments": without_secrets(self._arguments)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_tracking()

    def __copy__(self) -> Self:
        return self._copied(object.__new__(type(self)), self.__getstate__())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = memo[id(self)] = object.__new__(type(self))
        # Neither the store nor its options are copied: the copy shares them.
        return self._copied(copied, copy.deepcopy({**self.__getstate__(), "_arguments": None}, memo))

    def _copied(self, copied: Self, state: dict[str, Any]) -> Self:
        """Give a copy in this process its state; unlike a pickle, it keeps its secrets."""
        copied.__setstate__({**state, "_arguments": self._arguments})
        return copied

    # Lifetime

    def warm_up(self) -> None:
        """Do nothing: the component inside is warmed up when a text has to be embedded, and not for hits."""

    async def warm_up_async(self) -> None:
        """Do nothing; see `warm_up`."""

    def close(self) -> None:
        """Store what waits in memory, and close the component inside."""
        self.cache.close()
        if hasattr(self.embedder, "close"):
            self.embedder.close()

    async def close_async(self) -> None:
        """Async twin of `close`."""
        await asyncio.to_thread(self.cache.close)
        if hasattr(self.embedder, "close_async"):
            await self.embedder.close_async()
        elif hasattr(self.embedder, "close"):
            await asyncio.to_thread(self.embedder.close)

    def _get_telemetry_data(self) -> dict[str, Any]:
        """Return what the component inside would send, and nothing of the cache."""
        inner = getattr(self.embedder, "_get_telemetry_data", None)
        data: dict[str, Any] = inner() if inner is not None else {}
        return data

    # Serialisation

    def to_dict(self) -> dict[str, Any]:
        """Serialise the component.

        :returns: A dictionary with the component inside and all arguments that were given.
        :raises ValueError: An argument holds a secret in clear text, or is not a plain value.
        """
        inner = component_to_dict(obj=self.embedder, name="embedder")
        return default_to_dict(self, embedder=inner, **written(self._arguments))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build a component from a dictionary.

        :param data: What `to_dict` has returned.
        :returns: The component.
        """
        # The component inside may change what it is loaded from.
        copied = copy.deepcopy(data)
        copied["init_parameters"] = read(copied.get("init_parameters", {}))
        return default_from_dict(cls, copied)

    # The steps of a call, for sync and for async callers

    def _asking(self, inputs: dict[str, Any]) -> Twins:
        """Return the step that runs the component inside; its outcome is the answer."""
        return Twins(self._ask, self._aask, inputs)

    def _embedding(
        self, texts: list[str], arguments: Mapping[str, Any], embed: Callable[[list[str]], Steps[Any]]
    ) -> _FromCache:
        """Return the step that takes texts from the cache.

        Its outcome is one vector for each text, or None if the call bypasses the cache.

        Args:
            texts: The texts.
            arguments: Further inputs of the component inside.
            embed: Returns the steps that embed the texts that are missing, and result in their vectors.
        """
        given = {name: value for name, value in arguments.items() if value is not None} if arguments else {}
        request = EmbedRequest(self.embedder, self.cache, texts, self._ROLE, self.wrap_options.batch_size, given)
        return _FromCache(self._tracker, request, embed)

    def _ask(self, inputs: dict[str, Any]) -> dict[str, Any]:
        check_replay(self.embedder, self.cache, _NOT_TEXTS)
        with self._span():
            if hasattr(self.embedder, "warm_up"):
                self.embedder.warm_up()
            answer: dict[str, Any] = self.embedder.run(**inputs)
            return answer

    async def _aask(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if not hasattr(self.embedder, "run_async"):
            return await asyncio.to_thread(self._ask, inputs)
        check_replay(self.embedder, self.cache, _NOT_TEXTS)
        with self._span():
            if hasattr(self.embedder, "warm_up_async"):
                await self.embedder.warm_up_async()
            elif hasattr(self.embedder, "warm_up"):
                await asyncio.to_thread(self.embedder.warm_up)
            answer: dict[str, Any] = await self.embedder.run_async(**inputs)
            return answer

    def _span(self) -> Any:
        """Trace a call of the component inside, which is not a component of the pipeline itself."""
        tags = {
            "haystack.component.name": "embedder",
            "haystack.component.type": type(self.embedder).__name__,
        }
        parent = tracer.current_span()
        return tracer.trace("haystack.component.run", tags=tags, parent_span=parent)

    def _trace(self, asked: int, sent: int) -> None:
        """Write into the trace of the pipeline how many texts came from the cache and how many were embedded."""
        span = tracer.current_span()
        if span is not None:
            span.set_tag("embedonce.hits", asked - sent)
            span.set_tag("embedonce.misses", sent)

    def _answer(self, output: Any, metas: list[dict[str, Any]]) -> dict[str, Any]:
        if self._gives_meta:
            return {self._OUTPUT: output, "meta": together(metas) if metas else self._meta_of_hits()}
        return {self._OUTPUT: output}

    def _meta_of_hits(self) -> dict[str, Any]:
        model = getattr(self, "model", None)
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return {"model": model, "usage": usage} if isinstance(model, str) else {"usage": usage}


class _FromCache:
    """The step that takes texts from the cache; see `CachedEmbedder._embedding`."""

    __slots__ = ("_embed", "_request", "_tracker")

    def __init__(
        self, tracker: IdentityTracker, request: EmbedRequest, embed: Callable[[list[str]], Steps[Any]]
    ) -> None:
        self._tracker = tracker
        self._request = request
        self._embed = embed

    def run(self) -> list[list[float]] | None:
        """See `Step`."""
        embed = self._embed
        return self._tracker.embed(self._request, lambda some: run(embed(some)))

    async def arun(self) -> list[list[float]] | None:
        """See `Step`."""
        embed = self._embed
        if hasattr(self._request.embedder, "run_async"):
            return await self._tracker.aembed(self._request, lambda some: arun(embed(some)))
        return await self._tracker.aembed(self._request, lambda some: run(embed(some)), is_sync=True)


def _has(embedder: object, name: str) -> bool:
    """Return whether there is an attribute; a property is not asked, which might send a request."""
    return inspect.getattr_static(embedder, name, None) is not None or hasattr(embedder, name)


def _sockets(embedder: object, kind: str) -> dict[str, Any]:
    sockets = getattr(embedder, f"__haystack_{kind}__", None)
    return dict(getattr(sockets, "_sockets_dict", {}))


def _describe(wrapper: CachedEmbedder, options: WrapOptions, embedder: object) -> Description:
    """Describe the component inside, and refuse one with outputs that a cache cannot answer."""
    outputs = _sockets(embedder, "output").keys()
    is_clear = wrapper._OUTPUT in outputs and outputs <= {wrapper._OUTPUT, "meta"}
    try:
        description = describe_with(describer, embedder, options)
    except IdentityError:
        if is_clear:
            raise
        description = Description(None)
    if not is_clear:
        reason = description.not_cacheable or f"of its outputs {', '.join(sorted(outputs))}"
        return replace(description, identity=None, not_cacheable=reason)
    if wrapper._text_fn is not None and description.identity is not None:
        addition = {"text_fn": serialize_callable(wrapper._text_fn)}
        return replace(description, identity=description.identity.with_additions(addition))
    return description


def together(metas: list[dict[str, Any]], *, adds: bool = False) -> dict[str, Any]:
    """Return what several calls report as one: usage is added up, everything else is that of the last one."""
    merged: dict[str, Any] = {}
    for meta in metas:
        for name, value in meta.items():
            before, counts = merged.get(name), adds or "usage" in name or "tokens" in name
            if isinstance(value, dict) and isinstance(before, dict):
                merged[name] = together([before, value], adds=counts)
            elif counts and all(
                isinstance(each, int | float) and not isinstance(each, bool) for each in (value, before)
            ):
                merged[name] = before + value
            else:
                merged[name] = copy.deepcopy(value) if isinstance(value, dict) else value
    return merged
