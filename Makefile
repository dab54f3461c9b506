# Each target sets up what it needs: a virtual environment here, test binaries in a user cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r
COMMANDS := $(VENV)/commands
SET_UP := $(VENV)/set-up

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-quick test-node test-kind check manifests bench format lock clean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

venv: $(COMMANDS) ## .venv with what the commands of this repository need; the other targets add what they need

demo: $(if $(CLUSTER),$(SET_UP),$(COMMANDS)) ## the guide's pod before and after, and what wrong set-ups are told (CLUSTER=1: on a real control plane)
	@$(BIN)/python -m demo $(if $(CLUSTER),--cluster)

test: $(SET_UP) ## all tests; builds a Kubernetes control plane on first use
	$(BIN)/python -m testbed.cluster.build
	$(BIN)/python -m pytest -n 2

test-quick: $(SET_UP) ## the tests that need no cluster and no process of their own: under a minute
	$(BIN)/python -m pytest -n auto -m "not cluster and not slow" --hypothesis-profile=quick

test-node: $(SET_UP) ## the tests that need a node: containerd, kubelet, our image; as root, on Debian
	$(BIN)/python -m testbed.node
	$(BIN)/python -m pytest -n 0 -m node tests/node

test-kind: $(SET_UP) ## the same on kind, where Docker is
	M365WI_TEST_CLUSTER=kind $(BIN)/python -m testbed.node
	M365WI_TEST_CLUSTER=kind $(BIN)/python -m pytest -n 0 -m node tests/node

check: $(SET_UP) ## format, lint, types, layers, manifests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m testbed.chart.manifests --check

manifests: $(SET_UP) ## renders manifests/install*.yaml from the chart; builds Helm on first use
	$(BIN)/python -m testbed.chart.manifests

bench: $(SET_UP) ## speed, as ratios to a reference measured in the same run
	$(BIN)/python -m bench

format: $(SET_UP) ## puts the source into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(SET_UP) ## resolves the dependencies anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header image/build.in -o image/build.txt

clean: ## removes what the targets made here, but not the cache of test binaries
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

$(COMMANDS): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.13 …")'
	@echo "Setting up $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) requirements.txt
	@touch $@

$(SET_UP): requirements-dev.txt $(COMMANDS)
	@echo "Adding what developing needs (once) …"
	@$(INSTALL) requirements-dev.txt
	@touch $@
