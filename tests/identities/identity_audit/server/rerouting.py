"""Sends what clients would send to providers to a function instead; nothing leaves the process."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from typing_extensions import Self

from identity_audit.server import telling

_NOMIC = {"tenant": "production", "token": "nk-0123456789", "expires": 4_102_444_800}


class _AiohttpAnswer:
    """As much of an answer of aiohttp as clients read."""

    status, reason, ok = 200, "OK", True

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.headers = {"content-type": "application/json"}

    async def read(self) -> bytes:
        return self._content

    async def json(self, **_: Any) -> Any:
        return json.loads(self._content)

    async def text(self, **_: Any) -> str:
        return self._content.decode()

    def raise_for_status(self) -> None:
        pass

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@contextmanager
def rerouted(seen: list[str] | None = None):
    """Answer all requests of httpx, requests, aiohttp and botocore by `telling.answer`.

    Args:
        seen: Takes what reached the server, a line for each request.
    """

    def answer(url: Any, headers: Any, content: Any) -> bytes:
        given = content.encode() if isinstance(content, str) else bytes(content or b"")
        return telling.answer(str(url), headers, given, seen)

    with ExitStack() as patches:

        def patch(owner: Any, name: str, new: Any) -> None:
            patches.enter_context(mock.patch.object(owner, name, new))

        for library in ("httpx", "httpx2"):
            try:
                module = importlib.import_module(library)
            except ImportError:
                continue
            _patch_httpx(patch, module, answer)
        for patch_library in (_patch_requests, _patch_aiohttp, _patch_botocore):
            # Not every environment has all of them.
            with contextlib.suppress(ImportError):
                patch_library(patch, answer)
        _keep_from_asking_for_more(patch)
        yield


def _patch_httpx(patch: Any, module: Any, answer: Any) -> None:
    def made(request: Any, content: bytes) -> Any:
        found = answer(request.url, request.headers, content)
        return module.Response(200, content=found, headers={"content-type": "application/json"}, request=request)

    def handle(self: Any, request: Any) -> Any:
        return made(request, request.read())

    async def ahandle(self: Any, request: Any) -> Any:
        return made(request, await request.aread())

    patch(module.HTTPTransport, "handle_request", handle)
    patch(module.AsyncHTTPTransport, "handle_async_request", ahandle)


def _patch_requests(patch: Any, answer: Any) -> None:
    import requests

    def send(self: Any, request: Any, *_: Any, **__: Any) -> Any:
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        response.headers["content-type"] = "application/json"
        response.raw = io.BytesIO(answer(request.url, request.headers, request.body))
        return response

    patch(requests.adapters.HTTPAdapter, "send", send)


def _patch_aiohttp(patch: Any, answer: Any) -> None:
    import aiohttp

    async def request(self: Any, method: str, url: Any, **given: Any) -> Any:
        from yarl import URL

        whole = URL(str(url))
        if given.get("params"):
            whole = whole.update_query(given["params"])
        content = json.dumps(given["json"]) if given.get("json") is not None else given.get("data")
        headers = {**self.headers, **(given.get("headers") or {})}
        return _AiohttpAnswer(answer(whole, headers, content))

    patch(aiohttp.ClientSession, "_request", request)


def _patch_botocore(patch: Any, answer: Any) -> None:
    import botocore.awsrequest
    import botocore.httpsession
    import botocore.loaders

    class Raw(io.BytesIO):
        def stream(self, *_: Any, **__: Any) -> Any:
            yield self.read()

    def send(self: Any, request: Any) -> Any:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        found = answer(request.url, headers, request.body)
        headers = {"content-type": "application/json"}
        return botocore.awsrequest.AWSResponse(request.url, 200, headers, Raw(found))

    patch(botocore.httpsession.URLLib3Session, "send", send)
    _remember(patch, botocore.loaders.JSONFileLoader, "load_file")
    _remember(patch, botocore.loaders.Loader, "list_available_services")


def _remember(patch: Any, kind: Any, name: str) -> None:
    """Let all instances of a class share what a method has answered: each client reads megabytes otherwise."""
    method, known = getattr(kind, name), {}

    def remembering(self: Any, *given: Any, **named: Any) -> Any:
        key = (given, *sorted(named.items()))
        if key not in known:
            known[key] = method(self, *given, **named)
        return known[key]

    patch(kind, name, remembering)


def _keep_from_asking_for_more(patch: Any) -> None:
    """Let no client fetch a tokenizer or leave for a transport that cannot be answered here."""
    with contextlib.suppress(ImportError):
        import google.genai._api_client

        patch(google.genai._api_client, "has_aiohttp", False)
    with contextlib.suppress(ImportError):
        import voyageai

        for kind in (voyageai.Client, voyageai.AsyncClient):
            patch(kind, "tokenize", lambda self, texts, model=None: [list(text.encode()) for text in texts])
            patch(kind, "count_tokens", lambda self, texts, model=None: sum(map(len, texts)))
    with contextlib.suppress(ImportError):
        import nomic.cli

        patch(nomic.cli, "get_api_credentials", lambda: {**_NOMIC})
