"""FastEmbed and Model2Vec, which run on this machine: real packages with small models of random numbers."""

from __future__ import annotations

import functools
import shutil
import string
from collections.abc import Iterator

import numpy as np
import pytest
from lazily import lazily

import embedonce

fast = lazily("fastembed", "llama_index.embeddings.fastembed")
static = lazily("model2vec", "tokenizers", "tokenizers.models", "tokenizers.pre_tokenizers", "safetensors.numpy")

NAME = "minishlab/potion-base-8M"
TEXTS = ["a short one", "b", "a much longer text than the others"]


def words():
    vocabulary = ["[UNK]", "[PAD]", *string.ascii_lowercase, "short", "one", "much", "longer", "text", "than", "others"]
    tokenizer = static.Tokenizer(static.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = static.Whitespace()
    return tokenizer


def numbers(seed=1):
    return np.random.default_rng(seed).standard_normal((words().get_vocab_size(), 8)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What FastEmbed loads instead of downloading a model."""
    folder = tmp_path_factory.mktemp("fastembed") / "model"
    folder.mkdir()
    words().save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"normalize": true}')
    static.save_file({"embeddings": numbers()}, folder / "model.safetensors")
    return folder


def fastembed(folder):
    return fast.TextEmbedding(NAME, specific_model_path=str(folder))


def counted(monkeypatch, model, method):
    """Return a list to which the texts are added that reach a model of a class."""
    texts, kind = [], type(model)
    inside = getattr(kind, method)

    @functools.wraps(inside)
    def watched(self, given, *args, **kwargs):
        texts.extend([given] if isinstance(given, str) else given)
        return inside(self, given, *args, **kwargs)

    monkeypatch.setattr(kind, method, watched)
    return texts


@pytest.mark.parametrize("method", ["embed", "query_embed", "passage_embed"])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[0], tuple(TEXTS)], ids=str)
def test_fastembed_answers_as_the_model_does_and_is_asked_once(folder, tmp_path, monkeypatch, method, texts):
    model = fastembed(folder)
    expected = list(getattr(model, method)(texts))
    wrapped = embedonce.wrap(model, tmp_path)
    assert isinstance(wrapped, fast.TextEmbedding)
    asked = counted(monkeypatch, model.model, "embed")
    for _ in range(2):
        answer = getattr(wrapped, method)(texts)
        assert isinstance(answer, Iterator)
        rows = list(answer)
        assert [(row.dtype, row.tolist()) for row in rows] == [(row.dtype, row.tolist()) for row in expected]
    assert sorted(asked) == sorted(TEXTS[:1] if isinstance(texts, str) else TEXTS)


def test_fastembed_has_the_entries_of_the_frameworks_and_of_copies_of_its_folder(folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder, tmp_path / "home" / "copy")
    first = embedonce.wrap(fastembed(folder), tmp_path / "store")
    documents, query = list(first.embed(TEXTS)), list(first.query_embed("b"))
    pytest.importorskip("llama_index.embeddings.fastembed")
    theirs = fast.FastEmbedEmbedding(model_name=NAME, specific_model_path=str(copy))
    asked = counted(monkeypatch, theirs._model.model, "embed")
    wrapped = embedonce.wrap(theirs, tmp_path / "store")
    assert wrapped.namespace == first.namespace
    assert wrapped.get_text_embedding_batch(TEXTS) == [row.tolist() for row in documents]
    assert wrapped.get_query_embedding("b") == query[0].tolist()
    assert list(map(np.ndarray.tolist, embedonce.wrap(fastembed(copy), tmp_path / "store").embed(TEXTS)))
    assert asked == []
    static.save_file({"embeddings": numbers(2)}, copy / "model.safetensors")
    assert embedonce.wrap(fastembed(copy), tmp_path / "store").namespace != first.namespace


def test_iterators_of_texts_reach_the_model_whole(folder, tmp_path):
    model = fastembed(folder)
    wrapped = embedonce.wrap(model, tmp_path)
    given = [row.tolist() for row in wrapped.embed(iter(TEXTS))]
    assert given == [row.tolist() for row in model.embed(TEXTS)]


def model2vec(seed=1, **settings):
    return static.StaticModel(numbers(seed), words(), **settings)


CALLS = [
    {},
    {"normalize": True},
    {"max_length": 2},
    {"max_length": None},
    {"normalize": True, "max_length": 2},
]


def test_model2vec_answers_as_the_model_does_and_is_asked_once(tmp_path, monkeypatch):
    model = model2vec()
    long = ["b " * 600 + "c", *TEXTS]
    expected = [model.encode(texts, **call) for call in CALLS for texts in (long, TEXTS[0])]
    wrapped = embedonce.wrap(model, tmp_path)
    assert isinstance(wrapped, static.StaticModel)
    given = [wrapped.encode(texts, **call) for call in CALLS for texts in (long, TEXTS[0])]
    asked = counted(monkeypatch, model, "encode")
    again = embedonce.wrap(model2vec(), tmp_path)
    warm = [again.encode(texts, **call) for call in CALLS for texts in (long, TEXTS[0])]
    assert asked == []
    for one, two, three in zip(given, warm, expected, strict=True):
        assert (one.dtype, one.shape, one.tolist()) == (three.dtype, three.shape, three.tolist())
        assert one.tobytes() == two.tobytes()


def _other_numbers(model):
    model.embedding = numbers(2)


def _in_place(model):
    model.embedding *= 2


def _weights(model):
    model.weights = np.arange(len(model.embedding), dtype=np.float32)


def _normalize(model):
    model.normalize = True


def _length(model):
    model.max_length = 2


def _tokenizer(model):
    from tokenizers import normalizers

    model.tokenizer.normalizer = normalizers.Replace("b", "c")


@pytest.mark.parametrize("change", [_other_numbers, _in_place, _weights, _normalize, _length, _tokenizer])
def test_model2vec_that_is_changed_is_another_model(tmp_path, change):
    """Whether before it is wrapped or afterwards."""
    stored = embedonce.wrap(model2vec(), tmp_path)
    stored.encode(TEXTS)
    wrapped = embedonce.wrap(model2vec(), tmp_path)
    change(wrapped)
    model = model2vec()
    change(model)
    later = embedonce.wrap(model, tmp_path)
    assert wrapped.namespace == later.namespace != stored.namespace
    assert np.array_equal(wrapped.encode(TEXTS), model.encode(TEXTS))
    assert np.array_equal(later.encode(TEXTS), model.encode(TEXTS))
