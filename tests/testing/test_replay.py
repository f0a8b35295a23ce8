"""The pytest plugin: what a test records, what it replays, and how it fails when something is not recorded.

The inner runs see neither this repository's configuration nor the plugins that happen to be installed. What they embed
with raises if `OFFLINE` is set. They forget what they have imported themselves, so this file imports what they need.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from replaying import SEARCH, digest

from embedonce import EmbeddingCache

pytest_plugins = ["pytester"]


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
