"""The commands that show, tidy and empty a store."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

import embedonce
from embedonce.cli import units


def invoke(*arguments, answer=None):
    from typer.testing import CliRunner

    from embedonce.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=answer)


def _embed(texts):
    return np.array([[float(len(text)), 1.0, 2.0] for text in texts], "<f4")


@pytest.fixture
def store(tmp_path):
    """A store with two namespaces of five and two vectors."""
    root = tmp_path / "cache"
    with embedonce.EmbeddingCache(root) as cache:
        for i in range(5):
            cache.embed([f"text {i}"], _embed, namespace="acme/[bold]e5@3")
        cache.embed(["a", "b"], _embed, namespace="other")
    return root


def _held(store, namespace="acme/[bold]e5@3", texts=("text 0", "text 1", "text 2", "text 3", "text 4")):
    sent = []
    cache = embedonce.EmbeddingCache(store, mode="read_only")
    cache.embed(list(texts), lambda missing: sent.extend(missing) or _embed(missing), namespace=namespace)
    return len(texts) - len(sent)


def test_info_shows_every_namespace(store):
    answer = invoke("info", store)
    assert answer.exit_code == 0, answer.output
    line = next(line for line in answer.output.splitlines() if "acme/[bold]e5@3" in line)
    cells = [cell.strip() for cell in line.strip("│┃ ").split("│")]
    assert cells[1:4] == ["5", "0", "5"]
    assert re.fullmatch(r"[\d.]+ kB", cells[4])
    assert cells[5].startswith(time.strftime("%Y-"))
    assert "other" in answer.output
    assert "other" not in invoke("info", store, "--namespace", "acme/[bold]e5@3").output


def test_compacting_merges_and_keeps_everything(store):
    answer = invoke("compact", store)
    assert answer.exit_code == 0, answer.output
    assert "5 → 1" in answer.output
    assert _held(store) == 5
    assert "→" not in invoke("compact", store).output


def test_evicting_asks_first_and_a_dry_run_changes_nothing(store):
    answer = invoke("evict", store, "--older-than", "0s", "--dry-run")
    assert answer.exit_code == 0, answer.output
    assert "5 → 0" in answer.output
    assert "Nothing was changed" in answer.output
    answer = invoke("evict", store, "--older-than", "0s")
    assert answer.exit_code == 2
    assert "--yes" in answer.stderr
    assert _held(store) == 5
    assert invoke("evict", store, "--older-than", "1d", "--max-bytes", "1GB", "--yes").exit_code == 0
    assert _held(store) == 5
    assert invoke("evict", store, "-n", "other", "--max-bytes", "0", "--yes").exit_code == 0
    assert (_held(store), _held(store, "other", ("a", "b"))) == (5, 0)
    assert invoke("evict", store, "--older-than", "0s", "--yes").exit_code == 0
    assert _held(store) == 0


@pytest.mark.parametrize(("said", "left"), [("y\n", 0), ("n\n", 5)])
def test_on_a_terminal_the_user_is_asked(store, said, left, monkeypatch):
    monkeypatch.setattr("embedonce.cli.maintenance._is_interactive", lambda: True)
    for arguments in (["evict", store, "--max-bytes", "0"], ["clear", store, "-n", "acme/[bold]e5@3"]):
        answer = invoke(*arguments, answer=said)
        assert answer.exit_code == 0, answer.output
        assert ("Nothing was deleted" in answer.output) == (said == "n\n")
        assert _held(store) == left


def test_clearing_empties_one_namespace_or_all(store):
    assert invoke("clear", store).exit_code == 2
    assert _held(store) == 5
    assert invoke("clear", store, "--namespace", "other", "--yes").exit_code == 0
    assert (_held(store), _held(store, "other", ("a", "b"))) == (5, 0)
    assert invoke("clear", store, "--yes").exit_code == 0
    assert _held(store) == 0
    assert invoke("info", store).exit_code == 0


def test_verifying_ends_with_one_if_anything_is_damaged(store):
    assert invoke("verify", store).exit_code == 0
    segment = next(store.glob("acme*/*.safetensors"))
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(content)
    answer = invoke("verify", store)
    assert answer.exit_code == 1
    assert segment.name in answer.output.replace("\n", "")


def test_a_damaged_description_is_told(store):
    next(store.glob("acme*/space.json")).write_bytes(b"{")
    for command in ("info", "compact"):
        answer = invoke(command, store)
        assert answer.exit_code == 0
        assert "is skipped, because" in answer.stderr
        assert "other" in answer.output
    assert invoke("verify", store).exit_code == 1
    assert _held(store) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "{tmp}/absent"], "holds no namespace"),
        (["info", "{store}", "--namespace", "absent"], "no namespace 'absent'"),
        (["compact", "{tmp}"], "holds other things"),
        (["evict", "{store}"], "--max-bytes"),
        (["evict", "{store}", "--max-bytes", "ten"], "'ten' is not a size"),
        (["evict", "{store}", "--older-than", "10"], "'10' is not an age"),
        (["info", "nosuch://bucket"], "nosuch"),
        (["info", "{store}", "--option", "hush"], "KEY=VALUE"),
        (["info", "{store}", "--option", "key=1"], "key"),
    ],
)
def test_bad_input_ends_with_one_line_and_two(store, tmp_path, arguments, said):
    (tmp_path / "notes.txt").write_text("mine")
    answer = invoke(*(argument.format(tmp=tmp_path, store=store) for argument in arguments))
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert "hush" not in answer.stderr


def test_options_reach_the_file_system(monkeypatch):
    from embedonce.cli import maintenance

    assert maintenance._options(["anon=true", "key=abc=d", "n=3", "secret="]) == {
        "anon": True,
        "key": "abc=d",
        "n": 3,
        "secret": "",
    }


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("10GB", 10_000_000_000), ("1.5 kB", 1500), ("2GiB", 2 << 30), ("3m", 3_000_000)],
)
def test_sizes_are_read_as_they_are_written(text, size):
    assert units.bytes_in(text) == size


@pytest.mark.parametrize(
    ("text", "age"), [("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("2 W", 1_209_600)]
)
def test_ages_are_read_as_they_are_written(text, age):
    assert units.seconds_in(text) == age


@pytest.mark.parametrize("text", ["", "-1GB", "GB", "1e9", "1XB", "٣GB"])
def test_what_is_not_a_size_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        units.bytes_in(text)


def test_moments_are_shown_even_if_they_make_no_sense():
    assert units.moment_text(None) == "-"
    assert units.moment_text(2**80) == "in the future"
