"""The examples of the pages on plugins pass the suites that the pages tell their readers to run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks

import embedonce.plugins.host

PAGES = Path(__file__).resolve().parents[2] / "docs" / "plugins"


def passed(directory, *paths):
    """Run pytest in a process of its own, and return how many tests have passed: all that were not skipped."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("EMBEDONCE", "PYTEST"))},
        "PYTHONPATH": os.pathsep.join([*map(str, paths), *filter(None, sys.path)]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "-W", "ignore"]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, encoding="utf-8", timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"(\d+) passed", done.stdout)[1])


@pytest.mark.parametrize(("page", "at_least"), [("codecs.md", 25), ("stores.md", 20)])
def test_the_examples_of_a_page_pass_its_suite(run_file, page, at_least, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    file = tmp_path / f"test_{page.removesuffix('.md')}_page.py"
    file.write_text("".join(code for language, code in blocks(PAGES / page) if language == "python"), encoding="utf-8")
    outcomes, texts = run_file(file)
    assert set(outcomes) <= {"passed", "skipped"}, texts
    assert outcomes["passed"] >= at_least


@pytest.mark.soak
def test_the_adapter_passes_the_suite_of_adapters(tmp_path):
    """With the entry point of its project file, as pip would install it."""
    names = []
    for _, code in blocks(PAGES / "frameworks.md"):
        if name := re.match(r"# (\S+)\n", code):
            (tmp_path / name[1]).write_text(code, encoding="utf-8")
            names.append(name[1])
    assert names == ["acme.py", "acme_embedonce.py", "pyproject.toml", "acme_cached.py", "test_acme.py"]
    project = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    info = tmp_path / "site" / "acme_embedonce-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-embedonce\nVersion: 1.0\n")
    (point,) = re.findall(r'^\[project\.entry-points\.embedonce\]\nacme = "(\w+)"$', project, re.MULTILINE)
    (info / "entry_points.txt").write_text(f"[embedonce]\nacme = {point}\n")
    assert passed(tmp_path, tmp_path, tmp_path / "site") >= 50
