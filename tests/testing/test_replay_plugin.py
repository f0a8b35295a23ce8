"""The pytest plugin of recordings: its options, other plugins beside it, and faults of its directory."""

from __future__ import annotations

import copy
import importlib.metadata
import pickle
import shutil
import subprocess
import sys

import pytest
from replaying import PLUGINS, SEARCH, digest

from embedonce import CacheMissError, EmbeddingCache, StoreError
from embedonce.testing.cassettes import Cassette

pytest_plugins = ["pytester"]


# -- faults of the directory ---------------------------------------------------------------------------------------


def test_a_directory_with_other_things_is_refused(runs):
    (runs.path / "cassettes" / "embedonce").mkdir(parents=True)
    (runs.path / "cassettes" / "embedonce" / "notes.txt").write_text("x")
    runs.pytester.makepyfile(test_it=SEARCH)
    result = runs.replay()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *StoreError: *embedonce holds other things (notes.txt)*"])


def test_a_recording_that_cannot_be_kept_fails_the_test_even_if_the_error_is_swallowed(runs):
    runs.pytester.makepyfile(
        test_it="""
        import contextlib, pathlib, shutil
        from model import embed

        def test_it(replay):
            replay.open("n")
            directory = pathlib.Path(str(replay.store))
            shutil.rmtree(directory)
            directory.write_text("no directory any more")
            with contextlib.suppress(OSError):
                replay.embed(["text"], embed, namespace="n")
        """
    )
    result = runs.pytester.runpytest_inprocess(*PLUGINS, "--embedonce-record=new")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{runs.path}/cassettes/embedonce*"])


def test_an_outage_while_replaying_is_not_a_miss_and_fails_the_test(tmp_path):
    place = tmp_path / "cassette"
    EmbeddingCache(place).embed(["text"], lambda texts: [[1.0]], namespace="n")
    cassette = Cassette(place, remedy="run", root=tmp_path)
    cassette.open("n")
    shutil.rmtree(place)
    with pytest.raises(StoreError) as caught:
        cassette.embed(["other"], lambda texts: [[1.0]], namespace="n")
    assert cassette.take_failures() == [caught.value]


# -- the plugin ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "once", "read_write"])
def test_an_unknown_value_is_a_usage_error(runs, value):
    runs.pytester.makepyfile(test_it=SEARCH)
    result = runs.pytester.runpytest_inprocess(*PLUGINS, f"--embedonce-record={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--embedonce-record: invalid choice: *none*new*all*"])


def test_ci_never_records_unless_told_to(runs, monkeypatch):
    monkeypatch.setenv("CI", "true")
    runs.pytester.makepyfile(test_it=SEARCH)
    runs.pytester.runpytest_inprocess(*PLUGINS).assert_outcomes(failed=1)
    assert runs.paid == []
    runs.record()
    assert runs.paid == ["one", "three"]


def test_a_test_without_the_fixture_is_as_it_was(runs):
    runs.pytester.makepyfile(
        test_it="""
        import pytest

        def test_passes(): pass
        def test_fails(): assert 1 == 2
        def test_skips(): pytest.skip("why not")
        """
    )
    result = runs.replay()
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert "embedonce" not in "".join(line for line in result.outlines if "plugins:" not in line)
    assert not (runs.path / "cassettes").exists()


def test_it_costs_a_pytest_run_next_to_nothing():
    code = "import pytest, sys; was = set(sys.modules); import pytest_embedonce; print(*set(sys.modules) - was)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert set(done.stdout.split()) <= {"pytest_embedonce", "pytest_embedonce.plugin", "shlex"}


def test_the_installed_package_brings_the_plugin():
    (found,) = importlib.metadata.entry_points(group="pytest11", name="pytest_embedonce")
    assert hasattr(found.load(), "replay")


def test_loading_it_by_name_as_well_does_no_harm(runs, monkeypatch):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    runs.pytester.makepyfile(test_it=SEARCH)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    result = runs.pytester.runpytest_subprocess("-p", "pytest_embedonce", "--embedonce-record=new")
    result.assert_outcomes(passed=1)


@pytest.mark.soak
def test_workers_of_xdist_record_and_replay(runs, monkeypatch):
    runs.pytester.makepyfile(
        test_it="""
        import pytest
        from model import embed

        @pytest.mark.parametrize("number", range(24))
        def test_it(replay, number):
            texts = [f"text-{number}", f"shared-{number % 3}"]
            assert replay.embed(texts, embed, namespace="n").shape == (2, 2)

        def test_new(replay):
            if __import__("os").environ.get("OFFLINE"):
                replay.embed(["new"], embed, namespace="n")
        """
    )
    command = ("-p", "xdist", "-n2", "-p", "pytest_embedonce")
    result = runs.pytester.runpytest_subprocess(*command, "--embedonce-record=new")
    result.assert_outcomes(passed=25)
    assert set(runs.paid) == {f"text-{i}" for i in range(24)} | {f"shared-{i}" for i in range(3)}
    monkeypatch.setenv("OFFLINE", "1")
    result = runs.pytester.runpytest_subprocess(*command)
    result.assert_outcomes(passed=24, failed=1)
    result.stdout.fnmatch_lines([f"E *{digest('new')}*asked for by test_it.py:11 in test_new; *test_it.py::test_new"])


@pytest.mark.soak
def test_every_framework_replays_and_misses_through_the_same_fixture(runs, monkeypatch):
    runs.pytester.makepyfile(
        test_it="""
        import os
        import pytest
        from haystack import Document
        from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from llama_index.core import MockEmbedding

        OFFLINE = "OFFLINE" in os.environ

        class Fake(DeterministicFakeEmbedding):
            def embed_documents(self, texts):
                assert not OFFLINE
                return super().embed_documents(texts)

        class Mock(MockEmbedding):
            def _get_text_embedding(self, text):
                assert not OFFLINE
                return super()._get_text_embedding(text)

        def number(text):
            assert not OFFLINE
            return [float(len(text)), 0.5]

        def langchain(cache, texts):
            return cache.wrap(Fake(size=4), namespace="langchain").embed_documents(texts)

        async def langchain_async(cache, texts):
            return await cache.wrap(Fake(size=4), namespace="langchain").aembed_documents(texts)

        def llamaindex(cache, texts):
            return cache.wrap(Mock(embed_dim=3), namespace="llamaindex").get_text_embedding_batch(texts)

        async def llamaindex_async(cache, texts):
            return await cache.wrap(Mock(embed_dim=3), namespace="llamaindex").aget_text_embedding_batch(texts)

        def haystack(cache, texts):
            component = cache.wrap(MockDocumentEmbedder(embedding_fn=number), namespace="haystack")
            return [d.embedding for d in component.run([Document(content=text) for text in texts])["documents"]]

        async def haystack_async(cache, texts):
            component = cache.wrap(MockTextEmbedder(embedding_fn=number), namespace="haystack", symmetric=True)
            return [(await component.run_async(text))["embedding"] for text in texts]

        @pytest.mark.parametrize("ask", [langchain, llamaindex, haystack])
        def test_sync(replay, ask):
            assert len(ask(replay, ["one", "three"])) == 2
            if OFFLINE:
                ask(replay, ["four"])

        @pytest.mark.asyncio
        @pytest.mark.parametrize("ask", [langchain_async, llamaindex_async, haystack_async])
        async def test_async(replay, ask):
            assert len(await ask(replay, ["one", "three"])) == 2
            if OFFLINE:
                await ask(replay, ["four"])
        """
    )
    command = ("-p", "pytest_asyncio.plugin", "-p", "pytest_embedonce", "--tb=short")
    result = runs.pytester.runpytest_subprocess(*command, "--embedonce-record=new")
    result.assert_outcomes(passed=6)
    monkeypatch.setenv("OFFLINE", "1")
    result = runs.pytester.runpytest_subprocess(*command)
    result.assert_outcomes(failed=6)
    lines = [line for line in result.outlines if "not recorded for" in line and line.startswith("E ")]
    assert all(digest("four") in line for line in lines)
    for name in ("langchain", "llamaindex", "haystack"):
        assert any(f" in {name};" in line and f"'test_it.py::test_sync[{name}]'" in line for line in lines)
        assert any(f" in {name}_async;" in line for line in lines)


# -- the cache behind it -------------------------------------------------------------------------------------------


def test_copies_report_to_the_test_and_pickles_work(tmp_path):
    cassette = Cassette(tmp_path, remedy="run this", root=tmp_path)
    assert copy.copy(cassette) is copy.deepcopy(cassette) is cassette
    sent = pickle.loads(pickle.dumps(cassette))
    with pytest.raises(CacheMissError, match="run this"):
        sent.embed(["text"], lambda texts: [[1.0]], namespace="n")
    assert len(sent.take_failures()) == 1
    assert sent.take_failures() == cassette.take_failures() == []


def test_an_unknown_way_of_recording_is_refused(tmp_path):
    with pytest.raises(ValueError, match="record must be one of 'none', 'new', 'all'; got 'once'"):
        Cassette(tmp_path, record="once", remedy="", root=tmp_path)
