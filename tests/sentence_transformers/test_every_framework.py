"""One model, held by the classes of four frameworks: one namespace, paid once, and another one after each change."""

from __future__ import annotations

import functools
import shutil
import warnings

import numpy as np
import pytest
from lazily import lazily
from st_constants import TEXTS

import embedonce
from embedonce.errors import IdentityError

torch = lazily("torch")
st = lazily(
    "st_support", "doors", "langchain_embedonce.identities", "sentence_transformers.sentence_transformer.modules"
)

NAMES = ["langchain", "llamaindex", "haystack", "sentence-transformers"]


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("place", ["plain", "acme/tiny"])
def test_the_same_model_is_paid_for_once_in_all_frameworks(folders, tmp_path, monkeypatch, first, place):
    """Each has a copy of the folder of its own."""
    monkeypatch.setenv("LLAMA_INDEX_CACHE_DIR", str(folders.hub))
    names = [first, *[name for name in NAMES if name != first]]
    namespaces, answers, asked = set(), [], []
    for number, name in enumerate(names):
        folder = place
        if "/" not in place:
            folder = shutil.copytree(getattr(folders, place), tmp_path / f"home {number}" / "model")
        door = st.DOORS[name](folder)
        texts = st.counted(door.model)
        wrapped = door.wrapped(tmp_path / "store")
        answers.append(st.vectors(door, wrapped, TEXTS))
        namespaces.add(wrapped.namespace)
        asked.append(len(texts))
    assert len(namespaces) == 1
    assert asked == [len(TEXTS), 0, 0, 0]
    assert all(np.array_equal(each, answers[0]) for each in answers)


def _net(model):
    return model[0].auto_model


def _halve(model):
    model.half()


def _truncate(model):
    model.truncate_dim = 8


def _set_default_prompt(model):
    model.prompts["text"] = model.prompts["a"] = "query: "
    model.default_prompt_name = "a"


def _lower_limit(model):
    model.max_seq_length = 4


def _cut_at_the_left(model):
    model.max_seq_length = 4
    model.tokenizer.truncation_side = "left"


def _train(model):
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.05 * torch.randn_like(each))


def _write_through_data(model):
    for each in model.parameters():
        each.data.mul_(1.5)


def _load_others(model):
    model.load_state_dict({name: each + 0.1 * torch.randn_like(each) for name, each in model.state_dict().items()})


def _assign_others(model):
    others = {name: each + 0.1 * torch.randn_like(each) for name, each in model.state_dict().items()}
    model.load_state_dict(others, assign=True)


def _change_one_row(model):
    embeddings = _net(model).embeddings.word_embeddings
    weight = embeddings.weight.detach().clone()
    weight[model.tokenizer.convert_tokens_to_ids("b")] += 1
    embeddings.weight = torch.nn.Parameter(weight)


def _drop_a_layer(model):
    del _net(model).encoder.layer[-1]


def _swap_layers(model):
    layers = _net(model).encoder.layer
    layers[0], layers[1] = layers[1], layers[0]


def _quantise(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.ao.quantization.quantize_dynamic(_net(model), {torch.nn.Linear}, inplace=True)


def _adapt(model):
    class Adapted(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner
            self.more = torch.nn.Linear(inner.in_features, inner.out_features)

        def forward(self, x):
            return self.inner(x) + self.more(x)

    attention = _net(model).encoder.layer[0].attention.self
    attention.query = Adapted(attention.query)


def _pool_otherwise(model):
    model[1].pooling_mode = "cls"


def _leave_out_normalising(model):
    del model[2]


def _hook_inside(model):
    _net(model).encoder.layer[0].register_forward_hook(lambda _, __, answer: tuple(each * 2 for each in answer)
                                                       if isinstance(answer, tuple) else answer * 2)  # fmt: skip


def _prepare_texts_otherwise(model):
    from tokenizers import normalizers

    model.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("b", "c")


def _shift_positions(model):
    _net(model).embeddings.position_ids.add_(1).clamp_(max=63)


def _scale_attention(model):
    for layer in _net(model).encoder.layer:
        layer.attention.self.scaling = 0.01


CHANGES = [
    *(_halve, _truncate, _set_default_prompt, _lower_limit, _cut_at_the_left, _train, _write_through_data),
    *(_load_others, _assign_others, _change_one_row, _drop_a_layer, _swap_layers, _quantise, _adapt),
    *(_pool_otherwise, _leave_out_normalising, _hook_inside, _prepare_texts_otherwise),
    *(_shift_positions, _scale_attention),
]


# Each change before and after wrapping, in a framework in turn; in all of them in the long run.
CASES = [
    pytest.param(change, NAMES[(number + shift) % len(NAMES)], when, marks=[pytest.mark.soak] if shift > 1 else [])
    for number, change in enumerate(CHANGES)
    for shift, when in ((0, "before"), (1, "after"), (2, "before"), (3, "after"))
]


@pytest.mark.parametrize(("change", "name", "when"), CASES)
def test_a_changed_model_never_gets_the_vectors_of_another(folders, tmp_path, change, name, when):
    """Whether it is changed before it is wrapped or afterwards, it has another namespace, or none."""
    door = st.DOORS[name](folders.plain)
    unchanged = door.wrapped(tmp_path)
    before, namespace = st.vectors(door, unchanged, TEXTS), unchanged.namespace
    door = st.DOORS[name](folders.plain)
    wrapped = door.wrapped(tmp_path) if when == "after" else None
    torch.manual_seed(7)
    change(door.model)
    expected = st.vectors(door, door.embedder, TEXTS)
    assert not np.array_equal(expected, before)
    try:
        wrapped = wrapped or door.wrapped(tmp_path)
        assert wrapped.namespace != namespace
    except IdentityError:
        pass
    if wrapped is not None:
        for _ in range(2):
            assert np.array_equal(st.vectors(door, wrapped, TEXTS), expected)
    # Nor has the change put anything into the namespace of the model as it was.
    again = st.DOORS[name](folders.plain)
    texts = st.counted(again.model)
    assert np.array_equal(st.vectors(again, again.wrapped(tmp_path), TEXTS), before)
    assert texts == []


def test_weights_in_memory_that_are_those_of_the_files_are_proven(folders):
    """Whoever has put them there: a copy of the same numbers is the same model."""
    model = st.load(folders.plain)
    expected = embedonce.wrap(st.load(folders.plain), embedonce.MemoryStore()).namespace
    model.load_state_dict({name: each.clone() for name, each in model.state_dict().items()}, assign=True)
    assert embedonce.wrap(model, embedonce.MemoryStore()).namespace == expected


def test_a_model_that_was_trained_is_known_by_its_weights(folders, tmp_path):
    """Two with the same weights share vectors, and none is refused."""

    def trained(factor):
        model = st.load(folders.plain)
        _scale(model, factor)
        return model

    first = embedonce.wrap(trained(1.5), tmp_path)
    vectors = first.encode(TEXTS)
    same, other = trained(1.5), trained(1.25)
    texts = st.counted(same)
    assert np.array_equal(embedonce.wrap(same, tmp_path).encode(TEXTS), vectors)
    assert texts == []
    assert embedonce.wrap(other, tmp_path).namespace != first.namespace
    assert "weights=" in first.namespace


def _scale(model, factor):
    with torch.no_grad():
        for each in model.parameters():
            each.mul_(factor)


SETTINGS = [
    {},
    {"normalize_embeddings": True},
    {"truncate_dim": 8},
    {"revision": "main"},
    {"tokenizer_kwargs": {"model_max_length": 8}},
    {"tokenizer_kwargs": {"do_lower_case": False}},
    {"config_kwargs": {"hidden_act": "relu"}},
    {"model_kwargs": {"dtype": "float16"}},
    {"encode_kwargs": {"prompt": "query: "}},
    {"encode_kwargs": {"prompt_name": "query"}},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("place", ["folder", "hub"])
def test_haystack_has_one_namespace_before_and_after_loading(folders, tmp_path, settings, place):
    model = folders.prompted if place == "folder" else "acme/tiny"
    if place == "hub" and "prompt_name" in str(settings):
        settings = {}
    component = st.haystack_component(model, **settings)
    wrapped = embedonce.wrap(component, tmp_path)
    before = wrapped.namespace
    component.warm_up()
    assert wrapped.namespace == before


@pytest.mark.parametrize("name", NAMES)
def test_arguments_that_are_bound_to_encode_count_in_all_frameworks(folders, tmp_path, name):
    door = st.DOORS[name](folders.plain)
    wrapped = door.wrapped(tmp_path)
    st.vectors(door, wrapped, TEXTS)
    namespace = wrapped.namespace
    door.model.encode = functools.partial(door.model.encode, prompt="query: ")
    assert wrapped.namespace != namespace
    expected = st.vectors(door, door.embedder, TEXTS)
    for each in (wrapped, door.wrapped(tmp_path)):
        assert np.array_equal(st.vectors(door, each, TEXTS), expected)


@pytest.mark.parametrize("name", ["HuggingFaceBgeEmbeddings", "HuggingFaceInstructEmbeddings"])
@pytest.mark.parametrize("change", [_halve, _train, _write_through_data, _cut_at_the_left, _drop_a_layer, _hook_inside])
def test_classes_of_packages_that_cannot_be_installed_beside_notice_changes(folders, name, change):
    """What looks like them holds a real model."""
    kind = type(name, (), {"__module__": "langchain_community.embeddings.huggingface"})

    def made():
        embedder = kind()
        vars(embedder).update(model_name=str(folders.plain), model_kwargs={}, encode_kwargs={}, cache_folder=None)
        vars(embedder).update(embed_instruction="", query_instruction="q: ", client=st.load(folders.plain))
        return embedder

    changed = made()
    before, seen = st.describer.describe(changed).identity, st.describer.fingerprint(changed)
    assert st.describer.describe(made()).identity == before
    change(changed.client)
    assert st.describer.fingerprint(changed) != seen
    try:
        assert st.describer.describe(changed).identity != before
    except IdentityError:
        assert change in (_drop_a_layer, _hook_inside)


def test_normalising_twice_is_normalising_once(folders):
    plain = embedonce.wrap(st.DOORS["haystack"](folders.plain).embedder, embedonce.MemoryStore()).namespace
    twice = st.haystack_component(folders.plain, normalize_embeddings=True)
    assert embedonce.wrap(twice, embedonce.MemoryStore()).namespace == plain
    cut = [st.haystack_component(folders.plain, truncate_dim=8, normalize_embeddings=each) for each in (False, True)]
    assert len({embedonce.wrap(each, embedonce.MemoryStore()).namespace for each in cut}) == 2
