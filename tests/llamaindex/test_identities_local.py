"""What tells apart models that are loaded into the process, whichever framework has loaded them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from known_class import check_default, check_settings
from llamaindex_identities import describe, fingerprint, namespace
from llamaindex_local import (
    BGE,
    BGE_QUERY,
    KNOWN,
    PINNED,
    PLAIN,
    SECRET,
    hugging_face,
    langchain,
    plain,
)
from loaded_models import FLOAT16, MAIN
from variants import over

import embedonce
from embedonce.errors import IdentityError
from langchain_embedonce.identities import describer as langchain_describer
from llama_index.embeddings.embedonce.identities import describer

pytestmark = pytest.mark.usefixtures("stand_ins")


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_is_owned_by_no_framework(name: str) -> None:
    check_default(describer, KNOWN[name], secret=SECRET)


@pytest.mark.parametrize("name", KNOWN)
def test_settings(name: str) -> None:
    """What changes vectors changes the namespace, nothing else does, and the fingerprint tells without describing."""
    known = KNOWN[name]
    found = zip(known.changes, check_settings(describer, known, secret=SECRET), strict=True)
    # Each names its setting, not just that there is one.
    named = [namespace for change, namespace in found if "tokenizer_kwargs" not in change]
    assert len(set(named)) == len(named)


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


@over(change=[_set_prompt, _set_length, _set_dimension, _set_precision, _set_normalize])
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
    """The commit of the main branch is left out, wherever the model was downloaded to."""
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
    assert before.startswith("sentence-transformers/local?files=")
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


SAME = [
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
]


@over(case=SAME)
def test_same_settings_in_langchain_share_vectors(case: tuple[str, dict, dict]) -> None:
    model, here, there = case
    mine, theirs = hugging_face(model_name=model, **here), langchain(model, **there)
    identity = langchain_describer.describe(theirs).identity
    assert identity is not None
    assert (namespace(mine), describe(mine).identity) == (identity.namespace, identity)
    assert mine.get_text_embedding("a b") == theirs.embed_documents(["a b"])[0]
    assert mine.get_query_embedding("a b") == theirs.embed_query("a b")


@over(model=[BGE, PLAIN])
def test_defaults_of_langchain_are_others(model: str) -> None:
    """It does not normalise, and has no instruction for queries."""
    theirs = langchain_describer.describe(langchain(model, encode_kwargs={})).identity
    assert theirs is not None
    assert theirs.namespace != namespace(hugging_face(model_name=model))
