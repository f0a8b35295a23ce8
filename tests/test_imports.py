"""What `import embedonce` brings into a program, and what it shows."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from pathlib import Path

import pytest

import embedonce

FRAMEWORKS = {"langchain", "langchain_core", "langchain_classic", "langchain_community", "llama_index.core", "haystack"}
CLOUDS = {"s3fs", "gcsfs", "adlfs", "botocore", "boto3", "aiobotocore", "google", "azure", "aiohttp", "fsspec", "upath"}
COMMAND_LINE = {"typer", "click", "rich"}
OTHERS = {"torch", "pandas", "pyarrow", "safetensors", "pydantic", "pytest", "hypothesis", "platformdirs"}

HIT = """
import sys, tempfile
import embedonce
cached = embedonce.wrap(lambda texts: [[0.5, len(text)] for text in texts], {store}, namespace="m")
assert cached(["a", "bc"]).tolist() == [[0.5, 1.0], [0.5, 2.0]]
assert cached(["bc", "a"]).tolist() == [[0.5, 2.0], [0.5, 1.0]]
assert cached.cache.stats().hits == 2
"""


def loaded_by(code):
    """Return the packages, of the first and second level, that a fresh interpreter has loaded after running code."""
    code += "\nimport sys\nfor name in sys.modules: print(name.partition('.')[0], '.'.join(name.split('.')[:2]))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_it_loads_no_framework_no_cloud_and_no_command_line_library():
    loaded = loaded_by("import embedonce; embedonce.EmbeddingCache, embedonce.wrap")
    assert loaded & (FRAMEWORKS | CLOUDS | COMMAND_LINE | OTHERS) == set()
    assert {"embedonce", "numpy", "pluggy"} <= loaded
    assert loaded_by("import embedonce") & {"numpy", "pluggy", "asyncio", "logging", "dataclasses"} == set()


@pytest.mark.parametrize("store", ["embedonce.MemoryStore()", "tempfile.mkdtemp()"])
def test_a_hit_needs_none_of_them_either(store):
    """With all plugins that are installed: each imports its framework only to wrap one of its embedders."""
    loaded = loaded_by(HIT.format(store=store))
    assert loaded & (FRAMEWORKS | CLOUDS | COMMAND_LINE | OTHERS) == set()


@pytest.mark.parametrize(
    "heavy", ["importlib.metadata", "fsspec", "multiprocessing", "sqlite3", "http.client", "pickle", "asyncio", "uuid"]
)
def test_importing_it_does_not_load_what_only_some_need(heavy):
    seen = f"{heavy!r} in sys.modules"
    code = f"import numpy, sys; was = {seen}; import embedonce.wrapping; print(was, {seen})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.strip() in ("False False", "True True")


def test_the_public_names_are_listed_and_sorted():
    assert embedonce.__all__ == sorted(embedonce.__all__)
    for name in embedonce.__all__:
        assert getattr(embedonce, name) is not None
    shown = {
        name
        for name in dir(embedonce)
        if not name.startswith("_") and not isinstance(getattr(embedonce, name), types.ModuleType)
    }
    assert shown - {"TYPE_CHECKING", "annotations"} | {"__version__"} == set(embedonce.__all__)
    with pytest.raises(AttributeError, match="module 'embedonce' has no attribute 'wrapp'"):
        _ = embedonce.wrapp


def test_every_error_is_of_one_root_and_of_the_builtin_one_would_guess():
    errors = {name: getattr(embedonce, name) for name in embedonce.__all__ if name.endswith("Error")}
    assert len(errors) == 9
    assert all(issubclass(error, embedonce.EmbedOnceError) for error in errors.values())
    for name, builtin in {
        "IdentityError": ValueError,
        "CacheMissError": KeyError,
        "EmbedderContractError": ValueError,
        "StoreError": OSError,
        "FormatError": embedonce.StoreError,
        "KeyEncoderError": ValueError,
        "PluginError": RuntimeError,
        "UnsupportedEmbedderError": TypeError,
    }.items():
        assert issubclass(errors[name], builtin)
    assert str(embedonce.CacheMissError("a message\n")) == "a message\n"
    assert str(embedonce.CacheMissError()) == ""


def test_no_module_of_the_core_can_execute_what_it_reads():
    """No pickle, no eval, no marshal, on any path."""
    root = Path(embedonce.__file__).parent
    # The suites try out whether what somebody has written can be pickled; they read no stored data.
    for file in set(root.rglob("*.py")) - set((root / "testing" / "suites").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id]
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                names = [] if isinstance(node.value, ast.Constant) and node.value.value is False else ["pickle"]
            forbidden = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "eval", "exec", "joblib", "__import__"}
            assert not {name.partition(".")[0] for name in names} & forbidden, (file, node.lineno)


def test_the_core_imports_no_adapter_and_no_framework():
    root = Path(embedonce.__file__).parent
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            bad = {name.partition(".")[0] for name in names} & (
                FRAMEWORKS
                | {
                    "langchain_embedonce",
                    "llama_index",
                    "haystack_integrations",
                    "cohere",
                    "fastembed",
                    "google",
                    "litellm",
                    "mistralai",
                    "model2vec",
                    "ollama",
                    "openai",
                    "voyageai",
                    "sdks_embedonce",
                    "sentence_transformers_embedonce",
                    "torch",
                }
            )
            assert not bad, (file, node.lineno)
