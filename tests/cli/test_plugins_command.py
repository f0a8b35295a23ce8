"""`embedonce plugins`: what is loaded, from where, and what failed and why."""

from __future__ import annotations

import json

import pytest

import embedonce.plugins.host
from embedonce import hookimpl, register_plugin


@pytest.fixture
def run(monkeypatch):
    from typer.testing import CliRunner

    from embedonce.cli.app import app

    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    return lambda *arguments: CliRunner().invoke(app, ["plugins", *arguments])


class Good:
    @hookimpl
    def embedonce_wrap(self, embedder):
        return None

    @hookimpl
    def embedonce_register_key_encoders(self, register):
        register("mine", str.lower, version="1")


class Bad:
    @hookimpl
    def embedonce_register_codecs(self, register):
        register("half", "no function", str)
        raise RuntimeError("out of order")


def test_the_bundled_plugins_are_loaded_from_this_distribution(run):
    answer = run()
    assert answer.exit_code == 0, answer.output
    for name in ("haystack", "langchain", "llamaindex"):
        assert f"│ {name}" in answer.output
    assert f"embedonce {embedonce.__version__}" in answer.output
    assert "failed" not in answer.output


def test_what_plugins_add_and_what_failed_is_shown_and_the_exit_code_says_so(run):
    register_plugin(Good(), "good")
    shown = json.loads(run("--json").stdout)
    by_name = {row["name"]: row for row in shown["plugins"]}
    assert by_name["good"]["hooks"] == ["register_key_encoders", "wrap"]
    assert shown["added"] == [
        {"kind": "key encoder", "name": "mine", "distribution": "this program", "state": "usable", "reason": ""}
    ]
    register_plugin(Bad(), "bad")
    answer = run()
    assert answer.exit_code == 1
    assert "failed in embedonce_register_codecs: this program adds codec 'half' with a str" in answer.output
    assert "│ mine" in answer.output


def test_what_is_switched_off_is_not_a_failure(run, monkeypatch):
    monkeypatch.setenv("EMBEDONCE_PLUGINS", "langchain,amce")
    answer = run()
    assert answer.exit_code == 0, answer.output
    assert "switched off by EMBEDONCE_PLUGINS" in answer.stdout
    assert "names 'amce', which no distribution brings" in answer.stderr
