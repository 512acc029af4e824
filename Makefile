# Everything a newcomer or a machine runs on this project. Needs Python 3.11 or newer, git and make; the rest is brought
# into .venv, with pinned versions and checked hashes (requirements/README.md).

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# The tested versions first, newest first; a `python3.x` that is only a version manager's empty promise does not run.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3.14 python3.15 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
NEEDS_PYTHON = @test -n "$(PYTHON)" || { echo 'No Python 3.11 or newer was found; install one (python3.11 or later).'; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help demo up test check test-all test-docker chaos bench bench-broker docs lock clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo.stamp ## a private server, the workers and a real recording: minutes out (ARGS="…")
	@$(BIN)/meetingtasks demo $(ARGS)

up: $(VENV)/.demo.stamp ## run the whole fleet on this machine until Ctrl-C (ARGS="…")
	@$(BIN)/meetingtasks up $(ARGS)

test: $(VENV)/.test.stamp ## every test that a bare machine can run (ARGS="-k name")
	@$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: $(VENV)/.test.stamp ## format, lint, types, imports, documentation
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/pytest -q tests/unit/test_repository.py $(wildcard tests/docs tests/typing)

test-all: check test test-docker ## all of the above, and the tests that need Docker

test-docker: .venv-docker/.docker-tests.stamp ## Celery's own smoke suite against containers; skipped without Docker
	@cd tests/docker && ../../.venv-docker/bin/python -m pytest -c pytest.ini $(ARGS)

chaos: $(VENV)/.test.stamp ## break everything often, and check what happened (CHAOS_ROUNDS=300 ARGS="-k f1")
	@CHAOS_ROUNDS=$${CHAOS_ROUNDS:-300} $(BIN)/pytest -s tests/chaos/test_nemesis.py $(ARGS)

bench: $(VENV)/.test.stamp ## every benchmark, side by side with its peers
	@for program in benchmarks/[a-z]*.py; do echo "== $$program"; $(BIN)/python "$$program" || exit 1; done

bench-broker: $(VENV)/.test.stamp ## the broker against Celery's stock transport (ARGS="…")
	@$(BIN)/python benchmarks/broker.py $(ARGS)

docs: $(VENV)/.test.stamp ## write docs/reference/ anew from the code
	@$(BIN)/python docs/generate.py

COMPILE = $(BIN)/uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --quiet \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml $(ARGS)
DEMO_SET := --extra embedded --extra media --extra asr --extra text --group build

lock: $(VENV)/.test.stamp ## write requirements/*.txt anew from pyproject.toml (ARGS=--upgrade)
	$(COMPILE) $(DEMO_SET) --output-file requirements/demo.txt
	$(COMPILE) $(DEMO_SET) --group dev --constraint requirements/demo.txt --output-file requirements/test.txt
	$(COMPILE) --group build --group docker-tests --output-file requirements/docker-tests.txt
	echo uv | $(subst pyproject.toml,-,$(COMPILE)) --output-file requirements/uv.txt

clean: ## remove the environments, caches and local data
	rm -rf $(VENV) .venv-docker var dist build htmlcov .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo.stamp: requirements/demo.txt requirements/uv.txt pyproject.toml
	$(NEEDS_PYTHON)
	@$(PYTHON) requirements/install.py $(VENV) demo --project

$(VENV)/.test.stamp: requirements/test.txt requirements/uv.txt pyproject.toml
	$(NEEDS_PYTHON)
	@$(PYTHON) requirements/install.py $(VENV) test --project

.venv-docker/.docker-tests.stamp: requirements/docker-tests.txt requirements/uv.txt pyproject.toml
	$(NEEDS_PYTHON)
	@$(PYTHON) requirements/install.py .venv-docker docker-tests --project
