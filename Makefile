# Targets for people; `make test` is what continuous integration runs, on a machine with Python, gcc and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint fmt types docs bars fuzz soak clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	touch $@

demo: $(READY) ## run the main job on bundled data and print where the report is
	$(BIN)/ancile demo

test: $(READY) ## lint, types, contracts, every test, the wheel alone
	.ci/test

# What was compiled once is kept, whatever the environment says: each worker would rewrite every test anew.
quick: export PYTHONDONTWRITEBYTECODE =
quick: export OMP_NUM_THREADS = 1
quick: $(READY) ## lint, types and the fast tests: under two minutes
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -m 'not slow and not peers'

lint: $(READY) ## ruff, import contracts, spelling
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache && $(BIN)/codespell

fmt: $(READY) ## format and mend what can be mended
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: $(READY) ## mypy: src and tests, strict; whether what the bars call is there
	$(BIN)/mypy && $(BIN)/mypy --config-file bench/mypy.ini

docs: $(READY) ## regenerate docs/schema and docs/checks
	$(BIN)/python docs/generate.py

bars: $(READY) ## measure every claim against peers, rewrite bench/RESULTS.md
	$(BIN)/python bench/run.py

fuzz: $(READY) ## long fuzzing of everything that parses: by coverage, then by properties
	$(BIN)/python tools/fuzz/long.py
	ANCILE_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -n 2 -m 'slow or not slow' tests -k 'fuzz or hostile'

soak: $(READY) ## kill -9 and power cuts, the long form; the gateway's memory under load
	ANCILE_SOAK=200 $(BIN)/python -m pytest tests/trust -k 'kill or power'
	$(BIN)/python bench/serve_soak.py

clean: ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* dist build
