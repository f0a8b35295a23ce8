"""An S3 server with latency in a process of its own, which says what it was asked; also that process' program."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

BUCKET = "benchmarks"
_SERVERS = Path(__file__).resolve().parent.parent / "tests" / "remote" / "servers.py"


def _servers() -> Any:
    """Load the servers that the tests use, wherever this is started."""
    spec = util.spec_from_file_location("servers", _SERVERS)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["servers"] = module
    spec.loader.exec_module(module)
    return module


class SlowS3:
    """Moto behind a delay.

    Args:
        latency: Seconds that each answer is held back.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, str(self._latency)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.storage_options: dict[str, Any] = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def counted(self) -> dict[str, int]:
        """Return requests and bytes since this was asked before."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: dict[str, int] = self._answer()
        return counts


def _serve(latency: float) -> None:
    servers = _servers()
    with servers.S3Server() as server:
        servers.make_s3_bucket(server.endpoint, BUCKET)
        server.clear()
        if latency:
            server.fault = servers.fault(servers.latency(latency))
        print(json.dumps(server.storage_options), flush=True)
        for _ in sys.stdin:
            requests = server.requests
            server.clear()
            counts = {
                "requests": len(requests),
                "received": sum(each.received for each in requests),
                "sent": sum(each.sent for each in requests),
            }
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    _serve(float(sys.argv[1]))
