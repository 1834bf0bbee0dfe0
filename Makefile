# One command does the job on a machine that has Python 3.11, pip and make; the rest is fetched, hash by hash.
#
#   make run     one night of all 43 departments through a real scheduler, then the summary; AS_OF=2026-11-21: the next
#   make test    every test
#   make up      keep the scheduler's UI and the report site running;  make down stops everything
#   make bench   the measured budgets;  make bench-small: most of them, with fewer rows

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run on this many processes; each starts a database server of its own.
JOBS ?= 2
ARGS ?=

RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev

export PYTHON

.PHONY: help run up down psql test test-unit test-integration test-e2e test-system test-truth test-history test-faults test-rest test-compose fuzz bench bench-small lint types format lock sbom advisories setup clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

run: $(RUNTIME)
	@$(BIN)/creditflow night $(if $(AS_OF),--as-of $(AS_OF)) $(ARGS)

up: $(RUNTIME)
	@$(BIN)/creditflow up $(ARGS)

down:
	@test ! -x $(BIN)/creditflow || $(BIN)/creditflow down

psql: $(RUNTIME)
	@$(BIN)/creditflow psql

setup: $(DEV)

PYTEST = $(BIN)/python -m pytest $(ARGS)
UNIT = tests/unit tests/registry
INTEGRATION = tests/integration tests/quality tests/dbt tests/dags

QUICK = not system and not truth and not history and not faults

# All that needs nothing but Python packages, but for what has a line of its own. The long stories (dbt, e2e) come first by name,
# not last by number.
SPREAD = -n $(JOBS) --dist loadfile --no-loadscope-reorder
test: $(DEV)
	$(PYTEST) $(SPREAD) -m "$(QUICK)" tests

test-unit: $(DEV)
	$(PYTEST) $(wildcard $(UNIT))

test-integration: $(DEV)
	$(PYTEST) $(SPREAD) -m "$(QUICK)" $(wildcard $(INTEGRATION))

test-e2e: $(DEV)
	$(PYTEST) -m "$(QUICK)" $(wildcard tests/e2e)

# Tests that need programs of the system's package manager (chromium, fonts, redis, mariadb); see .ci/run.
test-system: $(DEV)
	$(PYTEST) -m system tests/unit tests/integration tests/e2e

# Every injected fault of all 43 departments at scale 0.05 against the truth ledger; prints the table by fault.
test-truth: $(DEV)
	$(PYTEST) -s -m truth tests/e2e

# Nights with faults, corrections, decisions, a replay and a rollback; then the warehouse made again from archive and journal, build
# by build, digest by digest; deliveries in every order of arrival.
test-history: $(DEV)
	$(PYTEST) -m history tests/history

# Nights, builds and replays disturbed on purpose, in a warm process, through dbt and through a real scheduler, each compared
# with an undisturbed one; prints how many left no trace. CREDITFLOW_FAULT_ROUNDS=10: ten times as many.
test-faults: $(DEV)
	$(PYTEST) -n $(JOBS) -m faults tests/faults

# docker-compose.yml brought up for real, a night in it, a worker killed; needs a container engine with compose 2.24 or newer.
test-compose: $(DEV)
	@$(BIN)/python tests/compose/night.py $(ARGS)

# Coverage-guided fuzzing of the readers and the rules of identifiers, SECONDS for each of TARGETS (default: all).
SECONDS ?= 60
fuzz: $(DEV)
	@$(BIN)/python tests/fuzz/run.py $(SECONDS) $(TARGETS)

# What CI runs after `make test` and `make test-faults`: the tests that need system packages, the comparison with the truth ledger and
# the histories.
test-rest: $(DEV)
	$(PYTEST) $(SPREAD) -m "system or truth or history" tests

bench: $(DEV)
	@$(BIN)/python -m bench $(ARGS)

# A hundredth of the rows, without the nights under a scheduler, nothing kept.
bench-small: $(DEV)
	@$(BIN)/python -m bench --small $(ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) types
	$(BIN)/python dbt_project/lint.py

types: $(DEV)
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Renew the locks from requirements/*.in. No index address is written into them.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
lock: $(RUNTIME)
	$(COMPILE) requirements/bootstrap.in -o requirements-bootstrap.lock
	$(COMPILE) requirements/runtime.in -o requirements.lock
	$(COMPILE) requirements/dev.in -o requirements-dev.lock
	$(COMPILE) bench/peers/dlt.in -o bench/peers/dlt.lock
	$(COMPILE) tests/fuzz/atheris.in -o tests/fuzz/atheris.lock

# Renew the bill of materials after the lock. It holds no index address either.
sbom: $(DEV)
	$(BIN)/python requirements/sbom.py

# Known vulnerabilities of the locked packages, by a copy of an advisory database on this machine: DATABASE=folder or zip.
advisories: $(DEV)
	@$(BIN)/python requirements/advisories.py $(DATABASE)

clean: down
	rm -rf $(VENV) .cache build *.egg-info

$(VENV)/.installed-bootstrap: requirements-bootstrap.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed and was not found; set PYTHON=..." >&2; exit 2; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check install --quiet --root-user-action=ignore \
		--require-hashes -r requirements-bootstrap.lock
	@touch $@

$(RUNTIME): requirements.lock requirements/install.sh $(VENV)/.installed-bootstrap
	@echo "installing requirements.lock"
	@requirements/install.sh $(VENV) requirements.lock
	@$(BIN)/python requirements/link.py
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "installing requirements-dev.lock"
	@requirements/install.sh $(VENV) requirements-dev.lock
	@touch $@
