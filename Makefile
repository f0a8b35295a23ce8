# `make demo` and `make test` set up an environment of their own in .venv; `make setup` does that alone, for everything.
PYTHON ?= python3
VENV ?= .venv
VENV_TORCH ?= .venv-torch
VENV_BENCH ?= .venv-bench
BIN := $(VENV)/bin
# An integration of LlamaIndex claims the package `llama_index.embeddings` for itself, which hides the editable part of embedonce.
SHARE_NAMESPACE := rm -f $(VENV)/lib/python3*/site-packages/llama_index/embeddings/__init__.py
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Tests start hundreds of processes: none of them should compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-torch soak soak-torch azure audit lint wheel bench bench-full clean

setup: $(VENV)/.test $(VENV)/.lint

demo: $(VENV)/.demo
	$(BIN)/embedonce demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not soak and not azure" --ignore=tests/sentence_transformers

test-torch: $(VENV_TORCH)/.test
	$(VENV_TORCH)/bin/python -m pytest -m "not soak" tests/sentence_transformers

soak-torch: $(VENV_TORCH)/.test
	$(VENV_TORCH)/bin/python -m pytest -m soak tests/sentence_transformers

soak: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal -m soak --ignore=tests/sentence_transformers

azure: $(VENV)/.test
	$(BIN)/python -m pytest -m azure --ignore=tests/sentence_transformers

# What decides vectors and is in no identity, of each installed class of a provider; ONLY=Cohere for some of them.
audit: $(VENV)/.test
	PYTHONPATH=tests/identities:tests/frameworks:tests/remote $(BIN)/python -m identity_audit $(ONLY)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/python tools/imports.py
	$(BIN)/mypy

bench: $(VENV_BENCH)/.bench
	$(VENV_BENCH)/bin/python -m benchmarks --quick

bench-full: $(VENV_BENCH)/.bench
	$(VENV_BENCH)/bin/python -m benchmarks --full

wheel: $(VENV)/.test
	$(BIN)/python tools/check_wheel.py

clean:
	rm -rf $(VENV) $(VENV_TORCH) $(VENV_BENCH) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml
	$(PIP) install --editable ".[langchain,llamaindex,haystack,cli]"
	touch $@

$(VENV)/.test: $(VENV)/.created pyproject.toml tests/llamaindex/without-dependencies.txt
	$(PIP) install --editable ".[langchain,llamaindex,haystack,cli]" --group test
	$(PIP) install --no-deps --requirement tests/llamaindex/without-dependencies.txt
	$(SHARE_NAMESPACE)
	touch $@ $(VENV)/.demo

$(VENV_TORCH)/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV_TORCH)
	$(VENV_TORCH)/bin/python -m pip --quiet --disable-pip-version-check install --upgrade "pip>=25.1"
	$(VENV_TORCH)/bin/python -m pip --quiet --disable-pip-version-check install --editable . --group test-torch
	touch $@

$(VENV_BENCH)/.bench: pyproject.toml
	$(PYTHON) -m venv $(VENV_BENCH)
	$(VENV_BENCH)/bin/python -m pip --quiet --disable-pip-version-check install --upgrade "pip>=25.1"
	$(VENV_BENCH)/bin/python -m pip --quiet --disable-pip-version-check install --editable ".[langchain,llamaindex,haystack,cli]" --group test --group bench
	touch $@

$(VENV)/.lint: $(VENV)/.created pyproject.toml tests/llamaindex/without-dependencies.txt
	$(PIP) install --editable ".[langchain,llamaindex,haystack,cli]" --group lint
	$(PIP) install --no-deps --requirement tests/llamaindex/without-dependencies.txt
	$(SHARE_NAMESPACE)
	touch $@
