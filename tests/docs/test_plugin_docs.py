"""The pages on plugins tell the truth: about hooks, events, variables, and what the command prints."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest
from pages import blocks, cells

import embedonce
from embedonce import hookspecs

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "plugins").glob("*.md"))
HOOKS = {name: value for name, value in vars(hookspecs).items() if name.startswith("embedonce_")}


def text_of(name):
    return (ROOT / "docs" / "plugins" / name).read_text(encoding="utf-8")


def documented(page):
    """Return all functions in the Python blocks of a page that are hooks or marked as such."""
    trees = [ast.parse(code) for language, code in blocks(page) if language == "python"]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [node for node in functions if node.name in HOOKS or "hookimpl" in map(ast.unparse, node.decorator_list)]


def arguments_of(function):
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


# -- hooks ---------------------------------------------------------------------------------------------------------


def test_the_reference_is_what_the_tool_writes():
    """Run tools/plugin_reference.py after a change of the hooks."""
    assert text_of("reference.md") == runpy.run_path(str(ROOT / "tools" / "plugin_reference.py"))["page"]()


def test_the_signatures_of_the_reference_are_the_real_ones():
    """Read independently of the tool: names, order and annotations."""
    specified = {node.name: node for node in ast.parse(inspect.getsource(hookspecs)).body if hasattr(node, "args")}
    shown = {node.name: node for node in documented(ROOT / "docs" / "plugins" / "reference.md")}
    assert list(shown) == list(specified) == list(HOOKS)
    for name, node in shown.items():
        assert ast.dump(node.args) == ast.dump(specified[name].args), name
        assert ast.dump(node.returns) == ast.dump(specified[name].returns), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_implement_hooks_that_exist_with_arguments_that_exist(page):
    for node in documented(page):
        assert node.name in HOOKS
        assert page.name == "reference.md" or "hookimpl" in map(ast.unparse, node.decorator_list)
        real = list(inspect.signature(HOOKS[node.name]).parameters)
        shown = arguments_of(node)
        assert shown == [name for name in real if name in shown], node.name


def test_each_hook_is_shown_at_work():
    shown = {node.name for page in PAGES if page.name != "reference.md" for node in documented(page)}
    assert shown == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_test_that_is_named_for_it(hook):
    """In tests/plugins/test_hooks.py: `test_`, the name of the hook without its prefix, and what is tested."""
    source = (ROOT / "tests" / "plugins" / "test_hooks.py").read_text(encoding="utf-8")
    assert re.search(rf"^def test_{hook.removeprefix('embedonce_')}_\w+\(", source, re.MULTILINE)


# -- events, contracts, variables ----------------------------------------------------------------------------------


def test_all_fields_of_events_are_documented():
    rows = re.findall(r"^\| `(\w+)` \|", text_of("observing.md"), re.MULTILINE)
    assert rows == [field.name for field in fields(embedonce.EmbedEvent)]


def test_every_page_is_linked_from_the_first_one():
    linked = set(re.findall(r"\]\((\w[\w-]*\.md)", text_of("index.md")))
    assert linked == {page.name for page in PAGES} - {"index.md"}


def test_variables_that_are_shown_are_read_somewhere():
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(embedonce.__file__).parent.rglob("*.py"))
    shown = {name for page in PAGES for name in re.findall(r"\bEMBEDONCE_[A-Z_]+", page.read_text(encoding="utf-8"))}
    assert {"EMBEDONCE_PLUGINS", "EMBEDONCE_PLUGINS_DISABLED", "EMBEDONCE_KEY_SECRET"} <= shown
    assert {name for name in shown if f'"{name}"' not in sources} == set()


def test_the_sizes_and_errors_of_codecs_are_the_measured_ones():
    import numpy as np

    from embedonce.vectors.codecs import BUILT_IN

    row_of_table = r"^\| `(\w+)` \| .* \| ([\d,]+) bytes \| ([\d.]+) \| ([\d.]+) \|$"
    rows = re.findall(row_of_table, text_of("codecs.md"), re.MULTILINE)
    assert [name for name, *_ in rows] == list(BUILT_IN)
    for name, size, longest, similarity in rows:
        for dimensions in (256, 768, 1536, 3072):
            vectors = np.random.default_rng(dimensions).standard_normal((500, dimensions)).astype("f4")
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            kept = BUILT_IN[name].kept(vectors)
            row = BUILT_IN[name].rows_of(vectors)[0]
            assert dimensions != 1536 or row.nbytes == int(size.replace(",", ""))
            error = np.linalg.norm(kept.astype("f8") - vectors, axis=1).max()
            change = np.abs(kept[:250] @ kept[250:].T - vectors[:250] @ vectors[250:].T).max()
            assert error <= float(longest)
            assert change <= float(similarity)
            if name == "float16":
                assert error > 0.6 * float(longest)


# -- what the command prints ---------------------------------------------------------------------------------------

DISTRIBUTIONS = {
    "acme-keys": ("1.0", "[embedonce.key_encoders]\nnfc-sha256 = acme_keys:nfc_sha256\n"),
    "acme-search": ("2.3", "[embedonce]\nacme = acme_search\n"),
    "broken-things": ("0.1", "[embedonce]\nbroken = broken_things\n"),
}
MODULES = {
    "acme_keys": "from embedonce.keys.encoders import sha256 as nfc_sha256\n",
    "acme_search": (
        "from embedonce import hookimpl\n\n\n"
        "@hookimpl\ndef embedonce_wrap(embedder):\n    return None\n\n\n"
        "@hookimpl\ndef embedonce_register_codecs(register):\n    register('acme-7bit', abs, abs)\n"
    ),
    "broken_things": "import things\n",
}
SHOWN = re.findall(r"^\$ ((?:\w+=\S+ )*)embedonce plugins\n(.*?)^```$", text_of("index.md"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("assignments", "expected"), SHOWN, ids=[names.strip() or "plain" for names, _ in SHOWN])
def test_the_command_prints_what_is_shown(assignments, expected, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from embedonce.cli.app import app

    for distribution, (version, entry_points) in DISTRIBUTIONS.items():
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)
    for name, code in MODULES.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    for assignment in assignments.split():
        monkeypatch.setenv(*assignment.split("=", 1))
    answer = CliRunner().invoke(app, ["plugins"])
    own = f"embedonce {embedonce.__version__}"
    expected = expected.replace("embedonce 0.1.0", own)
    ours = {own, *(f"{name} {version}" for name, (version, _) in DISTRIBUTIONS.items())}
    assert cells(expected)
    # Whoever has other plugins installed sees these as well.
    headings = {row for row in cells(answer.output) if "distribution" in row}
    assert {row for row in cells(answer.output) if ours & set(row)} | headings == cells(expected)
    assert answer.exit_code == ("failed" in expected)


def test_the_command_is_shown_with_each_variable():
    assert [names.partition("=")[0] for names, _ in SHOWN] == ["", "EMBEDONCE_PLUGINS_DISABLED", "EMBEDONCE_PLUGINS"]
