# Everything a developer does here. A fresh clone needs Python 3.11 to 3.14 with venv, nothing more.

PYTHON ?= python3
ARGS ?=
QUICK ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --no-input
LOCKS := requirements.lock requirements-dev.lock

define CHECK_PYTHON
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
  echo "gpuwarden needs Python 3.11 to 3.14, but $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-real test-gpu check fuzz months bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS adds arguments (make test ARGS='-k tailer'), PYTHON picks the interpreter (make test PYTHON=python3.12)."

run: $(VENV)/.runtime ## set up and run the agent with its embedded defaults, in the foreground
	@$(PY) -m agent run $(ARGS)

test: $(VENV)/.dev ## set up and run every test that needs Python packages only
	@$(PY) -m pytest $(ARGS)

test-real: $(VENV)/.dev ## run the tests on real components, installed by apt when root (QUICK=1: the quick ones)
	@tests/real/install.sh $(if $(QUICK),quick,full)
	@$(PY) -m pytest tests/real -m '$(if $(QUICK),real and not slow,real)' $(ARGS)

test-gpu: $(VENV)/.dev ## run the tests on a real GPU, with PyTorch of another Python (TORCH_PYTHON=/path/to/python)
	@$(PY) -m pytest tests/gpu -m gpu $(ARGS)

check: $(VENV)/.dev ## lint (ruff) and check types (mypy)
	@$(PY) -m ruff check .
	@$(PY) -m mypy

fuzz: $(VENV)/.dev ## feed the log watcher hostile logs for some minutes (ARGS='--minutes 10')
	@$(PY) -m tests.fuzz $(ARGS)

months: $(VENV)/.dev ## check what must hold in random months of alerts, crashes and outages (ARGS='--count 5000 --from 100 --jobs 2')
	@$(PY) -m tests.months $(ARGS)

bench: $(VENV)/.dev ## measure the agent on this machine and print a table
	@$(PY) -m bench $(ARGS)

# uv resolves for every supported Python and platform at once; it is a tool of this target alone.
# To raise pinned versions: make lock ARGS=--upgrade
UV := build/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

lock: ## pin the dependencies of pyproject.toml, with hashes (ARGS=--upgrade raises them)
	@$(CHECK_PYTHON)
	@test -x $(UV) || { $(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv; }
	@$(COMPILE) $(ARGS) --group build pyproject.toml --output-file requirements.lock
	@$(COMPILE) $(ARGS) --group dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock

clean: ## remove the virtual environment, caches and build results
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew when a lock changes, so that it never holds what no lock names.
$(VENV)/.runtime: $(LOCKS)
	@$(CHECK_PYTHON)
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@
