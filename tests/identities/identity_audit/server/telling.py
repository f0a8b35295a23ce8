"""A stand-in for every provider, whose vectors tell all that has reached it.

A vector is made of a hash of the host, the path, the query, the body without texts, the headers that may choose a
model, and the text. So two requests get the same vectors only if no server can tell them apart.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

TEXTS = ["the first of two documents", "the second of two documents"]
QUERY = "a query about documents"
MARK = "documents"
"""What each text holds, and no setting."""

OFFICIAL = (
    *("api.openai.com", "api.cohere.com", "api.voyageai.com", "api.mistral.ai", "api.fireworks.ai", "api.jina.ai"),
    *("generativelanguage.googleapis.com", "router.huggingface.co", "integrate.api.nvidia.com", "api.upstage.ai"),
    *("api-atlas.nomic.ai", "ai.api.nvidia.com", "api.together.xyz", "api.cohere.ai", "aiplatform.googleapis.com"),
)
"""Hosts of providers: no header that is not theirs chooses a model there."""
_OFFICIAL = (".openai.azure.com", ".services.ai.azure.com", ".amazonaws.com")

# What is written of a request that chooses no model: who asks, what for, and how the answer is packed.
_HEADERS = (
    *("accept", "amz-sdk-", "authorization", "api-key", "connection", "content-", "cookie", "expect", "host"),
    *("openai-organization", "openai-project", "traceparent", "transfer-encoding", "user-agent", "user-id", "x-amz-"),
    *(
        "x-amzn-bedrock-",
        "x-api-key",
        "x-client-name",
        "x-fern-",
        "x-goog-",
        "x-stainless-",
        "nvcf-",
        "x-amzn-trace-id",
        "x-hf-",
        "x-ms-client-request-id",
        "x-request-id",
        "x-upstage-client",
    ),
)
_FIELDS = {"encoding_format", "keep_alive"}
_QUERY = {"api-version"}
# What the provider's reference names as the default of a field: to write it down asks for nothing else.
_DEFAULTS = {
    "truncation": True,
    "output_dtype": "float",
    "encoding_type": "float",
    "role": "user",
    "late_chunking": False,
}
# Options of Ollama for writing text and for its machine; an embedding knows none of them.
_OPTIONS = {
    *("mirostat", "mirostat_eta", "mirostat_tau", "num_gpu", "num_predict", "num_thread", "repeat_last_n"),
    *("repeat_penalty", "seed", "stop", "temperature", "tfs_z", "top_k", "top_p"),
}
_LENGTHS = {"dimensions", "dimension", "dimensionality", "output_dimension", "outputdimensionality"}


@dataclass
class Request:
    """What reached the server of one request."""

    url: str
    headers: dict[str, str]
    body: Any
    texts: list[Any] = field(default_factory=list)

    def told(self) -> str:
        """Return all that may choose a model, in one line; texts are gathered on the way."""
        url = urlsplit(self.url)
        kept = {
            name.lower(): value
            for name, value in self.headers.items()
            if not name.lower().startswith(_HEADERS)
            and not (url.hostname in OFFICIAL or (url.hostname or "").endswith(_OFFICIAL))
        }
        # The address of a provider's region is that of the provider.
        host = "bedrock" if (url.hostname or "").endswith(".amazonaws.com") else url.netloc
        host = host.replace("127.0.0.1", "localhost").replace("api.cohere.ai", "api.cohere.com")
        # Both versions of Cohere's interface embed alike, and so do those of Google's own.
        path = url.path.replace("/v2/embed", "/v1/embed")
        path = path.replace("/v1beta/", "/v1/").replace("/v1beta1/", "/v1/") if host in OFFICIAL else path
        if path == "/openai/v1/embeddings" and host.endswith(_OFFICIAL):
            # A deployment is named in the body or in the path.
            path = f"/openai/deployments/{self.body.get('model')}/embeddings"
        query = sorted(pair for pair in parse_qsl(url.query, keep_blank_values=True) if pair[0] not in _QUERY)
        return json.dumps([host, path, query, kept, self._without_texts(self.body)], sort_keys=True, default=str)

    def _counts(self, name: str, value: Any) -> bool:
        url = urlsplit(self.url)
        path = url.path
        if name == "model" and (
            "/openai/deployments/" in path or (path == "/openai/v1/embeddings" and url.netloc.endswith(_OFFICIAL))
        ):
            # The deployment in the path is what Azure reads of a model.
            return False
        if path.endswith("/api/embed"):
            return name not in _OPTIONS | _FIELDS and (name, value) != ("truncate", True)
        if path.endswith("/embed") and (name, value) in (("truncate", "END"), ("embedding_types", ["float"])):
            return False
        if path.endswith("/embed") and name == "priority":
            return False
        if path.endswith("/embeddings") and (name == "user" or (name == "metadata" and url.hostname in OFFICIAL)):
            return False
        default = _DEFAULTS.get(name)
        return name not in _FIELDS and (default is None or value != default)

    def _without_texts(self, part: Any) -> Any:
        """Return a part of the body without texts, of which there may be any number."""
        if isinstance(part, str) and MARK in part:
            self.texts.append(part)
            return "<text>"
        if isinstance(part, dict):
            kept = {name: self._without_texts(part[name]) for name in sorted(part) if self._counts(name, part[name])}
            return {name: value for name, value in kept.items() if value not in ({}, None)}
        if isinstance(part, list):
            if part and all(isinstance(each, int) for each in part):
                # OpenAI itself reads tokens as the text that they stand for, and so does Azure.
                is_trusted = (urlsplit(self.url).hostname or "").endswith(("api.openai.com", ".openai.azure.com"))
                self.texts.append(bytes(part).decode() if is_trusted else part)
                return "<text>" if is_trusted else "<tokens>"
            found = [json.dumps(self._without_texts(each), sort_keys=True) for each in part]
            if not any("<text>" in each or "<tokens>" in each for each in found):
                return part
            # One text is asked for as a list of one, or alone.
            return json.loads(found[0]) if len(set(found)) == 1 else sorted(set(found))
        return part


def vector(told: str, text: Any, length: int = 64, *, is_unit: bool = False) -> list[float]:
    """Return the vector of a text that came in a request; every number is exact in all formats.

    Args:
        told: What came with it.
        text: The text.
        length: How many numbers are asked for.
        is_unit: True if its length has to be one, as far as it has four numbers.
    """
    digest = hashlib.shake_256(f"{told}\0{text}".encode()).digest(max(length, 4))
    if not is_unit:
        return [(byte + 1) / 256 for byte in digest[:length]]
    numbers = [0.0] * length
    places = sorted(range(length), key=lambda i: (digest[i], i))[:4]
    for place in places:
        numbers[place] = 0.5 if digest[place] % 2 else -0.5
    return numbers


def length_of(body: Any) -> int:
    """Return how many numbers a request asks for."""
    if isinstance(body, list):
        return length_of(body[0]) if body else 64
    if not isinstance(body, dict):
        return 64
    asked = [value for name, value in body.items() if name.lower() in _LENGTHS and isinstance(value, int)]
    inside = [length_of(value) for value in body.values() if isinstance(value, dict | list)]
    return asked[0] if asked else next((length for length in inside if length != 64), 64)


def answer(url: str, headers: Any, content: bytes, seen: list[str] | None = None) -> bytes:
    """Return what the provider of a URL answers, as JSON."""
    path = urlsplit(url).path
    body = json.loads(content or b"{}")
    if path.startswith("/api/models/"):
        mapping = {"hf-inference": {"status": "live", "providerId": path[12:], "task": "feature-extraction"}}
        return json.dumps(
            {"id": path[12:], "pipeline_tag": "feature-extraction", "inferenceProviderMapping": mapping}
        ).encode()
    request = Request(url, dict(headers), body)
    told = request.told()
    if seen is not None:
        seen.append(told)
    # OpenAI's vectors are of length one, and some classes make sure of it.
    is_unit = (urlsplit(url).hostname or "").endswith(("api.openai.com", *_OFFICIAL)) and path.endswith("/embeddings")
    vectors = [vector(told, text, length_of(body), is_unit=is_unit) for text in request.texts]
    return json.dumps(_packed(path, body, vectors)).encode()


def _packed(path: str, body: Any, vectors: list[list[float]]) -> Any:
    usage = {"prompt_tokens": 1, "total_tokens": 1, "completion_tokens": 0}
    if path.endswith("/models"):
        return {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "o"}]}
    if ":batchEmbedContents" in path:
        return {"embeddings": [{"values": each} for each in vectors]}
    if ":embedContent" in path:
        return {"embedding": {"values": vectors[0]}}
    if ":predict" in path:
        return {"predictions": [{"embeddings": {"values": each}} for each in vectors]}
    if "/model/" in path:
        return {"embeddings": vectors} if "texts" in body else {"embedding": vectors[0], "inputTextTokenCount": 1}
    if "texts" in body and "task_type" in body:
        return {"embeddings": vectors, "usage": usage, "model": body["model"]}
    if "texts" in body:
        kinds = body.get("embedding_types") or []
        if path.endswith("/v1/embed") and not kinds:
            return {"id": "1", "texts": [], "embeddings": vectors, "response_type": "embeddings_floats"}
        found = {kind: vectors if kind == "float" else _whole(vectors) for kind in kinds or ["float"]}
        return {"id": "1", "texts": [], "embeddings": found, "response_type": "embeddings_by_type"}
    if "inputs" in body:
        return vectors
    if path.endswith("/api/embed"):
        return {"model": "m", "embeddings": vectors}
    packed: list[Any] = vectors
    if body.get("encoding_format") == "base64":
        packed = [base64.b64encode(np.array(each, "<f4").tobytes()).decode() for each in vectors]
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(packed)]
    return {"id": "1", "object": "list", "model": "m", "data": data, "usage": usage}


def _whole(vectors: list[list[float]]) -> list[list[int]]:
    return [[int(number * 100) for number in each] for each in vectors]
