"""Object stores on 127.0.0.1 that count what they are asked and fail on request.

Also a program: `python servers.py s3` serves in a process of its own, prints where, and ends with its standard input.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    Answering = Callable[[], "Answer"]
    Action = Callable[["Request", Answering], "Answer"]
    Rule = Callable[["Request"], "Action | None"]

KINDS = ("s3", "gcs", "simplecache::s3", "azure")
"""Kinds of places on servers; `azure` only for tests with that mark."""
HOST = "127.0.0.1"
# With it, every first write asks a service that no emulator offers, for 84 seconds.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
_NUMBER = itertools.count()


def new_bucket() -> str:
    """Return a name that no other bucket has."""
    return f"bucket-{os.getpid()}-{next(_NUMBER)}"


@dataclass
class Request:
    """One request, and what became of it."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    range: str | None
    received: int
    status: int = 0
    sent: int = 0

    @property
    def kind(self) -> str:
        """LIST, GET, PUT, HEAD, DELETE, POST; BUCKET for what concerns a bucket rather than an object."""
        if not self.key:
            return "LIST" if self.method == "GET" and ({"list-type", "prefix"} & self.query.keys()) else "BUCKET"
        return self.method


@dataclass
class Answer:
    """What goes back."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    ending: str = "whole"
    """`whole`, `half` of the declared body, or `reset`: nothing but a reset connection."""


class Recording:
    """The requests that a server got, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self.only = ""
        """The bucket whose requests are shown: others may still be written to in the background; all if empty."""

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    @property
    def requests(self) -> list[Request]:
        with self._lock:
            return [request for request in self._requests if self.only in ("", request.bucket)]

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each kind."""
        return Counter(request.kind for request in self.requests)

    @property
    def sent(self) -> int:
        """Bytes of all answers."""
        return sum(request.sent for request in self.requests)


# What may happen instead of an answer


def s3_error(status: int, code: str) -> Action:
    """Refuse, before anything is applied."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code} on purpose</Message></Error>".encode()
    return lambda request, answer: Answer(status, [("Content-Type", "application/xml")], body)


slow_down = s3_error(503, "SlowDown")
server_error = s3_error(500, "InternalError")
unavailable = s3_error(503, "ServiceUnavailable")
no_such_key = s3_error(404, "NoSuchKey")
no_such_bucket = s3_error(404, "NoSuchBucket")
denied = s3_error(403, "AccessDenied")
expired_token = s3_error(400, "ExpiredToken")


def server_error_after(request: Request, answer: Answering) -> Answer:
    """Apply the request, then say that it failed."""
    answer()
    return server_error(request, answer)


def truncated(request: Request, answer: Answering) -> Answer:
    """Declare the whole body, send half of it."""
    return replace(answer(), ending="half")


def reset(request: Request, answer: Answering) -> Answer:
    """Reset the connection instead of answering."""
    return Answer(200, ending="reset")


def reset_after(request: Request, answer: Answering) -> Answer:
    """Apply the request, then reset the connection."""
    answer()
    return Answer(200, ending="reset")


def flipped(bit: int = -1) -> Action:
    """Change one bit of the body; -1 is the one in the middle."""

    def flip(request: Request, answer: Answering) -> Answer:
        whole = answer()
        if not whole.body or whole.status >= 300:
            return whole
        body = bytearray(whole.body)
        place = bit if bit >= 0 else 4 * len(body)
        body[place // 8] ^= 1 << place % 8
        return replace(whole, body=bytes(body))

    return flip


def latency(seconds: float) -> Action:
    """Answer late."""

    def wait(request: Request, answer: Answering) -> Answer:
        time.sleep(seconds)
        return answer()

    return wait


def held(until: threading.Event) -> Action:
    """Answer once an event is set."""

    def wait(request: Request, answer: Answering) -> Answer:
        until.wait()
        return answer()

    return wait


def fault(action: Action, *, kinds: str = "", key: str = "", times: float = float("inf")) -> Rule:
    """Return a rule for `S3Server.fault`.

    Args:
        action: What happens.
        kinds: Kinds of requests that it happens to, separated by spaces; all if empty.
        key: A part of the object's key, or of the prefix that is listed.
        times: How often it happens.
    """
    lock, left = threading.Lock(), [times]

    def rule(request: Request) -> Action | None:
        if (kinds and request.kind not in kinds.split()) or key not in (request.key or request.query.get("prefix", "")):
            return None
        with lock:
            left[0] -= 1
            return action if left[0] >= 0 else None

    return rule


def first_of(*rules: Rule) -> Rule:
    """Return a rule that applies the first of several that has something to say."""
    return lambda request: next((action for rule in rules if (action := rule(request)) is not None), None)


# Servers


class S3Server(Recording):
    """Moto behind a counter and a fault injector.

    Attributes:
        fault: Asked about each request; its answer happens instead. None for no faults.
    """

    scheme = "s3"
    endpoint: str

    def __init__(self) -> None:
        super().__init__()
        self.fault: Rule | None = None

    def __enter__(self) -> Self:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, *_: object) -> None:
                pass

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(HOST, 0, self, threaded=True, request_handler=Quiet)
        self._server.daemon_threads = True
        self.endpoint = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def storage_options(self) -> dict[str, Any]:
        """For `s3fs`."""
        return s3_options(self.endpoint)

    def make_bucket(self) -> str:
        """Return the name of a new bucket."""
        return make_s3_bucket(self.endpoint)

    def url(self, bucket: str, prefix: str = "cache") -> str:
        """A place in a bucket."""
        return f"s3://{bucket}/{prefix}"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Serve one request: the WSGI application."""
        path = unquote(urlsplit(environ["RAW_URI"]).path)
        bucket, _, key = path.lstrip("/").partition("/")
        query = {name: each[0] for name, each in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()}
        body = self._received(environ)
        request = Request(environ["REQUEST_METHOD"], bucket, key, query, environ.get("HTTP_RANGE"), len(body))
        action = self.fault(request) if self.fault is not None else None
        answer = partial(self._asked, environ, body)
        given = answer() if action is None else action(request, answer)
        request.status = given.status
        if given.ending == "reset":
            self.add(request)
            _reset(environ["werkzeug.socket"])
            msg = "on purpose"
            raise ConnectionResetError(msg)
        headers = [pair for pair in given.headers if pair[0].lower() not in ("content-length", "transfer-encoding")]
        length = dict(given.headers).get("Content-Length", "0") if request.method == "HEAD" else str(len(given.body))
        start_response(f"{given.status} -", [*headers, ("Content-Length", length)])
        sent = given.body[: len(given.body) // 2] if given.ending == "half" else given.body
        request.sent = len(sent)
        # Before the answer is on its way, so that the client can count on the record.
        self.add(request)
        return [sent]

    @staticmethod
    def _received(environ: dict[str, Any]) -> bytes:
        if environ.get("wsgi.input_terminated"):
            return environ["wsgi.input"].read()
        return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))

    def _asked(self, environ: dict[str, Any], body: bytes) -> Answer:
        from werkzeug.test import run_wsgi_app

        # Moto changes it, and an action that applies a request twice needs it twice.
        own = {**environ, "wsgi.input": io.BytesIO(body)}
        chunks, status, headers = run_wsgi_app(self._moto, own, buffered=True)
        return Answer(int(status.split()[0]), list(headers), b"".join(chunks))


def _reset(connection: socket.socket) -> None:
    """Close a connection so that the other side sees a reset, while others still hold its descriptor."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left, right = socket.socketpair()
    right.close()
    os.dup2(left.fileno(), connection.fileno())
    left.close()


def s3_options(endpoint: str) -> dict[str, Any]:
    """Options of `s3fs` for a server of this module."""
    return {"key": "testing", "secret": "testing", "client_kwargs": {"endpoint_url": endpoint}}


def make_s3_bucket(endpoint: str, name: str = "") -> str:
    """Make a bucket, a new one unless it is named.

    By the plainest of requests, which no fault rule and no driver has a say in.
    """
    import http.client

    name = name or new_bucket()
    connection = http.client.HTTPConnection(endpoint.partition("//")[2], timeout=30)
    try:
        connection.request("PUT", f"/{name}")
        status = connection.getresponse().status
    finally:
        connection.close()
    assert status == 200, status
    return name


class ServerProcess:
    """An `S3Server` in a process of its own, for tests whose own process is busy or gets killed."""

    scheme = "s3"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "s3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.endpoint = json.loads(self._process.stdout.readline())["endpoint"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    @property
    def storage_options(self) -> dict[str, Any]:
        """For `s3fs`."""
        return s3_options(self.endpoint)

    def make_bucket(self) -> str:
        """Return the name of a new bucket."""
        return make_s3_bucket(self.endpoint)

    def url(self, bucket: str, prefix: str = "cache") -> str:
        """A place in a bucket."""
        return f"s3://{bucket}/{prefix}"


if __name__ == "__main__":
    with S3Server() as server:
        sys.stdout.write(json.dumps({"endpoint": server.endpoint}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
