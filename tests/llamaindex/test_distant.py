"""Wrapped models of LlamaIndex on URLs."""

from __future__ import annotations

import pytest
from lazily import lazily
from servers import denied, fault

import embedonce

li = lazily("llama_index.core.ingestion", "llama_index.core.schema", "llamaindex_classes")


@pytest.fixture
def from_the_environment(s3_place, monkeypatch):
    """The options of a place whose credentials a worker finds as it would in production."""
    options = dict(s3_place.storage_options)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options.pop("key"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options.pop("secret"))
    yield options
    import s3fs

    # Drivers remember file systems by their arguments, and these have found credentials that are gone now.
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("way", ["run", pytest.param("arun", marks=pytest.mark.soak)])
async def test_worker_processes_store_before_they_are_terminated(s3_place, from_the_environment, way):
    """A few vectors would otherwise wait in a worker for more to come, and die with it."""
    documents = [li.Document(text=f"text {number}") for number in range(8)]
    wrapped = embedonce.wrap(li.Custom(), s3_place.url, storage_options=from_the_environment)
    pipeline = li.IngestionPipeline(transformations=[wrapped], disable_cache=True)
    if way == "run":
        nodes = pipeline.run(documents=documents, num_workers=2)
    else:
        nodes = await pipeline.arun(documents=documents, num_workers=2)
    assert len(nodes) == 8
    replay = embedonce.wrap(li.Custom(), s3_place.url, storage_options=from_the_environment, mode="replay")
    texts = [document.get_content() for document in documents]
    found = dict(zip(texts, replay.get_text_embedding_batch(texts), strict=True))
    assert {node.get_content(): node.embedding for node in nodes} == found


@pytest.mark.parametrize("way", ["call", "acall"])
async def test_a_step_of_a_pipeline_has_stored_when_it_ends(s3_place, way):
    options = {"storage_options": s3_place.storage_options}
    wrapped = embedonce.wrap(li.Custom(), s3_place.url, **options)
    nodes = [li.Document(text="a"), li.Document(text="b")]
    if way == "call":
        wrapped(nodes)
    else:
        await wrapped.acall(nodes)
    assert wrapped.cache.stats().pending == 0
    assert (
        len(embedonce.wrap(li.Custom(), s3_place.url, mode="replay", **options).get_text_embedding_batch(["a", "b"]))
        == 2
    )


def test_a_step_whose_store_fails_has_embedded_nevertheless(s3_place, s3_server, caplog):
    wrapped = embedonce.wrap(li.Custom(), s3_place.url, storage_options=s3_place.storage_options)
    s3_server.fault = fault(denied, kinds="PUT")
    (node,) = wrapped([li.Document(text="a")])
    assert node.embedding == li.Custom().get_text_embedding("a")
    assert wrapped.cache.stats().write_errors > 0
    s3_server.fault = None
    wrapped.cache.flush()
    assert wrapped.cache.stats().pending == 0
