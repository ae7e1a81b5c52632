# diskchain: everything a developer or a CI machine runs. `make` alone lists it.
#
#   PYTHON=/usr/bin/python3   the interpreter behind the private environment (3.11 or newer)
#   VENV=.venv                where that environment lives
#   WORKERS=                  one test at a time, as a debugger wants it
#   PYTEST_ARGS=…             added to pytest, e.g. PYTEST_ARGS='-k header -x'
#
# The environment grows in steps, each with a stamp: `core` (what a user gets; enough for the demo), then one per extra
# of pyproject.toml: `dev` (the linters, wheels only), `test` (compiles libvirt-python, so it wants the Debian packages).
# A second run does nothing. `test-oldest` has an environment of its own, beside this one.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
# Two at once, each with a libvirtd of its own; tests of one file stay together, because they share what is costly to make.
# In the order of tests/conftest.py, the longest files first.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder
BIN := $(VENV)/bin
# What `test-oldest` installs in the oldest version that pyproject.toml allows, and the tests of what leans on it: readers over http and
# ssh, XML, JSON documents, storage daemons, keys, connections, progress and completion.
OLDEST := $(VENV)-oldest
OLDEST_EXTRAS := libvirt completion progress open remote keyring
OLDEST_TESTS := tests/readers tests/libvirtxml tests/docs/test_schemas.py tests/qemu/test_daemon.py tests/image/test_luks2_unlock.py \
	tests/secrets tests/cli/test_progress.py tests/cli/test_main.py tests/live/test_complete_connection.py
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq

# Names the interpreter, so that another PYTHON makes the environment anew.
INTERPRETER := $(shell $(PYTHON) -c \
	'import sys; print("%d.%d.%d" % sys.version_info[:3] + sys.base_prefix.replace("/", "-"))' 2>/dev/null || echo none)
MADE := $(VENV)/made-with-$(INTERPRETER)

.PHONY: help setup demo test test-full test-oldest test-peers test-packages lint format bench fuzz docs clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/stamp-core $(VENV)/stamp-dev test-packages $(VENV)/stamp-test ## everything a developer needs, in .venv

demo: $(VENV)/stamp-core ## show what diskchain does; needs Python 3.11 and make, nothing else
	@$(BIN)/python demo/demo.py

test: test-packages $(VENV)/stamp-test ## all tests, with the real libvirtd and QEMU: a missing peer is a failure
	DISKCHAIN_REQUIRE_LIVE=$${DISKCHAIN_REQUIRE_LIVE-1} $(BIN)/python -m pytest $(WORKERS) $(PYTEST_ARGS)

test-full: test-packages $(VENV)/stamp-test ## what takes minutes: as many random chains, jobs and damaged images as the documentation speaks of
	DISKCHAIN_REQUIRE_LIVE=$${DISKCHAIN_REQUIRE_LIVE-1} DISKCHAIN_FULL=1 $(BIN)/python -m pytest $(WORKERS) --timeout 1800 \
		tests/allocation $(PYTEST_ARGS)
	DISKCHAIN_REQUIRE_LIVE=$${DISKCHAIN_REQUIRE_LIVE-1} DISKCHAIN_FULL=1 $(BIN)/python -m pytest $(WORKERS) --dist load tests/jobs $(PYTEST_ARGS)

test-oldest: test-packages $(OLDEST)/stamp ## what leans on dependencies, with the oldest version that is allowed of each
	DISKCHAIN_REQUIRE_LIVE=$${DISKCHAIN_REQUIRE_LIVE-1} $(OLDEST)/bin/python -m pytest $(OLDEST_TESTS) $(PYTEST_ARGS)

test-peers: ## the live tests in a tree of Debian 13, with its libvirtd, QEMU and Python; the tree is made once
	scripts/peers run scripts/test-twice VENV=/opt/venv PYTEST_ARGS='-m live $(PYTEST_ARGS)'

lint: $(VENV)/stamp-dev ## style, types and layer contracts
	@failed=0; for check in 'ruff check .' 'ruff format --check .' mypy 'lint-imports --no-logo'; do \
		echo "$$check"; $(BIN)/$$check || failed=1; \
	done; exit $$failed

format: $(VENV)/stamp-dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: test-packages $(VENV)/stamp-test ## measure; see bench/
	$(BIN)/python bench/run.py $(BENCH_ARGS)

fuzz: $(VENV)/stamp-fuzz ## feed the parsers with broken input; see fuzz/
	$(BIN)/python fuzz/run.py $(FUZZ_ARGS)

docs: $(VENV)/stamp-docs ## build the documentation into site/
	$(BIN)/mkdocs build --strict --quiet

clean: ## remove the environment, caches and results
	rm -rf $(VENV) $(OLDEST) build dist site .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

test-packages:
	@scripts/debian-packages

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'diskchain needs Python 3.11 or newer; "$(PYTHON)" is not. Try: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/debian-packages python3-venv
	@echo 'making $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(OLDEST)/stamp: pyproject.toml scripts/oldest
	@echo 'making $(OLDEST) with $(PYTHON)'
	@$(PYTHON) -m venv --clear $(OLDEST)
	@$(PYTHON) scripts/oldest $(OLDEST_EXTRAS) >$(OLDEST)/oldest.txt
	@$(OLDEST)/bin/python -m pip --disable-pip-version-check --no-input -qq install --constraint $(OLDEST)/oldest.txt \
		--editable '.[$(shell echo $(OLDEST_EXTRAS) | tr ' ' ,)]' pytest pytest-benchmark pytest-timeout hypothesis jsonschema
	@touch $@

$(VENV)/stamp-core: $(MADE) pyproject.toml
	@$(PIP) install --editable .
	@$(BIN)/python -m compileall -q src # as installing a package does: start-up takes ten times as long without
	@touch $@

$(VENV)/stamp-%: $(VENV)/stamp-core
	@$(PIP) install --editable '.[$*]'
	@touch $@
