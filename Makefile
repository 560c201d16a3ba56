# Everything a newcomer or a contributor types. `make` alone lists it.

VENV := .venv
BIN  := $(VENV)/bin

# The versions that are tested, of what is installed and (newer pips ask apart) of what builds it. In front of
# the commands that install, and not exported: `feilun` starts pip as well, from other folders.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1
PIP    := $(PINNED) $(BIN)/python -m pip --quiet

# A stamp per set of extras: while it is newer than what decides an install, pip is not even started.
STAMP_FILES := pyproject.toml constraints.txt hatch_build.py
BASE  := $(VENV)/.installed
TRAIN := $(VENV)/.installed-train
DEV   := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make up ARGS="--port 9000"         options for `feilun up`'
	@echo '  make test PYTEST_ARGS="-k store"   options for pytest'
	@echo '  make PYTHON=python3.12 ...         the Python that .venv is made with'

##@ Use

.PHONY: up
up: $(BASE) console  ## Set up what is missing, then serve the console and the API
	@exec $(BIN)/feilun up $(ARGS)

.PHONY: up-train
up-train: $(TRAIN) console  ## The same, with what training needs (PyTorch)
	@exec $(BIN)/feilun up $(ARGS)

##@ Check

.PHONY: test
test: lint test-console  ## Lint, types, import layers, the console's tests, all tests but the slow ones
	$(BIN)/pytest -m "not slow" -n 3 --dist loadgroup $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: $(DEV) console  ## The tests that `make test` has no time for, and the types of all tests
	$(BIN)/pyright tests
	$(BIN)/pytest -m slow $(PYTEST_ARGS)

.PHONY: lint
lint: $(DEV)  ## Ruff, pyright, import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

.PHONY: test-console
test-console: $(DEV) console  ## The console's type check and unit tests
	$(BIN)/python scripts/console.py npm run check
	$(BIN)/python scripts/console.py npm test

.PHONY: format
format: $(DEV)  ## Let Ruff fix and format the Python sources
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: $(DEV) console  ## Measure the API against the engine alone (ARGS for bench/serve.py)
	$(BIN)/python bench/serve.py $(ARGS)

##@ Build

# pip's build hook builds the console, and brings Node where the machine has none that is new enough.
.PHONY: console
console: | $(VENV)  ## Build the console if its sources have changed
	@$(BIN)/python scripts/console.py check || { echo "Building the console"; $(PIP) install --no-deps --editable .; }

.PHONY: wheel
wheel: $(DEV)  ## dist/*.tar.gz and dist/*.whl, with the console inside
	$(PINNED) $(BIN)/python -m build

.PHONY: pins
pins: | $(VENV)  ## Resolve everything anew and rewrite constraints.txt
	$(BIN)/python scripts/pins.py

.PHONY: clean
clean:  ## Remove the environment and everything built; keeps workspaces and downloaded models
	rm -rf $(VENV) build dist console/node_modules src/feilun/console_dist
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): ; @PYTHON="$(PYTHON)" sh scripts/venv.sh $@

$(BASE): $(STAMP_FILES) | $(VENV)
	@echo "Installing Feilun into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(TRAIN): $(STAMP_FILES) | $(VENV)
	@echo "Installing Feilun and what training needs into $(VENV)"
	@$(PIP) install --editable '.[train]'
	@touch $(BASE) $@

$(DEV): $(STAMP_FILES) | $(VENV)
	@echo "Installing Feilun and its development tools into $(VENV)"
	@$(PIP) install --editable '.[dev,train]'
	@touch $(BASE) $@
