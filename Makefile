# The project's commands; `make help` lists them. Nothing is needed but make, a POSIX shell and Python 3.11 to 3.13.

VENV ?= .venv
BIN := $(VENV)/bin
PROFILE ?= demo
SERVE ?= 1
JOBS ?= 2
PACKAGES := weatherapp packager mobile_models phone
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# The pins were resolved with 3.11, so it is asked for first.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	$$python -c '$(SUITABLE)' 2>/dev/null && { echo $$python; break; }; done)
PIP_TOOLS := pip-tools==7.6.2
COMPILE = $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-emit-options $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-torch demo serve test coverage check format bench bench-peers requirements clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found on the PATH." \
		"Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)' 2>/dev/null || { echo "PYTHON=$(PYTHON) is" \
		"$$($(PYTHON) --version 2>/dev/null || echo no Python); allowed are Python 3.11, 3.12 and 3.13." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments." \
		"On Debian and Ubuntu, install the package python3-venv and try again." >&2; exit 1; }

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "Installing requirements.txt into $(VENV): TensorFlow included, a few minutes the first time."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

# What the tests of other people's clients need: packages that cannot live beside the others, and Node's packages.
$(VENV)/.installed-clients: $(wildcard tests/clients/*.txt) tests/clients/node/package.json $(VENV)/.installed-dev
	@for set in older niquests; do $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--upgrade --target $(VENV)/clients-$$set -r tests/clients/$$set.txt || exit 1; done
	@if command -v npm >/dev/null; then cd tests/clients/node && \
		npm install --no-package-lock --ignore-scripts --no-audit --no-fund --silent || \
		echo "npm could not install tests/clients/node: tests that need Node's packages are skipped."; \
	else echo "npm is missing: tests that need Node's packages are skipped."; fi
	@if [ -d tests/clients/node/node_modules/openmeteo ] && [ -d tests/clients/node/node_modules/tuf-js ] && \
		[ -d tests/clients/node/node_modules/axe-core ]; then touch $@; fi

install: $(VENV)/.installed  ## make .venv with all that runs

install-dev: $(VENV)/.installed-clients  ## the same with the tools of `make test` and `make check`

# PyTorch needs other versions of what the rest needs, so it has an environment of its own: torch first, and alone.
.venv-torch/.installed: requirements-torch.txt | $(BIN)/python
	@echo "Installing requirements-torch.txt into .venv-torch: 2 GB, a few minutes the first time."
	@test -x .venv-torch/bin/python || $(BIN)/python -m venv .venv-torch
	@.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' $<)
	@.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

install-torch: .venv-torch/.installed  ## make .venv-torch, for teachers and small models that PyTorch saved (optional)

demo: install  ## train, fold, verify, release, forecast; then serve (SERVE=0: do not; PROFILE=full: train longer)
	$(BIN)/python manage.py quickstart --profile $(PROFILE)
	@if [ "$(SERVE)" != 0 ]; then exec $(BIN)/python manage.py serve; fi

serve: install  ## serve what the last quickstart made
	$(BIN)/python manage.py serve

test: install-dev  ## the whole test suite (TEST=tests/unit: a part; JOBS=4: processes; TEST_DATABASE_URL, TEST_BROKER_URL: services)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TEST)

coverage: install-dev  ## the same with branch coverage
	$(BIN)/python -m coverage run -m pytest $(TEST)
	$(BIN)/python -m coverage report

check: install-dev  ## formatting, lint, types, import contracts, missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

format: install-dev  ## format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## variants, recipes beside stock tools, endpoints, the forecast API under load (wrk), a cycle of 10,000 stations, own bias, patches; goals and ratios
	$(BIN)/python -m bench.bench
	$(BIN)/python -m bench.compare
	$(BIN)/python -m bench.forecast_api
	$(BIN)/python -m bench.cycle
	$(BIN)/python -m bench.personal
	$(BIN)/python -m bench.deltas

bench-peers:  ## make .venv-bench with the servers that `make bench` compares the forecast API to
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt

requirements: | $(BIN)/python  ## resolve the .in files into pins (UPGRADE=--upgrade: newer versions)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_TOOLS)
	@# The smaller sets take their versions from the first.
	@for set in requirements requirements-web requirements-dev; do \
		echo "$$set.in -> $$set.txt"; \
		[ $$set = requirements ] && constraint= || constraint="--constraint requirements.txt"; \
		$(COMPILE) $$constraint --output-file $$set.txt $$set.in && \
		{ echo "# Resolved from $$set.in by: make requirements"; grep -v '^# Resolved' $$set.txt; } > $$set.new && \
		mv $$set.new $$set.txt || exit 1; \
	done
	@# PyTorch, and what the benchmark compares to, live in environments of their own.
	@echo "requirements-torch.in -> requirements-torch.txt"
	@$(COMPILE) --output-file requirements-torch.txt requirements-torch.in
	@# Its wheel without CUDA calls itself 2.13.0+cpu; other machines have it by the plain version.
	@{ echo "# Resolved from requirements-torch.in by: make requirements"; \
		sed -e '/^# Resolved/d' -e 's/+cpu$$//' requirements-torch.txt; } > requirements-torch.new && \
		mv requirements-torch.new requirements-torch.txt
	@echo "bench/requirements.in -> bench/requirements.txt"
	@$(COMPILE) --output-file bench/requirements.txt bench/requirements.in

clean:  ## remove caches and the virtual environment; var/ (database, models, runs) stays
	rm -rf $(VENV) .venv-bench .venv-torch .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis .coverage htmlcov
	rm -rf tests/clients/node/node_modules
	find $(PACKAGES) tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
