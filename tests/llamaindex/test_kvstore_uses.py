"""The key-value store where LlamaIndex takes one, and on S3."""

from __future__ import annotations

import pickle
from typing import Any

import fsspec
import pytest
from kvstore_support import li

from embedonce import Identity, IdentityError, StoreError


@pytest.fixture(autouse=True)
def _nothing_embedded():
    li.EMBEDDED.clear()


# -- on S3 ---------------------------------------------------------------------------------------------------------


def test_thousands_of_entries_on_s3_are_a_few_requests(s3_place):
    def store():
        return li.FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options)

    entries = {f"text {i}": {f"uuid {i}": [i + 0.5] * 64} for i in range(2000)}
    s3_place.server.clear()
    store().put_all(list(entries.items()), "embeddings")
    assert s3_place.server.counts["PUT"] <= 3
    s3_place.server.clear()
    assert store().get_all("embeddings") == entries
    assert sum(s3_place.server.counts.values()) <= 6


def test_an_ingestion_cache_on_s3(s3_place):
    def run():
        with li.FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options) as kv:
            pipeline = li.IngestionPipeline(
                transformations=[li.Upper(), li.Counting()], cache=li.IngestionCache(cache=kv)
            )
            nodes = pipeline.run(documents=[li.Document(text=f"text {i}", id_=f"{i}") for i in range(5)])
        return [(node.get_content(), node.embedding) for node in nodes]

    first = run()
    assert run() == first
    assert len(li.EMBEDDED) == 10


def test_what_waits_is_seen_here_and_stored_by_flush(s3_place, monkeypatch):
    # However slow the machine is, nothing is published and no listing becomes old by itself.
    monkeypatch.setattr("embedonce.stores.segments.writing.writer.FLUSH_SECONDS", 3600.0)
    path = s3_place.url.partition("://")[2]
    fs = fsspec.filesystem("s3", **s3_place.storage_options)
    kv, other = (li.FsspecKVStore(path, fs=fs, refresh_interval=3600) for _ in range(2))
    kv.put("a", {"x": 1})
    assert kv.get("a") == {"x": 1}
    assert other.get("a") is None
    kv.flush()
    assert other.get("a") is None, "a listing is believed for a while"
    assert other.delete("a") is True, "but not by who deletes"
    assert li.FsspecKVStore(path, fs=fs, read_only=True).get_all() in ({}, {"a": {"x": 1}})
    other.close()
    assert li.FsspecKVStore(path, fs=fs).get_all() == {}


def test_nothing_shows_credentials(s3_place):
    kv = li.FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options)
    for name in ("key", "secret"):
        assert s3_place.storage_options[name].encode() not in pickle.dumps(kv)
        assert s3_place.storage_options[name] not in f"{kv} {kv!r}"


def test_an_outage_is_no_miss(s3_place):
    from servers import fault, s3_error

    kv = li.FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options, refresh_interval=0)
    s3_place.server.fault = fault(s3_error(403, "AccessDenied"))
    for call in (lambda: kv.get("a"), kv.get_all, lambda: kv.delete("a")):
        with pytest.raises(StoreError):
            call()


# -- in LlamaIndex -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_an_ingestion_cache(kv, tmp_path, way, capsys):
    async def run(cache):
        steps = [li.Upper(), li.Counting()]
        pipeline = li.IngestionPipeline(transformations=steps, cache=li.IngestionCache(cache=cache))
        documents = [li.Document(text=f"text {i}", id_=f"{i}") for i in range(5)]
        nodes = pipeline.run(documents=documents) if way == "run" else await pipeline.arun(documents=documents)
        return [(node.get_content(), node.embedding, node.metadata, node.relationships) for node in nodes]

    first = await run(kv)
    assert len(li.EMBEDDED) == 10
    assert await run(li.FsspecKVStore(tmp_path / "kv")) == first
    assert len(li.EMBEDDED) == 10
    cache = li.IngestionCache(cache=kv)
    cache.persist(str(tmp_path / "elsewhere"))
    assert "skipping persist" in capsys.readouterr().out
    cache.clear()
    assert kv.get_all(cache.collection) == {}
    assert await run(kv) == first
    assert len(li.EMBEDDED) == 20


async def test_an_embeddings_cache(tmp_path):
    texts = [f"text {i}" for i in range(25)]
    model = li.Counting()
    model.embeddings_cache = li.FsspecKVStore.for_model(li.Counting(), tmp_path)
    given = model.get_text_embedding_batch(texts)
    query = model.get_query_embedding("a question")
    assert [*texts, "a question"] == li.EMBEDDED
    again = li.Counting(embeddings_cache=li.FsspecKVStore.for_model(li.Counting(), tmp_path))
    assert again.get_text_embedding_batch(texts) == given
    assert await again.aget_text_embedding_batch(texts) == given
    assert await again.aget_query_embedding("a question") == query
    assert len(li.EMBEDDED) == 26


def test_a_pipeline_does_not_mind_where_the_embeddings_are_cached(tmp_path):
    """The path would be part of what the pipeline hashes, as long as it showed in the `repr`."""
    kv = li.FsspecKVStore(tmp_path / "ingestion")
    for place in ("one", "two"):
        model = li.Counting(embeddings_cache=li.FsspecKVStore.for_model(li.Counting(), tmp_path / place))
        li.IngestionPipeline(transformations=[model], cache=li.IngestionCache(cache=kv)).run(
            nodes=[li.TextNode(text="a")]
        )
    assert li.EMBEDDED == ["a"]


async def test_document_and_index_stores(kv, tmp_path):
    nodes = [li.TextNode(text=f"text {i}", id_=f"node {i}", metadata={"i": i}) for i in range(30)]
    li.KVDocumentStore(kv).add_documents(nodes)
    docstore = li.KVDocumentStore(li.FsspecKVStore(tmp_path / "kv"))
    assert docstore.docs == {node.node_id: node for node in nodes}
    assert docstore.get_document("node 3") == nodes[3]
    assert docstore.get_all_document_hashes() == {node.hash: node.node_id for node in nodes}
    docstore.delete_document("node 3")
    await docstore.adelete_document("node 4")
    assert docstore.get_document("node 3", raise_error=False) is None
    assert len(li.KVDocumentStore(kv).docs) == 28

    from llama_index.core.data_structs import IndexDict

    index = IndexDict(index_id="i", nodes_dict={"v": "node 1"})
    li.KVIndexStore(kv).add_index_struct(index)
    assert li.KVIndexStore(li.FsspecKVStore(tmp_path / "kv")).get_index_struct("i") == index


# -- bound to one model --------------------------------------------------------------------------------------------


def test_models_never_share_a_store(tmp_path):
    one = li.FsspecKVStore.for_model(li.Counting(), tmp_path)
    one.put("text", {"uuid": [1.0]}, "embeddings")
    other = li.Counting(embedonce_identity=Identity.of("acme", "e6", symmetric=True))
    assert li.FsspecKVStore.for_model(other, tmp_path).get("text", "embeddings") is None
    assert li.FsspecKVStore.for_model(li.Counting(), tmp_path, version=2).get("text", "embeddings") is None
    assert li.FsspecKVStore.for_model(li.Counting(), tmp_path).get("text", "embeddings") == {"uuid": [1.0]}
    assert li.FsspecKVStore(tmp_path, namespace=one.namespace).get("text", "embeddings") == {"uuid": [1.0]}
    assert "acme/e5" in one.namespace


def test_a_model_that_may_tell_queries_from_texts_is_refused(tmp_path):
    model = li.Counting(embedonce_identity=Identity.of("acme", "e5"))
    with pytest.raises(IdentityError, match=r"embedonce\.wrap\(embed_model, path\), which keeps them apart"):
        li.FsspecKVStore.for_model(model, tmp_path)
    with pytest.raises(IdentityError, match=r"embedonce\.wrap"):
        li.FsspecKVStore.for_model(model, tmp_path, namespace="acme/e5@3")
    assert not list(tmp_path.iterdir())
    named = li.FsspecKVStore.for_model(model, tmp_path, namespace="acme/e5@3", symmetric=True)
    assert "acme/e5@3" in named.namespace


def test_models_that_cannot_be_told_apart_are_refused(tmp_path):
    class Local(li.Counting):
        embedonce_identity: Any = 7

    with pytest.raises(IdentityError, match="cannot identify the vectors"):
        li.FsspecKVStore.for_model(Local(), tmp_path)
    with pytest.raises(IdentityError, match="embeddings_cache"):
        li.FsspecKVStore.for_model(li.Counting(embeddings_cache=li.SimpleKVStore()), tmp_path)
    with pytest.raises(TypeError, match="embedding model of LlamaIndex, got str"):
        li.FsspecKVStore.for_model("text-embedding-3-small", tmp_path)
