"""The `embedonce` command itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

import embedonce
from embedonce.cli import main


def invoke(*arguments):
    from typer.testing import CliRunner

    from embedonce.cli.app import app

    return CliRunner().invoke(app, arguments)


def test_the_version_is_that_of_the_package():
    answer = invoke("--version")
    assert (answer.exit_code, answer.output) == (0, f"embedonce {embedonce.__version__}\n")


def test_help_names_every_option_of_the_demo():
    answer = invoke("demo", "--help")
    assert answer.exit_code == 0
    for option in ("--text", "--store", "--dimensions", "--limit"):
        assert option in answer.output


def test_without_a_command_it_shows_the_help():
    answer = invoke()
    assert "demo" in answer.output
    assert "--version" in answer.output


def test_an_unknown_command_is_refused():
    answer = invoke("demonstrate")
    assert answer.exit_code == 2
    assert "demonstrate" in answer.stderr


def test_the_console_script_is_main(monkeypatch, capsys):
    from importlib.metadata import entry_points

    (script,) = (point for point in entry_points(group="console_scripts") if point.name == "embedonce")
    assert script.load() is main
    monkeypatch.setattr(sys, "argv", ["embedonce", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"embedonce {embedonce.__version__}\n"


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error == f'The embedonce command needs {package}; run: pip install "embedonce[cli]"\n'


def test_importing_the_command_imports_none_of_its_packages():
    script = (
        "import sys, embedonce.cli, embedonce.cli.runs;"
        "print(sorted({'typer', 'click', 'rich', 'langchain_core', 'fsspec'} & sys.modules.keys()))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
