"""The entries of a model are those of the same model in other frameworks."""

from __future__ import annotations

import pytest
from lazily import lazily
from st_constants import TEXTS

import embedonce

st = lazily("st_support")


@pytest.mark.parametrize(
    "encode", [{}, {"normalize_embeddings": True}, {"prompt": "query: "}, {"truncate_dim": 8}], ids=str
)
@pytest.mark.parametrize("place", ["folder", "hub"])
def test_the_same_model_in_langchain_has_the_same_entries(folders, tmp_path, place, encode):
    from langchain_huggingface import HuggingFaceEmbeddings

    name = str(folders.plain) if place == "folder" else "acme/tiny"
    theirs = embedonce.wrap(
        HuggingFaceEmbeddings(model_name=name, model_kwargs={"device": "cpu"}, encode_kwargs=encode), tmp_path
    )
    vectors = theirs.embed_documents(TEXTS)
    model = st.load(name)
    asked = st.counted(model)
    wrapped = embedonce.wrap(model, tmp_path)
    assert wrapped.encode(TEXTS, **encode).tolist() == vectors
    assert asked == []
    assert encode or wrapped.namespace == theirs.namespace


@pytest.mark.parametrize("settings", [{}, {"normalize": False, "query_instruction": "query: "}], ids=str)
def test_the_same_model_in_llamaindex_has_the_same_entries(folders, tmp_path, settings):
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    name = str(folders.plain)
    theirs = embedonce.wrap(HuggingFaceEmbedding(model_name=name, device="cpu", **settings), tmp_path)
    documents, query = theirs.get_text_embedding_batch(TEXTS), theirs.get_query_embedding(TEXTS[0])
    model = st.load(name, prompts={"query": settings.get("query_instruction", "")})
    asked = st.counted(model)
    wrapped = embedonce.wrap(model, tmp_path)
    normalize = settings.get("normalize", True)
    assert wrapped.encode_document(TEXTS, normalize_embeddings=normalize).tolist() == documents
    assert wrapped.encode_query(TEXTS[0], normalize_embeddings=normalize).tolist() == query
    assert asked == []
