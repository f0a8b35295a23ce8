"""What tells the vectors of models and of calls apart, and which are those of other frameworks."""

from __future__ import annotations

import copy
import json
import pickle
import shutil

import numpy as np
import pytest
from lazily import lazily
from st_constants import COMMIT, OLD_COMMIT, PROMPTS, TEXTS, WIDTH
from variants import covering

import embedonce
from embedonce.errors import CacheMissError, IdentityError

torch = lazily("torch")
st = lazily("sentence_transformers", "sentence_transformers.sentence_transformer.modules", "st_support")

STORE = embedonce.MemoryStore


def namespace(model, **options):
    return embedonce.wrap(model, STORE(), **options).namespace


def hub(name="acme/tiny", **settings):
    return st.load(name, **settings)


# -- models --------------------------------------------------------------------------------------------------------


def test_local_model_is_named_by_its_files(folders, tmp_path):
    assert namespace(st.load(folders.plain)).startswith("sentence-transformers/local?files=")
    assert "&" not in namespace(st.load(folders.plain))
    assert namespace(st.load(folders.net)).startswith("sentence-transformers/local?files=")
    copied = tmp_path / "model"
    shutil.copytree(folders.plain, copied)
    before = namespace(st.load(copied))
    (copied / "1_Pooling" / "config.json").write_text(
        (folders.plain / "1_Pooling" / "config.json").read_text().replace('"mean"', '"cls"')
    )
    assert namespace(st.load(copied)) != before


def test_model_of_the_hub_is_named_by_its_name_and_a_version_that_is_not_that_of_the_main_branch():
    assert namespace(hub()) == "sentence-transformers/acme/tiny"
    assert namespace(hub(revision="main")) == "sentence-transformers/acme/tiny"
    assert namespace(hub(revision="v1")) == 'sentence-transformers/acme/tiny?revision="v1"'
    assert namespace(hub(revision=OLD_COMMIT)) == f'sentence-transformers/acme/tiny?revision="{OLD_COMMIT}"'
    assert namespace(hub(revision=COMMIT)) == "sentence-transformers/acme/tiny"


def test_embeddings_of_tokens_from_the_hub_are_named():
    assert namespace(hub("acme/static")) == "sentence-transformers/acme/static"
    with_limit = hub("acme/static")
    with_limit.tokenizer.enable_truncation(2)
    assert namespace(with_limit) != "sentence-transformers/acme/static"


def test_model_whose_files_are_not_found_is_described_in_full(monkeypatch, tmp_path):
    model = hub()
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    found = namespace(model)
    assert found.startswith("sentence-transformers/acme/tiny?default_prompt=false&modules=")
    assert f'revision="{COMMIT}"' in found
    assert '"pooling_mode":"mean"' in found


def _pool_by_first(model):
    model[1].pooling_mode = "cls"


def _pool_otherwise(model):
    model[1] = st.Pooling(WIDTH, "max")


def _without_normalising(model):
    del model[2]


def _add_a_layer(model):
    model.append(st.Dense(WIDTH, 4))


def _lower_limit(model):
    model.max_seq_length = 4


def _halve(model):
    model.half()


def _truncate(model):
    model.truncate_dim = 8


def _default_prompt(model):
    model.prompts["query"] = "query: "
    model.default_prompt_name = "query"


def _cut_at_the_left(model):
    model.tokenizer.truncation_side = "left"


CHANGES = [_pool_by_first, _pool_otherwise, _without_normalising, _lower_limit, _halve, _truncate, _default_prompt]
CHANGES += [_cut_at_the_left]


@pytest.mark.parametrize(("change", "source"), covering(CHANGES, ["folder", "hub"]))
def test_change_after_loading_is_another_identity(folders, tmp_path, change, source):
    """Whether it happens before wrapping or afterwards; what was stored before is not served."""

    def fresh():
        return st.load(folders.plain) if source == "folder" else hub()

    unchanged = fresh()
    stored = embedonce.wrap(unchanged, tmp_path)
    stored.encode(TEXTS)
    model = fresh()
    later = embedonce.wrap(fresh(), tmp_path)
    change(model)
    change(later)
    first = embedonce.wrap(model, tmp_path)
    assert len({stored.namespace, first.namespace}) == 2
    assert later.namespace == first.namespace
    asked = st.counted(model)
    expected = model.encode(TEXTS)
    asked.clear()
    assert np.array_equal(first.encode(TEXTS), expected)
    assert len(asked) == len(TEXTS)
    assert np.array_equal(later.encode(TEXTS), expected)
    assert later.cache.stats().embedded == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"truncate_dim": 8},
        {"processor_kwargs": {"model_max_length": 8}},
        {"processor_kwargs": {"do_lower_case": False}},
        {"model_kwargs": {"dtype": "float16"}},
        {"config_kwargs": {"hidden_act": "relu"}},
        {"prompts": {"all": "x "}, "default_prompt_name": "all"},
    ],
    ids=str,
)
def test_settings_of_the_constructor_are_part_of_the_identity(folders, settings):
    if "model_kwargs" in settings:
        settings = {"model_kwargs": {"dtype": torch.float16}}
    for place in (folders.plain, "acme/tiny"):
        assert namespace(st.load(place, **settings)) != namespace(st.load(place))


def test_files_of_half_precision_are_told_from_a_model_that_was_widened(folders):
    assert namespace(st.load(folders.half)) != namespace(st.load(folders.half).float())


def test_prompt_of_the_files_is_told_from_one_that_was_taken_away(folders):
    """All but the first say so: other frameworks give the plain name to whatever the files say."""
    changes = {
        "plain": {},
        "blank": {"prompts": {"all": ""}},
        "other": {"prompts": {"all": "x"}},
        "whole": {"truncate_dim": WIDTH},
    }
    names = {key: namespace(hub("acme/defaulting", **settings)) for key, settings in changes.items()}
    model = hub("acme/defaulting")
    model.default_prompt_name = model.truncate_dim = None
    names["taken away"] = namespace(model)
    assert names["plain"] == "sentence-transformers/acme/defaulting"
    assert names["blank"] == "sentence-transformers/acme/defaulting?default_prompt=false"
    assert len(set(names.values())) == len(names)


def test_model_that_was_built_of_modules_is_refused_unless_it_is_named(folders):
    model = st.SentenceTransformer(modules=[st.Transformer(str(folders.net)), st.Pooling(WIDTH, "mean")], device="cpu")
    with pytest.raises(IdentityError, match=r"built from modules.*namespace="):
        embedonce.wrap(model, STORE())
    with pytest.raises(IdentityError, match=r"does not show what it was loaded from.*namespace="):
        embedonce.wrap(st.load(folders.static), STORE())
    wrapped = embedonce.wrap(model, STORE(), namespace="acme/built@1")
    assert wrapped.namespace == "acme/built@1"
    assert np.array_equal(wrapped.encode(TEXTS), model.encode(TEXTS))


def test_hooks_are_refused_unless_the_model_is_named(model):
    handle = model.register_forward_hook(lambda *_: None)
    with pytest.raises(IdentityError, match=r"forward hooks.*namespace="):
        embedonce.wrap(model, STORE())
    handle.remove()
    assert namespace(model)


def _another_tokenizer(model):
    model[0].processor = type(model.tokenizer)(vocab={"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3})


@pytest.mark.parametrize(
    ("change", "reason"), [(_add_a_layer, "'3', a Dense, was added"), (_another_tokenizer, "tokenizer is not the one")]
)
def test_parts_that_have_no_name_are_refused_and_bypass_the_cache_once_wrapped(folders, tmp_path, change, reason):
    model = st.load(folders.plain)
    wrapped = embedonce.wrap(model, tmp_path)
    wrapped.encode(TEXTS)
    change(model)
    assert np.array_equal(wrapped.encode(TEXTS), model.encode(TEXTS))
    assert wrapped.cache.stats().stored == len(TEXTS)
    with pytest.raises(IdentityError, match=f"{reason}.*namespace="):
        embedonce.wrap(model, tmp_path)


def test_weights_that_are_changed_in_memory_bypass_the_cache(folders, tmp_path, caplog):
    """Whatever they are called: their vectors are others, and nothing says which; so it is for copies."""
    for options in ({}, {"namespace": "acme/trained@1"}):
        model = st.load(folders.plain)
        wrapped = embedonce.wrap(model, tmp_path, **options)
        before = wrapped.encode(TEXTS)
        with torch.no_grad():
            next(iter(model.parameters())).add_(0.5)
        expected = model.encode(TEXTS)
        for each in (wrapped, copy.copy(wrapped), copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
            assert np.array_equal(each.encode(TEXTS), expected)
        assert not np.array_equal(before, expected)
        assert wrapped.cache.stats().stored == len(TEXTS)
        with pytest.raises(IdentityError, match="weights were changed"):
            _ = wrapped.identity
    assert "bypass the cache because its weights were changed in memory" in caplog.text


def test_a_model_that_was_trained_is_cached_again_under_another_version(folders, tmp_path):
    model = st.load(folders.plain)
    embedonce.wrap(model, tmp_path).encode(TEXTS)
    model.load_state_dict(st.load(folders.prompted).state_dict())
    again = embedonce.wrap(model, tmp_path)
    again.encode(TEXTS)
    assert again.cache.stats().stored == 0
    trained = embedonce.wrap(model, tmp_path, version=2)
    trained.encode(TEXTS)
    assert trained.cache.stats().stored == len(TEXTS)


def test_weights_that_are_changed_while_they_are_used_are_not_stored(model, tmp_path, monkeypatch):
    wrapped = embedonce.wrap(model, tmp_path)
    forward = model[2].forward

    def trained_meanwhile(features):
        with torch.no_grad():
            next(iter(model.parameters())).add_(0.5)
        return forward(features)

    monkeypatch.setattr(model[2], "forward", trained_meanwhile)
    wrapped.encode(TEXTS)
    assert wrapped.cache.stats().stored == 0


def test_prompt_that_is_changed_while_it_is_used_is_not_stored(folders, tmp_path, monkeypatch):
    model = st.load(folders.prompted)
    wrapped = embedonce.wrap(model, tmp_path)
    forward = model[2].forward

    def changed_meanwhile(features):
        model.prompts["query"] = "another: "
        return forward(features)

    monkeypatch.setattr(model[2], "forward", changed_meanwhile)
    wrapped.encode_query(TEXTS)
    assert wrapped.cache.stats().stored == 0


def test_class_of_a_user_has_an_identity_of_its_own(folders):
    model = st.load(folders.plain, st.Halved)
    wrapped = embedonce.wrap(model, STORE())
    assert 'class="st_support.Halved"' in wrapped.namespace
    assert isinstance(wrapped, st.Halved)
    assert np.array_equal(wrapped.encode(TEXTS), st.load(folders.plain).encode(TEXTS) * 0.5)
    before = wrapped.namespace
    wrapped.scale = 2.0
    assert model.scale == 2.0
    assert wrapped.namespace != before
    assert np.array_equal(wrapped.encode(TEXTS), st.load(folders.plain).encode(TEXTS) * 2.0)


def test_fields_of_a_subclass_meet_no_argument_of_a_call(folders):
    """A class may use a field of the same name in another way than the model does its argument."""
    store = STORE()
    for field in (None, "x: ", "y: "):
        model = st.load(folders.plain, st.Fielded)
        model.prompt = field
        wrapped = embedonce.wrap(model, store)
        for given in (None, "x: "):
            wrapped.encode(["a"], prompt=given)
        assert wrapped.cache.stats().embedded == 2


def test_version_is_part_of_the_identity(folders):
    assert namespace(hub(), version=2) == 'sentence-transformers/acme/tiny?version="2"'


def test_token_for_the_hub_is_nowhere(folders):
    secret = "hf_s3cr3t0123456789abcdef"
    assert secret not in namespace(hub(token=secret))


# -- calls ---------------------------------------------------------------------------------------------------------

CALLS = [
    ("encode", {}),
    ("encode", {"prompt": "x: "}),
    ("encode", {"prompt_name": "query", "normalize_embeddings": True}),
    ("encode", {"truncate_dim": 4}),
    ("encode", {"precision": "binary"}),
    ("encode", {"precision": "ubinary"}),
    ("encode", {"processing_kwargs": {"text": {"max_length": 4, "truncation": True}}}),
    ("encode", {"processing_kwargs": {"text": {"max_length": 4, "truncation": True}}, "prompt": "x: "}),
    ("encode", {"processing_kwargs": {"text": {"max_length": 4, "truncation": True}}, "prompt": "z: "}),
    ("encode_query", {}),
    ("encode_query", {"prompt": "y: "}),
    ("encode_document", {}),
    ("encode_document", {"truncate_dim": 8}),
]


@pytest.mark.parametrize("options", [{}, {"namespace": "acme/e5@3"}, {"symmetric": False}], ids=str)
def test_each_call_gets_its_own_vectors_from_one_store(folders, tmp_path, options):
    """In any order, and again in reverse from the cache alone."""
    model = st.load(folders.prompted)
    expected = [getattr(model, method)(TEXTS, **arguments) for method, arguments in CALLS]
    wrapped = embedonce.wrap(model, tmp_path, **options)
    given = [getattr(wrapped, method)(TEXTS, **arguments) for method, arguments in CALLS]
    asked = st.counted(model)
    again = [getattr(wrapped, method)(TEXTS, **arguments) for method, arguments in reversed(CALLS)]
    assert asked == []
    for one, two, three in zip(given, reversed(again), expected, strict=True):
        assert one.tobytes() == two.tobytes() == three.tobytes()


def test_settings_of_the_model_that_are_changed_after_wrapping_count_in_the_next_call(folders, tmp_path):
    model = st.load(folders.prompted)
    for options in ({}, {"namespace": "acme/e5@3"}):
        wrapped = embedonce.wrap(model, tmp_path, **options)
        wrapped.prompts = dict(PROMPTS)
        before = wrapped.encode_query(TEXTS)
        wrapped.prompts["query"] = "passage: passage: "
        assert np.array_equal(wrapped.encode_query(TEXTS), model.encode_query(TEXTS))
        assert not np.array_equal(wrapped.encode_query(TEXTS), before)
        with wrapped.truncate_embeddings(4):
            assert np.array_equal(wrapped.encode_query(TEXTS), model.encode_query(TEXTS))
        assert wrapped.encode_query(TEXTS).shape == before.shape


def test_methods_share_entries_where_they_do_the_same(model, asked, tmp_path):
    wrapped = embedonce.wrap(model, tmp_path)
    wrapped.encode(TEXTS)
    asked.clear()
    wrapped.encode_query(TEXTS)
    wrapped.encode_document(TEXTS, prompt="")
    wrapped.encode(TEXTS, task="query", batch_size=1, show_progress_bar=True, device="cpu")
    assert asked == []


def test_prompts_for_roles_keep_them_apart(folders, tmp_path):
    model = st.load(folders.prompted)
    wrapped = embedonce.wrap(model, tmp_path)
    asked = st.counted(model)
    query, document = wrapped.encode_query("b"), wrapped.encode_document("b")
    assert not np.array_equal(query, document)
    assert asked == ["b", "b"]


def test_routes_keep_tasks_apart(folders, tmp_path):
    routes = {name: [st.Transformer(str(folders.net)), st.Pooling(WIDTH, mode)] for name, mode in _ROUTES.items()}
    router = st.Router.for_query_document(routes["query"], routes["document"])
    model = st.SentenceTransformer(modules=[router], device="cpu")
    wrapped = embedonce.wrap(model, tmp_path, namespace="acme/routed@1")
    for _ in range(2):
        for method in ("encode_query", "encode_document"):
            assert np.array_equal(getattr(wrapped, method)(TEXTS), getattr(model, method)(TEXTS))
        for task in _ROUTES:
            assert np.array_equal(wrapped.encode(TEXTS, task=task), model.encode(TEXTS, task=task))
    assert not np.array_equal(wrapped.encode_query("b"), wrapped.encode_document("b"))


_ROUTES = {"query": "mean", "document": "max"}


@pytest.mark.parametrize(
    "arguments",
    [{"precision": "int8"}, {"precision": "uint8"}, {"output_value": "token_embeddings"}, {"output_value": None}],
    ids=str,
)
def test_what_is_not_one_vector_for_each_text_bypasses_the_cache(model, asked, tmp_path, caplog, arguments):
    """With one warning, and in the mode `replay` with an error."""
    wrapped = embedonce.wrap(model, tmp_path)
    for _ in range(2):
        assert len(wrapped.encode(TEXTS, **arguments)) == len(TEXTS)
    assert len(asked) == 2 * len(TEXTS)
    assert wrapped.cache.stats().stored == 0
    said = [record.message for record in caplog.records if record.name == "embedonce"]
    assert [message.startswith("calls of SentenceTransformer bypass") for message in said] == [True]
    replayed = embedonce.wrap(model, tmp_path, mode="replay")
    with pytest.raises(CacheMissError, match="cannot be replayed"):
        replayed.encode(TEXTS, **arguments)


def test_inputs_that_are_not_texts_bypass_the_cache(model, tmp_path):
    pairs = [("a", "b"), ("c", "d")]
    wrapped = embedonce.wrap(model, tmp_path)
    assert np.array_equal(wrapped.encode(pairs), model.encode(pairs))
    assert wrapped.cache.stats().stored == 0


def test_autocast_bypasses_the_cache(model, tmp_path):
    wrapped = embedonce.wrap(model, tmp_path)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wrapped.encode(TEXTS)
    assert wrapped.cache.stats().stored == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"prompt_name": "missing"}, ValueError),
        ({"precision": "int4"}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"unknown": 1}, ValueError),
    ],
    ids=str,
)
def test_calls_that_the_model_refuses_fail_as_they_do_there(model, tmp_path, arguments, error):
    wrapped = embedonce.wrap(model, tmp_path)
    for each in (model, wrapped):
        with pytest.raises(error) as caught:
            each.encode(TEXTS, **arguments)
        assert "sentence_transformers/" in str(caught.traceback[-1].path)
    assert wrapped.cache.stats().stored == 0


def test_former_name_of_the_inputs_is_taken(model, tmp_path):
    wrapped = embedonce.wrap(model, tmp_path)
    assert np.array_equal(wrapped.encode(inputs=TEXTS), model.encode(TEXTS))
    assert np.array_equal(wrapped.encode(sentences=TEXTS), model.encode(TEXTS))


def test_namespaces_are_plain_json(folders):
    for model in (st.load(folders.prompted), hub(), st.load(folders.half)):
        identity = embedonce.wrap(model, STORE()).identity
        assert all(json.loads(value) is not None for _, value in identity.parameters)
