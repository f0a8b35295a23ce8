"""What tells apart models inside others, and those of classes that nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import loaded_models
import numpy as np
import pytest
from llamaindex_identities import describe, fingerprint, li, namespace
from llamaindex_local import (
    BGE,
    PLAIN,
    SECRET,
    fastembed,
    instructor,
    langchain,
    mock,
    nomic,
    plain,
)
from variants import over

import embedonce
from embedonce.errors import IdentityError
from langchain_embedonce.identities import describer as langchain_describer

pytestmark = pytest.mark.usefixtures("stand_ins")


# -- others --------------------------------------------------------------------------------------------------------


def test_names_of_loaded_models() -> None:
    """FastEmbed keeps the model it has loaded, and a name that a program made up does not identify a model."""
    model = fastembed()
    model.model_name = "another"
    assert namespace(model) == f"fastembed/{BGE}"
    with pytest.raises(IdentityError, match="registered by a program"):
        describe(fastembed(model_name="custom/x"))


def test_limit_of_an_instructor_is_noticed() -> None:
    model = instructor()
    seen = fingerprint(model)
    model._model.max_seq_length = 64
    assert namespace(model).replace("&max_length=64", "") == namespace(instructor())
    assert namespace(model) != namespace(instructor())
    assert fingerprint(model) != seen


def test_nomic_with_one_task_is_symmetric() -> None:
    identity = describe(nomic(query_task_type="clustering", document_task_type="clustering")).identity
    assert identity is not None
    assert identity.symmetric


def test_nomic_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nomic()
    before = fingerprint(model)
    monkeypatch.setenv("ATLAS_API_PATH", "https://proxy.example")
    assert namespace(model) == 'nomic/nomic-embed-text-v1?endpoint="https://proxy.example"'
    assert fingerprint(model) != before


def test_mocks_of_llama_index() -> None:
    """Both give one vector to everything; a subclass may do anything."""
    identity = describe(mock()).identity
    assert identity is not None
    assert identity.dimensions == 4
    assert describe(li.MockMultiModalEmbedding(embed_dim=4)).identity == identity
    sub = describe(li.Shifted(embed_dim=4)).identity
    assert sub is not None
    assert sub.namespace == 'llama-index/MockEmbedding?class="llamaindex_classes.Shifted"&dimensions=4&shift=0.0'
    assert (sub.symmetric, sub.dimensions) == (False, None)
    assert fingerprint(li.Shifted(embed_dim=4)) != fingerprint(li.Shifted(embed_dim=4, shift=1.0))


def test_adapter_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    from llama_index.embeddings.adapter import AdapterEmbeddingModel

    model = AdapterEmbeddingModel(plain(), "weights", loaded_models.Adapter, transform_query=False)
    with pytest.raises(IdentityError, match=r"weights of its adapter.*namespace="):
        embedonce.wrap(model, tmp_path)
    wrapped = embedonce.wrap(model, tmp_path, namespace="acme/adapted@1")
    assert wrapped.get_text_embedding("a") == model.get_text_embedding("a")
    assert wrapped.namespace == "acme/adapted@1"


# -- classes that nobody knows -------------------------------------------------------------------------------------


def test_class_of_a_user_is_named_by_its_path_and_its_own_fields() -> None:
    """Fields that LlamaIndex gives to every model do not count."""
    limiter = pytest.importorskip("llama_index.core.rate_limiter").TokenBucketRateLimiter(requests_per_minute=1)
    settings = {"num_workers": 3, "embed_batch_size": 7, "rate_limiter": limiter}
    expected = 'llamaindex_classes.Custom/acme-1?_scale=1.0&pooling="cls"'
    for model in (li.Custom(), li.Custom(num_workers=3, embed_batch_size=7)):
        assert namespace(model) == expected
        assert fingerprint(model) == fingerprint(li.Custom())
    changed = li.Custom()
    for name, value in settings.items():
        setattr(changed, name, value)
    assert (namespace(changed), fingerprint(changed)) == (expected, fingerprint(li.Custom()))


def _set_scale(model: Any) -> None:
    model._scale = 2.0


@pytest.mark.parametrize(
    "change",
    [_set_scale, lambda model: setattr(model, "pooling", "mean"), lambda model: setattr(model, "model_name", "b")],
)
def test_fields_of_a_class_of_a_user_count(change: Any) -> None:
    model, seen = li.Custom(), fingerprint(li.Custom())
    change(model)
    assert namespace(model) != namespace(li.Custom())
    assert fingerprint(model) != seen


def test_model_without_a_name_is_refused(tmp_path: Path) -> None:
    """LlamaIndex calls it "unknown", as it calls all others that give no name."""
    assert li.Nameless().model_name == "unknown"
    with pytest.raises(IdentityError, match=r"Nameless.*no field names its model.*namespace="):
        embedonce.wrap(li.Nameless(), tmp_path)
    assert namespace(li.NamedOtherwise()) == "llamaindex_classes.NamedOtherwise/acme-1?size=3"
    assert embedonce.wrap(li.Nameless(), tmp_path, namespace="mine@1").get_text_embedding("ab") == [2.0, 2.0, 2.0]


def test_class_of_a_function_is_refused() -> None:
    class Local(li.Custom):
        pass

    with pytest.raises(IdentityError, match=r"script, a notebook or a function.*namespace="):
        describe(Local())


@over(make=[mock, lambda: li.Custom(), plain])  # noqa: PLW0108 - importing the class takes seconds
def test_cache_of_llama_index_is_refused(make: Any) -> None:
    """It is noticed when it is set, and forgotten when it is taken away."""
    model = make()
    seen = fingerprint(model)
    model.embeddings_cache = li.SimpleKVStore()
    description = describe(model)
    assert description.identity is None
    assert "embeddings_cache" in description.not_cacheable
    assert fingerprint(model) != seen
    model.embeddings_cache = None
    assert fingerprint(model) == seen


# -- embedders of LangChain inside ---------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [lambda: langchain(PLAIN), lambda: li.OfLangChain("m", pooling="cls")])
def test_embedder_of_langchain_inside_has_a_namespace_of_its_own(inside: Any) -> None:
    """Its own adapter knows which texts LangChain splits, and this one does not."""
    model = li.LangchainEmbedding(inside())
    plain_identity = langchain_describer.describe(inside()).identity
    assert plain_identity is not None
    assert describe(model).identity == plain_identity.with_additions({"through": "langchain"})
    assert namespace(li.LangchainEmbedding(inside(), model_name="x", embed_batch_size=3)) == namespace(model)


def test_changes_inside_are_noticed() -> None:
    """Also those that are deeper, and another embedder in its place."""
    inner = li.OfLangChain("m", options={"a": [1]})
    model = li.LangchainEmbedding(inner)
    seen = [(fingerprint(model), namespace(model))]
    inner.options["a"].append(2)
    seen.append((fingerprint(model), namespace(model)))
    model._langchain_embedding = li.OfLangChain("other")
    seen.append((fingerprint(model), namespace(model)))
    assert all(len({str(each[part]) for each in seen}) == 3 for part in (0, 1))


def test_files_that_change_under_a_loaded_embedder_inside_are_not_looked_at_again(tmp_path: Path) -> None:
    """It stays as it was loaded, and its vectors must not be kept under the name of the new files."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("one")
    model = li.LangchainEmbedding(langchain(str(folder)))
    wrapped = embedonce.wrap(model, tmp_path / "cache")
    before = wrapped.namespace
    (folder / "weights").write_text("two")
    assert wrapped.namespace == before


@over(make=[object, lambda: np.zeros(2), lambda: li.OfLangChain("inner")])
def test_unclear_embedder_inside_is_refused_unless_it_is_named(make: Any, tmp_path: Path) -> None:
    model = li.LangchainEmbedding(li.Outer("m", live=make()))
    with pytest.raises(IdentityError, match=r"Outer.*'live'.*namespace="):
        embedonce.wrap(model, tmp_path)
    wrapped = embedonce.wrap(model, tmp_path, namespace="mine@1")
    assert wrapped.get_text_embedding("ab") == wrapped.get_text_embedding("ab") == [2.0, 1.0]
    assert wrapped.get_query_embedding("ab") == [2.0, 2.0]


@pytest.mark.parametrize("options", [{}, {"namespace": "mine@1"}])
def test_random_embedder_inside_bypasses_the_cache(options: dict, tmp_path: Path) -> None:
    wrapped = embedonce.wrap(li.LangchainEmbedding(li.FakeEmbeddings(size=4)), tmp_path, **options)
    assert wrapped.get_text_embedding("a") != wrapped.get_text_embedding("a")


def test_cache_of_langchain_inside_is_refused(tmp_path: Path) -> None:
    """Its store may hold vectors of another model."""
    from langchain_core.stores import InMemoryByteStore

    module = pytest.importorskip("langchain_classic.embeddings.cache")
    theirs = module.CacheBackedEmbeddings.from_bytes_store(langchain(PLAIN), InMemoryByteStore(), key_encoder="sha256")
    with pytest.raises(IdentityError, match=r"a cache itself.*underlying_embeddings"):
        embedonce.wrap(li.LangchainEmbedding(theirs), tmp_path)


def test_subclass_around_an_embedder_of_langchain_is_refused() -> None:
    with pytest.raises(IdentityError, match=r"Prefixed.*subclass.*namespace="):
        describe(li.Prefixed(li.OfLangChain("m")))
    same_name = type("LangchainEmbedding", (li.LangchainEmbedding,), {"__module__": "llamaindex_classes"})
    with pytest.raises(IdentityError, match=r"namespace="):
        describe(same_name(li.OfLangChain("m")))


def test_namespaces_of_no_known_class_hold_a_secret() -> None:
    model = li.LangchainEmbedding(li.OfLangChain("m", api_key=SECRET, note=SECRET))
    assert SECRET not in namespace(model)
    assert SECRET not in namespace(li.LangchainEmbedding(langchain(PLAIN, model_kwargs={"token": SECRET})))
