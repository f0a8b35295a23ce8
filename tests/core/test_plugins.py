"""Plugins: found through entry points of other distributions, each on its own."""

from __future__ import annotations

import builtins
import itertools
import json
import pickle
import textwrap

import pytest
from core_support import NAMESPACE, Model, bits

import embedonce.plugins.host
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
from embedonce.plugins.registrations import key_encoders

_numbers = itertools.count()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a distribution on the path, as pip would."""
    monkeypatch.setattr(embedonce.plugins.host, "_loaded", embedonce.plugins.host._Loaded())

    def install(distribution, entry_points, code="", version="1.0"):
        """`{module}` in entry points stands for the module that holds the code."""
        module = f"plugin_of_a_stranger_{next(_numbers)}"
        site = tmp_path / module
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points).format(module=module))
        (site / f"{module}.py").write_text(textwrap.dedent(code))
        monkeypatch.syspath_prepend(str(site))
        return module

    return install


ENCODER = """
    import hashlib

    def encode(text):
        return "k" + hashlib.sha256(text.lower().encode("utf-8", "surrogatepass")).hexdigest()
"""
ONE_LINE = """
    [embedonce.key_encoders]
    {name} = {{module}}:encode
"""


def one_line(name):
    return ONE_LINE.format(name=name)


def test_a_key_encoder_is_one_line_in_a_distribution(install, place):
    install("acme-keys", one_line("lowercase-sha256"), ENCODER)
    model = Model()
    cache = place.cache(key_encoder="lowercase-sha256")
    assert bits(cache.embed(["A", "a"], model, namespace=NAMESPACE)) == bits(model.rows(["A", "A"]))
    assert place.cache(key_encoder="lowercase-sha256").embed(["a"], Model(fail_at=0), namespace=NAMESPACE).shape == (
        1,
        3,
    )
    assert model.calls == [["A"]]


def test_its_version_is_recorded_and_another_one_is_refused(install, directory):
    install("acme-keys", one_line("mine"), ENCODER + "\n    encode.version = '7'\n")
    first = key_encoders().usable("mine")
    directory.cache(key_encoder=type(first)("mine", "6", first.function)).embed(["a"], Model(), namespace=NAMESPACE)
    with pytest.raises(KeyEncoderError, match=r"version '6'.*version '7'"):
        directory.cache(key_encoder="mine").embed(["a"], Model(), namespace=NAMESPACE)


def test_an_encoder_may_come_from_a_hook(install, directory):
    install(
        "acme-hooks",
        """
        [embedonce]
        acme = {module}
        """,
        """
        import hashlib
        from embedonce import hookimpl

        @hookimpl
        def embedonce_register_key_encoders(register):
            register("md5", lambda text: hashlib.md5(text.encode("utf-8", "surrogatepass")).hexdigest(), version="2")
        """,
    )
    directory.cache(key_encoder="md5").embed(["a"], Model(), namespace=NAMESPACE)
    (description,) = (json.loads(value) for name, value in directory.contents().items() if name.endswith("space.json"))
    recorded = description["key_encoder"]
    assert (recorded["name"], recorded["version"]) == ("md5", "2")


def test_two_claimants_of_one_name_are_both_named_and_hurt_nobody_else(install):
    install("acme-keys", one_line("lowercase"), ENCODER)
    install("bolt-keys", one_line("lowercase"), ENCODER, version="2.0")
    install("good-keys", one_line("good"), ENCODER)
    with pytest.raises(PluginError, match=r"(acme-keys 1\.0 and bolt-keys 2\.0|bolt-keys 2\.0 and acme-keys 1\.0)"):
        EmbeddingCache(MemoryStore(), key_encoder="lowercase")
    EmbeddingCache(MemoryStore(), key_encoder="good")
    EmbeddingCache(MemoryStore(), key_encoder="sha256")


def test_a_hook_and_an_entry_point_may_not_claim_one_name_either(install):
    install("acme-keys", one_line("twice"), ENCODER)
    install(
        "bolt-hooks",
        """
        [embedonce]
        bolt = {module}
        """,
        """
        from embedonce import hookimpl

        @hookimpl
        def embedonce_register_key_encoders(register):
            register("twice", str.lower)
            register("once", lambda text: text.lower()[:40])
        """,
    )
    with pytest.raises(PluginError, match=r"acme-keys 1\.0 and bolt-hooks 1\.0"):
        EmbeddingCache(MemoryStore(), key_encoder="twice")
    EmbeddingCache(MemoryStore(), key_encoder="once")


def test_a_distribution_that_is_listed_twice_is_one_claimant(install):
    """As an editable install can be."""
    install("acme-keys", "[embedonce.key_encoders]\nlowercase = json:dumps\n")
    install("acme-keys", "[embedonce.key_encoders]\nlowercase = json:dumps\n")
    EmbeddingCache(MemoryStore(), key_encoder="lowercase")


@pytest.mark.parametrize(
    "code",
    ["import framework_that_is_not_there", "raise RuntimeError('broken at import')", "encoder = 1", "1 +"],
)
def test_a_broken_encoder_is_the_trouble_of_whoever_asks_for_it(install, code):
    install("broken-keys", one_line("broken"), code)
    install("good-keys", one_line("good"), ENCODER)
    EmbeddingCache(MemoryStore(), key_encoder="good").embed(["a"], Model(), namespace=NAMESPACE)
    wrap(Model(), MemoryStore(), namespace=NAMESPACE)
    for _ in range(2):
        with pytest.raises(PluginError, match=r"key encoder 'broken' of broken-keys 1\.0 failed to load"):
            EmbeddingCache(MemoryStore(), key_encoder="broken")


def test_an_encoder_that_is_none_is_refused(install):
    install("odd-keys", "[embedonce.key_encoders]\nodd = sys:version\n")
    with pytest.raises(KeyEncoderError, match="'odd' failed on a plain string"):
        EmbeddingCache(MemoryStore(), key_encoder="odd")


def test_nobody_takes_the_name_of_a_built_in_encoder(install):
    install("bad-keys", one_line("sha256"), ENCODER)
    install(
        "bad-hooks",
        """
        [embedonce]
        bad = {module}
        """,
        """
        from embedonce import hookimpl

        @hookimpl
        def embedonce_register_key_encoders(register):
            register("sha512", str)
        """,
    )
    install("good-keys", one_line("good"), ENCODER)
    EmbeddingCache(MemoryStore(), key_encoder="good")
    for name in ("sha256", "sha512"):
        assert (
            EmbeddingCache(MemoryStore(), key_encoder=name)._key_encoder.function.__module__
            == "embedonce.keys.encoders"
        )
    shown = plugins().failures()
    for distribution in ("bad-keys 1.0", "bad-hooks 1.0"):
        assert distribution in shown


def test_an_unknown_name_lists_what_there_is_and_what_is_broken(install):
    install("good-keys", one_line("good"), ENCODER)
    install("broken-plugin", "[embedonce]\nbroken = module_that_is_not_there\n")
    with pytest.raises(
        KeyEncoderError, match=r"(?s)'goood'; available: .*good.*sha256.*broken-plugin 1\.0 failed to load"
    ):
        EmbeddingCache(MemoryStore(), key_encoder="goood")


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
    with pytest.raises(IdentityError, match=rf"(?s)pass namespace=.*{broken}"):
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


def test_two_plugins_of_one_name_are_both_named_and_neither_is_loaded(install):
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
    with pytest.raises(UnsupportedEmbedderError, match="names 'amce', which nothing brings"):
        wrap(Thing(), MemoryStore())


def test_key_encoders_can_be_switched_off(install, monkeypatch):
    install("acme-keys", one_line("mine"), ENCODER)
    monkeypatch.setenv("EMBEDONCE_PLUGINS_DISABLED", "mine")
    with pytest.raises(PluginError, match=r"'mine' of acme-keys 1\.0 is switched off by EMBEDONCE_PLUGINS_DISABLED"):
        EmbeddingCache(MemoryStore(), key_encoder="mine")


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
def test_what_is_no_plugin_is_told_why(install, code, message):
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
    with pytest.raises(UnsupportedEmbedderError, match=rf"cannot wrap a Thing.*{failed}") as caught:
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
def test_a_refusal_that_is_no_error_of_ours_reaches_the_user_if_nobody_else_knows_the_embedder(install, kind, caplog):
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


def test_a_plugin_that_uses_embedonce_while_it_is_imported_is_loaded(install):
    install(
        "eager-plugin",
        "[embedonce]\neager = {module}\n",
        "import embedonce\n"
        "embedonce.wrap(lambda texts: [[1.0] for _ in texts], embedonce.MemoryStore(), namespace='n')(['a'])\n"
        + textwrap.dedent(WRAPPING),
    )
    assert wrap(Thing(), MemoryStore())[0] == "wrapped"


# -- key encoders and their versions -------------------------------------------------------------------------------


def test_a_new_version_of_a_distribution_is_no_new_encoder(install, directory, monkeypatch):
    """Where the encoder declares none of its own."""
    install("acme-keys", one_line("mine"), ENCODER, version="1.0")
    directory.cache(key_encoder="mine").embed(["a"], Model(), namespace=NAMESPACE)
    newer = key_encoders().usable("mine")
    assert newer.version == "~1.0"
    newer = type(newer)("mine", "~1.1", newer.function)
    assert directory.cache(key_encoder=newer).embed(["a"], Model(fail_at=0), namespace=NAMESPACE).shape == (1, 3)
    # And both may write into it.
    directory.cache(key_encoder=newer).embed(["b"], Model(), namespace=NAMESPACE)
    assert directory.cache(key_encoder="mine").embed(["A", "b"], Model(fail_at=0), namespace=NAMESPACE).shape == (2, 3)
    declared = type(newer)("mine", "1.1", newer.function)
    with pytest.raises(KeyEncoderError, match=r"version '1\.0' of its distribution.*version '1\.1'"):
        directory.cache(key_encoder=declared).embed(["a"], Model(), namespace=NAMESPACE)


@pytest.mark.parametrize(
    "changed",
    [
        "' '.join(text.lower().split())",
        "text.casefold()",
        "text.lower().strip()",
        "text.rpartition(':')[2].lower()",
        "text.lower().replace('-', ' ')",
        "__import__('unicodedata').normalize('NFC', text.lower())",
        "__import__('unicodedata').normalize('NFKC', text.lower())",
        "text.lower()[:200]",
        "text.lower().rstrip('.')",
        "text.lower().replace('\\n', ' ')",
        "'tenant:' + text.lower()",
    ],
)
def test_an_encoder_that_answers_differently_is_refused(install, directory, changed):
    install("acme-keys", one_line("mine"), ENCODER)
    directory.cache(key_encoder="mine").embed(["a"], Model(), namespace=NAMESPACE)
    old = key_encoders().usable("mine")
    new = type(old)("mine", "~1.1", lambda text: old.function(eval(changed)))
    with pytest.raises(KeyEncoderError, match="was written with key encoder 'mine'"):
        directory.cache(key_encoder=new).embed(["a"], Model(), namespace=NAMESPACE)


def test_an_encoder_with_one_key_for_all_or_another_one_each_time_is_refused():
    with pytest.raises(KeyEncoderError, match="gives all texts one key"):
        EmbeddingCache(MemoryStore(), key_encoder=lambda text: "key")
    with pytest.raises(KeyEncoderError, match="different keys when it is asked twice"):
        EmbeddingCache(MemoryStore(), key_encoder=lambda text: f"{next(_numbers)}{len(text)}")


def test_an_encoder_of_a_plugin_is_pickled_by_its_name(install, directory):
    install(
        "acme-keys",
        one_line("mine"),
        "encode = lambda text: text.lower()[:900]",
    )
    cache = directory.cache(key_encoder="mine")
    cache.embed(["a"], Model(), namespace=NAMESPACE)
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.embed(["A"], Model(fail_at=0), namespace=NAMESPACE).shape == (1, 3)
    assert copy.agrees_with(cache)
