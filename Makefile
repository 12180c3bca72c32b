# Only python3 (3.11 or later), pip and make are assumed; everything else goes into .venv.
# A development shell of another kind: make PYTHON=python3.12 VENV=.venv-312 test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DUCKDB15 := .cache/duckdb-1.5
DAGSTER := .cache/dagster
SUPERSET := .cache/superset
SPARK := .cache/spark
UV := .cache/uv
TEST_DEMO := .cache/test-demo

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install build test test-fast test-all lint format bi browser torture test-spark mutation bench bench-clv bench-cluster bench-health lock generate demo-data docs clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED)  ## Make the environment in .venv (hash-locked; quick when up to date)

# pip of the given Python fills the environment, so a Python whose venv module lacks ensurepip (Debian's) will do.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Bestand needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1)." \
			"Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
		echo "Bestand needs pip for '$(PYTHON)' (on Debian and Ubuntu: apt-get install python3-pip)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes --requirement requirements.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

build: $(INSTALLED)  ## Build the marts of the demo in bestand.duckdb and show their headline numbers
	@$(BIN)/bestand build

bi: $(INSTALLED) $(SUPERSET)/.installed  ## Open the dashboard: Superset on the published marts (the demo, where nothing is published)
	@$(BIN)/python -m bestand.bi serve

lint: $(INSTALLED)  ## Check SQL, YAML and Python for form, portability and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m bestand.lint
	@$(BIN)/bestand generate --check

format: $(INSTALLED)  ## Put Python and SQL into the project's form
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	BESTAND_DATABASE=:memory: $(BIN)/sqlfluff fix --quiet --processes 2 models tests/data

# A file of tests stays with one process, as its fixtures build what all its tests read.
MARKED := -m "not browser and not torture and not spark"

# One build of the demo with all data tests and unit tests serves every test that reads it.
test: lint $(DUCKDB15)/.installed $(DAGSTER)/.installed  ## Everything that pip alone can prove: lint, dbt build and unit tests, pytest
	@rm -rf $(TEST_DEMO) && mkdir -p $(TEST_DEMO)
	BESTAND_DATABASE=$(TEST_DEMO)/bestand.duckdb DBT_TARGET_PATH=$(TEST_DEMO)/target DBT_LOG_PATH=$(TEST_DEMO)/logs \
		$(BIN)/bestand build --unit-tests
	BESTAND_TEST_DEMO=$(TEST_DEMO) $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(MARKED)

test-fast: $(INSTALLED)  ## The tests that take less than three minutes, for work
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	$(BIN)/python -m pytest -m "not slow and not duckdb15 and not browser and not torture and not spark"

# What needs system packages comes before the tests that use it; pytest stays last, its closing line is CI's verdict.
test-all: browser $(SUPERSET)/.installed $(SPARK)/.installed  ## make test, Spark, the dashboard in a real Superset and browser, and kills of refreshes
	@$(MAKE) --no-print-directory test MARKED='-m "not torture"'

browser:  ## Install Debian's Chromium, which the dashboard is tested in (needs root)
	@command -v chromium >/dev/null 2>&1 || { \
		echo "Installing Chromium for the test of the dashboard ..."; \
		command -v apt-get >/dev/null 2>&1 && test "$$(id -u)" = 0 && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; \
	} || { echo "Chromium could not be installed: install the package chromium as root (apt-get install chromium)." >&2; exit 1; }

# For Python 3.11 and later, on any platform. Extras stay in the lock: in hash mode an older pip does not see that a
# pinned mashumaro is the mashumaro[msgpack] that was asked for. --upgrade only where asked: make lock LOCK=--upgrade
LOCK :=
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --no-strip-extras --quiet $(LOCK)

torture: $(INSTALLED) $(DUCKDB15)/.installed  ## Kill refreshes at 200 random moments (20 in make test-all), fill disks, close folders; ten sequences of increments (two)
	BESTAND_TORTURE_KILLS=200 $(BIN)/python -m pytest tests/python/test_refresh_torture.py -s
	$(BIN)/python -m pytest tests/python/test_incremental.py -k batches_give

test-spark: $(INSTALLED) $(SPARK)/.installed  ## All tests on Spark, its marts compared with DuckDB's and with the references
	$(BIN)/python -m pytest -m spark

mutation: $(INSTALLED)  ## Ask the tests about small mistakes in the core SQL (some 15 minutes)
	$(BIN)/python tests/mutation/run.py

# L needs some 60 GB of disk and an hour; S is a minute or two.
SIZE := s
bench: $(INSTALLED)  ## Time the build at SIZE=s|m|l beside its floors, write docs/benchmarks.md
	$(BIN)/python -m bestand.bench.scale --size $(SIZE)

bench-clv: $(INSTALLED)  ## Time fits and scores beside lifetimes and scipy, write docs/benchmarks.md (some 3 minutes)
	$(BIN)/python -m bestand.bench.clv clv

bench-cluster: $(INSTALLED) $(SPARK)/.installed  ## Build from ten million rows on Spark with one and two workers, write docs/benchmarks.md
	$(BIN)/python -m bestand.bench.cluster

bench-health: $(INSTALLED)  ## Score two simulated bases beside scikit-learn, write docs/benchmarks.md (some 3 minutes)
	$(BIN)/python tests/python/bench_health.py

lock: $(UV)/bin/uv  ## Renew requirements*.lock from their .in files
	$(UV)/bin/uv pip compile requirements.in --output-file requirements.lock $(LOCK_OPTIONS)
	$(UV)/bin/uv pip compile requirements-duckdb15.in --output-file requirements-duckdb15.lock $(LOCK_OPTIONS)
	$(UV)/bin/uv pip compile requirements-dagster.in --output-file requirements-dagster.lock $(LOCK_OPTIONS)
	$(UV)/bin/uv pip compile requirements-superset.in --output-file requirements-superset.lock $(LOCK_OPTIONS)
	$(UV)/bin/uv pip compile requirements-spark.in --output-file requirements-spark.lock $(LOCK_OPTIONS)
	$(UV)/bin/uv pip compile requirements-spark-jars.in --output-file requirements-spark-jars.lock --no-deps $(LOCK_OPTIONS)

$(UV)/bin/uv:
	$(PYTHON) -m pip install --quiet --target $(UV) uv

# The second DuckDB version stands beside the environment, in front of it on the path of one subprocess.
$(DUCKDB15)/.installed: requirements-duckdb15.lock | $(INSTALLED)
	@rm -rf $(DUCKDB15)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --require-hashes --target $(DUCKDB15) \
		--requirement requirements-duckdb15.lock
	@touch $@

# Dagster needs versions of its own around the project's dbt and DuckDB (examples/schedules).
$(DAGSTER)/.installed: requirements-dagster.lock
	@test -x $(DAGSTER)/bin/python || $(PYTHON) -m venv --without-pip $(DAGSTER)
	$(PYTHON) -m pip --python $(DAGSTER)/bin/python install --quiet --require-hashes \
		--requirement requirements-dagster.lock
	@touch $@

# Superset needs SQLAlchemy 1.4 and DuckDB 1.5; its own settings and database lie in the home folder beside it.
$(SUPERSET)/.installed: requirements-superset.lock
	@test -x $(SUPERSET)/bin/python || $(PYTHON) -m venv --without-pip $(SUPERSET)
	$(PYTHON) -m pip --python $(SUPERSET)/bin/python install --quiet --require-hashes \
		--requirement requirements-superset.lock
	@touch $@

# PySpark, dbt-spark, Java and Iceberg; the second lock is of packages of which only the jars are wanted, not their needs.
$(SPARK)/.installed: requirements-spark.lock requirements-spark-jars.lock pyproject.toml
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv --without-pip $(SPARK)
	$(PYTHON) -m pip --python $(SPARK)/bin/python install --quiet --require-hashes --requirement requirements-spark.lock
	$(PYTHON) -m pip --python $(SPARK)/bin/python install --quiet --no-deps --require-hashes \
		--requirement requirements-spark-jars.lock
	$(PYTHON) -m pip --python $(SPARK)/bin/python install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

generate: $(INSTALLED)  ## Write the models and yml that follow from the input contract
	@$(BIN)/bestand generate

demo-data: $(INSTALLED)  ## Write the demo CRM to seeds/demo
	@$(BIN)/bestand demo-data

docs: build  ## Write docs/marts, docs/coverage.md and the cohort picture from the project and its demo
	@$(BIN)/bestand docs
	@$(BIN)/bestand plot cohorts --out docs/images/cohort_triangle.png --label "Demo data"

clean:  ## Remove what builds and tests have made (the environment stays; remove .venv by hand)
	rm -rf target logs .cache .pytest_cache .hypothesis .ruff_cache .mypy_cache build *.egg-info
	rm -f bestand.duckdb bestand.duckdb.wal
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
