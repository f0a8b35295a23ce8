# Two commands do everything: `make demo` and `make test`. Both set up an environment of their own in .venv.
PYTHON ?= python3
VENV ?= .venv
VENV_TORCH ?= .venv-torch
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test test-torch soak azure lint wheel clean

demo: $(VENV)/.demo
	$(BIN)/embedonce demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m "not soak and not azure" --ignore=tests/sentence_transformers

test-torch: $(VENV_TORCH)/.test
	$(VENV_TORCH)/bin/python -m pytest tests/sentence_transformers

soak: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m soak --ignore=tests/sentence_transformers

azure: $(VENV)/.test
	$(BIN)/python -m pytest -m azure --ignore=tests/sentence_transformers

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

wheel: $(VENV)/.test
	$(BIN)/python tools/check_wheel.py

clean:
	rm -rf $(VENV) $(VENV_TORCH) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

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
	touch $@ $(VENV)/.demo

$(VENV_TORCH)/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV_TORCH)
	$(VENV_TORCH)/bin/python -m pip --quiet --disable-pip-version-check install --upgrade "pip>=25.1"
	$(VENV_TORCH)/bin/python -m pip --quiet --disable-pip-version-check install --editable . --group test-torch
	touch $@

$(VENV)/.lint: $(VENV)/.created pyproject.toml tests/llamaindex/without-dependencies.txt
	$(PIP) install --editable ".[langchain,llamaindex,haystack,cli]" --group lint
	$(PIP) install --no-deps --requirement tests/llamaindex/without-dependencies.txt
	touch $@
