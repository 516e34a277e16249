# make run     the example shop with its panel and workers, on http://127.0.0.1:$(PORT)/
# make test    all tests (ARGS="-k word" narrows them)
# make check   linters and types (make -k check goes on after the first that fails)
# Everything is installed into .venv; no prior step is needed but Python 3.11+ (and npm for sockets and icons).

PORT ?= 8000
ARGS ?=
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet install
SOURCES := pyproject.toml hatch_build.py package.json package-lock.json .npmrc
export PYTHONUNBUFFERED := 1
export PORT

.PHONY: help run test check check-lint check-format check-types check-layers check-templates format messages gallery assets dist clean
.NOTPARALLEL:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# `exec`: the program takes the place of the shell, so that Ctrl-C reaches it and nothing else is left to end.
run: .venv/.installed
	@$(BIN)/python -m examples.shop.setup
	@exec $(BIN)/flask --app examples.shop.app stask up --port $(PORT)

test: .venv/.installed-dev
	@exec $(BIN)/python -m pytest $(ARGS)

check: check-lint check-format check-types check-layers check-templates

check-lint: .venv/.installed-dev
	$(BIN)/ruff check .

check-format: .venv/.installed-dev
	$(BIN)/ruff format --check .

check-types: .venv/.installed-dev
	$(BIN)/mypy

check-layers: .venv/.installed-dev
	$(BIN)/lint-imports --no-logo

check-templates: .venv/.installed-dev
	$(BIN)/djlint --lint --quiet templates examples

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Collects the texts of the code for translators and compiles the catalogues; ARGS=de begins another language.
# Ends with an error while a text is not translated.
messages: .venv/.installed-dev
	@exec $(BIN)/python tests/messages.py $(ARGS)

# Pictures of every page, in light and dark, narrow and wide.
gallery: .venv/.installed-dev
	@exec $(BIN)/python tests/browser/gallery.py $(ARGS)

# Fetches browser code of others again, for instance after npm was installed.
assets: .venv/.made
	$(PIP) --no-deps --editable .
	@$(MAKE) --no-print-directory say-assets

dist: .venv/.installed-dev
	STASK_ASSETS=require $(BIN)/python -m build

# Leaves instance/ alone: databases, uploads and results are not ours to delete.
clean:
	rm -rf .venv node_modules static/vendor build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.made:
	@test -n "$(PYTHON)" || { echo "stask-web needs Python 3.11 or newer; 'python3' is: $$(python3 --version 2>&1). \
	Install a newer one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. \
	On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.made $(SOURCES)
	@echo "Installing stask-web and what it needs (about a minute the first time)"
	@$(PIP) --editable '.[shop]'
	@$(MAKE) --no-print-directory say-assets
	@touch $@

.venv/.installed-dev: .venv/.made $(SOURCES)
	@echo "Installing stask-web and what its tests need (a minute or two the first time)"
	@$(PIP) --editable '.[dev]'
	@$(MAKE) --no-print-directory say-assets
	@touch .venv/.installed $@

.PHONY: say-assets
say-assets:
	@test -f static/vendor/socket.io.min.js || echo "npm could not fetch the Socket.IO client and Font Awesome: \
	pages will poll, icons stay empty. Install npm, then: make assets"
