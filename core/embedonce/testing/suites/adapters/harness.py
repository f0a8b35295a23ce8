"""How the embedders of a framework are made and asked: what the author of a suite fills in."""

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
    """What the tests of `AdapterSuite`, where it is documented, ask their subclass."""

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

        It hands what it is asked for on to the model in one call, and has an attribute `embedonce_identity`, which is
        that of the model at any time, or none if the model's is None. If a framework has one class for documents and
        another for queries, it returns both as one object that `embed_documents` and `embed_query` understand, and
        `wrap` and `parts` are to be overridden as well.
        """
        raise self._unwritten("embedder(self, model)")

    def embed_documents(self, wrapped: Any, texts: list[str]) -> list[Any]:
        """Ask for documents as users do, and return a list of vectors."""
        raise self._unwritten("embed_documents(self, wrapped, texts)")

    def embed_query(self, wrapped: Any, text: str) -> Any:
        """Ask for a query as users do, and return its vector."""
        raise self._unwritten("embed_query(self, wrapped, text)")

    # To be written if there is such a thing

    def embed_document(self, wrapped: Any, text: str) -> Any:
        """Ask for one document as users do; by default with a list of one."""
        return self.embed_documents(wrapped, [text])[0]

    async def aembed_documents(self, wrapped: Any, texts: list[str]) -> list[Any]:
        """Async twin of `embed_documents`; left out, all async tests are skipped."""
        raise self._unwritten("aembed_documents(self, wrapped, texts)")

    async def aembed_query(self, wrapped: Any, text: str) -> Any:
        """Async twin of `embed_query`; left out, all async tests are skipped."""
        raise self._unwritten("aembed_query(self, wrapped, text)")

    async def aembed_document(self, wrapped: Any, text: str) -> Any:
        """Async twin of `embed_document`; by default with a list of one."""
        return (await self.aembed_documents(wrapped, [text]))[0]

    def embedder_of_fields(self, *, model_name: str, api_key: str = "", base_url: str = "", prefix: str = "") -> Any:
        """Return an embedder as users write it, which declares nothing: its fields alone say what it computes.

        Its vectors are decided by the texts and all fields but `api_key`, which is a secret; two numbers or more, no
        network. It is left out for an adapter that takes only embedders that declare what they are.
        """
        raise self._unwritten("embedder_of_fields(self, *, model_name, api_key, base_url, prefix)")

    def wrap(self, embedder: Any, store: Any, **options: Any) -> Any:
        """Wrap a native embedder; what is returned shows `cache`, `identity`, `namespace` and `wrap_options`."""
        if isinstance(store, EmbeddingCache):
            return store.wrap(embedder, **options)
        return embedonce.wrap(embedder, store, **options)

    def parts(self, embedder: Any) -> list[Any]:
        """Return the objects that users hold of a native or wrapped embedder: one, or one for each role."""
        return [embedder]

    def shown(self, wrapped: Any) -> str:
        """Return all that may end in a log or a file: to be extended by what else a framework writes down."""
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
        """Skip the test unless embedders can be told by their fields."""
        if not self.has("embedder_of_fields"):
            pytest.skip(f"{type(self).__name__} has no embedder_of_fields: only embedders that declare what they are")

    @pytest.fixture(autouse=True)
    def _clean_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No store of the machine the tests run on."""
        for name in [name for name in os.environ if name.startswith("EMBEDONCE")]:
            monkeypatch.delenv(name)

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """A directory that will be a cache."""
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
    """The methods of one framework that users call in one way; those that are async are run to their end.

    Args:
        suite: Says how the framework is asked.
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
        """Ask each method named, in this order, and compare its answer with that of the model, bit by bit."""
        for method, question in questions.items():
            answer = getattr(self, method)(wrapped, question)
            assert exactly(answer) == exactly(getattr(model, method)(question)), f"{method} of {question!r:.80}"

    def check_refused(
        self, wrapped: Any, error: Any, match: str | None = None, **questions: Any
    ) -> list[BaseException]:
        """Ask each method named, in this order; each has to raise the error. Return what they raised."""
        raised: list[BaseException] = []
        for method, question in questions.items():
            with pytest.raises(error, match=match) as caught:
                getattr(self, method)(wrapped, question)
            raised.append(caught.value)
        return raised

    def all_ways(self) -> Sequence[Api]:
        """Return the methods of this way, and those of the other if there are any."""
        other = Api(self.suite, WAYS[1 - WAYS.index(self.way)])
        if other.way == ASYNC and not self.suite.has("aembed_documents", "aembed_query"):
            return [self]
        return [self, other]


async def in_time(awaitable: Awaitable[Any]) -> Any:
    """Wait for something that would be a deadlock if it took a minute."""
    return await asyncio.wait_for(awaitable, LIMIT)


def awaited(
    test: Callable[Concatenate[Self, Arguments], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[Self, Arguments], None]:
    """Make a test of an async one, which needs no plugin of pytest, and which is skipped for a sync framework."""

    @functools.wraps(test)
    def run(suite: Self, /, *arguments: Arguments.args, **fixtures: Arguments.kwargs) -> None:
        suite.require_async()
        asyncio.run(test(suite, *arguments, **fixtures))

    return run
