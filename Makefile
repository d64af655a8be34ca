# Everything runs in .venv, which the first target that needs it sets up.
BIN := .venv/bin
DEMO := runs/demo

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## run the self-prediction experiment into runs/demo, or go on with it, and draw its figure
	@if [ -e $(DEMO)/run.h5 ]; then \
	    $(BIN)/microcircuit figure $(DEMO) && $(BIN)/microcircuit show $(DEMO); \
	elif [ -e $(DEMO)/checkpoint/run.json ]; then \
	    $(BIN)/microcircuit run self-prediction --resume $(DEMO); \
	else \
	    $(BIN)/microcircuit run self-prediction -o $(DEMO); \
	fi

test: .venv/installed ## run the whole test suite, several tests at a time
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

lint: .venv/installed-develop ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	tools/check_types.sh

bench: .venv/installed ## time the engine side by side with its peers
	$(BIN)/python -m benchmarks.run

clean: ## remove what set-up, tests and builds left; results under runs/ stay
	rm -rf .venv build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv without a working pip is one whose making was cut short: it is made again.
.venv/installed: setup.cfg pyproject.toml
	@tools/check_compiler.sh
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    python=$$(tools/find_python.sh) && \
	    echo "Making .venv with $$python" && "$$python" -m venv --clear .venv; }
	@echo "Installing the project and what it needs into .venv (once; a minute or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

.venv/installed-develop: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,develop]'
	@touch $@
