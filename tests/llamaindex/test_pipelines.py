"""The wrapper wherever LlamaIndex takes an embedding model: pipelines, indexes, retrievers, parsers, postprocessors."""

from __future__ import annotations

import asyncio

import pytest
from lazily import lazily

import embedonce

li = lazily(
    "llama_index.core",
    "llama_index.core.indices.multi_modal",
    "llama_index.core.ingestion",
    "llama_index.core.node_parser",
    "llama_index.core.postprocessor",
    "llama_index.core.schema",
    "llama_index.core.vector_stores",
    "llamaindex_support",
)

QUESTION = "where is it?"


def documents(count=100, **changed):
    texts = {f"n{number}": f"This is document {number}." for number in range(count)} | changed
    return [li.Document(text=text, id_=name) for name, text in texts.items()]


def embedding_text(node):
    return node.get_content(metadata_mode=li.MetadataMode.EMBED)


@pytest.fixture
def model():
    return li.Model()


@pytest.fixture
def wrapper(model, place):
    return embedonce.wrap(model, place)


def run(pipeline, way, given, **options):
    if way == "sync":
        return pipeline.run(documents=given, **options)
    return asyncio.run(pipeline.arun(documents=given, **options))


# -- ingestion -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("disable_cache", [True, False])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_one_changed_document_among_a_hundred_is_one_embedding(model, wrapper, way, disable_cache):
    alone = li.Model()
    ours = li.IngestionPipeline(transformations=[li.SentenceSplitter(), wrapper], disable_cache=disable_cache)
    theirs = li.IngestionPipeline(transformations=[li.SentenceSplitter(), alone], disable_cache=disable_cache)
    runs = [
        # What is given, and how many texts are embedded: with the wrapper, and with LlamaIndex's own cache.
        (documents(), 100, 100),
        (documents(), 0, 0),
        (documents(n7="This is another one."), 1, 100),
        ([*documents(), li.Document(text="This one is new.", id_="new")], 1, 101),
        (documents()[::-1], 0, 100),
        (documents(99), 0, 99),
    ]
    for given, paid, paid_by_them in runs:
        before = len(model.asked), len(alone.asked)
        nodes = run(ours, way, given)
        assert [node.embedding for node in nodes] == [model.vector(embedding_text(node)) for node in nodes]
        assert [node.ref_doc_id for node in nodes] == [document.id_ for document in given]
        run(theirs, way, given)
        assert len(model.asked) - before[0] == paid
        # Without a cache they embed all, each time.
        assert len(alone.asked) - before[1] == (len(given) if disable_cache else paid_by_them)


def test_metadata_that_is_not_embedded_costs_nothing(model, wrapper):
    pipeline = li.IngestionPipeline(transformations=[wrapper])
    for mtime in (1, 2):
        given = documents(10)
        for document in given:
            document.metadata["mtime"] = mtime
            document.excluded_embed_metadata_keys = ["mtime"]
        nodes = pipeline.run(documents=given)
        assert [node.metadata["mtime"] for node in nodes] == [mtime] * 10
    assert len(model.asked) == 10


def test_a_failed_run_is_continued(place):
    class Limited(li.Model):
        def _get_text_embeddings(self, texts):
            if len(self.calls) == 4:
                self._observe("refused", [])
                raise ConnectionError("429")
            return super()._get_text_embeddings(texts)

    wrapper = embedonce.wrap(Limited(), place, batch_size=10)
    pipeline = li.IngestionPipeline(transformations=[wrapper], vector_store=li.SimpleVectorStore())
    with pytest.raises(ConnectionError, match="429"):
        pipeline.run(documents=documents())
    assert len(pipeline.run(documents=documents())) == 100
    assert len(wrapper.inner.asked) == 100


@pytest.mark.soak
def test_worker_processes_store_what_they_embed(place, tmp_path):
    log = tmp_path / "log"
    wrapper = embedonce.wrap(li.Model(log=str(log)), place)
    # The tokenizer that is set by default is downloaded where it is unpickled.
    splitter = li.SentenceSplitter(tokenizer=str.split)
    pipeline = li.IngestionPipeline(transformations=[splitter, wrapper], disable_cache=True)
    nodes = run(pipeline, "async", documents(20), num_workers=2)
    assert [node.embedding for node in nodes] == li.Model().vectors([f"This is document {n}." for n in range(20)])
    assert len(li.lines(log)) == 20
    # Another run, in workers or here, embeds nothing.
    assert len(run(pipeline, "sync", documents(20), num_workers=2)) == 20
    again = embedonce.wrap(li.Model(log=str(log)), place, mode="replay")
    assert len(li.IngestionPipeline(transformations=[again]).run(documents=documents(20))) == 20
    assert len(li.lines(log)) == 20
    assert wrapper.inner.calls == []


@pytest.mark.soak
def test_worker_processes_store_what_they_embed_on_a_server(s3_process, tmp_path, monkeypatch):
    """A pool ends its processes without asking: what they embedded must be stored by then."""
    log, url = tmp_path / "log", s3_process.url(s3_process.make_bucket())
    options = {"storage_options": s3_process.storage_options}
    # Credentials are not pickled.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["storage_options"]["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["storage_options"]["secret"])
    wrapper = embedonce.wrap(li.Model(log=str(log)), url, **options)
    pipeline = li.IngestionPipeline(transformations=[wrapper], disable_cache=True)
    pipeline.run(documents=documents(20), num_workers=2)
    assert len(li.lines(log)) == 20
    again = embedonce.wrap(li.Model(), url, mode="replay", **options)
    assert len(again.get_text_embedding_batch([f"This is document {n}." for n in range(20)])) == 20


# -- indexes -------------------------------------------------------------------------------------------------------


def test_an_index_and_its_retriever(model, wrapper):
    plain = li.VectorStoreIndex.from_documents(documents(30), embed_model=li.Model())
    expected = [(node.text, node.score) for node in plain.as_retriever(similarity_top_k=4).retrieve(QUESTION)]
    for _ in range(2):
        index = li.VectorStoreIndex.from_documents(documents(30), embed_model=wrapper)
        retriever = index.as_retriever(similarity_top_k=4)
        assert [(node.text, node.score) for node in retriever.retrieve(QUESTION)] == expected
        found = asyncio.run(retriever.aretrieve(QUESTION))
        assert [(node.text, node.score) for node in found] == expected
    assert model.asked == [*[document.text for document in documents(30)], QUESTION]
    assert model.methods == ["texts"] * 3 + ["query"]


def test_an_index_takes_the_wrapper_from_the_settings(model, wrapper, monkeypatch):
    monkeypatch.setattr(li.Settings, "_embed_model", None)
    li.Settings.embed_model = wrapper
    for use_async in (False, True):
        index = li.VectorStoreIndex.from_documents(documents(5), use_async=use_async)
        index.as_retriever().retrieve(QUESTION)
        index.insert(li.Document(text="Inserted."))
    assert len(model.asked) == 7


def test_an_index_of_texts_and_images(place):
    class Pictures(li.MultiModalModel):
        def _get_image_embedding(self, img_file_path):
            return self.vector(str(img_file_path))

    wrapper = embedonce.wrap(Pictures(), place)
    for _ in range(2):
        index = li.MultiModalVectorStoreIndex.from_documents(
            documents(5), embed_model=wrapper, image_embed_model=wrapper, is_image_to_text=False
        )
        assert len(index.as_retriever(similarity_top_k=2).text_retrieve(QUESTION)) == 2
    assert len(wrapper.inner.asked) == 6


# -- parsers, postprocessors, evaluators ---------------------------------------------------------------------------


def test_the_semantic_splitter(model, wrapper):
    text = " ".join(f"This is sentence number {number}." for number in range(12))
    expected = li.SemanticSplitterNodeParser(embed_model=li.Model(), buffer_size=1).get_nodes_from_documents(
        [li.Document(text=text)]
    )
    for _ in range(2):
        parser = li.SemanticSplitterNodeParser(embed_model=wrapper, buffer_size=1)
        nodes = parser.get_nodes_from_documents([li.Document(text=text)])
        assert [node.text for node in nodes] == [node.text for node in expected]
    assert len(model.asked) == 12


def test_the_sentence_optimizer(model, wrapper):
    sentences = [f"Sentence number {number}." for number in range(6)]
    chosen = set()
    for embed_model in (li.Model(), wrapper, wrapper):
        optimizer = li.SentenceEmbeddingOptimizer(
            embed_model=embed_model, percentile_cutoff=0.5, tokenizer_fn=lambda text: text.split("|")
        )
        nodes = [li.NodeWithScore(node=li.TextNode(text="|".join(sentences)))]
        kept = optimizer.postprocess_nodes(nodes, li.QueryBundle(QUESTION))
        chosen.add(kept[0].node.get_content())
    assert len(chosen) == 1
    assert sorted(model.asked) == sorted([*sentences, QUESTION])
