"""Plugins: found through entry points of other distributions, each on its own."""

from __future__ import annotations

import builtins
import textwrap

import pytest
from core_support import NAMESPACE, Model

from embedonce import (
    EmbeddingCache,
    IdentityError,
    KeyEncoderError,
    MemoryStore,
    PluginError,
    UnsupportedEmbedderError,
    hookimpl,
    register_plugin,
    wrap,
)
from embedonce.plugins.host import plugins

WRAPPING = """
    from embedonce import hookimpl

    class Thing:
        pass

    @hookimpl
    def embedonce_wrap(embedder, cache):
        if type(embedder).__name__ == "Thing":
            return ("wrapped", embedder, cache)
"""
BROKEN_PLUGINS = {
    "it cannot be imported": "import framework_that_is_not_there",
    "it raises": "raise RuntimeError('broken at import')",
    "it stops the interpreter's way": "def f(:",
    "it implements a hook that does not exist": """
        from embedonce import hookimpl

        @hookimpl
        def embedonce_wrap(embedder):
            raise AssertionError("a broken plugin was asked")

        @hookimpl
        def embedonce_of_the_future(embedder):
            return None
    """,
    "it asks for an argument that does not exist": """
        from embedonce import hookimpl

        @hookimpl
        def embedonce_identify(embedder):
            raise AssertionError("a broken plugin was asked")

        @hookimpl
        def embedonce_wrap(embedder, moon_phase):
            raise AssertionError("a broken plugin was asked")
    """,
}


@pytest.mark.parametrize("code", BROKEN_PLUGINS.values(), ids=BROKEN_PLUGINS.keys())
def test_a_broken_plugin_does_not_hurt_the_others_and_shows_up(install, code):
    class Thing:
        pass

    class OtherThing:
        pass

    install("good-plugin", "[embedonce]\ngood = {module}\n", WRAPPING)
    install("broken-plugin", "[embedonce]\nbroken = {module}\n", code)
    install("another-good-plugin", "[embedonce]\ngood2 = {module}\n", WRAPPING.replace("Thing", "OtherThing"))
    cache = EmbeddingCache(MemoryStore())
    for thing in (Thing(), OtherThing()):
        assert wrap(thing, cache) == ("wrapped", thing, cache)
    wrap(Model(), cache, namespace=NAMESPACE)
    assert [(failed.name, failed.distribution) for failed in plugins().failed] == [("broken", "broken-plugin 1.0")]
    broken = r"plugin 'broken' of broken-plugin 1\.0 failed to load"
    with pytest.raises(TypeError, match=broken):
        wrap(object(), cache)
    # What can be called may be an embedder of the broken plugin's framework.
    with pytest.raises(IdentityError, match=rf"(?s)^{broken}.*namespace="):
        wrap(Model(), cache)


def test_a_plugin_whose_encoders_are_broken_keeps_its_other_hooks(install):
    install(
        "half-plugin",
        "[embedonce]\nhalf = {module}\n",
        WRAPPING
        + """
    @hookimpl
    def embedonce_register_key_encoders(register):
        register("early", lambda text: text.lower()[:40])
        raise RuntimeError("no more")
""",
    )
    EmbeddingCache(MemoryStore(), key_encoder="early")
    with pytest.raises(KeyEncoderError, match=r"half-plugin 1\.0 failed in embedonce_register_key_encoders: .*no more"):
        EmbeddingCache(MemoryStore(), key_encoder="late")


def test_two_plugins_of_one_name_are_both_named_and_neither_isLOADED(install):
    class Thing:
        pass

    class OtherThing:
        pass

    install("acme-plugin", "[embedonce]\nacme = {module}\n", WRAPPING)
    install("bolt-plugin", "[embedonce]\nacme = {module}\n", WRAPPING)
    install("good-plugin", "[embedonce]\ngood = {module}\n", WRAPPING.replace("Thing", "OtherThing"))
    wrap(Model(), MemoryStore(), namespace=NAMESPACE)
    assert wrap(OtherThing(), MemoryStore())[0] == "wrapped"
    claimed = r"(acme-plugin 1\.0 and bolt-plugin 1\.0|bolt-plugin 1\.0 and acme-plugin 1\.0) both bring plugin 'acme'"
    with pytest.raises(UnsupportedEmbedderError, match=claimed):
        wrap(Thing(), MemoryStore())


def test_hooks_are_never_called_per_text(install):
    """A hook call costs as much as many hits."""
    install(
        "counting-plugin",
        "[embedonce]\ncounting = {module}\n",
        """
        from embedonce import hookimpl
        calls = []

        @hookimpl
        def embedonce_wrap(embedder):
            calls.append(embedder)

        @hookimpl
        def embedonce_identify(embedder):
            calls.append(embedder)

        @hookimpl
        def embedonce_register_key_encoders(register):
            calls.append(register)
        """,
    )
    wrapped = wrap(Model(), MemoryStore(), namespace=NAMESPACE)
    counting = plugins()._manager.get_plugin("counting")
    before = len(counting.calls)
    wrapped(["a", "b"])
    wrapped(["a", "b"])
    assert len(counting.calls) == before == 1


# -- what users can do ---------------------------------------------------------------------------------------------

ACME = ("acme-plugin", "[embedonce]\nacme = {module}\n", WRAPPING)
BOLT = ("bolt-plugin", "[embedonce]\nbolt = {module}\n", WRAPPING.replace("Thing", "OtherThing"))


class Thing:
    pass


class OtherThing:
    pass


@pytest.mark.parametrize(
    ("switches", "loaded"),
    [
        ({}, {"acme", "bolt"}),
        ({"EMBEDONCE_PLUGINS": ""}, {"acme", "bolt"}),
        ({"EMBEDONCE_PLUGINS": "off"}, set()),
        ({"EMBEDONCE_PLUGINS": "OFF"}, set()),
        ({"EMBEDONCE_PLUGINS": "acme"}, {"acme"}),
        ({"EMBEDONCE_PLUGINS": " bolt , acme,"}, {"acme", "bolt"}),
        ({"EMBEDONCE_PLUGINS_DISABLED": "acme"}, {"bolt"}),
        ({"EMBEDONCE_PLUGINS": "acme,bolt", "EMBEDONCE_PLUGINS_DISABLED": "bolt"}, {"acme"}),
    ],
)
def test_plugins_can_be_switched_off_and_the_error_says_by_what(install, monkeypatch, switches, loaded):
    install(*ACME)
    install(*BOLT)
    for name, value in switches.items():
        monkeypatch.setenv(name, value)
    for name, thing in {"acme": Thing(), "bolt": OtherThing()}.items():
        if name in loaded:
            assert wrap(thing, MemoryStore())[0] == "wrapped"
        else:
            switched_off = rf"plugin '{name}' of {name}-plugin 1\.0 is switched off by EMBEDONCE_PLUGINS"
            with pytest.raises(UnsupportedEmbedderError, match=switched_off):
                wrap(thing, MemoryStore())
    assert {"acme", "bolt"} & plugins().loaded.keys() == loaded
    wrap(Model(), MemoryStore(), namespace=NAMESPACE)


def test_a_name_that_nothing_brings_is_pointed_out(install, monkeypatch):
    install(*ACME)
    monkeypatch.setenv("EMBEDONCE_PLUGINS", "amce")
    with pytest.raises(UnsupportedEmbedderError, match="names 'amce', which no distribution brings"):
        wrap(Thing(), MemoryStore())


def test_a_plugin_of_this_program_needs_no_entry_point(install):
    class Plugin:
        @hookimpl
        def embedonce_wrap(self, embedder):
            return "mine" if isinstance(embedder, Thing) else None

        @hookimpl
        def embedonce_register_key_encoders(self, register):
            register("mine", str.lower, version="1")

    with pytest.raises(KeyEncoderError, match="unknown key encoder 'mine'"):
        EmbeddingCache(MemoryStore(), key_encoder="mine")
    register_plugin(Plugin(), "mine")
    assert wrap(Thing(), MemoryStore()) == "mine"
    EmbeddingCache(MemoryStore(), key_encoder="mine")
    assert plugins().loaded["mine"].distribution == "this program"
    with pytest.raises(PluginError, match="this program has brought a plugin 'mine' already"):
        register_plugin(Plugin(), "mine")


NOT_PLUGINS = {
    "it has no hook": ("", "implements no hook"),
    "its hook is not marked": ("def embedonce_wrap(embedder):\n    return 1\n", "embedonce_wrap is not marked"),
    "one of its hooks is not marked": (
        """
        from embedonce import hookimpl

        @hookimpl
        def embedonce_wrap(embedder):
            return None

        def embedonce_identify(embedder):
            return None
        """,
        "embedonce_identify is not marked",
    ),
    "it is a hook wrapper": (
        """
        from embedonce import hookimpl

        @hookimpl(wrapper=True)
        def embedonce_wrap(embedder):
            return (yield)
        """,
        "embedonce_wrap is a hook wrapper",
    ),
    "it ends the program": ("raise SystemExit(3)", "SystemExit"),
}


@pytest.mark.parametrize(("code", "message"), NOT_PLUGINS.values(), ids=NOT_PLUGINS.keys())
def test_what_is_not_a_plugin_is_told_why(install, code, message):
    install("odd-plugin", "[embedonce]\nodd = {module}\n", code)
    install(*ACME)
    assert wrap(Thing(), MemoryStore())[0] == "wrapped"
    with pytest.raises(UnsupportedEmbedderError, match=rf"plugin 'odd' of odd-plugin 1\.0 failed to load: .*{message}"):
        wrap(OtherThing(), MemoryStore())
    assert "odd" not in plugins().loaded


RAISING = """
    from embedonce import hookimpl

    @hookimpl
    def embedonce_wrap(embedder):
        raise ZeroDivisionError("no moon")

    @hookimpl
    def embedonce_identify(embedder):
        raise ZeroDivisionError("no moon")
"""


def test_a_hook_that_fails_does_not_hurt_the_others(install, caplog):
    install("aaa-plugin", "[embedonce]\naaa = {module}\n", RAISING)
    install(*BOLT)
    install("zzz-plugin", "[embedonce]\nzzz = {module}\n", RAISING)
    assert wrap(OtherThing(), MemoryStore())[0] == "wrapped"
    failed = r"plugin 'aaa' of aaa-plugin 1\.0 failed in embedonce_wrap: ZeroDivisionError\('no moon'\)"
    with pytest.raises(UnsupportedEmbedderError, match=rf"^{failed}; .*cannot wrap a Thing") as caught:
        wrap(Thing(), MemoryStore())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(PluginError, match=failed.replace("wrap", "identify")):
        plugins().identify(Thing())
    # Nobody can tell whether the one that fails would have recognised it.
    caplog.clear()
    assert wrap(Model(), MemoryStore(), namespace=NAMESPACE)(["a"]).shape == (1, 3)
    assert "zzz-plugin" in caplog.text
    assert "a Model is wrapped as a function" in caplog.text
    assert len(plugins().failed) == len({str(each) for each in plugins().failed}) == 3 + 1


def test_a_refusal_of_the_plugin_that_knows_the_embedder_reaches_the_user(install):
    install(
        "aaa-plugin",
        "[embedonce]\naaa = {module}\n",
        """
        from embedonce import IdentityError, hookimpl

        @hookimpl
        def embedonce_wrap(embedder):
            raise IdentityError("it has no name")
        """,
    )
    install(*BOLT)
    with pytest.raises(IdentityError, match=r"^it has no name$"):
        wrap(OtherThing(), MemoryStore())
    assert plugins().failed == []


@pytest.mark.parametrize("kind", ["TypeError", "ValueError"])
def test_a_refusal_by_another_error_reaches_the_user_if_no_other_plugin_knows_the_embedder(install, kind, caplog):
    """A wrapper may refuse what it is given; an object that can be called must not become a function by that."""
    install(
        "aaa-plugin",
        "[embedonce]\naaa = {module}\n",
        f"""
        from embedonce import hookimpl

        @hookimpl
        def embedonce_wrap(embedder):
            raise {kind}("not like this")
        """,
    )
    install(*BOLT)
    assert wrap(OtherThing(), MemoryStore())[0] == "wrapped"
    for thing in (Thing(), Model()):
        with pytest.raises(getattr(builtins, kind), match=r"^not like this$"):
            wrap(thing, MemoryStore(), namespace=NAMESPACE)
    assert plugins().failed == []
    # A plain function is not an embedder of any framework.
    assert wrap(lambda texts: [[1.0] for _ in texts], MemoryStore(), namespace=NAMESPACE)(["a"]).shape == (1, 1)


def test_strangers_are_asked_before_embedonce_itself(install):
    """LangChain's plugin takes everything that has its methods, as do embedders of other frameworks."""

    class LooksLikeLangChain:
        def embed_documents(self, texts):
            return [[1.0] for _ in texts]

        def embed_query(self, text):
            return [1.0]

    install(
        "zzz-plugin",
        "[embedonce]\nzzz = {module}\n",
        """
        from embedonce import hookimpl

        @hookimpl
        def embedonce_wrap(embedder):
            if type(embedder).__name__ == "LooksLikeLangChain":
                return "mine"
        """,
    )
    assert wrap(LooksLikeLangChain(), MemoryStore()) == "mine"


def test_a_plugin_that_uses_embedonce_while_it_is_imported_isLOADED(install):
    install(
        "eager-plugin",
        "[embedonce]\neager = {module}\n",
        "import embedonce\n"
        "embedonce.wrap(lambda texts: [[1.0] for _ in texts], embedonce.MemoryStore(), namespace='n')(['a'])\n"
        + textwrap.dedent(WRAPPING),
    )
    assert wrap(Thing(), MemoryStore())[0] == "wrapped"
