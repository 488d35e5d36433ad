# Sidenote's menu. `make up` runs it, `make test` tests it; nothing else needs to be installed by hand.
SHELL := /bin/sh
PYTHON ?= python3
PORT ?= 8000
BIND ?= 127.0.0.1
BIN := .venv/bin

.PHONY: up test lint check bench lock docs screenshot clean

up: .venv/.runtime
	@exec $(BIN)/python manage.py up --bind $(BIND) --port $(PORT)

test: .venv/.development
	@$(BIN)/pytest -q -n auto --dist loadgroup

lint: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy checks runbooks kb
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py lint_runbooks

check: lint test

bench: .venv/.development
	@for script in tests/bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

screenshot: .venv/.development
	$(BIN)/python tests/browser/screenshot.py

docs: .venv/.development
	$(BIN)/python -m checks docs > docs/probes.md.new
	mv docs/probes.md.new docs/probes.md

# The locks hold hashes for every platform and for Python 3.11.2 and newer; users need only pip.
lock: .venv/.development
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command 'make lock' pyproject.toml -o requirements.lock
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --extra dev pyproject.toml -o requirements-dev.lock

.venv/.runtime: requirements.lock
	@PYTHON=$(PYTHON) sh deploy/install.sh requirements.lock $@

.venv/.development: requirements-dev.lock
	@PYTHON=$(PYTHON) sh deploy/install.sh requirements-dev.lock $@
	@touch .venv/.runtime

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
