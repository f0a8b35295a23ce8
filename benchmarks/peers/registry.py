"""All peers, and why one is not there."""

from __future__ import annotations

import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.caches import DiskCache, LiteLlm, RedisVl
from benchmarks.peers.frameworks import LangChainFiles, LangChainMemory, LlamaIndexOwn
from benchmarks.peers.plain import Files, Lmdb, Sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.peer import Peer

PEERS: tuple[type[Peer], ...] = (
    Lmdb,
    Sqlite,
    Files,
    DiskCache,
    LangChainFiles,
    LangChainMemory,
    LlamaIndexOwn,
    RedisVl,
    LiteLlm,
)


def why_missing(peer: type[Peer]) -> str:
    """Return why a peer cannot be measured here, "" if it can be."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            peer(Path(folder), 2).close()
        except ImportError as error:
            return f"not installed: {error}"
    return ""


def versions(peers: Sequence[type[Peer]]) -> dict[str, str]:
    """Return the versions of what is measured, by distribution."""
    found = {}
    for name in sorted({"embedonce", "numpy", *(peer.package for peer in peers)} - {""}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
