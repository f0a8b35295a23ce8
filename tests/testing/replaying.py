"""Inner pytest runs that record and replay."""

from __future__ import annotations

from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical

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
