# Two commands do everything: `make demo` and `make test`. Both set up an environment of their own in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test soak azure lint wheel bench bench-full clean

demo: $(VENV)/.demo
	$(BIN)/embedonce demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m "not soak and not azure"

soak: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m soak

azure: $(VENV)/.test
	$(BIN)/python -m pytest -m azure

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks --quick

bench-full: $(VENV)/.bench
	$(BIN)/python -m benchmarks --full

wheel: $(VENV)/.test
	$(BIN)/python tools/check_wheel.py

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

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

$(VENV)/.bench: $(VENV)/.created pyproject.toml
	$(PIP) install --editable ".[langchain,llamaindex,haystack,cli]" --group bench
	touch $@ $(VENV)/.demo

$(VENV)/.lint: $(VENV)/.created pyproject.toml tests/llamaindex/without-dependencies.txt
	$(PIP) install --editable ".[langchain,llamaindex,haystack,cli]" --group lint
	$(PIP) install --no-deps --requirement tests/llamaindex/without-dependencies.txt
	touch $@
