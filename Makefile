# Greenwatch. Every target starts from nothing and can be repeated.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DATA ?=
ONCE ?=
WORKERS ?= 2

.PHONY: setup demo test soak compare lock clean

setup: $(READY) ## make .venv with greenwatch in it

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "greenwatch needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "no venv module: apt-get install python3-venv, then run make again" >&2; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock 2> $(VENV)/pip.log || \
		{ cat $(VENV)/pip.log >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## a synthetic district, live, or DATA=PATH...; ONCE=1 ends after the summary
	$(BIN)/greenwatch demo $(if $(ONCE),--once) $(DATA)

test: setup ## the gate and the tests: 12 minutes at most on two cores, WORKERS at once
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.audit
	@# A thread each: the frames of tests are small, and whoever waits for a second thread waits longer than it helps.
	POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1 \
		$(BIN)/pytest -W error -n $(WORKERS) --dist loadfile --no-loadscope-reorder

soak: setup ## the big figures, up to an hour, resumable: tests/soak/<date>-<commit>.json
	$(BIN)/python -m tests.soak.run

compare: setup ## rivals in the same run, with a lock of their own
	$(PYTHON) -m venv $(VENV)-compare
	$(VENV)-compare/bin/python -m pip install --quiet --require-hashes -r tests/compare/requirements.lock
	$(BIN)/python -m tests.compare.run --rivals $(VENV)-compare/bin/python

lock: setup ## pin what pyproject.toml allows today
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra test pyproject.toml -o requirements.lock

clean: ## remove what was made here; the database stays (greenwatch database clean)
	rm -rf $(VENV) $(VENV)-compare dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
