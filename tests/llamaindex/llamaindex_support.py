"""Embedding models and recorders that the tests of the LlamaIndex wrapper share."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr, SerializeAsAny
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import TextNode, TransformComponent

from embedonce import Identity

try:
    from llama_index.core.rate_limiter import BaseRateLimiter
except ImportError:
    BaseRateLimiter = object

SECRET = "sk-s3cr3t-0123456789abcdef"
HAS_RATE_LIMITERS = "rate_limiter" in BaseEmbedding.model_fields
LIMIT = 60.0
"""Seconds after which something that should have happened counts as a deadlock."""


class Model(BaseEmbedding):
    """Answers each role and text with a vector of its own, and remembers what it was asked.

    Attributes:
        log: A file to which each text is added that it embeds, whatever the process.
        symmetric: Its identity says that queries are embedded like documents.
    """

    model_name: str = "m"
    dimensions: int = 3
    api_key: str = SECRET
    log: str = ""
    symmetric: bool = False
    _calls: list[tuple[str, list[str]]] = PrivateAttr(default_factory=list)

    @property
    def embedonce_identity(self):
        return Identity.of("tests", self.model_name, dimensions=self.dimensions, symmetric=self.symmetric)

    @property
    def calls(self):
        """The texts of each call."""
        return [texts for _, texts in self._calls]

    @property
    def asked(self):
        """All texts of all calls."""
        return [text for texts in self.calls for text in texts]

    @property
    def methods(self):
        """The private method of each call."""
        return [method for method, _ in self._calls]

    def vector(self, text, role="document"):
        role = "document" if self.symmetric else role
        seed = f"{self.model_name}\0{self.dimensions}\0{role}\0{text}".encode("utf-8", "surrogatepass")
        rng = np.random.default_rng(list(hashlib.sha256(seed).digest()))
        return rng.standard_normal(self.dimensions).tolist()

    def vectors(self, texts):
        return [self.vector(text) for text in texts]

    def _observe(self, method, texts):
        self._calls.append((method, list(texts)))
        if self.log:
            with Path(self.log).open("a") as file:
                file.write("".join(f"{text!r}\n" for text in texts))

    def _get_query_embedding(self, query):
        self._observe("query", [query])
        return self.vector(query, "query")

    async def _aget_query_embedding(self, query):
        self._observe("aquery", [query])
        return self.vector(query, "query")

    def _get_text_embedding(self, text):
        self._observe("text", [text])
        return self.vector(text)

    async def _aget_text_embedding(self, text):
        self._observe("atext", [text])
        return self.vector(text)

    def _get_text_embeddings(self, texts):
        self._observe("texts", texts)
        return self.vectors(texts)

    async def _aget_text_embeddings(self, texts):
        self._observe("atexts", texts)
        return self.vectors(texts)


class MultiModalModel(Model, MultiModalEmbedding):
    """A `Model` that embeds images too."""

    def _get_image_embedding(self, img_file_path):
        self._observe("image", [img_file_path])
        return [1.0, 2.0]

    async def _aget_image_embedding(self, img_file_path):
        self._observe("aimage", [img_file_path])
        return [1.0, 2.0]


class Crowded(Model):
    """Remembers how many of its async calls there were at once; none ends before as many as expected have begun."""

    expected: int = 1
    _now: int = PrivateAttr(default=0)
    _most: int = PrivateAttr(default=0)
    _met: Any = PrivateAttr(default=None)

    async def _aget_text_embeddings(self, texts):
        self._met = self._met or asyncio.Event()
        self._now += 1
        self._most = max(self._most, self._now)
        if self._now >= self.expected:
            self._met.set()
        await asyncio.wait_for(self._met.wait(), LIMIT)
        # All that may run have their turn before this one ends.
        for _ in range(20):
            await asyncio.sleep(0)
        self._now -= 1
        return await super()._aget_text_embeddings(texts)


class Scripted(BaseEmbedding):
    """Gives the answers it is told, whatever it is asked."""

    answers: list[Any]
    calls: list[Any] = Field(default_factory=list)
    embedonce_identity: Any = Identity.of("tests", "scripted")

    def _get_text_embeddings(self, texts):
        self.calls.append(list(texts))
        return self.answers.pop(0)

    async def _aget_text_embeddings(self, texts):
        return self._get_text_embeddings(texts)

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


class Plain(BaseEmbedding):
    """A class as users write it, with its settings as fields and no word about its identity."""

    model_name: str = "plain"
    dimensions: int = 3
    api_key: str = SECRET
    timeout: float = 60.0
    max_retries: int = 3
    extra: Any = None

    def _get_text_embedding(self, text):
        digest = hashlib.sha256(f"{self.model_name}\0{text}".encode()).digest()
        return [float(byte) for byte in digest[: self.dimensions]]

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


class OwnConstructor(Plain):
    """Its constructor does not take the fields it is unpickled with, as that of `LangchainEmbedding`."""

    def __init__(self, name, **fields):
        super().__init__(model_name=name, **fields)


class Roomy(Model):
    """Allows what the base class does not."""

    model_name: str | None = None
    embed_batch_size: int = 5000

    @property
    def embedonce_identity(self):
        return Identity.of("tests", "roomy")


class Batches(Model):
    """Overrides the public method that the wrapper calls, so that its arguments may mean anything."""

    def get_text_embedding_batch(self, texts, show_progress=False, **kwargs):
        self._observe(f"batch {sorted(kwargs.items())}", texts)
        return [[*self.vector(text)[1:], float(len(kwargs))] for text in texts]


class Limiter(BaseRateLimiter):
    """Counts and lets everybody pass."""

    def __init__(self):
        self.acquired = []

    def acquire(self, num_tokens=0):
        self.acquired.append("sync")

    async def async_acquire(self, num_tokens=0):
        self.acquired.append("async")


class Recorder(BaseCallbackHandler):
    """Remembers the callbacks of one manager."""

    def __init__(self):
        super().__init__(event_starts_to_ignore=[], event_ends_to_ignore=[])
        self.started = []
        self.ended = []

    @property
    def chunks(self):
        return [chunk for payload in self.ended for chunk in payload["chunks"]]

    def on_event_start(self, event_type, payload=None, event_id="", parent_id="", **kwargs):
        self.started.append(payload)
        return event_id

    def on_event_end(self, event_type, payload=None, event_id="", **kwargs):
        self.ended.append({getattr(key, "value", key): value for key, value in (payload or {}).items()})

    def start_trace(self, trace_id=None):
        pass

    def end_trace(self, trace_id=None, trace_map=None):
        pass


class Events(BaseEventHandler):
    """Remembers the events of the dispatcher it is added to."""

    seen: list[Any] = Field(default_factory=list)

    @classmethod
    def class_name(cls):
        return "Events"

    def handle(self, event, **kwargs):
        if type(event).__name__.startswith("Embedding"):
            self.seen.append(event)

    def names(self):
        return [type(event).__name__ for event in self.seen]


class Watch:
    """Everything that LlamaIndex tells of: events and spans, until it is stopped."""

    def __init__(self):
        self.events = Events()
        self.spans = SimpleSpanHandler()
        self._root = get_dispatcher()
        self._before = (list(self._root.event_handlers), list(self._root.span_handlers))
        self._root.event_handlers = [*self._before[0], self.events]
        self._root.span_handlers = [*self._before[1], self.spans]

    def stop(self):
        self._root.event_handlers, self._root.span_handlers = self._before


def counting():
    """A callback manager that counts tokens and records events; neither can be pickled."""
    tokens, recorder = TokenCountingHandler(tokenizer=lambda text: text.split()), Recorder()
    return CallbackManager([tokens, recorder]), tokens, recorder


def lines(path):
    """The texts in the log of a `Model`."""
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def ask_in_new_process(wrapper, texts, query):
    """What a copy of a wrapper in another process answers, how often it hits, and what its model is asked."""
    answers = wrapper.get_text_embedding_batch(texts), wrapper.get_query_embedding(query)
    return answers, wrapper.cache.stats().hits, wrapper.inner.asked


def answer_pickle():
    """Answer the pickle on standard input; what a fresh interpreter runs."""
    import pickle

    wrapper, texts, query = pickle.load(sys.stdin.buffer)
    pickle.dump(ask_in_new_process(wrapper, texts, query), sys.stdout.buffer)


EMBEDDED: list[str] = []
"""The texts that `Counting` and `Upper` were asked for."""


class Counting(BaseEmbedding):
    """Counts the texts that it embeds."""

    embedonce_identity: Any = Identity.of("acme", "e5", symmetric=True)

    def _vector(self, text):
        EMBEDDED.append(text)
        return [len(text) / 3, 0.1, 1.0]

    def _get_text_embedding(self, text):
        return self._vector(text)

    def _get_query_embedding(self, query):
        return self._vector(query)

    async def _aget_query_embedding(self, query):
        return self._vector(query)


class Upper(TransformComponent):
    """Counts its nodes."""

    def __call__(self, nodes, **kwargs):
        EMBEDDED.extend(node.get_content() for node in nodes)
        return [TextNode(text=node.get_content().upper(), metadata={"a": [1, {"b": None}]}) for node in nodes]


class Holder(BaseModel):
    """A component with a model in one of its fields."""

    model: SerializeAsAny[BaseEmbedding]


class Namesake(Plain):
    """Another class, whose `class_name()` is that of `Plain` too."""
