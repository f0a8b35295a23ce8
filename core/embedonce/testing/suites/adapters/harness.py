"""How the embedders of a framework are made and called: the methods that the author of a suite writes."""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import pytest

import embedonce
from embedonce import EmbedderContractError, EmbeddingCache
from embedonce.testing.suites.adapters.comparing import LIMIT, exactly
from embedonce.testing.suites.declared import Suite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from pathlib import Path

    from embedonce.testing.suites.adapters.model import ModelBehind

    Arguments = ParamSpec("Arguments")
    Self = TypeVar("Self", bound="Harness")

SYNC, ASYNC = WAYS = ("sync", "async")


class Harness(Suite):
    """The methods that the tests of `AdapterSuite`, where it is documented, call."""

    plugin: str | None = None
    kind: type | None = None
    vector_type: type = list
    may_leave_out = False
    no_text = "texts must be str"
    no_texts = "list of str"
    refusals: tuple[type[Exception], ...] = (EmbedderContractError,)

    def __repr__(self) -> str:
        return self.plugin or type(self).__name__

    # To be written

    def embedder(self, model: ModelBehind) -> Any:
        """Return a native embedder in front of a model.

        It passes its texts on to the model in one call, and has an attribute `embedonce_identity`, which is always that
        of the model, or none if that of the model is None. If a framework has one class for documents and
        another for queries, it returns both as one object that `embed_documents` and `embed_query` understand, and
        `wrap` and `parts` are to be overridden as well.
        """
        raise self._unwritten("embedder(self, model)")

    def embed_documents(self, wrapped: Any, texts: list[str]) -> list[Any]:
        """Embed documents as users do, and return a list of vectors."""
        raise self._unwritten("embed_documents(self, wrapped, texts)")

    def embed_query(self, wrapped: Any, text: str) -> Any:
        """Embed a query as users do, and return its vector."""
        raise self._unwritten("embed_query(self, wrapped, text)")

    # To be written if the framework has it

    def embed_document(self, wrapped: Any, text: str) -> Any:
        """Embed one document as users do; by default as a list of one."""
        return self.embed_documents(wrapped, [text])[0]

    async def aembed_documents(self, wrapped: Any, texts: list[str]) -> list[Any]:
        """Async twin of `embed_documents`; without it, all async tests are skipped."""
        raise self._unwritten("aembed_documents(self, wrapped, texts)")

    async def aembed_query(self, wrapped: Any, text: str) -> Any:
        """Async twin of `embed_query`; without it, all async tests are skipped."""
        raise self._unwritten("aembed_query(self, wrapped, text)")

    async def aembed_document(self, wrapped: Any, text: str) -> Any:
        """Async twin of `embed_document`; by default as a list of one."""
        return (await self.aembed_documents(wrapped, [text]))[0]

    def embedder_of_fields(self, *, model_name: str, api_key: str = "", base_url: str = "", prefix: str = "") -> Any:
        """Return an embedder as users write it, without a declared identity: its fields decide what it computes.

        Its vectors depend on the texts and all fields but `api_key`, which is a secret. They have two numbers or more,
        and need no network. Adapters that take only embedders with a declared identity leave this method out.
        """
        raise self._unwritten("embedder_of_fields(self, *, model_name, api_key, base_url, prefix)")

    def wrap(self, embedder: Any, store: Any, **options: Any) -> Any:
        """Wrap a native embedder; the result shows `cache`, `identity`, `namespace` and `wrap_options`."""
        if isinstance(store, EmbeddingCache):
            return store.wrap(embedder, **options)
        return embedonce.wrap(embedder, store, **options)

    def parts(self, embedder: Any) -> list[Any]:
        """Return the objects that users hold of a native or wrapped embedder: one, or one for each role."""
        return [embedder]

    def shown(self, wrapped: Any) -> str:
        """Return all text that may get into a log or a file; to be extended by what else a framework writes."""
        things = [wrapped.cache, wrapped.cache.store, wrapped.identity, wrapped.namespace, wrapped.wrap_options]
        return " ".join(f"{thing!r} {thing}" for thing in [*self.parts(wrapped), *things])

    # For the tests

    def wrapped(self, model: ModelBehind, store: Any, **options: Any) -> Any:
        """Return a new embedder in front of a model, wrapped."""
        return self.wrap(self.embedder(model), store, **options)

    def has(self, *names: str) -> bool:
        """Return whether the author has written these methods."""
        return all(getattr(type(self), name) is not getattr(Harness, name) for name in names)

    def require_async(self) -> None:
        """Skip the test unless the framework has async methods."""
        if not self.has("aembed_documents", "aembed_query"):
            pytest.skip(f"{type(self).__name__} has no aembed_documents and aembed_query: no async methods are tested")

    def require_fields(self) -> None:
        """Skip the test unless embedders can be identified by their fields."""
        if not self.has("embedder_of_fields"):
            pytest.skip(f"{type(self).__name__} has no embedder_of_fields: only embedders that declare what they are")

    @pytest.fixture(autouse=True)
    def _clean_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Remove the options of the machine that the tests run on."""
        for name in [name for name in os.environ if name.startswith("EMBEDONCE")]:
            monkeypatch.delenv(name)

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """A directory for a cache, which does not exist yet."""
        return tmp_path / "cache"

    @pytest.fixture(params=WAYS)
    def api(self, request: pytest.FixtureRequest) -> Api:
        """The sync and the async methods."""
        if request.param == ASYNC:
            self.require_async()
        return Api(self, request.param)

    def _unwritten(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has to define {method}; see embedonce.testing.AdapterSuite")


class Api:
    """The sync or the async methods of a framework; calls of async methods are run to their end.

    Args:
        suite: Knows how the framework is called.
        way: `sync` or `async`.
    """

    def __init__(self, suite: Harness, way: str) -> None:
        self.suite = suite
        self.way = way
        self.wrap = suite.wrapped

    def __repr__(self) -> str:
        return f"{self.suite!r}-{self.way}"

    def _ask(self, method: str, wrapped: Any, question: Any) -> Any:
        if self.way == SYNC:
            return getattr(self.suite, method)(wrapped, question)
        return asyncio.run(in_time(getattr(self.suite, f"a{method}")(wrapped, question)))

    def documents(self, wrapped: Any, texts: Any) -> Any:
        """Return the vectors of documents."""
        return self._ask("embed_documents", wrapped, texts)

    def document(self, wrapped: Any, text: Any) -> Any:
        """Return the vector of a document."""
        return self._ask("embed_document", wrapped, text)

    def query(self, wrapped: Any, text: Any) -> Any:
        """Return the vector of a query."""
        return self._ask("embed_query", wrapped, text)

    def check(self, wrapped: Any, model: ModelBehind, **questions: Any) -> None:
        """Call each method named, in this order, and compare its answer with that of the model, bit by bit."""
        for method, question in questions.items():
            answer = getattr(self, method)(wrapped, question)
            assert exactly(answer) == exactly(getattr(model, method)(question)), f"{method} of {question!r:.80}"

    def check_refused(
        self, wrapped: Any, error: Any, match: str | None = None, **questions: Any
    ) -> list[BaseException]:
        """Call each method named, in this order; each has to raise the error. Return these errors."""
        raised: list[BaseException] = []
        for method, question in questions.items():
            with pytest.raises(error, match=match) as caught:
                getattr(self, method)(wrapped, question)
            raised.append(caught.value)
        return raised

    def all_ways(self) -> Sequence[Api]:
        """Return the methods of this kind, and those of the other kind if there are any."""
        other = Api(self.suite, WAYS[1 - WAYS.index(self.way)])
        if other.way == ASYNC and not self.suite.has("aembed_documents", "aembed_query"):
            return [self]
        return [self, other]


async def in_time(awaitable: Awaitable[Any]) -> Any:
    """Wait a minute at most, after which something counts as a deadlock."""
    return await asyncio.wait_for(awaitable, LIMIT)


def awaited(
    test: Callable[Concatenate[Self, Arguments], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[Self, Arguments], None]:
    """Turn an async test into a sync one, which needs no plugin of pytest; it is skipped for a sync framework."""

    @functools.wraps(test)
    def run(suite: Self, /, *arguments: Arguments.args, **fixtures: Arguments.kwargs) -> None:
        suite.require_async()
        asyncio.run(test(suite, *arguments, **fixtures))

    return run
