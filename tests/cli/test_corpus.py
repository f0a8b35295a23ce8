"""The text that the demo embeds."""

from __future__ import annotations

import sysconfig

import pytest

from embedonce.cli import corpus
from embedonce.cli.corpus import DemoError, collected, docstrings, paragraphs

LONG = "A docstring that is long enough to be worth it, number"


def source(*numbers):
    return "".join(f'def f{number}():\n    """{LONG} {number}."""\n\n\n' for number in numbers)


@pytest.fixture
def library(tmp_path):
    """Sources of many kinds; running one of them would fail."""
    files = {
        "b.py": source(3),
        "a.py": f'"""{LONG} 0.\n\n    Indented.\n    """\nclass C:\n    """Tiny."""\n    """{LONG} no docstring."""\n'
        f'    async def m(self):\n        """{LONG} 1."""\nraise SystemExit\n',
        "latin.py": b'# -*- coding: latin-1 -*-\n"""' + LONG.encode() + b' \xe9."""\n',
        "package/__init__.py": source(5, 6),
        "package/broken.py": source(9) + "def:\n",
        "package/nul.py": source(9) + "\0",
        "package/text.txt": source(9),
        "test/test_a.py": source(9),
        "site-packages/other.py": source(9),
        "package/escape.py": f'"""{LONG} \\d."""\n',
    }
    for name, content in files.items():
        file = tmp_path / "library" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "library"


def test_docstrings_come_in_the_order_of_paths_and_without_running_anything(library):
    assert docstrings(library, 100) == [
        f"{LONG} 0.\n\nIndented.",
        f"{LONG} 1.",
        f"{LONG} 3.",
        f"{LONG} é.",
        f"{LONG} 5.",
        f"{LONG} 6.",
        f"{LONG} \\d.",
    ]


def test_docstrings_stop_at_the_limit(library):
    assert docstrings(library, 3) == docstrings(library, 100)[:3]


def test_the_standard_library_has_a_thousand_docstrings_or_more():
    texts, what = collected([], 1000)
    assert len(texts) == 1000
    assert texts[:50] == docstrings(sysconfig.get_path("stdlib"), 50)
    assert all(len(text) >= 40 for text in texts)
    assert what == "docstrings of Python's standard library"


def test_a_python_without_sources_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DemoError, match="give a text file with --text"):
        collected([], None)


def test_paragraphs_stand_between_blank_lines(tmp_path):
    windows, marked = tmp_path / "windows.txt", tmp_path / "marked.txt"
    windows.write_bytes(b"\r\none\r\nmore\r\n\r\n\t\r\ntwo\r\n")
    marked.write_bytes(b"\xef\xbb\xbfthree\n\n\xc3\xa9")
    assert paragraphs([str(windows), str(marked)]) == ["one\nmore", "two", "three", "é"]


def test_all_paragraphs_are_taken_unless_there_is_a_limit(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("\n\n".join(map(str, range(5000))))
    assert len(collected([str(file)], None)[0]) == 5000
    assert collected([str(file)], 2) == (["0", "1"], f"paragraphs of {file}")
