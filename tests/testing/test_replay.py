"""The pytest plugin: what a test records, what it replays, and how it fails when something is not recorded.

The inner runs see neither this repository's configuration nor the plugins that happen to be installed. What they embed
with raises if `OFFLINE` is set. They forget what they have imported themselves, so this file imports what they need.
"""

from __future__ import annotations

import copy
import importlib.metadata
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedonce import CacheMissError, EmbeddingCache, StoreError
from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical
from embedonce.testing.cassettes import Cassette

pytest_plugins = ["pytester"]

MODEL = """
import os

def embed(texts):
    assert "OFFLINE" not in os.environ, "the model was asked"
    with open(os.environ["PAID"], "a") as log:
        log.writelines(text + "\\n" for text in texts)
    return [[len(text) / 7, 1.0] for text in texts]
"""

SEARCH = """
from model import embed

def index(cache, texts, namespace="acme/e5@3"):
    return cache.embed(texts, embed, namespace=namespace)

def test_search(replay):
    assert index(replay, ["one", "three"]).tolist() == [[3 / 7, 1.0], [5 / 7, 1.0]]
"""

# Looking for unraisable errors collects garbage ten times, which takes seconds where frameworks are loaded.
PLUGINS = ("-p", "pytest_embedonce", "-p", "no:unraisableexception")


def digest(text, role="document"):
    return sha256(canonical(role, text))[:16]


class Runs:
    """Inner pytest runs in a directory of their own, whose test files import `model`."""

    def __init__(self, pytester, monkeypatch):
        self.pytester = pytester
        self.monkeypatch = monkeypatch
        self.path = pytester.path
        self.log = self.path / "paid.txt"
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "OFFLINE", "CI"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PAID", str(self.log))
        monkeypatch.syspath_prepend(self.path)
        self.configure("")
        pytester.makepyfile(model=MODEL)

    def configure(self, line):
        """Write the configuration file; this process may have loaded the plugin already."""
        self.pytester.makeini(f"[pytest]\nfilterwarnings = ignore::pytest.PytestAssertRewriteWarning\n{line}\n")

    @property
    def paid(self):
        """What the model was asked for."""
        return sorted(self.log.read_text().split()) if self.log.exists() else []

    def record(self, *arguments, which="new"):
        result = self.pytester.runpytest_inprocess(*PLUGINS, f"--embedonce-record={which}", *arguments)
        assert result.ret == 0
        return result

    def replay(self, *arguments):
        self.monkeypatch.setenv("OFFLINE", "1")
        return self.pytester.runpytest_inprocess(*PLUGINS, *arguments)


@pytest.fixture
def runs(pytester, monkeypatch):
    return Runs(pytester, monkeypatch)


def files_in(directory):
    return {path: path.read_bytes() for path in Path(directory).rglob("*") if path.is_file()}


# -- recording and replaying ---------------------------------------------------------------------------------------


def test_what_was_recorded_is_replayed_without_the_model(runs):
    runs.pytester.makepyfile(test_it=SEARCH)
    runs.record()
    assert runs.paid == ["one", "three"]
    kept = files_in(runs.path / "cassettes" / "embedonce")
    assert any(path.suffix == ".safetensors" for path in kept)
    runs.replay().assert_outcomes(passed=1)
    assert files_in(runs.path / "cassettes") == kept


def test_new_records_only_what_is_missing_and_all_everything(runs):
    runs.pytester.makepyfile(test_it=SEARCH + '\ndef test_more(replay):\n    index(replay, ["one", "six"])\n')
    runs.record("-k", "test_search")
    runs.record()
    assert runs.paid == ["one", "six", "three"]
    runs.record("-k", "test_search", which="all")
    assert runs.paid == ["one", "one", "six", "three", "three"]
    runs.replay().assert_outcomes(passed=2)


def test_recording_again_replaces_what_was_recorded(runs):
    cassette = runs.path / "cassettes" / "embedonce"
    EmbeddingCache(cassette).embed(["one", "three"], lambda texts: np.zeros((2, 2)), namespace="acme/e5@3")
    runs.pytester.makepyfile(test_it=SEARCH)
    runs.record(which="all")
    runs.replay().assert_outcomes(passed=1)


def test_a_cassette_survives_another_checkout(runs, monkeypatch):
    """Git gives files other times and no write permission, and text files other line ends on Windows."""
    runs.pytester.makepyfile(test_it=SEARCH)
    runs.record()
    cassette = runs.path / "cassettes" / "embedonce"
    for path in cassette.rglob("*"):
        if path.name == "space.json":
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        os.utime(path, (0, 0))
    for path in [*cassette.rglob("*"), cassette]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    runs.replay().assert_outcomes(passed=1)


def test_recordings_of_two_branches_can_be_put_together(runs):
    runs.pytester.makepyfile(test_it=SEARCH + '\ndef test_more(replay):\n    index(replay, ["one", "six"])\n')
    cassette, other = runs.path / "cassettes", runs.path / "other"
    runs.record("-k", "test_search")
    cassette.rename(other)
    runs.record("-k", "test_more")
    shutil.copytree(other, cassette, dirs_exist_ok=True)
    runs.replay().assert_outcomes(passed=2)


def test_each_test_file_has_a_cassette_beside_it_unless_there_is_one_for_all(runs):
    for name in ("a", "b"):
        (runs.path / name).mkdir()
        (runs.path / name / f"test_{name}.py").write_text(SEARCH)
    runs.record()
    assert (runs.path / "a" / "cassettes" / "embedonce").is_dir()
    assert (runs.path / "b" / "cassettes" / "embedonce").is_dir()
    assert len(runs.paid) == 4
    runs.configure("embedonce_cassettes = tests/recorded")
    runs.record("a")
    assert len(runs.paid) == 6
    runs.replay("b").assert_outcomes(passed=1)
    assert (runs.path / "tests" / "recorded").is_dir()


def test_recorders_of_http_keep_their_cassettes_beside_these(runs):
    (runs.path / "cassettes" / "test_it").mkdir(parents=True)
    (runs.path / "cassettes" / "test_it" / "test_search.yaml").write_text("interactions: []\n")
    runs.pytester.makepyfile(test_it=SEARCH)
    runs.record()
    runs.replay().assert_outcomes(passed=1)


def test_parametrized_tests_classes_and_threads(runs):
    runs.pytester.makepyfile(
        test_it="""
        from concurrent.futures import ThreadPoolExecutor
        import pytest
        from model import embed

        @pytest.fixture
        def cached(replay):
            import embedonce
            return embedonce.wrap(embed, replay, namespace="acme/e5@3")

        @pytest.mark.parametrize("text", ["a", "b b", "Straße", ""])
        def test_each(cached, text):
            assert cached([text]).shape == (1, 2)

        class TestClass:
            def test_method(self, cached):
                with ThreadPoolExecutor(4) as pool:
                    found = list(pool.map(lambda i: cached([f"text-{i % 5}"])[0, 0], range(20)))
                assert found == [6 / 7 * 1.0] * 20
        """
    )
    runs.record("--tb=short")
    runs.replay().assert_outcomes(passed=5)


# -- misses --------------------------------------------------------------------------------------------------------


def test_a_new_text_fails_the_test_and_names_its_digest_its_call_site_and_the_remedy(runs):
    runs.pytester.makepyfile(
        test_it=SEARCH
        + """
import pytest

@pytest.mark.parametrize("text", ["a secret"])
def test_new(replay, text):
    index(replay, ["one", text])
"""
    )
    runs.record("-k", "test_search")
    result = runs.replay()
    result.assert_outcomes(passed=1, failed=1)
    line = SEARCH.strip().split("\n").index("    return cache.embed(texts, embed, namespace=namespace)") + 1
    (message,) = [line for line in result.outlines if line.startswith("E ")]
    assert message.removeprefix("E").strip() == (
        "embedonce.errors.CacheMissError: 1 of 2 texts are not recorded for namespace 'acme/e5@3' (role document): one "
        f"of 8 characters with the SHA-256 key {digest('a secret')}…; asked for by test_it.py:{line} in index; "
        "cassettes/embedonce holds other texts of it; record with: pytest --embedonce-record=new "
        "'test_it.py::test_new[a secret]'"
    )
    assert "Captured embedonce" not in result.stdout.str()


def test_paths_are_relative_to_where_pytest_was_started(runs, monkeypatch):
    (runs.path / "tests").mkdir()
    (runs.path / "tests" / "test_it.py").write_text(SEARCH)
    (runs.path / "elsewhere").mkdir()
    for where, path in (("tests", "test_it.py"), ("elsewhere", f"{runs.path}/tests/test_it.py")):
        monkeypatch.chdir(runs.path / where)
        result = runs.replay(f"{runs.path}/tests")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E *asked for by {path}:5 in index; *=new {path}::test_search"])


def test_a_text_is_not_shown(runs):
    runs.pytester.makepyfile(
        test_it="def test_new(replay, request):\n    replay.embed(['classi' + 'fied'], None, namespace='n')\n"
    )
    result = runs.replay()
    result.assert_outcomes(failed=1)
    assert digest("classified") in result.stdout.str()
    assert "classified" not in result.stdout.str()


def test_another_model_is_a_miss_that_names_both(runs):
    runs.pytester.makepyfile(
        test_it=SEARCH + '\ndef test_other(replay):\n    index(replay, ["one"], namespace="acme/e6@1")\n'
    )
    runs.record("-k", "test_search")
    result = runs.replay()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *not recorded for namespace 'acme/e6@1' *embedonce holds recordings of 'acme/e5@3' only; *"]
    )


def test_a_missing_directory_is_named(runs):
    runs.pytester.makepyfile(test_it=SEARCH)
    result = runs.replay()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *nothing is recorded in cassettes/embedonce yet; record with: *"])
    assert not (runs.path / "cassettes").exists()


@pytest.mark.parametrize("tries", [1, 3])
def test_a_miss_that_is_swallowed_fails_the_test(runs, tries):
    runs.pytester.makepyfile(
        test_it=f"""
        from model import embed

        def fallback(cache, text):
            for _ in range({tries}):
                try:
                    return cache.embed([text], embed, namespace="n", role="query")
                except Exception:
                    pass
            return [[0.0]]

        def test_search(replay):
            assert fallback(replay, "first") == fallback(replay, "second") == [[0.0]]
        """
    )
    result = runs.replay("-rf")
    result.assert_outcomes(failed=1)
    for text in ("first", "second"):
        (line,) = [line for line in result.outlines if digest(text, "query") in line]
        assert "asked for by test_it.py:6 in fallback" in line
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_search - *"])


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("assert 1 == 2", {"failed": 1}),
        ("import pytest; pytest.skip('no vectors')", {"failed": 1}),
        ("import pytest; pytest.xfail('no vectors')", {"xfailed": 1}),
    ],
)
def test_a_test_that_ends_otherwise_says_what_was_missing(runs, ending, outcome):
    runs.pytester.makepyfile(
        test_it=f"""
        import contextlib

        def test_search(replay):
            with contextlib.suppress(KeyError):
                replay.embed(["text"], None, namespace="n")
            {ending}
        """
    )
    result = runs.replay("-rx")
    result.assert_outcomes(**outcome)
    if "failed" in outcome:
        result.stdout.fnmatch_lines([f"1 of 1 texts are not recorded *{digest('text')}*"])
    if "assert" in ending:
        result.stdout.fnmatch_lines(["*assert 1 == 2", "*Captured embedonce call*"])


@pytest.mark.parametrize(("phase", "outcome"), [("setup", {"failed": 1}), ("teardown", {"passed": 1, "errors": 1})])
def test_a_miss_of_a_fixture_counts_too(runs, phase, outcome):
    runs.pytester.makepyfile(
        test_it=f"""
        import contextlib
        import pytest

        @pytest.fixture
        def app(replay):
            for phase in ("setup", "teardown"):
                if phase == {phase!r}:
                    with contextlib.suppress(KeyError):
                        replay.embed(["text"], None, namespace="n")
                if phase == "setup":
                    yield

        def test_app(app):
            pass
        """
    )
    result = runs.replay()
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines([f"1 of 1 texts are not recorded *{digest('text')}*asked for by test_it.py:9 in app;*"])


def test_many_misses_are_counted(runs):
    runs.pytester.makepyfile(
        test_it="def test_it(replay):\n    replay.embed(map(str, range(40)), None, namespace='n')\n"
    )
    result = runs.replay()
    result.stdout.fnmatch_lines([f"E *40 of 40 texts *{digest('4')}… and 35 more; *"])
    assert digest("5") not in result.stdout.str()


@pytest.mark.parametrize(
    ("call", "site"),
    [
        ("pytest.raises(LookupError, lookup, replay)", "test_it.py:6 in lookup"),
        ("pytest.raises(LookupError, replay.embed, ['text'], None, namespace='n')", "test_it.py:9 in test_it"),
        (
            "ThreadPoolExecutor().submit(replay.embed, ['text'], None, namespace='n').exception()",
            "a thread or task that a library has started",
        ),
        ("pytest.raises(LookupError, asyncio.run, coroutine(replay))", "test_it.py:12 in coroutine"),
        ("[pytest.raises(LookupError, lookup, each) for each in (copy.deepcopy(replay),)]", "test_it.py:6 in lookup"),
    ],
)
def test_the_call_site_is_the_users_own_line(runs, call, site):
    runs.pytester.makepyfile(
        test_it=f"""
        import asyncio, copy, pytest
        from concurrent.futures import ThreadPoolExecutor


        def lookup(cache):
            return list(cache.embed(["text"], None, namespace="n"))

        def test_it(replay):
            {call}

        async def coroutine(cache):
            return await cache.aembed(["text"], None, namespace="n")
        """
    )
    result = runs.replay()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"1 of 1 texts are not recorded *; asked for by {site}; *"])


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


def test_an_outage_while_replaying_is_no_miss_and_fails_the_test(tmp_path):
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
