PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
JOBS ?= 2
FAST_JOBS ?= 3
SLOW_JOBS ?= 3
ARGS ?=
FUZZ_SECONDS ?= 3600
FUZZ_SEED ?= $(shell date +%s)
PYTHONS ?= python3.12 python3.13
PYARROWS ?= 18.0.0
OF_PYARROW ?= tests

TOOLS := .venv-tools
PINNED_TOOLS := cyclonedx-bom==7.5.0 pip-audit==2.10.1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow fuzz test-pythons test-pyarrow test-readers check bench constraints bill-of-materials audit clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## Install labelsnap and what its tests need into .venv

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m compileall -q config deploy flows labelsnap tasks
	@touch $@

demo: install  ## Run the whole thing on this machine, with no account
	$(BIN)/labelsnap demo

check: install  ## Lint, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test test-slow test-pyarrow: export PYTHONDONTWRITEBYTECODE :=  # what each test's process would compile anew

test: check  ## The checks and the fast tests, with coverage; more workers than processors, because tests wait
	$(BIN)/pytest -n $(FAST_JOBS) --dist loadfile --cov --cov-report=term --cov-fail-under=90

test-slow: install  ## The slow tests, those of many examples and those against real servers; they say which server is missing
	$(BIN)/pytest -n $(SLOW_JOBS) --dist loadgroup --hypothesis-profile thorough -m "slow or integration or hypothesis"

fuzz: install  ## Damaged bytes at every border for FUZZ_SECONDS in all; what is found goes to tests/faults/corpus
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

test-pythons: install  ## The pure parts under the other PYTHONS, and that all write the same bytes
	set -e; for python in $(PYTHONS); do \
	  environment=.venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  $$python -m venv $$environment; \
	  $$environment/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'; \
	  $$environment/bin/pytest -n $(JOBS) tests/records tests/masks tests/formats tests/readers; \
	done
	$(BIN)/pytest -m slow tests/formats/test_format_golden.py

test-pyarrow: install  ## The fast tests (OF_PYARROW: which) under the oldest pyarrow that labelsnap runs with; `make test` has the newest
	set -e; for version in $(PYARROWS); do \
	  $(BIN)/python -m pip install --quiet --no-deps --upgrade --target .pyarrow/$$version pyarrow==$$version; \
	  PYTHONPATH=$(CURDIR)/.pyarrow/$$version$${PYTHONPATH:+:$$PYTHONPATH} $(BIN)/pytest -n $(JOBS) --dist loadfile $(OF_PYARROW); \
	done

test-readers: install  ## Other people's readers over every output, in environments of their own (READERS_CACHE keeps them)
	$(BIN)/python -m tests.readers_heavy

bench: install  ## Measure, as ratios within one run; prints tables and writes bench.json (ARGS: which, and of what size; --help)
	$(BIN)/python -m tests.benchmarks $(ARGS)

constraints:  ## Pin the newest versions that work together
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	{ echo '# Pinned versions of everything that `make install` installs. Renew with `make constraints`.'; \
	  $(BIN)/python -m pip freeze --exclude-editable; } > constraints.txt

bill-of-materials: install  ## List what is locked with its licences, in deploy/bill-of-materials.json
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet $(PINNED_TOOLS)
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --output-file $(TOOLS)/found.json $(BIN)/python
	$(BIN)/python deploy/dependencies.py materials $(TOOLS)/found.json

audit: install  ## Look up known faults of what is locked, where a database can be reached; says when, in deploy/known-faults.md
	rm -f $(TOOLS)/pypi.json $(TOOLS)/osv.json
	{ $(PYTHON) -m venv $(TOOLS) && $(TOOLS)/bin/python -m pip install --quiet $(PINNED_TOOLS); } || true
	for database in pypi osv; do \
	  timeout 120 $(TOOLS)/bin/pip-audit --vulnerability-service $$database --disable-pip --no-deps \
	    --requirement constraints.txt --format json --output $(TOOLS)/$$database.json >/dev/null 2>&1 || true; \
	done
	$(BIN)/python deploy/dependencies.py faults $(TOOLS)/pypi.json $(TOOLS)/osv.json

clean:  ## Remove what make made
	rm -rf $(VENV) .venv-* .pyarrow .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .bench bench.json
