"""Byte stores that plugins open by the scheme of a URL."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from core_support import NAMESPACE, DictStore, Model, bits

import embedonce.plugins.host
from embedonce import EmbeddingCache, MemoryStore, StoreError, hookimpl, register_plugin, wrap

SERVERS = {}


class Plugin:
    """`acme://name?password=…`: stores of this process."""

    def __init__(self):
        self.opened = []

    @hookimpl
    def embedonce_register_stores(self, register):
        register("acme", self.open)
        register("broken", lambda url, **options: {}["no server for swordfish"])
        register("odd", lambda url: object())

    def open(self, url, *, password="", size=0):
        self.opened.append((url, password, size))
        return SERVERS.setdefault(url.partition("?")[0], DictStore())


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    monkeypatch.setattr(sys.modules[__name__], "SERVERS", {})
    plugin = Plugin()
    register_plugin(plugin, "acme")
    return plugin


@pytest.mark.usefixtures("plugin")
def test_a_url_of_a_plugin_is_a_store_like_any_other(monkeypatch):
    model = Model()
    wrapped = wrap(model, "acme://one", namespace=NAMESPACE)
    assert bits(wrapped(["a"])) == bits(model.rows(["a"]))
    for store in ("acme://one", "ACME://one"):
        if store.startswith("ACME"):
            SERVERS[store] = SERVERS["acme://one"]
        assert bits(wrap(Model(fail_at=0), store, namespace=NAMESPACE)(["a"])) == bits(model.rows(["a"]))
    monkeypatch.setenv("EMBEDONCE_STORE", "acme://one")
    assert bits(wrap(Model(fail_at=0), namespace=NAMESPACE)(["a"])) == bits(model.rows(["a"]))


def test_options_are_handed_over_and_neither_shown_nor_pickled(plugin):
    options = {"password": "swordfish", "size": 3}
    cache = EmbeddingCache("acme://user:trout@one?key=salmon", storage_options=options)
    assert plugin.opened == [("acme://user:trout@one?key=salmon", "swordfish", 3)]
    first = cache.embed(["a"], Model(), namespace=NAMESPACE)
    pickled = pickle.dumps(cache)
    for secret in ("swordfish", "trout", "salmon"):
        assert secret not in f"{cache!r} {cache.store}"
        assert secret.encode() not in pickled
    # In the process that made it, a copy has them back.
    copy = pickle.loads(pickled)
    assert plugin.opened[1:] == plugin.opened[:1]
    assert copy.agrees_with(cache)
    assert bits(copy.embed(["a"], Model(fail_at=0), namespace=NAMESPACE)) == bits(first)
    assert not cache.agrees_with(EmbeddingCache("acme://other"))
    assert not cache.agrees_with(EmbeddingCache(MemoryStore()))


@pytest.mark.usefixtures("plugin")
def test_what_cannot_be_opened_says_why_without_secrets():
    with pytest.raises(StoreError, match=r"cannot open broken://h: KeyError: 'no server for …' \(plugin of this"):
        EmbeddingCache("broken://h", storage_options={"password": "swordfish"})
    with pytest.raises(
        StoreError, match=r"this program opens odd://x as a object, which is not a byte store: it lacks mget"
    ):
        EmbeddingCache("odd://x")
    with pytest.raises(StoreError, match=r"cannot open acme://x: TypeError: .*unexpected keyword argument 'colour'"):
        EmbeddingCache("acme://x", storage_options={"colour": 1})
    with pytest.raises(StoreError, match=r"nobody opens amce://x: .*\(plugins open: acme://, broken://, odd://\)"):
        EmbeddingCache("amce://x")
    with pytest.raises(
        StoreError, match="refresh_interval: such options mean nothing to the byte store behind acme://"
    ):
        EmbeddingCache("acme://x", refresh_interval=3)


def test_what_fsspec_knows_is_left_to_it(plugin):
    class Greedy:
        @hookimpl
        def embedonce_register_stores(self, register):
            for scheme in ("s3", "memory", "file", "local", "gs"):
                register(scheme, plugin.open)
            register("good", plugin.open)

    register_plugin(Greedy(), "greedy")
    EmbeddingCache("good://x")
    EmbeddingCache("memory://greedy")
    assert len(plugin.opened) == 1
    said = "".join(str(each) for each in embedonce.plugins.host.plugins().failed)
    assert "store 's3' of this program has the name of a built-in one" in said


@pytest.mark.parametrize("scheme", ["", "A B", "s", None, "x://", 3])
def test_what_is_not_a_scheme_is_refused(plugin, scheme):
    class Odd:
        @hookimpl
        def embedonce_register_stores(self, register):
            register(scheme, plugin.open)
            register("fine", plugin.open)

    register_plugin(Odd(), "odd")
    EmbeddingCache("fine://x")
    assert "which is not a scheme" in str(embedonce.plugins.host.plugins().failed[0])


@pytest.mark.usefixtures("plugin")
def test_nothing_can_be_tidied_there():
    from typer.testing import CliRunner

    from embedonce.cli.app import app

    answer = CliRunner().invoke(app, ["info", "acme://one"])
    assert answer.exit_code == 2
    assert "acme:// is opened as a byte store" in answer.stderr
    with pytest.raises(StoreError, match="acme://one is a byte store: it has nothing to compact"):
        EmbeddingCache("acme://one").compact()


def test_a_path_asks_no_plugin(tmp_path):
    code = (
        "import sys, embedonce\n"
        f"embedonce.EmbeddingCache({str(tmp_path)!r})\n"
        "assert embedonce.plugins.host.LOADED.plugins is None\n"
        "assert 'fsspec' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
