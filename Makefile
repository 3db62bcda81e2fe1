PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := $(shell find exporter -name '*.py')

.PHONY: run test lint bench clean

# Arguments for the exporter: make run ARGS=--once
run: $(VENV)/.run
	@exec $(BIN)/tcp-state-exporter $(ARGS)

test: lint
	tests/system-packages
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Sections of the benchmark, all by default: make bench ARGS="watched stuck"; it names them with ARGS=--help
bench: $(VENV)/.test
	tests/system-packages bench
	$(BIN)/python -m tests.bench $(ARGS)

$(VENV)/.run: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(PIP) hatchling
	$(PIP) --no-build-isolation --force-reinstall --no-deps .
	$(PIP) --no-build-isolation .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) bcrypt hypothesis markdown-it-py mypy pytest ruff types-PyYAML types-psutil
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
