"""The suite of adapters: a stranger's passes it, and each kind of broken one fails where it is meant to."""

from __future__ import annotations

import copy
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import embedonce.plugins.host
from embedonce import CacheMissError, IdentityError, StoreError, WrapOptions, Wrapper
from embedonce.identification import EmbedRequest
from embedonce.testing import AdapterSuite, ModelBehind

sys.path.insert(0, str(Path(__file__).parent / "acme"))

import acme_cached
from acme_cached import CachedAcme

from acme import AcmeEmbedder

ENTRY_POINTS = "[embedonce]\nacme = acme_embedonce\nheavy = acme_heavy\nbroken = acme_that_is_not_there\n"


@pytest.fixture(autouse=True)
def _installed(tmp_path, monkeypatch):
    """The stranger's distribution, as pip would put it on the path."""
    site = tmp_path / "site"
    info = site / "acme_embedonce-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-embedonce\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "acme_heavy.py").write_text("import acme\nfrom acme_embedonce import embedonce_wrap\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())


class InFrontOf(AcmeEmbedder):
    def __init__(self, model):
        self.model = model

    @property
    def embedonce_identity(self):
        return self.model.identity

    def embed_many(self, texts):
        return self.model.answer("document", texts)

    def embed_question(self, text):
        return self.model.answer_one("query", text)


class Acme(AdapterSuite):
    plugin = "acme"
    kind = AcmeEmbedder

    def embedder(self, model):
        return InFrontOf(model)

    def embed_documents(self, wrapped, texts):
        return wrapped.embed_many(texts)

    def embed_query(self, wrapped, text):
        return wrapped.embed_question(text)


def collected(suite, **attributes):
    """A suite by a name that pytest looks for, but not in this module."""
    return type("TestAcme", (suite,), attributes)


class CachedArrays(CachedAcme):
    def ask(self, texts, role, embed):
        return list(map(np.array, super().ask(texts, role, embed)))


class AcmeOfArrays(Acme):
    vector_type = np.ndarray


def test_an_adapter_of_thirty_lines_passes(run_suite):
    """And what does not apply to it is reported, not silently absent."""
    found, texts = run_suite(collected(Acme))
    assert set(found) == {"passed", "skipped"}, texts
    assert found["passed"] > 40
    for reason in (
        "TestAcme has no aembed_documents and aembed_query: no async methods are tested",
        "TestAcme has no embedder_of_fields: only embedders that declare what they are",
    ):
        assert reason in texts


@pytest.mark.soak
def test_an_adapter_may_answer_with_arrays(run_suite, monkeypatch):
    monkeypatch.setattr(acme_cached, "CachedAcme", CachedArrays)
    found, texts = run_suite(collected(AcmeOfArrays))
    assert set(found) == {"passed", "skipped"}, texts


# Broken adapters


class IgnoresTheRole(CachedAcme):
    def ask(self, texts, role, embed):
        return super().ask(texts, "document", embed)


class ShiftsAtDuplicates(CachedAcme):
    def embed_many(self, texts):
        vectors = super().embed_many(list(dict.fromkeys(texts)))
        return [vectors[min(position, len(vectors) - 1)] for position in range(len(texts))]


class Sorts(CachedAcme):
    def embed_many(self, texts):
        return super().embed_many(sorted(texts))


class SharesLists(CachedAcme):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.lists = {}

    def ask(self, texts, role, embed):
        vectors = super().ask(texts, role, embed)
        return [self.lists.setdefault((role, text), vector) for text, vector in zip(texts, vectors, strict=True)]


class HasOneNamespace(CachedAcme):
    def __init__(self, embedder, cache, options):
        super().__init__(embedder, cache, WrapOptions(namespace="acme"))


class ForgetsTheVersion(CachedAcme):
    def __init__(self, embedder, cache, options):
        super().__init__(embedder, cache, replace(options, version=None))


class FillsIn(CachedAcme):
    def ask(self, texts, role, embed):
        def filled(some):
            vectors = embed(some)
            return [*vectors, *[vectors[-1] if vectors else [0.0] * 3] * (len(some) - len(vectors))]

        return super().ask(texts, role, filled)


class StripsTexts(CachedAcme):
    def ask(self, texts, role, embed):
        return super().ask([text.strip() if isinstance(text, str) else text for text in texts], role, embed)


class PrintsWhatIsNoText(CachedAcme):
    def ask(self, texts, role, embed):
        return super().ask(list(map(str, texts)), role, embed)


class CutsBeforeItLooks(CachedAcme):
    def embed_many(self, texts):
        cut = [texts[start : start + 10] for start in range(0, len(texts), 10)]
        return [vector for some in cut for vector in super(CutsBeforeItLooks, self).embed_many(some)]


class SendsAllAtOnce(CachedAcme):
    def ask(self, texts, role, embed):
        return self.described.embed(EmbedRequest(self.embedder, self.cache, texts, role, None), embed)


class LooksOnce(CachedAcme):
    def __init__(self, embedder, cache, options):
        super().__init__(embedder, cache, options)
        self.wrap_options = replace(options, namespace=self.identity)
        self.look_anew()


class Rounds(CachedAcme):
    def ask(self, texts, role, embed):
        return [np.float32(vector).tolist() for vector in super().ask(texts, role, embed)]


class GuessesAName(CachedAcme):
    def __init__(self, embedder, cache, options):
        try:
            super().__init__(embedder, cache, options)
        except IdentityError:
            super().__init__(embedder, cache, replace(options, namespace=type(embedder).__name__))


class HidesFaults(CachedAcme):
    def ask(self, texts, role, embed):
        try:
            return super().ask(texts, role, embed)
        except StoreError:
            return embed(texts)


class EmbedsInReplay(CachedAcme):
    def ask(self, texts, role, embed):
        try:
            return super().ask(texts, role, embed)
        except CacheMissError:
            return embed(texts)


class AsksTwice(CachedAcme):
    def ask(self, texts, role, embed):
        super().ask(texts, role, embed)
        return super().ask(texts, role, embed)


class TurnsErrors(CachedAcme):
    def ask(self, texts, role, embed):
        def turned(some):
            try:
                return embed(some)
            except Exception as error:
                raise RuntimeError("the embedder failed") from error

        return super().ask(texts, role, turned)


class WaitsForNobody(CachedAcme):
    """Each wrapper of a thread has a namespace of its own."""

    def ask(self, texts, role, embed):
        own = copy.copy(self)
        own.wrap_options = replace(self.wrap_options, version=threading.get_ident())
        own.look_anew()
        return CachedAcme.ask(own, texts, role, embed)


class DamagesWhatIsCopied(CachedAcme):
    def __getstate__(self):
        state = super().__getstate__()
        self.batch_size = None
        return state


class KeepsTheOriginalsModel(CachedAcme):
    def __deepcopy__(self, memo):
        return copy.copy(self)


class ShowsItsStore(CachedAcme):
    def __repr__(self):
        return f"CachedAcme({self.cache._arguments})"


class IsNoEmbedder(Wrapper):
    __init__ = CachedAcme.__init__
    look_anew = CachedAcme.look_anew
    identity = CachedAcme.identity


class ForgetsItsOptions(CachedAcme):
    def __init__(self, embedder, cache, options):
        super().__init__(embedder, cache, options)
        self.wrap_options = WrapOptions()


BROKEN = [
    (IgnoresTheRole, "test_roles_are_kept_apart"),
    (ShiftsAtDuplicates, "test_duplicates_are_paid_once"),
    (ShiftsAtDuplicates, "test_any_mix_of_hits_misses_and_duplicates_keeps_its_order"),
    (Sorts, "test_any_mix_of_hits_misses_and_duplicates_keeps_its_order"),
    (SharesLists, "test_every_list_is_the_callers_own"),
    (SharesLists, "test_equal_texts_of_many_threads_are_paid_once"),
    (HasOneNamespace, "test_two_models_in_one_store_share_nothing"),
    (HasOneNamespace, "test_a_namespace_is_the_whole_identity"),
    (ForgetsTheVersion, "test_two_models_in_one_store_share_nothing"),
    (FillsIn, "test_an_answer_that_breaks_the_contract_is_refused_and_nothing_wrong_of_it_is_stored"),
    (StripsTexts, "test_texts_are_taken_as_they_are"),
    (PrintsWhatIsNoText, "test_what_is_not_a_text_is_refused"),
    (CutsBeforeItLooks, "test_misses_are_gathered_before_they_are_sent"),
    (SendsAllAtOnce, "test_a_failure_at_nine_tenths_keeps_nine_tenths"),
    (LooksOnce, "test_a_model_that_is_changed_after_wrapping_is_another_one"),
    (Rounds, "test_a_hit_is_like_a_miss_bit_by_bit_and_in_type"),
    (GuessesAName, "test_an_embedder_that_cannot_be_identified_is_refused"),
    (HidesFaults, "test_a_store_that_fails_is_an_error_if_that_is_asked_for"),
    (EmbedsInReplay, "test_replay_never_embeds"),
    (AsksTwice, "test_stats_tell_what_happened"),
    (TurnsErrors, "test_an_error_of_the_embedder_arrives_as_it_is"),
    (WaitsForNobody, "test_equal_texts_of_many_threads_are_paid_once"),
    (DamagesWhatIsCopied, "test_a_copy_works_and_leaves_the_original_as_it_is"),
    (KeepsTheOriginalsModel, "test_a_copy_works_and_leaves_the_original_as_it_is"),
    (ShowsItsStore, "test_options_of_the_storage_are_neither_shown_nor_pickled"),
    (IsNoEmbedder, "test_a_wrapper_is_an_embedder_of_the_framework"),
    (ForgetsItsOptions, "test_wrapping_a_wrapper_gives_it_back_or_is_refused"),
]


@pytest.mark.soak
@pytest.mark.parametrize(("broken", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", None) or value)
def test_a_broken_adapter_fails_where_it_is_meant_to(run_suite, monkeypatch, broken, test):
    """Every case that applies to a sync framework."""
    monkeypatch.setattr(acme_cached, "CachedAcme", broken)
    found, texts = run_suite(collected(Acme), test)
    assert set(found) - {"skipped"} == {"failed"}, texts


LOADING = "test_the_plugin_is_found_by_its_entry_point_and_loads_no_framework"


@pytest.mark.parametrize(
    ("name", "why"),
    [("heavy", "'acme'"), ("broken", "acme_that_is_not_there"), ("absent", "has an entry point 'absent'")],
)
def test_a_plugin_that_is_heavy_or_broken_or_absent_is_found_out(run_suite, name, why):
    found, texts = run_suite(collected(Acme, plugin=name), LOADING)
    assert found == {"failed": 1}
    assert why in texts


def test_an_adapter_that_is_not_a_plugin_is_not_looked_for(run_suite):
    found, texts = run_suite(collected(Acme, plugin=None), LOADING)
    assert found == {"skipped": 1}
    assert "TestAcme names no plugin" in texts


# What an author reads


def test_a_test_is_replaced_out_loud_only():
    with pytest.raises(TypeError, match="replaces test_replay_never_embeds"):
        type("Silent", (Acme,), {"test_replay_never_embeds": None})


def test_each_test_says_what_has_to_hold_and_where_to_look():
    tests = [getattr(AdapterSuite, name) for name in dir(AdapterSuite) if name.startswith("test_")]
    assert len(tests) > 50
    for test in tests:
        assert "look" in test.__doc__.partition("\n\n")[2], test.__name__


def test_what_has_to_be_written_is_named():
    with pytest.raises(NotImplementedError, match=r"Nothing has to define embedder\(self, model\)"):
        type("Nothing", (AdapterSuite,), {})().embedder(ModelBehind())
