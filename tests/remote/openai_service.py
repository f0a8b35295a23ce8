"""A local stand-in for OpenAI's service that counts what it is asked; shared by the tests of all frameworks.

It also speaks the protocols of a few others, whose classes send requests in other ways.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager

import httpx
import numpy as np
from json_server import serving_json

OFFICIAL = "https://api.openai.com/v1/embeddings"


def _openai(service, body):
    return service.answer(body)


def _cohere(service, body):
    vectors = {"float": service.vectors(body["texts"])}
    return {"id": "1", "texts": body["texts"], "embeddings": vectors, "response_type": "embeddings_by_type"}


def _ollama(service, body):
    return {"model": body["model"], "embeddings": service.vectors(body["input"])}


def _google(service, body):
    texts = [part["text"] for each in body["requests"] for part in each["content"]["parts"]]
    return {"embeddings": [{"values": vector} for vector in service.vectors(texts)]}


def _tei(service, body):
    return service.vectors(body["inputs"] if isinstance(body["inputs"], list) else [body["inputs"]])


PROTOCOLS = {
    "/embeddings": _openai,
    "/v1/embed": _cohere,
    "/api/embed": _ollama,
    ":batchEmbedContents": _google,
    "/embed": _tei,
}
"""How a request is answered, by the end of its path."""


class Service:
    """What OpenAI's service does: a vector for each text, or for the text that some tokens stand for.

    Attributes:
        requests: The texts of each request that was answered.
        quota: How many more requests are answered; further ones are refused. None for no quota.
    """

    def __init__(self):
        self.requests = []
        self.quota = None
        self._counting = threading.Lock()

    @property
    def texts(self):
        return [text for request in self.requests for text in request]

    def vector(self, model, text, dimensions):
        digest = hashlib.sha256(f"{model}\0{text}".encode()).digest()
        return np.random.default_rng(list(digest)).standard_normal(dimensions or 8).astype("<f4")

    def allows_another(self):
        """Count a request; False if it exceeds the quota."""
        with self._counting:
            if self.quota is None:
                return True
            self.quota -= 1
            return self.quota >= 0

    def answer(self, body):
        asked = body["input"] if isinstance(body["input"], list) else [body["input"]]
        texts = [each if isinstance(each, str) else bytes(each).decode("utf-8", "replace") for each in asked]
        self.requests.append(texts)
        vectors = [self.vector(body["model"], text, body.get("dimensions")) for text in texts]
        if body.get("encoding_format") == "base64":
            shown = [base64.b64encode(vector.tobytes()).decode() for vector in vectors]
        else:
            shown = [vector.tolist() for vector in vectors]
        data = [{"object": "embedding", "index": i, "embedding": each} for i, each in enumerate(shown)]
        return {
            "object": "list",
            "model": body["model"],
            "data": data,
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }

    def vectors(self, texts):
        """Return the vectors of texts as lists."""
        return [each["embedding"] for each in self.answer({"model": "m", "input": texts})["data"]]

    def transport(self):
        """Return what HTTP clients use who believe to speak with OpenAI itself, whose identity has no endpoint."""

        def respond(request):
            assert str(request.url) == OFFICIAL
            return httpx.Response(200, json=self.answer(json.loads(request.content)))

        return httpx.MockTransport(respond)

    def clients(self):
        """Return such clients."""
        return httpx.Client(transport=self.transport()), httpx.AsyncClient(transport=self.transport())


@contextmanager
def serving(service):
    """Serve a service on this machine and yield its URL."""

    def answer(path, _, body):
        answered = next(each for end, each in PROTOCOLS.items() if path.split("?")[0].endswith(end))
        if service.allows_another():
            return 200, answered(service, body)
        return 429, {"error": {"message": "the quota is used up", "code": "insufficient_quota"}}

    with serving_json(answer) as url:
        yield f"{url}/v1"


class BytesAsTokens:
    """Stands in for a vocabulary, which would have to be downloaded."""

    def encode_ordinary(self, text):
        return list(text.encode())

    def encode(self, text, **_):
        return self.encode_ordinary(text)


def without_vocabularies(monkeypatch):
    """Let no tokenizer be downloaded."""
    import tiktoken

    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: BytesAsTokens())
