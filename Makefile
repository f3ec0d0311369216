# Everything that a machine with make and Python 3.11 or newer needs: `make demo`, `make test`, `make lint`.
# Set-up is done when a lock changed: a venv in .venv, and one cache folder outside the clone (VPCFLOW_CACHE).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -q
# The set-ups build on each other; one after the other, whatever -j says.
.NOTPARALLEL:

# Environment of others must not leak in: a venv that is active, a PYTHONPATH, pip's own venv rules; without Python's caches
# each process of the tests would compile everything again.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1

STACK := $(BIN)/python -m vpcflow.stack
INSTALL := $(BIN)/python -m pip install --quiet --no-cache-dir --no-index --no-deps --no-build-isolation
# Install what one lock names, out of the cache folder: only what is missing there is downloaded.
locked = folder=$$($(STACK) wheels requirements/$(1).txt); \
	$(INSTALL) --require-hashes --find-links "$$folder" -r requirements/$(1).txt

.PHONY: help demo test test-all images fault-matrix lint format bench bench-smoke lambda setup lock clean clean-cache

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/run.stamp ## flow logs through a real Kinesis consumer into a real search engine, here, in a minute
	@$(BIN)/vpcflow demo $(DEMO)

# Three at a time, file by file, those with servers first: much of it is waiting for these. One at a time: make PARALLEL= test
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/test.stamp ## the fast tests, those with real servers included
	@$(PYTEST) $(PARALLEL) -m "not slow and not images" $(TESTS)

# Without those that `make test` has run: make ALL="slow and not images" test-all
ALL := not images

test-all: $(VENV)/test.stamp ## every test: whole fault matrix, all engines, LocalStack, scale-out, deployment; not the images
	@$(PYTEST) $(PARALLEL) -m "$(ALL)" $(TESTS)

images: $(VENV)/test.stamp ## build the container images on a stand-in base, and run them
	@$(PYTEST) -m images tests/images

fault-matrix: $(VENV)/test.stamp ## every row of the fault matrix, and docs/fault-matrix.md from what was found (half an hour)
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	$(PYTEST) $(PARALLEL) tests/faults --fault-ledger "$$work/ledger" && \
	$(BIN)/python docs/faults.py "$$work"/ledger* > "$$work/page" && cat "$$work/page" > docs/fault-matrix.md

lint: $(VENV)/lint.stamp ## linter, format, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/lint.stamp ## bring the code into its format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/test.stamp ## the benchmarks
	@$(BIN)/python benchmarks/codec.py
	@$(BIN)/python benchmarks/delivery.py
	@$(BIN)/python benchmarks/firehose.py
	@$(BIN)/python benchmarks/memory.py

bench-smoke: $(VENV)/test.stamp ## do the benchmarks still run?
	@$(BIN)/python benchmarks/smoke.py
	@$(BIN)/python benchmarks/memory.py --seconds 60 --events 150000

lambda: $(VENV)/run.stamp ## the zip files of the Lambdas in dist/lambda, for arm64 and x86_64: same sources, same bytes
	@$(BIN)/python deploy/pack.py $(PACK)

LOCALSTACK := $(BIN)/python -m tests.integration.localstack

setup: $(VENV)/lint.stamp ## set up everything; fetch every part of the stack, LocalStack, and what checks templates
	@$(BIN)/python -m tests.tools fetch > $(VENV)/tools.txt & tools=$$!; \
	$(STACK) fetch java node kinesis dynamodb elasticsearch elasticsearch8 opensearch > $(VENV)/parts.txt || exit; \
	if $(LOCALSTACK) available; then $(LOCALSTACK) fetch >> $(VENV)/parts.txt || exit; fi; \
	wait $$tools || echo "setup: not every tool is to be had; tests that need them say so" >&2

lock: ## make the locks again from requirements/*.in (needs uv; LOCK=--upgrade for newer versions)
	@requirements/lock.sh $(LOCK)

clean: ## remove the venv and what tools left in the clone
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .vpcflow
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove the cache folder with all that was fetched
	@set -e; folder=$${VPCFLOW_CACHE:-}; \
	if [ -z "$$folder" ] && [ "$$(id -u)" = 0 ]; then folder=/var/cache/vpcflow-stream; fi; \
	folder=$${folder:-$$HOME/.cache/vpcflow-stream}; \
	echo "removing $$folder"; rm -rf "$$folder/parts" "$$folder/stage" "$$folder/locks"; \
	[ ! -d "$$folder" ] || rmdir "$$folder" 2>/dev/null || echo "kept $$folder: there is more in it"

# ---- set-up ---------------------------------------------------------------------------------------------------------

# A stamp is written last: whatever was interrupted is done again, the venv from its beginning.
$(VENV)/venv.stamp: requirements/build.txt
	@set -e; python=; \
	for each in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: no Python 3.11 or newer with venv found (looked for python3, python3.14 to python3.11):" \
	    "install one (on Debian with python3-venv), or say make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "setup: $(VENV) with $$($$python --version)"; \
	rm -rf $(VENV); $$python -m venv $(VENV); \
	$(call locked,build); touch $@

$(VENV)/kcl.stamp: $(VENV)/venv.stamp vpcflow/stack/data/kcl.txt vpcflow/stack/data/kcl-jars.sha256
	@set -e; wheel=$$($(STACK) fetch kcl); $(INSTALL) --force-reinstall "$$wheel"; $(STACK) check-jars; touch $@

$(VENV)/run.stamp: $(VENV)/kcl.stamp requirements/run.txt pyproject.toml
	@set -e; echo "setup: packages"; $(call locked,run); $(INSTALL) --editable .; touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements/test.txt
	@set -e; echo "setup: test packages"; $(call locked,test); touch $@

$(VENV)/lint.stamp: $(VENV)/test.stamp requirements/lint.txt
	@set -e; echo "setup: lint packages"; $(call locked,lint); touch $@
