"""The wrapper in the place of the model: what it does itself, and what goes through."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from dataclasses import make_dataclass

import numpy as np
import pytest
from lazily import lazily
from st_constants import TEXTS

import embedonce
from embedonce.errors import CacheMissError
from embedonce.options import CacheOptions
from embedonce.wrappers import Wrapper

torch = lazily("torch")
st = lazily("sentence_transformers", "st_support", "sentence_transformers_embedonce")


@pytest.fixture
def wrapped(model, tmp_path):
    return embedonce.wrap(model, tmp_path / "cache")


def test_it_is_a_model_and_a_wrapper(model, wrapped):
    assert type(wrapped) is st.CachedSentenceTransformer
    assert isinstance(wrapped, st.SentenceTransformer)
    assert isinstance(wrapped, Wrapper)
    assert embedonce.wrap(wrapped) is wrapped
    assert wrapped.inner is model
    assert wrapped.namespace == wrapped.identity.namespace
    assert "_embedonce" not in vars(model)
    with pytest.raises(ValueError, match="wrapped already"):
        st.CachedSentenceTransformer(wrapped)
    with pytest.raises(TypeError, match="must be a SentenceTransformer, got str"):
        st.CachedSentenceTransformer("all-MiniLM-L6-v2")


def test_constructor_does_what_wrap_does(model, tmp_path):
    made = st.CachedSentenceTransformer(model, tmp_path, namespace="acme/e5@3", mode="read_only")
    assert (made.namespace, made.cache.mode) == ("acme/e5@3", "read_only")
    with pytest.raises(TypeError, match="unknown option"):
        st.CachedSentenceTransformer(model, tmp_path, modus="off")


def test_each_text_reaches_the_model_once(wrapped, asked):
    vectors = wrapped.encode(["b", "a", "b"])
    assert sorted(asked) == ["a", "b"]
    assert np.array_equal(vectors[0], vectors[2])
    wrapped.encode(["a", "c"])
    assert sorted(asked) == ["a", "b", "c"]
    assert wrapped.cache.stats().duplicates == 1


def test_a_later_process_embeds_nothing(folders, tmp_path):
    expected = embedonce.wrap(st.load(folders.plain), tmp_path).encode(TEXTS)
    model = st.load(folders.plain)
    asked = st.counted(model)
    assert embedonce.wrap(model, tmp_path).encode(TEXTS).tobytes() == expected.tobytes()
    assert asked == []


def test_modes(model, asked, tmp_path):
    def wrapped(mode):
        return embedonce.wrap(model, tmp_path, mode=mode)

    wrapped("read_only").encode(TEXTS)
    with pytest.raises(CacheMissError):
        wrapped("replay").encode(TEXTS)
    assert len(asked) == len(TEXTS)
    expected = wrapped("read_write").encode(TEXTS)
    asked.clear()
    assert np.array_equal(wrapped("replay").encode(TEXTS), expected)
    assert asked == []
    wrapped("refresh").encode(TEXTS)
    wrapped("off").encode(TEXTS)
    assert len(asked) == 2 * len(TEXTS)


def test_nothing_reaches_the_model_in_replay(folders, tmp_path, monkeypatch):
    model = st.Halved(str(folders.plain))
    model.embed = model.encode
    wrapped = embedonce.wrap(model, tmp_path, mode="replay", namespace="m")
    features = model.preprocess(TEXTS)
    called = []
    monkeypatch.setattr(type(model[0]), "forward", lambda *given, **_: called.append(given))
    for asked in (
        lambda: wrapped(features),
        lambda: wrapped.forward(features),
        lambda: wrapped.embed(TEXTS),
        lambda: wrapped.embed_images(TEXTS),
    ):
        with pytest.raises(CacheMissError):
            asked()
    assert called == []
    assert wrapped.get_embedding_dimension() == model.get_embedding_dimension()
    assert wrapped.scale == 0.5


def test_what_was_embedded_before_a_failure_is_stored(model, tmp_path, monkeypatch):
    wrapped = embedonce.wrap(model, tmp_path, batch_size=2)
    preprocess = model.preprocess

    def failing(inputs, *args, **kwargs):
        if "c" in inputs:
            msg = "out of memory"
            raise RuntimeError(msg)
        return preprocess(inputs, *args, **kwargs)

    monkeypatch.setattr(model, "preprocess", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        wrapped.encode(["a", "b", "c", "d"])
    assert wrapped.cache.stats().stored == 2


def test_threads_ask_once(wrapped, asked):
    barrier, answers = threading.Barrier(4), []

    def ask():
        barrier.wait()
        answers.append(wrapped.encode(TEXTS))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == sorted(TEXTS)
    assert len({answer.tobytes() for answer in answers}) == 1


# -- what goes through ---------------------------------------------------------------------------------------------


def test_everything_else_is_that_of_the_model(model, wrapped):
    assert (wrapped.device, wrapped.dtype, len(wrapped)) == (model.device, model.dtype, len(model))
    assert wrapped[0] is model[0]
    assert wrapped.get_embedding_dimension() == model.get_embedding_dimension()
    vectors = wrapped.encode(TEXTS)
    assert torch.equal(wrapped.similarity(vectors, vectors), model.similarity(vectors, vectors))
    features = model.preprocess(TEXTS)
    assert torch.equal(wrapped(dict(features))["sentence_embedding"], model(dict(features))["sentence_embedding"])
    assert wrapped.to("cpu") is wrapped
    assert wrapped.eval() is wrapped
    assert [name for name, _ in wrapped.named_parameters()] == [name for name, _ in model.named_parameters()]
    wrapped.max_seq_length = 12
    assert model.max_seq_length == 12


def test_what_is_saved_is_the_model(wrapped, tmp_path):
    for method in ("save", "save_pretrained"):
        getattr(wrapped, method)(str(tmp_path / method))
        again = st.SentenceTransformer(str(tmp_path / method), device="cpu")
        assert type(again) is st.SentenceTransformer
        assert np.array_equal(again.encode(TEXTS), wrapped.encode(TEXTS))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_work_and_leave_the_original_as_it_was(model, wrapped, asked, copied):
    before = dict(vars(model))
    del model.preprocess
    expected = wrapped.encode(TEXTS)
    another = copied(wrapped)
    assert type(another) is type(wrapped)
    assert another.namespace == wrapped.namespace
    asked = st.counted(another.inner)
    assert another.encode(TEXTS).tobytes() == expected.tobytes()
    assert asked == []
    another.truncate_dim = 4
    assert another.encode(TEXTS).shape[1] == 4
    assert wrapped.encode(TEXTS).shape == expected.shape
    assert vars(model).keys() == before.keys() - {"preprocess"}


def test_pickles_hold_no_secret(model):
    secret = "s3cr3t0123456789"
    wrapped = embedonce.wrap(model, "memory://bucket", storage_options={"password": secret})
    assert secret.encode() not in pickle.dumps(wrapped)
    assert secret not in repr(wrapped)


# -- the plugin ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"), [("SparseEncoder", "vectors are sparse"), ("CrossEncoder", "scores pairs of texts")]
)
def test_models_without_dense_vectors_are_refused(name, reason, tmp_path):
    kind = getattr(st, name)
    with pytest.raises(TypeError, match=f"cannot wrap a {kind.__name__}: .*{reason}.*use it without a cache"):
        embedonce.wrap(kind.__new__(kind), tmp_path)


def test_identify_is_what_the_wrapper_says(model, wrapped):
    from embedonce.plugins.host import plugins

    assert plugins().identify(model) == wrapped.identity


def test_plugin_loads_nothing_heavy():
    code = """
import sys, embedonce, sentence_transformers_embedonce, sentence_transformers_embedonce.plugin
from embedonce.plugins.host import plugins
assert not plugins().failed
embedonce.wrap(lambda texts: [[1.0] for _ in texts], embedonce.MemoryStore(), namespace="n")(["a"])
print(sorted({"torch", "transformers", "sentence_transformers"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_package_that_is_too_old_is_named_with_its_extra(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers_embedonce.model", None)
    with pytest.raises(embedonce.PluginError, match=r'pip install "embedonce\[sentence-transformers\]"'):
        embedonce.wrap(model, tmp_path)


def test_a_new_option_of_caches_reaches_the_wrapper(model, tmp_path, monkeypatch):
    """Added to `CacheOptions`, and nowhere else."""
    with pytest.raises(TypeError, match="unknown option colour"):
        st.CachedSentenceTransformer(model, tmp_path, colour="blue")
    kind = make_dataclass("Further", [("colour", str, "red")], bases=(CacheOptions,), frozen=True, kw_only=True)
    monkeypatch.setattr("embedonce.options.CacheOptions", kind)
    wrapped = st.CachedSentenceTransformer(model, tmp_path, namespace="m", colour="blue")
    assert wrapped.cache.arguments["colour"] == "blue"


def test_the_warning_about_sha1_points_at_the_users_line(model, tmp_path):
    with pytest.warns(UserWarning, match="not collision-resistant") as caught:
        st.CachedSentenceTransformer(model, tmp_path, namespace="m", key_encoder="sha1")
    (found,) = caught
    assert found.filename == __file__
