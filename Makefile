# What one does with this repository, by name. Needs Python 3.11 to 3.14 with venv, git, and GNU make 3.81 or newer.
#
#   make setup PYTHON=/path/to/python3.12    names the interpreter; otherwise the newest suitable one is taken
#   make test ARGS="-k vad"                  passes arguments on (test, test-slow, bench, bench-diarization, lock)

SHELL = /bin/sh
BIN = .venv/bin
ARGS =
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 8

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help setup demo demo-server test test-slow test-engines check check-format check-lint check-types check-imports check-docs check-hooks \
	format docs screenshots lock bench bench-diarization clean runtime dev engines

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

setup: dev ## Make .venv with everything that demo, test and check need
	@echo "Ready: $(BIN)/stenogram --help"

demo: runtime ## Transcribe a real recording (installs only what stenogram itself needs)
	@$(BIN)/python tools/demo.py

demo-server: runtime ## Start the server, submit a recording, show what its callback delivers
	@$(BIN)/python -m tools.demo_server

test: dev ## Run the tests (under 8 minutes on 2 cores)
	$(PYTEST) $(ARGS)

test-slow: dev ## Run the tests that take longer
	$(BIN)/python -m pytest -n 2 -m slow --timeout 1200 $(ARGS)

# One after the other: PyTorch uses all cores by itself.
test-engines: engines ## Run the tests that need PyTorch (some 2 GB into .venv-engines the first time)
	.venv-engines/bin/python -m pytest -m engines $(ARGS)

check: check-format check-lint check-types check-imports check-docs check-hooks ## Check format, lint, types, layers, reference pages, hooks

check-format: dev
	$(BIN)/python -m ruff format --check .

check-lint: dev
	$(BIN)/python -m ruff check .

check-types: dev
	$(BIN)/python -m mypy

check-imports: dev
	$(BIN)/lint-imports --no-logo

check-docs: dev
	$(BIN)/python tools/docs.py --check

check-hooks: dev
	$(BIN)/python -m pre_commit validate-config .pre-commit-config.yaml

format: dev ## Format the code and mend what ruff can mend
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

docs: dev ## Write docs/reference anew from the code
	$(BIN)/python tools/docs.py

screenshots: dev ## Take the pictures of docs/images anew (needs Chromium)
	$(BIN)/python -m tools.screenshots

# One version of each library for every Python and platform; hashes, and no host.
COMPILE = pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--custom-compile-command "make lock" $(ARGS)

lock: ## Resolve the lock files anew (ARGS=--upgrade takes the newest versions)
	uv="`sh tools/bootstrap.sh uv`" && \
	"$$uv" $(COMPILE) pyproject.toml --group build --group lock -o requirements.lock && \
	"$$uv" $(COMPILE) pyproject.toml --group build --group test --group check --group bench \
		-c requirements.lock -o requirements-dev.lock && \
	echo "uv>=0.9" | "$$uv" $(COMPILE) - -o requirements-uv.lock

bench: dev ## Compare speed and accuracy with others on the same audio
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-diarization: dev ## Measure who spoke: errors on labelled recordings, speed, memory
	$(BIN)/python -m benchmarks.diarization $(ARGS)

clean: ## Remove all that make has made: .venv, .venv-engines, .uv, caches, outputs
	rm -rf .venv .venv-engines .uv build dist demo-out benchmarks/out
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

runtime:
	@sh tools/bootstrap.sh runtime

dev:
	@sh tools/bootstrap.sh dev

engines:
	@sh tools/bootstrap.sh engines
