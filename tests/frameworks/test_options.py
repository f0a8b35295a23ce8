"""An option that is added to `CacheOptions`, and nowhere else, reaches the wrappers of every framework."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import pytest
from lazily import lazily

import embedonce
from embedonce import options
from embedonce.options import CacheOptions, StoreOptions

hs = lazily("haystack.components.embedders", "haystack_integrations.components.embedders.embedonce")
lc = lazily("langchain_embedonce")
li = lazily("llama_index.core", "llama_index.embeddings.embedonce")


@dataclass(frozen=True, kw_only=True)
class Further(CacheOptions):
    """The options with one more."""

    colour: str = "red"


@dataclass(frozen=True)
class FurtherOfStores(StoreOptions):
    """The options of stores with one more."""

    colour: str = "red"


def _haystack_text(place, **given):
    return hs.CachedTextEmbedder(hs.MockTextEmbedder(dimension=2), place, **given)


def _haystack_documents(place, **given):
    return hs.CachedDocumentEmbedder(hs.MockDocumentEmbedder(dimension=2), place, **given)


def _llamaindex(place, **given):
    return li.CachedEmbedding(li.MockEmbedding(2), place, namespace="m", **given)


@pytest.mark.parametrize("wrapper", [_haystack_text, _haystack_documents, _llamaindex])
def test_a_new_option_reaches_every_wrapper(wrapper, tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="colour"):
        wrapper(tmp_path, colour="blue")
    monkeypatch.setattr(options, "CacheOptions", Further)
    assert wrapper(tmp_path, colour="blue", mode="off").cache.arguments == {
        "store": tmp_path,
        **vars(Further(colour="blue", mode="off")),
    }
    with pytest.raises(ValueError, match="colour: give these options to the EmbeddingCache itself"):
        wrapper(embedonce.EmbeddingCache(tmp_path), colour="blue")


@pytest.mark.parametrize(
    ("module", "kind"),
    [("langchain_embedonce.stores", "FsspecByteStore"), ("llama_index.embeddings.embedonce.kvstore", "FsspecKVStore")],
)
def test_a_new_option_of_stores_reaches_every_store(module, kind, tmp_path, monkeypatch):
    store_class = getattr(import_module(module), kind)
    with pytest.raises(TypeError, match="unknown option colour; known: durability"):
        store_class(tmp_path, colour="blue")
    monkeypatch.setattr(f"{module}.StoreOptions", FurtherOfStores)
    store = store_class(tmp_path, colour="blue")
    assert getattr(store, "_store", store).options == FurtherOfStores(colour="blue")
