# The whole set-up: `make demo` and `make test` need git, make and Python 3.11 to 3.13, nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 && { command -v $$p; break; }; done)
export UV_PYTHON_DOWNLOADS := never
PYTEST_ARGS ?=
JOBS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))

.PHONY: help install demo test fault check lint types imports docker-lint lock bench clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## The virtual environment with everything in it

$(STAMP): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found. Install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV) || { echo "The venv module is missing. On Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "installing into $(VENV) (about 1 GB; a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv >/dev/null 2>&1 \
	&& $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock \
	|| { echo "uv could not do it; falling back to pip"; $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Live streams through Ray to a flagged clip and an HTML report (ONCE=1: end by itself; DEMO_MEDIA=folder: your footage)
	@$(BIN)/python -m samples.play $(if $(ONCE),--once) $(if $(DEMO_MEDIA),--media "$(DEMO_MEDIA)")

test: $(STAMP) ## All tests but those marked gpu, slow or fault (JOBS=0: one after another)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not gpu and not slow and not fault" $(PYTEST_ARGS)

fault: $(STAMP) ## The tests that kill processes, cut the power or slow clients down, but the slow ones
	@$(BIN)/python -m pytest -m "fault and not gpu and not slow" $(PYTEST_ARGS) || { s=$$?; [ $$s -eq 5 ] || exit $$s; } # 5: there is none

check: lint types imports docker-lint ## Everything that needs no test run

lint: $(STAMP) ## ruff, both as linter and as formatter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP) ## mypy --strict
	@$(BIN)/mypy

imports: $(STAMP) ## The architecture as a contract
	@$(BIN)/lint-imports

docker-lint: $(STAMP) ## hadolint
	@$(BIN)/hadolint Dockerfile

bench: $(STAMP) ## Start, decoding, inference and the whole pipeline on this machine
	@$(BIN)/streamwarden bench all

lock: ## Resolve pyproject.toml anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.lock

clean: ## Remove what was made here
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
