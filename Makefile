# Each target makes what it needs. `make demo` and `make test` are all that a newcomer has to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/python -m uv
STAMP := $(VENV)/.installed

# What reads rows, tested once more with numpy and Arrow in the place of native/kernels.c.
BOTH_WAYS := $(addprefix aggregation_pipeline_tests/source/mysql/test_,$(addsuffix .py,arrow_types row_protocol zero_dates timestamps bits floats))

.DEFAULT_GOAL := help
.PHONY: help demo dev check test test-all soak mutants mysql56 bench lint format lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# uv is only the installer here: it reads the hash-locked file in seconds where pip takes a minute.
$(STAMP): pyproject.toml setup.py requirements/dev.lock $(wildcard aggregation_pipeline/native/*.c)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v.major}.{v.minor}: make PYTHON=/path/to/python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.lock
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## The main job once, on embedded servers: files to open and a batch_jobs row; SOURCE=postgresql
	$(BIN)/aggregation-pipeline demo $(if $(SOURCE),--source $(SOURCE))

dev: $(STAMP) ## Dagster's UI with the daemon on port 3000, on embedded servers; SOURCE=postgresql
	$(BIN)/aggregation-pipeline dev $(if $(SOURCE),--source $(SOURCE))

check: $(STAMP) ## Look at everything that the service needs, and say what to do; ARGS="--fix --send"
	$(BIN)/aggregation-pipeline check $(ARGS)

test: $(STAMP) ## Everything that fits in five minutes, on real servers
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-all: test ## The long tests too
	$(BIN)/python -m pytest -m "slow and not alone and not soak" -n 4 --dist loadfile --no-loadscope-reorder --timeout=900
	$(BIN)/python -m pytest -m "slow and alone" --timeout=900
	$(BIN)/python -m pytest -m "" -n 2 --dist worksteal --without-native $(BOTH_WAYS)

soak: $(STAMP) ## Half an hour of kills and full disks (as root; STORM_SEED=7 chooses which), then every case that other tests sample
	STORM_SECONDS=1200 $(BIN)/python -m pytest -s -m "slow and alone" aggregation_pipeline_tests/storm
	$(BIN)/python -m pytest -m soak -n 3 --timeout=900

mutants: $(STAMP) ## Change the code in small ways and list what no test notices; ARGS="storage.publish --at-most 50"
	$(BIN)/python -m aggregation_pipeline_tests.mutants $(ARGS)

mysql56: $(STAMP) ## Fetch MySQL 5.6 with npm (31 MB), for the tests that want an Oracle MySQL
	$(BIN)/python -m aggregation_pipeline_tests.support.servers.mysql56

bench: $(STAMP) ## Measure side by side with the peers and judge the targets, in an hour
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Let ruff lay out the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lock: ## Resolve the dependencies anew and write requirements/*.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	echo uv | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header -o requirements/installer.lock -
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --group build -o requirements/build.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --extra postgresql -o requirements/runtime.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --extra postgresql --extra celery -o requirements/celery.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --extra embedded --extra dev --group build -o requirements/dev.lock pyproject.toml

clean: ## Remove what the targets made, exported files excepted
	rm -rf $(VENV) .data build *.egg-info aggregation_pipeline/native/*.so .mypy_cache .ruff_cache .pytest_cache
