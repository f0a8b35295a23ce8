"""A local stand-in for Cohere's, Voyage's and Ollama's services, whose vectors tell what decided them.

A vector is made from the text and from all of a request that the provider computes with: its path, its query, its
headers for routing, and its body.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading

import numpy as np
from json_server import serving_json

ROUTING = "x-route"
"""The header by which this gateway chooses a model."""

DTYPES = {"float": "<f4", "int8": "i1", "binary": "i1", "uint8": "u1", "ubinary": "u1"}
# What changes no vector, or holds the texts.
IGNORED = {"texts", "input", "prompt", "encoding_format", "priority", "keep_alive", "embedding_types", "output_dtype"}
# A type of numbers changes the vectors, but the one that is asked for by default need not be named.
DEFAULTS = {"truncate": ("END", True), "truncation": (True,)}


def computed_with(body):
    """Return what of a request decides its vectors, besides the texts and the type of numbers."""
    options = {k: v for k, v in (body.get("options") or {}).items() if v is not None and k != "num_thread"}
    model = body["model"].removesuffix(":latest")
    settings = {
        k: v
        for k, v in {**body, "model": model, "options": options}.items()
        if k not in IGNORED and v not in (None, {})
    }
    return {k: v for k, v in settings.items() if v not in DEFAULTS.get(k, ())}


class Service:
    """What the services do.

    Attributes:
        requests: The texts of each request that was answered.
        quota: How many more requests are answered; further ones are refused. None for no quota.
        short: How many vectors too few are answered.
    """

    def __init__(self):
        self.requests = []
        self.quota = None
        self.short = 0
        self._counting = threading.Lock()

    @property
    def texts(self):
        return [text for request in self.requests for text in request]

    def refuses(self):
        """Count a request; True if it exceeds the quota."""
        with self._counting:
            if self.quota is not None:
                self.quota -= 1
            return self.quota is not None and self.quota < 0

    def answer(self, path, route, body):
        given = next(body[name] for name in ("texts", "input", "prompt") if name in body)
        texts = [given] if isinstance(given, str) else given
        texts = [each for each in texts if each] if isinstance(given, str) else texts
        with self._counting:
            self.requests.append(texts)
        what = json.dumps([path.replace("/v1/", "/v2/"), route, computed_with(body)], sort_keys=True)
        types = body.get("embedding_types") or [body.get("output_dtype") or "float"]
        size = body.get("output_dimension") or body.get("dimensions") or 8
        rows = {each: [vector(what, text, size, each) for text in texts][self.short :] for each in types}
        return ANSWERS[path.partition("?")[0]](body, texts, rows)


def vector(what, text, size, kind):
    drawn = np.random.default_rng(list(hashlib.sha256(f"{what}\0{text}".encode()).digest()))
    return drawn.standard_normal(size).astype("<f4") if kind == "float" else drawn.integers(0, 100, size)


def _lists(rows):
    return [row.tolist() for row in rows]


def _cohere(body, texts, rows):
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": len(texts)}}
    shown = {kind: _lists(each) for kind, each in rows.items()}
    if body.get("embedding_types"):
        return {
            "id": "7",
            "texts": texts,
            "embeddings": shown,
            "response_type": "embeddings_by_type",
            "meta": meta,
        }
    return {
        "id": "7",
        "texts": texts,
        "embeddings": shown["float"],
        "response_type": "embeddings_floats",
        "meta": meta,
    }


def _cohere_2(body, texts, rows):
    return _cohere({**body, "embedding_types": body.get("embedding_types") or ["float"]}, texts, rows)


def _voyage(body, texts, rows):
    ((kind, vectors),) = rows.items()
    shown = [base64.b64encode(each.astype(DTYPES[kind]).tobytes()).decode() for each in vectors]
    data = [{"object": "embedding", "embedding": each, "index": i} for i, each in enumerate(shown)]
    return {"object": "list", "data": data, "model": body["model"], "usage": {"total_tokens": len(texts)}}


def _ollama(body, texts, rows):
    counted = {"total_duration": 5, "load_duration": 3, "prompt_eval_count": len(texts)}
    return {"model": body["model"], "embeddings": _lists(rows["float"]), **counted}


def _ollama_older(body, texts, rows):
    return {"embedding": _lists(rows["float"])[0]}


ANSWERS = {
    "/v1/embed": _cohere,
    "/v2/embed": _cohere_2,
    "/embeddings": _voyage,
    "/v1/embeddings": _voyage,
    "/api/embed": _ollama,
    "/api/embeddings": _ollama_older,
}


def serving(service):
    """Serve a service on this machine; to be entered for its URL."""

    def answer(path, headers, body):
        if service.refuses():
            return 429, dict.fromkeys(("message", "detail", "error"), "the quota is used up")
        return 200, service.answer(path, headers.get(ROUTING), body)

    return serving_json(answer)
