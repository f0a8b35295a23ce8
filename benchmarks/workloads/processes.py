"""Starting: importing, a first hit in a fresh interpreter, a cold page cache; what peers that live in memory take."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.children import asked, seconds_printed
from benchmarks.corpus import Corpus
from benchmarks.measuring import Spread, Timings, interleaved
from benchmarks.ours import NAME, NAMESPACE, filled, hits
from benchmarks.peers.frameworks import LangChainFiles, LangChainMemory, LlamaIndexOwn
from benchmarks.peers.plain import Lmdb
from benchmarks.peers.registry import PEERS
from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.run import Run

_IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
_LINES = 25
_KEPT = 1000


def measure(run: Run) -> None:
    """See the module."""
    _imports(run)
    _first_hits(run)
    _cold_pages(run)
    _memory_of_peers(run)


def _imports(run: Run) -> None:
    modules = ("numpy", NAME)
    timings = Timings({module: [] for module in modules})
    for repetition in range(-1, 2 * run.scale.few):
        for module in modules:
            seconds = seconds_printed(_IMPORT.format(module))
            # The first one may have to compile.
            if repetition >= 0:
                timings.seconds[module].append(seconds)
    spreads = {f"import {module}": timings.spread(module) for module in modules}
    run.note("importing", {"interpreter": "fresh"}, spreads, unit="s")
    ratio = timings.ratio(NAME, "numpy")
    run.judge("import", ratio, basis="fresh interpreters, compiled files in the page cache", profile=_import_times)


def _import_times() -> str:
    """Return what importing takes beyond numpy, module by module, the most expensive first."""
    code = "import numpy; import embedonce"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    last = max(i for i, line in enumerate(lines) if line.split("|")[-1].strip() == "numpy")
    modules = sorted(lines[last + 1 :], key=lambda line: -int(line.partition(":")[2].split("|")[0]))
    return "\n".join([lines[0], *modules[:_LINES]])


def _first_hits(run: Run) -> None:
    corpus, rows = Corpus(run.scale.width), min(run.scale.rows, 1000)
    numbers = np.arange(rows)
    text = corpus.texts([rows // 2])[0]
    with run.folder() as folder:
        filled(folder / "ours", corpus, rows).close()
        codes = {
            "python alone": "",
            "import numpy": "import numpy",
            NAME: f"import embedonce; cache = embedonce.EmbeddingCache({str(folder / 'ours')!r}, mode='replay'); "
            f"print(cache.embed([{text!r}], None, namespace={NAMESPACE!r}).shape)",
        }
        for kind in (Lmdb, LangChainFiles, LlamaIndexOwn):
            if kind not in run.peers:
                continue
            place = folder / kind.__name__
            place.mkdir()
            peer = kind(place, corpus.dimensions)
            peer.put(corpus.texts(numbers), corpus.vectors(numbers))
            peer.close()
            codes[kind.name] = _FIRST_HITS[kind].format(folder=str(place), text=text)
        run_code = {name: partial(_run, code) for name, code in codes.items()}
        timings = interleaved(run_code, lambda _: [None], repetitions=run.scale.few)
    spreads = {name: timings.spread(name) for name in codes}
    run.note("fresh interpreter, import, open, first hit", {"rows": rows, "dimensions": corpus.dimensions}, spreads,
             unit="s")  # fmt: skip


_FIRST_HITS: dict[type, str] = {
    Lmdb: "import hashlib, lmdb, numpy; print(numpy.frombuffer(lmdb.open({folder!r}).begin().get("
    "hashlib.sha256({text!r}.encode()).digest()), numpy.float32).shape)",
    LangChainFiles: "from langchain_classic.embeddings import CacheBackedEmbeddings as C; "
    "from langchain_classic.storage import LocalFileStore; from langchain_core.embeddings import Embeddings; "
    "model = type('Model', (Embeddings,), dict(embed_documents=None, embed_query=None))(); "
    "print(len(C.from_bytes_store(model, LocalFileStore({folder!r}), namespace='benchmarks', key_encoder='sha256')"
    ".embed_documents([{text!r}])[0]))",
    LlamaIndexOwn: "from llama_index.core import MockEmbedding; "
    "from llama_index.core.storage.kvstore import SimpleKVStore; "
    "model = MockEmbedding(embed_dim=1, embeddings_cache=SimpleKVStore.from_persist_path({folder!r} + '/store.json')); "
    "vector = model.get_text_embedding({text!r}); assert len(vector) > 1; print(len(vector))",
}


def _run(code: str, _: None) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, stdout=subprocess.DEVNULL)


def _cold_pages(run: Run) -> None:
    if not hasattr(os, "posix_fadvise"):
        run.missing["cold page cache"] = "this system has no posix_fadvise"
        return
    corpus, rows = Corpus(run.scale.width), run.scale.rows
    with run.folder() as folder:
        filled(folder / "ours", corpus, rows).close()
        (folder / "lmdb").mkdir()
        raw = folder / "raw"
        raw.write_bytes(corpus.vectors(np.arange(rows)).data)
        sample = corpus.any_of(rows, run.scale.large, 0)

        def ours(_: None) -> object:
            with EmbeddingCache(str(folder / "ours")) as cache:
                return hits(cache, sample)

        def plain(_: None) -> object:
            return raw.read_bytes()

        run.check(NAME, ours(None), corpus, sample)
        candidates = {"reading one file from beginning to end": plain, NAME: ours}
        timings = Timings({name: [] for name in candidates})
        for _ in range(run.scale.few):
            for name, candidate in candidates.items():
                _evict(folder)
                once = interleaved({name: candidate}, lambda _: [None], repetitions=1)
                timings.seconds[name] += once.seconds[name]
    spreads = {name: timings.spread(name) for name in candidates}
    run.note("cold page cache, open and hits", {"batch": rows, "dimensions": corpus.dimensions}, spreads, unit="s")


def _evict(folder: Path) -> None:
    """Have the system forget what it keeps of files that nobody has mapped."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def _memory_of_peers(run: Run) -> None:
    rows = min(run.scale.rows, _KEPT)
    case = {"rows": rows, "dimensions": run.scale.width}
    for kind in PEERS:
        if kind in run.peers and kind in (LangChainMemory, LlamaIndexOwn):
            size = asked("kept", peer=kind.name, rows=rows, dimensions=run.scale.width)["bytes"]
            run.note("memory per key", case, {kind.name: Spread.of([size])}, unit="B")
