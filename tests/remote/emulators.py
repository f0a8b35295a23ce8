"""Emulators of Google Cloud Storage and Azure on 127.0.0.1, beside the S3 server of `servers`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from servers import HOST, Recording, Request, new_bucket

if TYPE_CHECKING:
    from typing_extensions import Self


class GcsServer(Recording):
    """The emulator of Google Cloud Storage, which answers one request after the other."""

    scheme = "gs"

    def __enter__(self) -> Self:
        import gcp_storage_emulator.server as emulator
        from gcp_storage_emulator.storage import Storage

        class Handler(emulator.RequestHandler):
            def log_request(handler, code: Any = "-", size: Any = "-") -> None:
                # A request that is not HTTP has no path.
                if hasattr(handler, "path"):
                    self.add(_gcs_request(handler.command, handler.path, handler.headers, int(code)))

        class Server(HTTPServer):
            request_queue_size = 128

        self._storage = Storage(use_memory_fs=True)
        self._server = Server((HOST, 0), partial(Handler, self._storage))
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
        """For `gcsfs`; more than 16 requests at once make the emulator slow."""
        return {"token": "anon", "endpoint_url": self.endpoint, "batch_size": 16}

    def make_bucket(self) -> str:
        """Return the name of a new bucket: by a request, since the emulator may be answering another one."""
        import http.client

        name = new_bucket()
        connection = http.client.HTTPConnection(self.endpoint.partition("//")[2], timeout=30)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/storage/v1/b?project=tests", json.dumps({"name": name}), headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
        finally:
            connection.close()
        return name

    def url(self, bucket: str, prefix: str = "cache") -> str:
        """A place in a bucket."""
        return f"gs://{bucket}/{prefix}"


def _gcs_request(method: str, path: str, headers: Any, status: int) -> Request:
    """What a request of the JSON API does, in the words of S3."""
    parts = urlsplit(path)
    query = {name: each[0] for name, each in parse_qs(parts.query, keep_blank_values=True).items()}
    bucket, _, key = parts.path.partition("/b/")[2].partition("/o")
    key = unquote(key.lstrip("/"))
    kind = method
    if not key and method == "POST":
        kind, key = "PUT", query.get("name", "?")
    elif not key and "/o" in parts.path:
        query.setdefault("prefix", "")
    elif method == "GET" and query.get("alt") != "media":
        kind = "HEAD"
    return Request(kind, bucket, key, query, headers.get("Range"), int(headers.get("Content-Length") or 0), status)


class AzureServer:
    """Azurite, from npm, in a process of its own. It counts nothing."""

    scheme = "abfs"
    _ACCOUNT = "devstoreaccount1"
    # The same published key in every installation of Azurite.
    _KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __enter__(self) -> Self:
        program = azurite()
        assert program is not None, "neither azurite-blob nor npm is there"
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [program, "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobHost", HOST, "--blobPort", "0",
             "--location", self._folder.name],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "successfully listens on" in line:
                self.endpoint = f"{line.split()[-1]}/{self._ACCOUNT}"
                return self
        self.__exit__()
        msg = "Azurite did not start"
        raise RuntimeError(msg)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()

    @property
    def storage_options(self) -> dict[str, Any]:
        """For `adlfs`."""
        settings = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": self._ACCOUNT,
            "AccountKey": self._KEY,
            "BlobEndpoint": self.endpoint,
        }
        return {"connection_string": ";".join(f"{name}={value}" for name, value in settings.items())}

    def make_bucket(self) -> str:
        """Return the name of a new container."""
        from azure.storage.blob import BlobServiceClient

        name = new_bucket()
        with BlobServiceClient.from_connection_string(self.storage_options["connection_string"]) as client:
            client.create_container(name)
        return name

    def url(self, bucket: str, prefix: str = "cache") -> str:
        """A place in a container."""
        return f"abfs://{bucket}/{prefix}"


def azurite() -> str | None:
    """The program, installed into a cache of its own if only npm is there."""
    if found := shutil.which("azurite-blob"):
        return found
    from platformdirs import user_cache_path

    folder = Path(os.environ.get("EMBEDONCE_AZURITE", user_cache_path("embedonce-tests") / "azurite"))
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists() and shutil.which("node") and shutil.which("npm"):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, "azurite@3.35.0"], check=True, timeout=240)
    return str(program) if program.exists() else None
