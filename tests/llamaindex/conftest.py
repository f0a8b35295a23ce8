from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the helpers.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))

import surroundings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path_factory):
    surroundings.clean(monkeypatch)
    monkeypatch.setenv("LLAMA_INDEX_CACHE_DIR", str(tmp_path_factory.mktemp("llama-index")))


_LOADERS = tuple(
    f"llama_index.embeddings.{name}" for name in ("adapter", "fastembed", "huggingface", "instructor", "nomic")
)


@pytest.fixture(scope="module")
def stand_ins():
    """The classes are LlamaIndex's own; what they load is a stand-in."""
    from loaded_models import packages

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.startswith(_LOADERS)]:
            patch.delitem(sys.modules, name)
        for name, module in packages().items():
            patch.setitem(sys.modules, name, module)
        yield
        for name in [name for name in sys.modules if name.startswith(_LOADERS)]:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _no_word_of_the_background(caplog):
    with surroundings.without_the_background(caplog):
        yield


@pytest.fixture
def _rate_limiters():
    """Skips the test where LlamaIndex has none."""
    from llamaindex_support import HAS_RATE_LIMITERS

    if not HAS_RATE_LIMITERS:
        pytest.skip("this LlamaIndex has no rate limiters")


@pytest.fixture
def kv(tmp_path):
    """A new key-value store of ours."""
    from llama_index.embeddings.embedonce import FsspecKVStore

    with FsspecKVStore(tmp_path / "kv") as store:
        yield store


@pytest.fixture
def warnings_of(caplog):
    caplog.set_level(logging.WARNING, "embedonce")

    def taken():
        messages = [record.getMessage() for record in caplog.records if record.name == "embedonce"]
        caplog.clear()
        return messages

    return taken


@pytest.fixture
def place(tmp_path):
    """A directory that will be a cache."""
    return tmp_path / "cache"


@pytest.fixture
def their_kv():
    """A cache as LlamaIndex's own `embeddings_cache` needs it to be switched on at all."""
    from llama_index.core.storage.kvstore import SimpleKVStore

    kv = SimpleKVStore()
    kv.put("", {"": [0.0]}, "embeddings")
    return kv


@pytest.fixture(params=["sync", "async"])
def batch(request):
    """Whether texts are embedded by the sync or the async method."""
    if request.param == "sync":
        return lambda model, texts: model.get_text_embedding_batch(texts)
    return lambda model, texts: asyncio.run(model.aget_text_embedding_batch(texts))
