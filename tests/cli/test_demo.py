"""`embedonce demo`: what it shows, what it leaves behind, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import embedonce
from embedonce.cli import runs
from embedonce.cli.corpus import DemoError
from embedonce.cli.runs import embed_once, embed_once_elsewhere
from embedonce.testing import HashingEmbedder

ALL = ("--framework", "LangChain", "--framework", "LlamaIndex", "--framework", "Haystack")
SMALL = ("--limit", "60", "--dimensions", "16")
# A background job ignores Ctrl-C, and so do its children; a terminal's do not.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import embedonce.cli
embedonce.cli.main()
"""


LIMIT = 240
"""Seconds after which a process that has not ended counts as one that hangs."""


def command(*arguments):
    # Frameworks take seconds to load.
    if arguments[0] == "demo" and "--framework" not in arguments:
        arguments = (*arguments, "--framework", "langchain")
    return [sys.executable, "-c", MAIN, *map(str, arguments)]


def spawn(*arguments, **environment):
    """Run the real command without a terminal."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "100", **environment},
        timeout=LIMIT,
        check=False,
    )


def run(*arguments):
    """Run the command in this process; only its second run has a process of its own."""
    from typer.testing import CliRunner

    from embedonce.cli.app import app

    given = [*map(str, arguments), *(() if "--framework" in arguments else ("--framework", "langchain"))]
    answer = CliRunner().invoke(app, given, env={"COLUMNS": "100"})
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return subprocess.CompletedProcess(arguments, answer.exit_code, answer.stdout, answer.stderr)


def rows_of(output):
    """Return the numbers of each run in the table: texts, unique, sent, hits."""
    rows = []
    for line in output.splitlines():
        cells = [cell.strip() for cell in re.split("[│|]", line)[1:-1]]
        if len(cells) == 6 and re.fullmatch(r"\d+\.\d\d", cells[-1]):
            rows.append([int(cell.replace(",", "")) for cell in cells[1:5]])
    return rows


@pytest.fixture
def book(tmp_path):
    """Five paragraphs, four of them different."""
    file = tmp_path / "book.txt"
    file.write_text("One.\n\nTwo,\nstill two.\n\n\n\n  Three. \n \t \nOne.\n\nStraße, 東京.\n", encoding="utf-8")
    return file


# -- what it shows -------------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_no_other_process_and_no_other_framework_embeds_anything(tmp_path):
    answer = spawn("demo", *SMALL, *ALL, TMPDIR=str(tmp_path))
    assert (answer.returncode, answer.stderr) == (0, "")
    (texts, unique, sent, hits), *again = rows_of(answer.stdout)
    assert (texts, sent, hits) == (60, unique, 0)
    assert again == [[60, unique, 0, unique]] * 3
    for run_number, framework in ((2, "LangChain"), (3, "LlamaIndex"), (4, "Haystack")):
        assert f"{run_number}, {framework}, a new process" in answer.stdout
    assert f"4 runs in 3 frameworks: each of {unique} texts was paid for once." in answer.stdout
    assert "60 docstrings of Python's standard library" in answer.stdout
    assert "embedonce-testing/hashing-ngrams-1?dimensions=16" in answer.stdout
    for run_number in (2, 3, 4):
        assert f"Run {run_number} equals run 1 bit for bit: 960 numbers compared." in answer.stdout


def test_nothing_is_left_behind_without_a_store(tmp_path):
    assert spawn("demo", *SMALL, TMPDIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_no_progress_and_no_escapes_without_a_terminal(book):
    output = spawn("demo", "--text", book, "--dimensions", "8").stdout
    assert "\x1b" not in output
    assert "\r" not in output
    assert "embedding" not in output


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_progress_is_shown_on_a_terminal():
    import pty

    leader, follower = pty.openpty()
    with subprocess.Popen(command("demo", *SMALL), stdout=follower, stderr=follower) as process:
        os.close(follower)
        shown = b""
        # Linux reports the end of a terminal as an error.
        try:
            while chunk := os.read(leader, 4096):
                shown += chunk
        except OSError:
            pass
    os.close(leader)
    assert process.returncode == 0
    assert b"Run 1, embedding" in shown
    assert b"equals run 1 bit for bit" in shown


def test_paragraphs_of_files_are_embedded_once_each(book):
    answer = run("demo", "--text", book, "--text", book, "--dimensions", "8")
    assert rows_of(answer.stdout) == [[10, 4, 4, 0], [10, 4, 0, 4]]
    assert "10 paragraphs of 2 files" in answer.stdout
    assert "80 numbers compared" in answer.stdout


def test_the_limit_holds_for_files_too(book):
    assert rows_of(run("demo", "--text", book, "--limit", "2", "--dimensions", "8").stdout)[0] == [2, 2, 2, 0]


def test_a_given_store_is_kept_and_used_the_next_time(book, tmp_path):
    store = tmp_path / "store"
    arguments = ("demo", "--text", book, "--store", store, "--dimensions", "8")
    first, again = run(*arguments), run(*arguments)
    assert f"{store}, which held 0 vectors of this embedder before" in first.stdout
    assert f"{store}, which held 4 vectors of this embedder before" in again.stdout
    assert rows_of(first.stdout) == [[5, 4, 4, 0], [5, 4, 0, 4]]
    assert rows_of(again.stdout) == [[5, 4, 0, 4]] * 2
    cached = embedonce.wrap(HashingEmbedder(8), store, mode="replay")
    assert cached.embed_documents(["One."]) == HashingEmbedder(8).embed_documents(["One."])


def test_other_models_in_a_store_are_not_counted(book, tmp_path):
    store = str(tmp_path / "store")
    embedonce.wrap(HashingEmbedder(9), store).embed_documents(["One."])
    answer = run("demo", "--text", book, "--store", store, "--dimensions", "8")
    assert "which held 0 vectors of this embedder before" in answer.stdout
    assert rows_of(answer.stdout)[0] == [5, 4, 4, 0]
    assert " 4 vectors of 8." in answer.stdout


def test_bytes_per_vector_are_those_of_the_files(book, tmp_path):
    answer = run("demo", "--text", book, "--store", tmp_path / "store", "--dimensions", "8")
    size = sum(file.stat().st_size for file in (tmp_path / "store").rglob("*.safetensors"))
    assert f"{size / 4:,.0f} bytes on disk per vector: {size:,} bytes, 4 vectors of 8." in answer.stdout


def test_a_url_is_a_store(book, tmp_path):
    url = f"file://{tmp_path}/store"
    assert run("demo", "--text", book, "--store", url, "--dimensions", "8").returncode == 0
    assert len(list((tmp_path / "store").iterdir())) == 1


# -- what it detects -----------------------------------------------------------------------------------------------


def test_the_exit_code_is_1_if_the_second_run_had_to_embed(book):
    """Memory is not shared with another process."""
    answer = spawn("demo", "--text", book, "--store", "memory://demo", "--dimensions", "8")
    assert answer.returncode == 1
    assert rows_of(answer.stdout) == [[5, 4, 4, 0]] * 2
    assert "Run 2 SENT 4 TEXTS to the embedder" in answer.stdout


@pytest.mark.parametrize("change", [lambda matrix: np.nextafter(matrix, 2), lambda matrix: matrix * np.copysign(1, -1)])
def test_the_exit_code_is_1_if_one_bit_differs(change, book, monkeypatch):
    from embedonce.cli import demo

    def altered(vectors):
        matrix = np.array(vectors)
        zero = tuple(np.argwhere(matrix == 0)[0])
        matrix[zero] = change(matrix[zero])
        return matrix

    def run_here(*arguments):
        framework = runs.demos()["LangChain"]
        changed = replace(framework, embed=lambda cached, texts: altered(framework.embed(cached, texts)))
        with monkeypatch.context() as patch:
            patch.setattr(runs, "demos", lambda: {"LangChain": changed})
            return embed_once(*arguments)

    monkeypatch.setattr(demo, "embed_once_elsewhere", run_here)
    answer = run("demo", "--text", book, "--dimensions", "64")
    assert answer.returncode == 1
    assert "Run 2 DIFFERS FROM run 1" in answer.stdout


# -- bad input -----------------------------------------------------------------------------------------------------


def refused(answer, *words):
    """The run ended in one clear line."""
    assert answer.returncode == 2
    assert answer.stdout == "" or "run" not in answer.stdout
    assert answer.stderr.startswith("embedonce demo: ")
    assert answer.stderr.count("\n") == 1
    for word in words:
        assert word in answer.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        (b"", "no text in"),
        (b" \n\n \r\n", "no text in"),
        (b"\x89PNG\r\n\x1a\n\0\xff", "is not text in UTF-8"),
        (b"text\0text", "NUL"),
        ("text".encode("utf-16"), "is not text in UTF-8"),
    ],
    ids=["missing", "empty", "blank", "png", "nul", "utf-16"],
)
def test_files_that_are_not_text_are_refused(content, words, tmp_path):
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    refused(run("demo", "--text", file, *SMALL), words, str(file))


def test_a_directory_instead_of_a_text_is_refused(tmp_path):
    refused(spawn("demo", "--text", tmp_path), "cannot read", str(tmp_path))


def test_a_missing_file_beside_a_good_one_is_refused(book, tmp_path):
    refused(run("demo", "--text", book, "--text", tmp_path / "missing"), "missing")


def test_what_is_not_a_store_is_refused_before_any_work(book, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").touch()
    for store, words in [
        (book, "is not a directory"),
        (tmp_path / "other", "holds other things (photo.jpg)"),
        ("", "is empty"),
        ("nosuchscheme://bucket", "nosuchscheme"),
    ]:
        refused(run("demo", "--text", book, "--store", store), words)


def test_a_store_of_a_newer_format_is_refused(book, tmp_path):
    store = tmp_path / "store"
    assert run("demo", "--text", book, "--store", store, *SMALL).returncode == 0
    (description,) = store.rglob("space.json")
    description.write_text('{"format": "embedonce/9"}')
    refused(run("demo", "--text", book, "--store", store, *SMALL), "embedonce/9", "upgrade embedonce")


@pytest.mark.parametrize("option", [("--limit", "0"), ("--dimensions", "0"), ("--dimensions", "many"), ("--nonsense",)])
def test_bad_options_are_refused(option):
    answer = run("demo", *option)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert option[0] in answer.stderr.splitlines()[-1]


def test_a_full_disk_ends_in_one_line(book, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(subprocess, "run", full)
    answer = run("demo", "--text", book, "--dimensions", "8")
    assert answer.returncode == 2
    assert "No space left on device" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_second_process_that_fails_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match=r"^the run in a new process failed: .*is not a directory"):
        embed_once_elsewhere(["a"], str(tmp_path / "file"), 8, "LangChain")


def without(*packages):
    """Run the command where some packages are not installed."""
    script = f"import sys; sys.modules.update(dict.fromkeys({packages!r})); import embedonce.cli; embedonce.cli.main()"
    return lambda *arguments: subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT, check=False
    )


def test_without_a_framework_it_says_what_to_install(book):
    answer = without("langchain_core", "llama_index.core", "haystack")("demo", "--text", book)
    refused(answer, "LangChain or LlamaIndex or Haystack", 'pip install "embedonce[langchain]"')


def test_it_shows_what_there_is(book):
    """Each new process looks anew for what is installed, and only LangChain is asked for there."""
    answer = without("llama_index.core", "haystack")("demo", "--text", book, "--dimensions", "8")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert rows_of(answer.stdout) == [[5, 4, 4, 0], [5, 4, 0, 4]]
    assert "2 runs in 1 frameworks" not in answer.stdout
    for extra in ("llamaindex", "haystack"):
        assert f'to see it too: pip install "embedonce[{extra}]"' in answer.stdout


@pytest.mark.parametrize("names", [("--framework", "spacy"), ("--framework", "LangChain", "--framework", "")])
def test_unknown_frameworks_are_refused(book, names):
    refused(run("demo", "--text", book, *names), "there is no framework", "LangChain, LlamaIndex, Haystack")


def test_without_plugins_it_says_who_switched_them_off(book):
    answer = spawn("demo", "--text", book, EMBEDONCE_PLUGINS="off")
    refused(answer, "there is no framework 'langchain'", "known: none", "switched off by EMBEDONCE_PLUGINS")


@pytest.mark.soak
def test_any_framework_will_do(book):
    answer = without("langchain_core", "haystack")("demo", "--text", book, "--dimensions", "8")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "1, LlamaIndex" in answer.stdout
    assert rows_of(answer.stdout) == [[5, 4, 4, 0], [5, 4, 0, 4]]


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for one process")
def test_ctrl_c_ends_tidily(tmp_path):
    scratch, long = tmp_path / "scratch", tmp_path / "long.txt"
    scratch.mkdir()
    long.write_text("\n\n".join(f"Paragraph {number} of a long text." for number in range(100_000)))
    with subprocess.Popen(
        command("demo", "--text", long),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as process:
        for line in process.stdout:
            if line.startswith("store: "):
                process.send_signal(signal.SIGINT)
        assert (process.wait(LIMIT), process.stderr.read()) == (130, "embedonce demo: stopped\n")
    assert list(scratch.iterdir()) == []


# -- its parts -----------------------------------------------------------------------------------------------------


def test_progress_goes_up_to_the_number_of_texts_and_changes_no_call(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_NUMBERS_PER_CALL", 100 * 8)
    texts = [f"text {number}" for number in range(250)]
    for _ in range(2):
        reported = []
        result = embed_once(texts, str(tmp_path), 8, "LangChain", reported.append)
        assert reported == sorted(reported)
        assert reported[-1] == 250
        assert result.digest == sha256(HashingEmbedder(8)(texts).astype(float)).hexdigest()
    assert (result.sent, result.hits) == (0, 250)


def test_the_footprint_of_nothing_is_nothing(tmp_path):
    from embedonce.cli.demo import footprint

    assert footprint(str(tmp_path), "acme/none") == (0, 0)


def test_lone_surrogates_reach_the_other_process(tmp_path):
    texts = ["\ud800", "\udfff and more"]
    here = embed_once(texts, str(tmp_path / "store"), 8, "LangChain")
    there = embed_once_elsewhere(texts, str(tmp_path / "store"), 8, "LangChain")
    assert (there.sent, there.digest) == (0, here.digest)


def test_modules_in_the_working_directory_are_not_run(book, tmp_path, monkeypatch):
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 puts the working directory first for -m")
    Path(tmp_path / "numpy.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert embed_once_elsewhere(["a"], str(tmp_path / "store"), 8, "LangChain").sent == 1
