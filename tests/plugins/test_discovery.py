"""Key encoders of plugins: found by name, each on its own, and compared with what they answered before."""

from __future__ import annotations

import itertools
import json
import pickle

import pytest
from core_support import NAMESPACE, Model, bits

from embedonce import (
    EmbeddingCache,
    KeyEncoderError,
    MemoryStore,
    PluginError,
    wrap,
)
from embedonce.plugins.host import plugins
from embedonce.plugins.registrations import key_encoders

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
    first = key_encoders().get("mine")
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
def test_a_broken_encoder_fails_only_those_that_ask_for_it(install, code):
    install("broken-keys", one_line("broken"), code)
    install("good-keys", one_line("good"), ENCODER)
    EmbeddingCache(MemoryStore(), key_encoder="good").embed(["a"], Model(), namespace=NAMESPACE)
    wrap(Model(), MemoryStore(), namespace=NAMESPACE)
    for _ in range(2):
        with pytest.raises(PluginError, match=r"key encoder 'broken' of broken-keys 1\.0 failed to load"):
            EmbeddingCache(MemoryStore(), key_encoder="broken")


def test_what_is_not_an_encoder_is_refused(install):
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


def test_key_encoders_can_be_switched_off(install, monkeypatch):
    install("acme-keys", one_line("mine"), ENCODER)
    monkeypatch.setenv("EMBEDONCE_PLUGINS_DISABLED", "mine")
    with pytest.raises(PluginError, match=r"'mine' of acme-keys 1\.0 is switched off by EMBEDONCE_PLUGINS_DISABLED"):
        EmbeddingCache(MemoryStore(), key_encoder="mine")


# -- key encoders and their versions -------------------------------------------------------------------------------


def test_a_new_version_of_a_distribution_is_not_a_new_encoder(install, directory, monkeypatch):
    """Where the encoder declares none of its own."""
    install("acme-keys", one_line("mine"), ENCODER, version="1.0")
    directory.cache(key_encoder="mine").embed(["a"], Model(), namespace=NAMESPACE)
    newer = key_encoders().get("mine")
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
    old = key_encoders().get("mine")
    new = type(old)("mine", "~1.1", lambda text: old.function(eval(changed)))
    with pytest.raises(KeyEncoderError, match="was written with key encoder 'mine'"):
        directory.cache(key_encoder=new).embed(["a"], Model(), namespace=NAMESPACE)


def test_an_encoder_with_one_key_for_all_or_another_one_each_time_is_refused():
    with pytest.raises(KeyEncoderError, match="gives all texts one key"):
        EmbeddingCache(MemoryStore(), key_encoder=lambda text: "key")
    numbers = itertools.count()
    with pytest.raises(KeyEncoderError, match="different keys when it is asked twice"):
        EmbeddingCache(MemoryStore(), key_encoder=lambda text: f"{next(numbers)}{len(text)}")


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
