# Everything a person or a build machine calls. `make help` lists it.
# Nothing is installed but what the two lock files name, with its hash.

SHELL  := bash
PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
# More arguments for pytest, for instance PYTEST_ARGS="-k journal".
PYTEST_ARGS ?=
# All tests run: then every line and branch of machines/ must be covered.
WHOLE := $(if $(strip $(PYTEST_ARGS)),,yes)
# Processes of the test run: a number, or auto (one per processor, at most four).
JOBS   ?= auto
# `make lock UPGRADE=--upgrade` takes the newest versions; without it the locked ones stay.
UPGRADE ?=
UV     ?= uv

# Tests write a great many small files and wait for each to be on the disk. Where the machine has
# a gigabyte of memory to spare as a disk they wait for nothing, and prove the same.
FREE_KB := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }')
TMP := $(shell [ "$(or $(FREE_KB),0)" -gt 1000000 ] && [ -w /dev/shm ] && echo TMPDIR=/dev/shm)

BIN := $(VENV)/bin
PY  := $(BIN)/python
# The lock is complete, so pip resolves nothing; byte-code is written on first use. Errors show.
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-input \
    --no-deps --no-compile --require-hashes
UV_COMPILE := $(UV) pip compile pyproject.toml --quiet --no-config --universal \
    --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --custom-compile-command "make lock" $(UPGRADE)
# The Node and the pyright that the lock names, and no look at the network for newer ones.
export PYRIGHT_PYTHON_GLOBAL_NODE := 0
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test format bench prove lock diagrams clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## ?(.*)/  make \1|\2/' \
	    | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

run: $(VENV)/.runtime  ## run the controller; ARGS="..." are its arguments
	@$(PY) -m controller run $(ARGS)

# pyright and pytest run side by side; their words come one after the other, pytest's last.
# Every check runs, whatever failed before it.
test: $(VENV)/.dev  ## format, lint, types, imports, tests, coverage of machines/
	@mkdir -p build; failed=; color=; if [ -t 1 ]; then color=--color=yes; fi; \
	check() { echo "== $$*"; "$(BIN)/$$@" || failed="$$failed, $$*"; }; \
	$(BIN)/pyright --pythonpath $(PY) >build/pyright.txt 2>&1 & types=$$!; \
	rm -f build/pytest.status; \
	exec 3< <($(TMP) $(PY) -m pytest --cov --cov-report= -n $(JOBS) --maxprocesses=4 $$color \
	    $(PYTEST_ARGS) 2>&1; echo $$? >build/pytest.status); \
	check ruff format --check .; \
	check ruff check .; \
	echo "== pyright"; wait $$types || failed="$$failed, pyright"; cat build/pyright.txt; \
	check lint-imports --no-logo; \
	echo "== pytest"; cat <&3; \
	[ "$$(cat build/pytest.status 2>/dev/null)" = 0 ] || failed="$$failed, pytest"; \
	if [ "$(WHOLE)" ]; then echo "== coverage of machines"; \
	    $(BIN)/coverage report --fail-under=100 \
	        || failed="$$failed, coverage of machines"; fi; \
	if [ -n "$$failed" ]; then echo "make test: FAILED: $${failed#, }" >&2; exit 1; fi

format: $(VENV)/.dev  ## rewrite the sources in the one format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev  ## measure speed (tests marked bench)
	@$(PY) -m tests.bench.measure
	@$(PY) -m pytest -m bench --timeout=600 -s $(PYTEST_ARGS)

prove: $(VENV)/.dev  ## the long proofs (tests marked prove), and the others on more examples
	@$(TMP) $(PY) -m pytest -m "not bench" --hypothesis-profile=prove --timeout=1200 -n $(JOBS) $(PYTEST_ARGS)

diagrams: $(VENV)/.runtime  ## write diagrams/ anew from the tables
	@$(PY) -m controller diagram --out diagrams $(ARGS)

lock:  ## write requirements*.txt anew from pyproject.toml (needs uv and the network)
	@command -v $(UV) >/dev/null || { \
	    echo "make lock needs uv (for instance: pipx install uv), or say UV=path/to/uv" >&2; \
	    exit 1; }
	@$(UV_COMPILE) --output-file requirements.txt
	@$(UV_COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

clean:  ## remove what these targets made, the environment included
	@rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find controller machines exchanges tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------ environment

$(PY):
	@command -v $(PYTHON) >/dev/null || { \
	    echo "No $(PYTHON) here. Rungkeeper needs Python 3.11 or later: make PYTHON=python3.x" >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Rungkeeper needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	        "Say make PYTHON=python3.x" >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) has no venv or no ensurepip. On Debian and Ubuntu:" \
	        "apt install python3-venv" >&2; \
	    exit 1; }
	@$(PYTHON) -m venv $(VENV)

# A path file and a two-line command make the checkout importable and `rungkeeper` callable:
# no build, so nothing beyond the lock, and nothing to repeat when a source changes.
define LINK
import os, pathlib, sysconfig
here = os.getcwd()
pathlib.Path(sysconfig.get_path("purelib"), "rungkeeper.pth").write_text(here + "\n")
command = pathlib.Path("$(BIN)/rungkeeper")
python = os.path.abspath("$(PY)")
command.write_text(f'#!/bin/sh\nexec "{python}" -m controller "$$@"\n')
command.chmod(0o755)
endef
export LINK

$(VENV)/.runtime: requirements.txt | $(PY)
	@echo "Installing what requirements.txt names into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements.txt
	@$(PY) -c "$$LINK"
	@touch $@

# The development lock holds the runtime lock: one installation serves both.
$(VENV)/.dev: requirements-dev.txt requirements.txt | $(PY)
	@echo "Installing what requirements-dev.txt names into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@$(PY) -c "$$LINK"
	@touch $(VENV)/.runtime $@
