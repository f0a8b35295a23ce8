"""The tutorial for plugins is followed to the letter: its files are written, its commands run, its output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks, cells

from embedonce import __version__

pytestmark = pytest.mark.soak

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plugins" / "tutorial.md"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "-W", "ignore")


class Reader:
    """Somebody who follows the page in a new directory.

    `pip install -e .` puts the metadata of the project beside other distributions and the project on the path. Here the
    metadata come from a wheel that pip builds, so that no environment is changed.
    """

    def __init__(self, directory):
        self.project, self.site = directory / "project", directory / "site"
        self.project.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("EMBEDONCE", "PYTEST"))},
            "PYTHONPATH": os.pathsep.join([str(self.project), str(self.site), *filter(None, sys.path)]),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=200,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def type(self, command, expected):
        """Run a command of the page and compare what it prints."""
        if command == "pip install -e .":
            options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
            code, _, errors = self.run("-m", "pip", "install", *options, "--target", str(self.site), ".")
            assert code == 0, errors
            (self.site / "acme_keys.py").unlink()
        elif command == "embedonce plugins":
            code, output, errors = self.run("-c", "from embedonce.cli import main; main()", "plugins")
            assert code == 0, errors
            # Whoever has other plugins installed sees these as well.
            assert cells(expected.replace("embedonce 0.1.0", f"embedonce {__version__}")) <= cells(output)
        elif command == "python use.py":
            code, output, errors = self.run("use.py")
            if "Error" in expected:
                last = errors.splitlines()[-1].replace(str(self.project), "…")
                assert (code, output, last) == (1, "", expected.rstrip("\n"))
            else:
                assert (code, output) == (0, expected), errors
        elif command == "pytest":
            code, output, errors = self.run(*PYTEST)
            assert code == 0, output + errors
            assert int(re.search(r"(\d+) passed", output)[1]) > 30
            assert "failed" not in output
        else:
            pytest.fail(f"nobody knows how to run {command!r}")


def test_the_tutorial_can_be_followed(tmp_path):
    reader, commands = Reader(tmp_path), []
    for language, code in blocks(PAGE):
        if language == "console":
            for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", code, re.MULTILINE):
                reader.type(command, expected)
                commands.append(command)
        else:
            name = re.match(r"# (\S+)\n", code)[1]
            (reader.project / name).write_text(code, encoding="utf-8")
    assert commands == ["pip install -e .", "embedonce plugins", *["python use.py"] * 2, "pytest", "python use.py"]


def test_a_suite_that_is_not_told_what_is_meant_fails(tmp_path):
    """As the page says of `equal` and `normal_form`."""
    reader = Reader(tmp_path)
    for language, code in blocks(PAGE):
        name = re.match(r"# (\S+)\n", code)
        if language != "console" and name and not (reader.project / name[1]).exists():
            (reader.project / name[1]).write_text(code, encoding="utf-8")
    reader.type("pip install -e .", "")
    test = reader.project / "test_acme_keys.py"
    code = test.read_text(encoding="utf-8")
    test.write_text(code[: code.index("    equal")], encoding="utf-8")
    code, output, _ = reader.run(*PYTEST, "-k", "different_keys")
    assert code == 1
    assert re.findall(r"^FAILED \S+::(\w+)", output, re.MULTILINE) == ["test_different_texts_have_different_keys"]
