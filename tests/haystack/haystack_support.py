"""Components, recorders and pipelines that the tests of Haystack's cached components share."""

# Components show the types of their inputs, so annotations stay objects here.

import asyncio
import contextlib
import copy
import hashlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from haystack import Document, Pipeline, component, default_to_dict, tracing
from haystack.components.embedders import MockTextEmbedder
from haystack.dataclasses import SparseEmbedding
from haystack.tracing import Span, Tracer
from openai_service import Service

from embedonce import Identity
from embedonce.cache.engine.flight import _SHARED

SECRET = "sk-s3cr3t-0123456789abcdef"
LIMIT = 60.0
"""Seconds after which something that should have happened counts as a deadlock."""


def vector(*seed):
    """A vector that nothing else has."""
    digest = hashlib.sha256("\0".join(map(repr, seed)).encode("utf-8", "surrogatepass")).digest()
    return [float(byte) for byte in digest[:3]]


def documents(*contents, **fields):
    return [Document(content=content, **fields) for content in contents]


def vectors_of(answer):
    return [document.embedding for document in answer["documents"]]


def usage(count):
    return {"prompt_tokens": count, "total_tokens": count}


@component
class Queries:
    """A text embedder that remembers what it is asked; `meta` is one of its outputs."""

    def __init__(self, model: str = "m"):
        self.model = model
        self._script = []
        self._calls = []
        self._life = []

    def warm_up(self):
        self._life.append("warm_up")

    def close(self):
        self._life.append("close")

    def _get_telemetry_data(self):
        return {"model": self.model}

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str, options: dict[str, Any] | None = None):
        if not isinstance(text, str):
            msg = "Queries expects a string as an input."
            raise TypeError(msg)
        self._calls.append(text)
        found = self._script.pop(0) if self._script else vector(self.model, text, options or {})
        return {"embedding": found, "meta": {"model": self.model, "usage": usage(1)}}


@component
class Plain:
    """A document embedder as users write it, which sees all of a document; without `meta`."""

    def __init__(self, model: str = "m", prefix: str = "", batch_size: int = 32):
        self.model = model
        self.prefix = prefix
        self.batch_size = batch_size
        self._calls = []

    @property
    def asked(self):
        return [text for call in self._calls for text in call]

    def seen(self, document):
        return [self.model, self.prefix, document.content, document.meta]

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        if not isinstance(documents, list):
            msg = "Plain expects a list of Documents as input."
            raise TypeError(msg)
        assert all(document.embedding is None for document in documents)
        self._calls.append([document.content for document in documents])
        return {"documents": [replace(each, embedding=vector(*self.seen(each))) for each in documents]}


@component
class Rich(Plain):
    """Has a further input, usage, both kinds of methods and a life, and fails on some texts without raising."""

    def __init__(self, model: str = "m", batch_size: int = 32, failing: list[str] | None = None):
        self.model = model
        self.batch_size = batch_size
        self.failing = failing or []
        self._calls = []
        self._life = []

    # What fails today may not fail tomorrow, and is not a setting.
    @property
    def embedonce_identity(self):
        return Identity.of("tests", self.model)

    def warm_up(self):
        self._life.append("warm_up")

    async def warm_up_async(self):
        self._life.append("warm_up_async")

    def close(self):
        self._life.append("close")

    async def close_async(self):
        self._life.append("close_async")

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document], options: dict[str, Any] | None = None):
        self._calls.append([document.content for document in documents])
        # Like Haystack's own, it leaves the vector that was there where it fails.
        answered = [
            document
            if document.content in self.failing
            else replace(document, embedding=vector(self.model, document.content, options or {}))
            for document in documents
        ]
        return {"documents": answered, "meta": {"model": self.model, "usage": usage(len(documents))}}

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(self, documents: list[Document], options: dict[str, Any] | None = None):
        return self.run(documents, options)


@component
class Odd:
    """Answers with what a function makes of the documents."""

    def __init__(self, makes: Any):
        self.makes = makes
        self._calls = []

    embedonce_identity = Identity.of("tests", "odd")

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        self._calls.append([document.content for document in documents])
        return {"documents": self.makes([replace(each, embedding=[1.0, 2.0]) for each in documents])}


@component
class Crowd:
    """A text embedder whose call ends only when it is told to."""

    def __init__(self, model: str = "crowd"):
        self.model = model
        self._calls = []
        self._entered = threading.Event()
        self._may_end = threading.Event()

    @component.output_types(embedding=list[float])
    def run(self, text: str):
        self._calls.append(text)
        self._entered.set()
        assert self._may_end.wait(LIMIT)
        return {"embedding": vector(text)}


def content_only(document):
    """A `text_fn` that can be imported."""
    return document.content


class Recording(Span):
    def __init__(self, name, tags, parent):
        self.name, self.tags, self.parent = name, dict(tags or {}), parent

    def set_tag(self, key, value):
        self.tags[key] = value


class Recorder(Tracer):
    """Remembers all spans."""

    def __init__(self):
        self.spans = []
        self._open = []

    @contextlib.contextmanager
    def trace(self, operation_name, tags=None, parent_span=None):
        span = Recording(operation_name, tags, parent_span)
        self.spans.append(span)
        self._open.append(span)
        try:
            yield span
        finally:
            self._open.remove(span)

    def current_span(self):
        return self._open[-1] if self._open else None


@contextlib.contextmanager
def recorded():
    """What Haystack traces meanwhile."""
    recorder = Recorder()
    tracing.enable_tracing(recorder)
    try:
        yield recorder.spans
    finally:
        tracing.disable_tracing()


def until(happened):
    """Wait for something that gives no event."""
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


def is_awaited(count):
    """True if that many texts in flight are waited for by somebody."""
    flights = [flight for each in list(_SHARED.values()) for flight in list(each._flights.values())]
    return sum(bool(flight.waiters) for flight in flights) >= count


def watch(inner):
    """Count the calls of a component of any class: the list grows by what each call has asked for."""
    calls, run, run_async = [], inner.run, getattr(inner, "run_async", None)

    def counted(**inputs):
        calls.append(inputs.get("documents", inputs.get("text")))
        return run(**inputs)

    async def acounted(**inputs):
        before = len(calls)
        answer = await run_async(**inputs)
        # Some do no more than call `run`.
        if len(calls) == before:
            calls.append(inputs.get("documents", inputs.get("text")))
        return answer

    inner.run = counted
    if run_async is not None:
        inner.run_async = acounted
    return calls


def answers_of_files(folder, how, corpus, queries):
    """What two pipelines in files find for queries: one that indexes a corpus, and one that searches it."""
    files = [Path(folder) / f"{name}.{how}.yaml" for name in ("indexing", "hybrid")]
    index, search = (Pipeline.loads(file.read_text()) for file in files)

    def run(pipeline, given):
        return asyncio.run(pipeline.run_async(given)) if how == "async" else pipeline.run(given)

    run(index, {"splitter": {"documents": [Document(**each) for each in json.loads(corpus)]}})
    answers = []
    for query in json.loads(queries):
        answer = run(search, {"embedder": {"text": query}, "words": {"query": query}})
        # Of two with one score, the one whose branch was faster comes first.
        answers.append(sorted([-found.score, found.content] for found in answer["joiner"]["documents"]))
    return json.dumps(answers)


def in_new_process(program, *arguments, **environment):
    """What a program prints in a fresh interpreter that knows nothing but its arguments."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "HAYSTACK_TELEMETRY_ENABLED": "false", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@component
class ById:
    """Tells the documents of a call apart by their ids alone, as embedders of OpenAI's family do."""

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        texts = {document.id: document.content for document in documents}
        model = MockTextEmbedder(dimension=4)
        return {"documents": [replace(each, embedding=model.run(texts[each.id])["embedding"]) for each in documents]}


@component
class SparseQueries:
    def __init__(self):
        self.calls = 0

    @component.output_types(sparse_embedding=SparseEmbedding)
    def run(self, text: str):
        self.calls += 1
        return {"sparse_embedding": SparseEmbedding(indices=[1], values=[1.0])}


@component
class Chunks:
    def __init__(self):
        self.calls = 0

    @component.output_types(documents=list[Document], chunks=int)
    def run(self, documents: list[Document]):
        self.calls += 1
        return {"documents": documents, "chunks": 3}


@component
class Rewriting:
    """Changes its settings when it is written down, as components of sentence-transformers do."""

    def __init__(self, model: str = "m", model_kwargs: dict | None = None):
        self.model = model
        self.model_kwargs = model_kwargs or {}
        self.seen = []

    def to_dict(self):
        self.model_kwargs["torch_dtype"] = f"torch.{self.model_kwargs['torch_dtype']}"
        return default_to_dict(self, model=self.model, model_kwargs=self.model_kwargs)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        self.seen.append(copy.deepcopy(self.model_kwargs))
        return {"documents": [replace(each, embedding=[1.0]) for each in documents]}


class Opposite(Service):
    """Has the models of another service under the same names, and answers differently."""

    def vector(self, model, text, dimensions):
        return -super().vector(model, text, dimensions)
