"""A stranger's distribution, as pip installs it: found by its names, used, switched off, upgraded, and in bad company.

`acme/` is what somebody writes who knows embedonce from its documentation alone: an adapter for a framework that
embedonce has never heard of, a key encoder, a codec, and a store behind a scheme of its own.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from environments import ACME, build

pytestmark = pytest.mark.soak

FOREIGN = ["haystack", "langchain_core", "langchain_classic", "llama_index.core", "openai", "torch"]
PASSWORD = "correct horse battery staple"
USE = """
    import sys, acme, embedonce

    embedder = acme.Embedder("large", api_key="sesame")
    cached = embedonce.wrap(embedder, sys.argv[1], codec="acme-bf16", key_encoder="lowercase-sha256")
    assert isinstance(cached, acme.Embedder) and isinstance(cached, embedonce.Wrapper)
    vectors = [*cached.encode_passages(["A text", "a  TEXT", "another"]), cached.encode_question("A text")]
    from embedonce_acme.plugin import hits
    show([vectors, embedder.billed, sum(hits.values())])
"""


@pytest.fixture
def url(tmp_path):
    """Where a store of the stranger's is to be."""
    return (tmp_path / "vectors.db").as_uri().replace("file:", "acme:")


def of(name, rows):
    """Return the only row of a name."""
    (row,) = (row for row in rows if row["name"] == name)
    return row


def distribution(folder, name, version, entry_points, **modules):
    """Write down a distribution of somebody else: its entry points by group, its modules by name."""
    folder.mkdir()
    groups = [
        f'[project.entry-points."{group}"]\n' + "".join(f'{key} = "{value}"\n' for key, value in points.items())
        for group, points in entry_points.items()
    ]
    files = {f"{module}.py": code for module, code in modules.items()}
    for file, code in files.items():
        (folder / file).write_text(code, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        f"""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"
dependencies = ["embedonce"]

{"".join(groups)}
[tool.hatch.build.targets.wheel]
only-include = {list(files)}
""",
        encoding="utf-8",
    )
    return folder


def change(file, *lines):
    """Replace parts of lines in a file."""
    code = file.read_text(encoding="utf-8")
    for before, after in lines:
        assert code.count(before) == 1
        code = code.replace(before, after)
    file.write_text(code, encoding="utf-8")


# -- found by name -------------------------------------------------------------------------------------------------


def test_it_is_the_wheel_that_is_tested(environment):
    code = """
        import embedonce, embedonce_acme, acme
        show([module.__file__ for module in (embedonce, embedonce_acme, acme)])
    """
    (files,) = environment.run(code)
    assert [environment.home in Path(file).parents for file in files] == [True] * 3


def test_it_is_listed_with_its_version_and_all_that_it_brings(environment):
    code, said = environment.plugins()
    assert code == 0
    assert of("acme", said["plugins"]) == {
        "name": "acme",
        "distribution": "embedonce-acme 1.0.0",
        "state": "loaded",
        "hooks": ["identify", "on_embed", "register_codecs", "register_stores", "wrap"],
        "reason": "",
    }
    assert [(row["kind"], row["name"], row["distribution"], row["state"]) for row in said["added"]] == [
        ("key encoder", "lowercase-sha256", "embedonce-acme 1.0.0", "usable"),
        ("codec", "acme-bf16", "embedonce-acme 1.0.0", "usable"),
        ("store", "acme", "embedonce-acme 1.0.0", "usable"),
    ]
    for_people = environment.command("plugins").stdout
    assert all(word in for_people for word in ("embedonce-acme 1.0.0", "lowercase-sha256", "acme-bf16", "on_embed"))


def test_its_key_encoder_is_found_by_name(environment, tmp_path):
    code = """
        import sys, embedonce

        cache = embedonce.EmbeddingCache(sys.argv[1], key_encoder="lowercase-sha256")
        embed = lambda texts: show(texts) or [[1.0]] * len(texts)
        cache.embed(["A text", " a\\tTEXT ", "another"], embed, namespace="n")
    """
    assert environment.run(code, tmp_path / "cache") == [["A text", "another"]]
    assert environment.run(code, tmp_path / "cache") == []


def test_its_codec_is_found_by_name(environment, tmp_path):
    code = """
        import sys, embedonce

        cache = embedonce.EmbeddingCache(sys.argv[1], codec="acme-bf16")
        for _ in range(2):
            vectors = cache.embed(["a"], lambda texts: [[1.0, 1.00390625, -3.0e38]], namespace="n")
            show([*vectors[0].tolist(), str(vectors.dtype)])
    """
    cold, warm = environment.run(code, tmp_path / "cache")
    assert cold == warm
    first, second, third, dtype = cold
    assert (first, second, dtype) == (1.0, 1.0, "float32")
    assert -3.0e38 < third < -3.0e38 * 127 / 128


def test_its_store_is_found_by_the_scheme_of_an_url(environment, url):
    code = """
        import sys, embedonce

        cache = embedonce.EmbeddingCache(sys.argv[1], storage_options={"password": sys.argv[2]})
        cache.embed(["a", "b"], lambda texts: show(texts) or [[1.0]] * len(texts), namespace="n")
    """
    assert environment.run(code, url, PASSWORD) == [["a", "b"]]
    assert environment.run(code, url, PASSWORD) == []
    wrong = f"embedonce.EmbeddingCache({url!r}, storage_options={{'password': 'open sesame'}})"
    kind, message = environment.failures({"wrong": wrong})["wrong"]
    assert kind == "StoreError"
    assert "another password (plugin of embedonce-acme 1.0.0); check the URL and storage_options" in message
    assert "sesame" not in message


def test_all_of_it_together_pays_for_no_text_twice(environment, url):
    (cold,), (warm,) = environment.run(USE, url), environment.run(USE, url)
    vectors, billed, hits = cold
    assert vectors[0] == vectors[1]
    assert len({tuple(vector) for vector in vectors}) == 3
    assert (billed, hits) == (3, 0)
    assert warm == [vectors, 0, 3]


def test_the_password_is_never_shown(environment, url):
    code = """
        import logging, pickle, sys, acme, embedonce

        url, password = sys.argv[1:]
        class Observer:
            @embedonce.hookimpl
            def embedonce_on_embed(self, event):
                shown.append(event)
        class Handler(logging.Handler):
            def emit(self, record):
                shown.append(record.getMessage())
        shown = []
        embedonce.register_plugin(Observer(), "observer")
        logging.getLogger("embedonce").addHandler(Handler())

        cached = embedonce.wrap(acme.Embedder("m"), url, storage_options={"password": password})
        cached.encode_passages(["a"])
        copy = pickle.loads(pickle.dumps(cached))
        copy.encode_passages(["a"])
        show([copy.embedder.billed, copy.cache.agrees_with(cached.cache)])
        import os
        os.unlink(url.removeprefix("acme://"))
        cached.encode_passages(["a"])
        shown += [cached, cached.cache, cached.cache.store, cached.cache.store.store, pickle.dumps(cached)]
        shown += [str(each) for each in shown]
        show(len(shown))
        show(repr(shown))
    """
    (billed, agrees), count, shown = environment.run(code, url, PASSWORD)
    assert (billed, agrees, count) == (1, True, 2 * 9)
    assert "AcmeStore" in shown
    assert "no such table" in shown
    assert PASSWORD not in shown


# -- conformance ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", sorted(path.name for path in (ACME / "tests").glob("test_*.py")))
def test_its_own_tests_pass(environment, module, tmp_path):
    """Those that inherit from the suites of `embedonce.testing` among them, in the stranger's environment."""
    folder = tmp_path / "acme"
    shutil.copytree(ACME, folder, ignore=shutil.ignore_patterns("__pycache__", "src"))
    said = environment.pytest(folder, f"tests/{module}")
    assert int(re.search(r"(\d+) passed", said)[1]) > 20


# -- asking for nothing that is not needed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("embedonce.wrap(acme.Embedder('m'), store).encode_passages(['a'])", ["acme", "embedonce_acme.wrapper"]),
        ("embedonce.wrap(embed, store, namespace='n')(['a'])", []),
        ("embedonce.EmbeddingCache(store, key_encoder='lowercase-sha256')", []),
        ("embedonce.EmbeddingCache(store, codec='acme-bf16')", ["embedonce_acme.codec"]),
    ],
)
def test_wrapping_loads_what_it_needs_and_nothing_else(environment, code, loaded):
    code = f"""
        import sys, embedonce
        {"import acme" if "acme." in code else ""}
        store, embed = embedonce.MemoryStore(), lambda texts: [[1.0]] * len(texts)
        {code}
        ours = ["acme", *(f"embedonce_acme.{{name}}" for name in ("wrapper", "codec", "store"))]
        show([name for name in ours if name in sys.modules])
        show([name for name in {FOREIGN} if name in sys.modules])
        show("embedonce_acme.plugin" in sys.modules)
    """
    assert environment.run(code) == [loaded, [], True]


# -- switched off, and gone ----------------------------------------------------------------------------------------

ASKED = {
    "adapter": "import acme; embedonce.wrap(acme.Embedder('m'), store)",
    "codec": "embedonce.EmbeddingCache(store, codec='acme-bf16')",
    "store": "embedonce.EmbeddingCache('acme:///vectors.db')",
    "key encoder": "embedonce.EmbeddingCache(store, key_encoder='lowercase-sha256')",
}


def test_what_is_switched_off_says_so(environment):
    errors = environment.failures(ASKED, EMBEDONCE_PLUGINS_DISABLED="acme,lowercase-sha256")
    assert {asked: kind for asked, (kind, _) in errors.items()} == {
        "adapter": "UnsupportedEmbedderError",
        "codec": "ValueError",
        "store": "StoreError",
        "key encoder": "PluginError",
    }
    for _, message in errors.values():
        assert "of embedonce-acme 1.0.0 is switched off by EMBEDONCE_PLUGINS_DISABLED" in message


def test_what_is_switched_off_is_listed_as_such_and_leaves_the_rest_alone(environment):
    code, said = environment.plugins(EMBEDONCE_PLUGINS_DISABLED="acme")
    assert code == 0
    assert of("acme", said["plugins"])["state"] == "off"
    assert [(row["name"], row["state"]) for row in said["added"]] == [("lowercase-sha256", "usable")]
    assert environment.failures(ASKED, EMBEDONCE_PLUGINS_DISABLED="acme").keys() == ASKED.keys() - {"key encoder"}


def test_upgrading_to_another_encoder_is_refused_and_uninstalling_says_what_is_gone(new_environment, tmp_path, url):
    """A vector that was stored under the keys of one version is never found by those of another."""
    code = """
        import sys, embedonce

        for place in sys.argv[1:]:
            asked = []
            embed = lambda texts: asked.extend(texts) or [[1.0]] * len(texts)
            try:
                cache = embedonce.EmbeddingCache(place, key_encoder="lowercase-sha256")
                cache.embed(["Straße"], embed, namespace="n")
            except embedonce.KeyEncoderError as error:
                asked = f"KeyEncoderError: {error}"
            show(asked)
    """
    places = [tmp_path / "cache", url]
    assert new_environment.run(code, *places) == [["Straße"]] * 2
    assert new_environment.run(code, *places) == [[]] * 2

    function, version = ("text.lower()", "text.casefold()"), ('version = "1"', 'version = "2"')
    # Somebody mends it where it is installed, and forgets that its version has to change.
    change(Path(new_environment.run("import embedonce_acme.keys; show(embedonce_acme.keys.__file__)")[0]), function)
    refused, asked = new_environment.run(code, *places)
    named = re.findall(r"'lowercase-sha256' version '1' \(check '(\w+)'\)", refused)
    assert len(set(named)) == 2, refused
    # A byte store has no place for the name of an encoder except its keys.
    assert asked == ["Straße"]

    later = tmp_path / "later"
    shutil.copytree(ACME, later, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    change(later / "pyproject.toml", ('version = "1.0.0"', 'version = "2.0.0"'))
    change(later / "src" / "embedonce_acme" / "keys.py", function, version)
    build(later, tmp_path / "wheels")
    new_environment.install("embedonce-acme", wheels=tmp_path / "wheels")
    assert of("acme", new_environment.plugins()[1]["plugins"])["distribution"] == "embedonce-acme 2.0.0"
    refused, asked = new_environment.run(code, *places)
    assert re.search(r"KeyEncoderError: .*'lowercase-sha256' version '1'.* 'lowercase-sha256' version '2'", refused)
    assert asked == ["Straße"]

    new_environment.uninstall("embedonce-acme")
    errors = new_environment.failures(ASKED)
    assert {asked: kind for asked, (kind, _) in errors.items()} == {
        "adapter": "UnsupportedEmbedderError",
        "codec": "ValueError",
        "store": "StoreError",
        "key encoder": "KeyEncoderError",
    }
    for asked, remedy in {
        "adapter": "whose plugin is installed",
        "codec": "available: exact, float16, int8",
        "store": "check the URL",
        "key encoder": "available: blake2b",
    }.items():
        assert remedy in errors[asked][1]


# -- in bad company ------------------------------------------------------------------------------------------------

RIVAL = """
from embedonce import MemoryStore, hookimpl

def encode(text):
    return text.lower()[-100:] + "."

@hookimpl
def embedonce_register_codecs(register):
    register("acme-bf16", abs, abs)

@hookimpl
def embedonce_register_stores(register):
    register("acme", lambda url: MemoryStore())
    register("bolt", lambda url: MemoryStore())
"""


def test_two_that_claim_one_name_are_both_named_and_nothing_else_is_hurt(new_environment, tmp_path):
    rival = distribution(
        tmp_path / "rival",
        "bolt-things",
        "2.0",
        {
            "embedonce": {"bolt": "bolt_things"},
            "embedonce.key_encoders": {"lowercase-sha256": "bolt_things:encode", "bolt": "bolt_things:encode"},
        },
        bolt_things=RIVAL,
    )
    build(rival, tmp_path / "wheels")
    new_environment.install("bolt-things", wheels=tmp_path / "wheels")
    names = {"key encoder": "lowercase-sha256", "codec": "acme-bf16", "store": "acme"}
    errors = new_environment.failures(ASKED)
    # The adapter is nobody else's.
    assert errors.keys() == names.keys()
    both = r"(bolt-things 2\.0 and embedonce-acme 1\.0\.0|embedonce-acme 1\.0\.0 and bolt-things 2\.0)"
    for asked, (kind, message) in errors.items():
        assert kind == "PluginError"
        assert re.fullmatch(rf"{both} both bring {asked} '{names[asked]}'; uninstall one of them", message)
    code, said = new_environment.plugins()
    assert code == 1
    states = {(row["kind"], row["name"]): row["state"] for row in said["added"]}
    assert states == {
        ("key encoder", "bolt"): "usable",
        ("key encoder", "lowercase-sha256"): "failed",
        ("codec", "acme-bf16"): "failed",
        ("store", "acme"): "failed",
        ("store", "bolt"): "usable",
    }
    assert new_environment.run(UNHURT) == [[1.0], 8]
    new_environment.uninstall("embedonce-acme")
    assert new_environment.failures(ASKED).keys() == {"adapter"}
    assert new_environment.plugins()[0] == 0


UNHURT = """
    import acme, embedonce
    from langchain_core.embeddings import DeterministicFakeEmbedding

    store, embed = embedonce.MemoryStore(), lambda texts: [[1.0]] * len(texts)
    embedonce.wrap(DeterministicFakeEmbedding(size=2), store, codec="float16", namespace="fake").embed_query("a")
    show(embedonce.wrap(embed, store, namespace="n")(["a"])[0].tolist())
    show(len(embedonce.wrap(acme.Embedder("m"), store).encode_question("a")))
"""
BROKEN = {
    "broken_import": ("raise RuntimeError('broken at import')", "broken at import"),
    "broken_hook": (
        """
from embedonce import hookimpl

@hookimpl
def embedonce_of_the_future(embedder):
    raise AssertionError("a broken plugin was asked")
""",
        "embedonce_of_the_future",
    ),
    "broken_argument": (
        """
from embedonce import hookimpl

@hookimpl
def embedonce_wrap(embedder, moon_phase):
    raise AssertionError("a broken plugin was asked")
""",
        "moon_phase",
    ),
    "broken_framework": ("import framework_that_is_not_there", "framework_that_is_not_there"),
}


def test_broken_ones_are_listed_with_the_reason_and_nothing_else_is_hurt(new_environment, tmp_path):
    modules = {name: code for name, (code, _) in BROKEN.items()}
    points = {"embedonce": {name: name for name in BROKEN}}
    build(distribution(tmp_path / "broken", "embedonce-broken", "0.3", points, **modules), tmp_path / "wheels")
    new_environment.install("embedonce-broken", wheels=tmp_path / "wheels")
    code, said = new_environment.plugins()
    assert code == 1
    for name, (_, reason) in BROKEN.items():
        row = of(name, said["plugins"])
        assert (row["distribution"], row["state"]) == ("embedonce-broken 0.3", "failed")
        assert reason in row["reason"]
    assert {row["name"] for row in said["plugins"] if row["state"] == "loaded"} == {
        *("acme", "haystack", "langchain", "llamaindex", "sdks", "sentence-transformers"),
    }
    assert [row["state"] for row in said["added"]] == ["usable"] * 3
    assert new_environment.run(UNHURT) == [[1.0], 8]
    assert new_environment.plugins(EMBEDONCE_PLUGINS_DISABLED=",".join(BROKEN))[0] == 0
