"""A local server for Google and Mistral whose vectors depend on everything that reaches it: two requests that differ in
anything but the text have different vectors for a text."""

from __future__ import annotations

import base64
import hashlib
import json
import threading

import numpy as np
from json_server import serving_json


class Echo:
    """What the servers do.

    Attributes:
        requests: The texts of each request that was answered.
        quota: How many more requests are answered; further ones are refused. None for no quota.
        during: Called in the midst of a request.
        is_reversed: True if answers that number their vectors have them in another order.
    """

    def __init__(self):
        self.requests = []
        self.quota = None
        self.during = lambda: None
        self.is_reversed = False
        self._counting = threading.Lock()

    @property
    def texts(self):
        return sorted(text for request in self.requests for text in request)

    def answer(self, path, headers, body):
        """Return the status and the answer to a request."""
        with self._counting:
            if self.quota is not None:
                self.quota -= 1
                if self.quota < 0:
                    return 429, {"error": {"code": 429, "message": "the quota is used up", "status": "EXHAUSTED"}}
        self.during()
        # Gateways choose models by headers like these.
        routed = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-route"))
        answered = next(each for end, each in _PROTOCOLS.items() if path.split("?")[0].endswith(end))
        texts, answer = answered(body, lambda text, *settings: _vector(path, routed, text, *settings))
        self.requests.append(texts)
        if self.is_reversed and "data" in answer:
            answer["data"].reverse()
        return 200, answer


def _vector(*request):
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
    return np.random.default_rng(list(digest)).standard_normal(8).astype("<f4").tolist()


def _text(content):
    return " ".join(part.get("text", str(part)) for part in content["parts"])


def _gemini(body, vector):
    items = body.pop("requests")
    contents = [item.pop("content") for item in items]
    vectors = [vector(_text(content), item, body) for content, item in zip(contents, items, strict=True)]
    return [_text(content) for content in contents], {"embeddings": [{"values": each} for each in vectors]}


def _predict(body, vector):
    items = body.pop("instances")
    texts = [item.pop("content") for item in items]
    found = [
        {"values": vector(text, item, body), "statistics": {"token_count": len(text), "truncated": False}}
        for text, item in zip(texts, items, strict=True)
    ]
    metadata = {"billableCharacterCount": sum(map(len, texts))}
    return texts, {"predictions": [{"embeddings": each} for each in found], "metadata": metadata}


def _one_content(body, vector):
    text = _text(body.pop("content"))
    return [text], {"embedding": {"values": vector(text, body)}, "usageMetadata": {"promptTokenCount": len(text)}}


def _mistral(body, vector):
    given, encoding = body.pop("input"), body.pop("encoding_format", None)
    # Metadata only label a request.
    body.pop("metadata", None)
    texts = given if isinstance(given, list) else [given]
    vectors = [vector(text, body) for text in texts]
    if encoding == "base64":
        vectors = [base64.b64encode(np.array(each, "<f4").tobytes()).decode() for each in vectors]
    data = [{"object": "embedding", "index": i, "embedding": each} for i, each in enumerate(vectors)]
    tokens = sum(map(len, texts))
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens, "prompt_audio_seconds": None}
    return texts, {"id": "1", "object": "list", "model": body["model"], "data": data, "usage": usage}


_PROTOCOLS = {
    ":batchEmbedContents": _gemini,
    ":predict": _predict,
    ":embedContent": _one_content,
    "/embeddings": _mistral,
}
"""How a request is answered, by the end of its path."""


def serving(echo):
    """Serve on this machine; to be entered for the URL."""
    return serving_json(echo.answer)
