"""What tells apart models that are loaded into the process, models inside others, and classes that nobody knows."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import loaded_models
import numpy as np
import pytest
from langchain_core.embeddings import FakeEmbeddings
from llama_index.core import MockEmbedding
from llama_index.core.embeddings import MockMultiModalEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.langchain import LangchainEmbedding
from llamaindex_classes import Custom, Nameless, OfLangChain, Outer, Shifted
from loaded_models import FLOAT16, MAIN

import embedonce
from embedonce.errors import IdentityError
from langchain_embedonce.identities import describer as langchain_describer
from llama_index.embeddings.embedonce.identities import describer

SECRET = "hf_s3cr3t0123456789abcdef"
BGE = "BAAI/bge-small-en-v1.5"
BGE_QUERY = "Represent this question for searching relevant passages: "
PLAIN = "intfloat/e5-small"
PINNED = "b" * 40

describe, fingerprint = describer.describe, describer.fingerprint
_LOADERS = tuple(
    f"llama_index.embeddings.{name}" for name in ("adapter", "fastembed", "huggingface", "instructor", "nomic")
)


@pytest.fixture(scope="module", autouse=True)
def _stand_ins():
    """The classes are LlamaIndex's own; what they load is a stand-in."""
    packages = loaded_models.packages()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.startswith(_LOADERS)]:
            patch.delitem(sys.modules, name)
        for name, module in packages.items():
            patch.setitem(sys.modules, name, module)
        yield
        for name in [name for name in sys.modules if name.startswith(_LOADERS)]:
            del sys.modules[name]


def namespace(model: object) -> str:
    identity = describe(model).identity
    assert identity is not None
    return identity.namespace


def hugging_face(**settings: Any) -> Any:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(**{"model_name": BGE, **settings})


def plain(**settings: Any) -> Any:
    return hugging_face(**{"model_name": PLAIN, **settings})


def instructor(**settings: Any) -> Any:
    from llama_index.embeddings.instructor import InstructorEmbedding

    return InstructorEmbedding(**settings)


def fastembed(**settings: Any) -> Any:
    from llama_index.embeddings.fastembed import FastEmbedEmbedding

    return FastEmbedEmbedding(**settings)


def nomic(**settings: Any) -> Any:
    from llama_index.embeddings.nomic import NomicEmbedding

    return NomicEmbedding(**settings)


def clip(**settings: Any) -> Any:
    """A stand-in for the whole class, whose package needs one that is on no registry."""
    kind = type("ClipEmbedding", (), {"__module__": "llama_index.embeddings.clip.base"})
    model = kind()
    vars(model).update({"model_name": "ViT-B/32", "embed_batch_size": 10, "_device": "cpu", **settings})
    return model


def mock(**settings: Any) -> Any:
    return MockEmbedding(**{"embed_dim": 4, **settings})


@dataclass(frozen=True)
class Known:
    """A known class: what it is in its default setup, and how its settings count."""

    make: Any
    namespace: str
    symmetric: bool
    changes: list[dict[str, Any]]
    keeps: list[dict[str, Any]] = field(default_factory=list)
    batch: int = 1020


KNOWN = {
    "hugging-face": Known(
        hugging_face,
        f'sentence-transformers/{BGE}?normalize=true&query={{"normalize":true,"prompt":"{BGE_QUERY}"}}',
        False,
        [
            {"model_name": "BAAI/bge-base-en-v1.5"},
            {"max_length": 128},
            {"normalize": False},
            {"query_instruction": "Find: "},
            {"text_instruction": "Passage: "},
            {"truncate_dim": 4},
            {"revision": "v2"},
            {"revision": PINNED},
            {"trust_remote_code": True},
            {"model_kwargs": {"dtype": FLOAT16}},
            {"tokenizer_kwargs": {"model_max_length": 128}},
        ],
        [
            {"token": SECRET},
            {"device": "cuda"},
            {"embed_batch_size": 7},
            {"show_progress_bar": True},
            {"parallel_process": True, "target_devices": ["cpu"]},
            {"local_files_only": True},
            {"revision": "main"},
            {"query_instruction": BGE_QUERY},
            {"max_length": 512},
        ],
    ),
    "instructor": Known(
        instructor,
        'instructor/hkunlp/instructor-base?document_instruction="Represent the document for retrieval: "'
        '&query_instruction="Represent the question for retrieving supporting documents: "',
        False,
        [
            {"model_name": "hkunlp/instructor-xl"},
            {"model_name": BGE},
            {"query_instruction": "Q: "},
            {"text_instruction": "D: "},
            {"text_instruction": ""},
        ],
        [{"device": "cuda"}, {"cache_folder": "x"}, {"text_instruction": "Represent the document for retrieval: "}],
    ),
    "fastembed": Known(
        fastembed,
        f"fastembed/{BGE}",
        False,
        [{"model_name": "x/y"}, {"doc_embed_type": "passage"}, {"specific_model_path": "elsewhere"}],
        [{"threads": 2}, {"cache_dir": "x"}, {"providers": ["CPUExecutionProvider"]}],
    ),
    "nomic": Known(
        nomic,
        "nomic/nomic-embed-text-v1",
        False,
        [
            {"model_name": "nomic-embed-text-v1.5"},
            {"model_name": "another"},
            {"dimensionality": 64},
            {"inference_mode": "local"},
            {"query_task_type": "clustering"},
            {"document_task_type": "classification"},
        ],
        [{"api_key": SECRET}, {"vision_model_name": "x"}, {"dimensionality": None}, {"device": "gpu"}],
        batch=1024,
    ),
    "clip": Known(clip, "clip/ViT-B/32", True, [{"model_name": "RN50"}, {"_device": "cuda"}], [{"_model": object()}]),
    "mock": Known(mock, "llama-index/MockEmbedding?dimensions=4", True, [{"embed_dim": 8}], [{"num_workers": 2}]),
}
CHANGES = [(name, change) for name, known in KNOWN.items() for change in known.changes]
KEEPS = [(name, change) for name, known in KNOWN.items() for change in known.keeps]


def _label(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, dict) else str(value)


# -- known classes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_is_owned_by_no_framework(name: str) -> None:
    known = KNOWN[name]
    identity = describe(known.make()).identity
    assert identity is not None
    assert identity.namespace == known.namespace
    assert identity.symmetric is known.symmetric
    assert describer.sub_batch(known.make()) == known.batch


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=_label)
def test_settings_that_change_vectors_change_the_namespace_and_the_fingerprint(name: str, change: dict) -> None:
    first, second = KNOWN[name].make(), KNOWN[name].make(**change)
    assert namespace(first) != namespace(second)
    assert fingerprint(first) != fingerprint(second)


@pytest.mark.parametrize("name", KNOWN)
def test_no_two_changes_are_alike(name: str) -> None:
    """Each names its setting, not just that there is one."""
    known = KNOWN[name]
    found = [namespace(known.make(**change)) for change in known.changes if "tokenizer_kwargs" not in change]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("name", "change"), KEEPS, ids=_label)
def test_operational_settings_and_secrets_keep_the_namespace(name: str, change: dict) -> None:
    assert namespace(KNOWN[name].make(**change)) == KNOWN[name].namespace
    assert SECRET not in str(describe(KNOWN[name].make(**change)))


@pytest.mark.parametrize("name", KNOWN)
def test_equal_fingerprints_mean_equal_descriptions(name: str) -> None:
    """A description is not made again while the fingerprint stays."""
    known = KNOWN[name]
    made = [known.make(**change) for change in ({}, *known.changes, *known.keeps)]
    seen = [(fingerprint(model), describe(model)) for model in made]
    assert all(one != other or first == second for one, first in seen for other, second in seen)


# -- HuggingFaceEmbedding ------------------------------------------------------------------------------------------


def _set_prompt(model: Any) -> None:
    model._model.prompts["text"] = "passage: "


def _set_length(model: Any) -> None:
    model._model.max_seq_length = 64


def _set_dimension(model: Any) -> None:
    model._model.truncate_dim = 4


def _set_precision(model: Any) -> None:
    model._model.dtype = FLOAT16


def _set_normalize(model: Any) -> None:
    model.normalize = False


@pytest.mark.parametrize("change", [_set_prompt, _set_length, _set_dimension, _set_precision, _set_normalize])
def test_changes_of_the_loaded_model_are_noticed(change: Any) -> None:
    """And those of fields that were only read while it was loaded change nothing."""
    model = plain()
    before, seen = namespace(model), fingerprint(model)
    model.max_length, model.query_instruction, model.text_instruction = 7, "q: ", "t: "
    assert (namespace(model), fingerprint(model)) == (before, seen)
    change(model)
    assert namespace(model) != before
    assert fingerprint(model) != seen


def test_name_that_is_not_that_of_the_loaded_model_is_refused() -> None:
    """Assigning it loads nothing, and vectors of one model must not be kept under the name of another."""
    model = plain()
    model.model_name = BGE
    with pytest.raises(IdentityError, match="'model_name' was changed"):
        describe(model)


def test_without_instructions_both_roles_are_alike() -> None:
    identity = describe(plain()).identity
    assert identity is not None
    assert identity.namespace == f"sentence-transformers/{PLAIN}?normalize=true"
    assert identity.symmetric
    same = describe(plain(query_instruction="x: ", text_instruction="x: ")).identity
    assert same is not None
    assert same.symmetric


def test_prompts_that_are_saved_with_the_model_do_not_count_unless_they_are_used() -> None:
    """LlamaIndex switches the default prompt off, which other callers of the model do not."""
    here, there = plain(model_name="acme/prompted"), langchain("acme/prompted")
    assert namespace(here) == "sentence-transformers/acme/prompted?default_prompt=false&normalize=true"
    assert here.get_text_embedding("a") != there.embed_documents(["a"])[0]


def test_prompt_that_is_left_out_of_pooling_is_another_one() -> None:
    one, other = hugging_face(), hugging_face()
    other._model._modules["1"].include_prompt = False
    assert one.get_query_embedding("a") != other.get_query_embedding("a")
    assert namespace(one) != namespace(other)
    # Where there is no prompt, there is none to leave out.
    without, prompt = plain(), plain()
    without._model._modules["1"].include_prompt = False
    assert without.get_query_embedding("a") == prompt.get_query_embedding("a")
    assert namespace(without) == namespace(prompt)


def test_limit_of_the_model_itself_is_left_out_only_if_nothing_can_have_set_it() -> None:
    """Else a model that was loaded with a lower limit would look like one that was not."""
    names = {
        length: namespace(plain(model_name="all-MiniLM-L6-v2", **settings))
        for length, settings in {
            256: {},
            512: {"max_length": 512},
            128: {"tokenizer_kwargs": {"model_max_length": 128}},
        }.items()
    }
    assert names == {
        length: f"sentence-transformers/all-MiniLM-L6-v2?max_length={length}&normalize=true" for length in names
    }


def test_version_on_the_hub(tmp_path: Path) -> None:
    """A commit that is that of the main branch is none, wherever the model was downloaded to."""
    default = namespace(plain())
    assert namespace(plain(cache_folder=str(tmp_path / "models"))) == default
    assert namespace(plain(revision="v2")) == f'{default}&revision="v2"'
    assert namespace(plain(revision=PINNED, cache_folder=str(tmp_path / "new"))) == f'{default}&revision="{PINNED}"'
    # Nothing tells that this is the main branch.
    assert namespace(plain(revision=MAIN, cache_folder=str(tmp_path / "newer"))) == f'{default}&revision="{MAIN}"'
    # Not even the file is known: LlamaIndex's own folder remembers.
    model = plain()
    model._model.tokenizer.vocab_file = None
    assert namespace(model) == default
    # Without the hub, only the commit is known.
    assert namespace(plain(revision="v2", local_files_only=True)).startswith(f'{default}&revision="')


def _not_torch(model: Any) -> None:
    model._model.backend = "onnx"


def _unknown_version(model: Any) -> None:
    model._model.model_card_data.base_model_revision = None
    model._model._modules["0"].auto_model.config._commit_hash = None


def _adapter_added(model: Any) -> None:
    model._model._modules["0"].auto_model._hf_peft_config_loaded = True


def _quantised(model: Any) -> None:
    model._model._modules["0"].auto_model.config.quantization_config = {"bits": 4}


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_not_torch, "onnx"), (_unknown_version, "revision"), (_adapter_added, "adapter"), (_quantised, "quantised")],
)
def test_what_cannot_be_seen_any_more_is_refused(change: Any, reason: str) -> None:
    model = plain()
    seen = fingerprint(model)
    change(model)
    assert fingerprint(model) != seen
    with pytest.raises(IdentityError, match=rf"{reason}.*namespace="):
        describe(model)


def test_local_model_is_known_by_its_files(tmp_path: Path) -> None:
    """A folder keeps its name when another model is trained into it; one that is loaded stays as it is."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("one")
    first = plain(model_name=str(folder))
    before, seen = namespace(first), fingerprint(first)
    assert before.startswith(f"sentence-transformers/{folder.resolve().as_posix()}?files=")
    (folder / "weights").write_text("two")
    assert namespace(plain(model_name=str(folder))) != before
    assert fingerprint(first) == seen
    # Some versions load a part of the folder, under its own name; what is not in the folder is another model.
    (folder / "0_Transformer").mkdir()
    net = first._model._modules["0"].auto_model
    net.config._name_or_path = str(folder / "0_Transformer")
    assert namespace(first) != before
    net.config._name_or_path = str(tmp_path)
    with pytest.raises(IdentityError, match="'model_name' was changed"):
        describe(first)


def test_two_versions_of_a_model_share_a_cache_without_mixing(tmp_path: Path) -> None:
    """And each text reaches each of them once."""
    for model in (plain(), plain(revision="v2"), plain(normalize=False), hugging_face()):
        calls = []
        encode = model._model.encode
        model._model.encode = lambda texts, encode=encode, calls=calls, **more: (
            calls.extend(texts) or encode(texts, **more)
        )
        expected = encode(["a", "b"], prompt_name="text", normalize_embeddings=model.normalize).tolist()
        wrapped = embedonce.wrap(model, tmp_path)
        assert wrapped.get_text_embedding_batch(["a", "b", "a"]) == [*expected, expected[0]]
        assert [wrapped.get_text_embedding(text) for text in "ab"] == expected
        assert calls == ["a", "b"]


# -- the same model in LangChain -----------------------------------------------------------------------------------


def langchain(model: str, **settings: Any) -> Any:
    from langchain_huggingface import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(model_name=model, **{"encode_kwargs": {"normalize_embeddings": True}, **settings})


@pytest.mark.parametrize(
    ("model", "here", "there"),
    [
        (PLAIN, {}, {}),
        ("paraphrase-mini", {}, {}),
        (PLAIN, {"normalize": False}, {"encode_kwargs": {}}),
        (PLAIN, {"revision": "v2", "truncate_dim": 4}, {"model_kwargs": {"revision": "v2", "truncate_dim": 4}}),
        (
            PLAIN,
            {"model_kwargs": {"dtype": FLOAT16}, "trust_remote_code": True},
            {"model_kwargs": {"model_kwargs": {"dtype": FLOAT16}, "trust_remote_code": True}},
        ),
        (BGE, {}, {"query_encode_kwargs": {"normalize_embeddings": True, "prompt": BGE_QUERY}}),
        (
            PLAIN,
            {"text_instruction": "p: ", "query_instruction": "q: "},
            {
                "encode_kwargs": {"normalize_embeddings": True, "prompt": "p: "},
                "query_encode_kwargs": {"normalize_embeddings": True, "prompt": "q: "},
            },
        ),
    ],
    ids=_label,
)
def test_same_settings_in_langchain_share_vectors(model: str, here: dict, there: dict, tmp_path: Path) -> None:
    mine, theirs = hugging_face(model_name=model, **here), langchain(model, **there)
    identity = langchain_describer.describe(theirs).identity
    assert identity is not None
    assert (namespace(mine), describe(mine).identity) == (identity.namespace, identity)
    assert mine.get_text_embedding("a b") == theirs.embed_documents(["a b"])[0]
    assert mine.get_query_embedding("a b") == theirs.embed_query("a b")


@pytest.mark.parametrize("model", [BGE, PLAIN])
def test_defaults_of_langchain_are_others(model: str) -> None:
    """It does not normalise, and has no instruction for queries."""
    theirs = langchain_describer.describe(langchain(model, encode_kwargs={})).identity
    assert theirs is not None
    assert theirs.namespace != namespace(hugging_face(model_name=model))


# -- others --------------------------------------------------------------------------------------------------------


def test_names_of_loaded_models() -> None:
    """FastEmbed keeps the model it has loaded, and a name that a program made up says nothing."""
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
    assert describe(MockMultiModalEmbedding(embed_dim=4)).identity == identity
    sub = describe(Shifted(embed_dim=4)).identity
    assert sub is not None
    assert sub.namespace == 'llama-index/MockEmbedding?class="llamaindex_classes.Shifted"&dimensions=4&shift=0.0'
    assert (sub.symmetric, sub.dimensions) == (False, None)
    assert fingerprint(Shifted(embed_dim=4)) != fingerprint(Shifted(embed_dim=4, shift=1.0))


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
    """Fields that LlamaIndex gives to every model say nothing."""
    settings = {"num_workers": 3, "embed_batch_size": 7, "rate_limiter": SimpleNamespace()}
    expected = 'llamaindex_classes.Custom/acme-1?_scale=1.0&pooling="cls"'
    for model in (Custom(), Custom(num_workers=3, embed_batch_size=7)):
        assert namespace(model) == expected
        assert fingerprint(model) == fingerprint(Custom())
    changed = Custom()
    for name, value in settings.items():
        setattr(changed, name, value)
    assert (namespace(changed), fingerprint(changed)) == (expected, fingerprint(Custom()))


def _set_scale(model: Any) -> None:
    model._scale = 2.0


@pytest.mark.parametrize(
    "change",
    [_set_scale, lambda model: setattr(model, "pooling", "mean"), lambda model: setattr(model, "model_name", "b")],
)
def test_fields_of_a_class_of_a_user_count(change: Any) -> None:
    model, seen = Custom(), fingerprint(Custom())
    change(model)
    assert namespace(model) != namespace(Custom())
    assert fingerprint(model) != seen


def test_model_without_a_name_is_refused(tmp_path: Path) -> None:
    """LlamaIndex calls it "unknown", as it calls all others that give no name."""
    assert Nameless().model_name == "unknown"
    with pytest.raises(IdentityError, match=r"Nameless.*no field names its model.*namespace="):
        embedonce.wrap(Nameless(), tmp_path)
    assert embedonce.wrap(Nameless(), tmp_path, namespace="mine@1").get_text_embedding("ab") == [2.0, 2.0, 2.0]


def test_class_of_a_function_is_refused() -> None:
    class Local(Custom):
        pass

    with pytest.raises(IdentityError, match=r"script, a notebook or a function.*namespace="):
        describe(Local())


@pytest.mark.parametrize("make", [mock, Custom, plain])
def test_cache_of_llama_index_is_refused(make: Any) -> None:
    """It is noticed when it is set, and forgotten when it is taken away."""
    model = make()
    seen = fingerprint(model)
    model.embeddings_cache = SimpleKVStore()
    description = describe(model)
    assert description.identity is None
    assert "embeddings_cache" in description.not_cacheable
    assert fingerprint(model) != seen
    model.embeddings_cache = None
    assert fingerprint(model) == seen


# -- embedders of LangChain inside ---------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [lambda: langchain(PLAIN), lambda: OfLangChain("m", pooling="cls")])
def test_embedder_of_langchain_inside_has_a_namespace_of_its_own(inside: Any) -> None:
    """Its own adapter knows which texts LangChain splits, and this one does not."""
    model = LangchainEmbedding(inside())
    plain_identity = langchain_describer.describe(inside()).identity
    assert plain_identity is not None
    assert describe(model).identity == plain_identity.with_parameters({"through": "langchain"})
    assert namespace(LangchainEmbedding(inside(), model_name="x", embed_batch_size=3)) == namespace(model)


def test_changes_inside_are_noticed() -> None:
    """Also those that are deeper, and another embedder in its place."""
    inner = OfLangChain("m", options={"a": [1]})
    model = LangchainEmbedding(inner)
    seen = [(fingerprint(model), namespace(model))]
    inner.options["a"].append(2)
    seen.append((fingerprint(model), namespace(model)))
    model._langchain_embedding = OfLangChain("other")
    seen.append((fingerprint(model), namespace(model)))
    assert all(len({str(each[part]) for each in seen}) == 3 for part in (0, 1))


def test_files_that_change_under_a_loaded_embedder_inside_are_not_looked_at_again(tmp_path: Path) -> None:
    """It stays as it was loaded, and its vectors must not be kept under the name of the new files."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("one")
    model = LangchainEmbedding(langchain(str(folder)))
    wrapped = embedonce.wrap(model, tmp_path / "cache")
    before = wrapped.namespace
    (folder / "weights").write_text("two")
    assert wrapped.namespace == before


@pytest.mark.parametrize("live", [object(), np.zeros(2), OfLangChain("inner")])
def test_unclear_embedder_inside_is_refused_unless_it_is_named(live: object, tmp_path: Path) -> None:
    model = LangchainEmbedding(Outer("m", live=live))
    with pytest.raises(IdentityError, match=r"Outer.*'live'.*namespace="):
        embedonce.wrap(model, tmp_path)
    wrapped = embedonce.wrap(model, tmp_path, namespace="mine@1")
    assert wrapped.get_text_embedding("ab") == wrapped.get_text_embedding("ab") == [2.0, 1.0]
    assert wrapped.get_query_embedding("ab") == [2.0, 2.0]


@pytest.mark.parametrize("options", [{}, {"namespace": "mine@1"}])
def test_random_embedder_inside_goes_past_the_cache(options: dict, tmp_path: Path) -> None:
    wrapped = embedonce.wrap(LangchainEmbedding(FakeEmbeddings(size=4)), tmp_path, **options)
    assert wrapped.get_text_embedding("a") != wrapped.get_text_embedding("a")


class Prefixed(LangchainEmbedding):
    """It may do anything with its texts."""


def test_subclass_around_an_embedder_of_langchain_is_refused() -> None:
    with pytest.raises(IdentityError, match=r"Prefixed.*subclass.*namespace="):
        describe(Prefixed(OfLangChain("m")))
    same_name = type("LangchainEmbedding", (LangchainEmbedding,), {"__module__": __name__})
    with pytest.raises(IdentityError, match=r"namespace="):
        describe(same_name(OfLangChain("m")))


def test_namespaces_of_no_known_class_hold_a_secret() -> None:
    model = LangchainEmbedding(OfLangChain("m", api_key=SECRET, note=SECRET))
    assert SECRET not in namespace(model)
    assert SECRET not in namespace(LangchainEmbedding(langchain(PLAIN, model_kwargs={"token": SECRET})))
