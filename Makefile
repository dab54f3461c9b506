# Each target sets up what it needs: a virtual environment here, test binaries in a user cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r
COMMANDS := $(VENV)/commands
SET_UP := $(VENV)/set-up
# Tests with targets of their own: they are slow, and few changes break them.
ATTACKS := tests/attacks
# The site of the docs, and what builds it.
DOCS := build/docs-venv
MKDOCS := PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs
MIKE := PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mike
NEWEST = $(shell git tag --list 'v*' --sort=-version:refname | grep -v -- - | head -n 1)
WHEELS := tests/cli/test_install.py tests/helper/test_oldest.py tests/helper_commands/test_types.py

.DEFAULT_GOAL := help
.PHONY: help venv demo test coverage test-quick test-attacks test-wheels test-browser test-prometheus pictures test-node test-tools test-corpus test-kind test-release test-newest test-oldest check docs docs-serve docs-version messages variables cli manifests release release-sign release-push release-bundle bench bench-report bench-scale format lock clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 17

venv: $(COMMANDS) ## make .venv with what the commands of this repository need; other targets add what they need

demo: $(if $(CLUSTER),$(SET_UP),$(COMMANDS)) ## show the guide's pod before and after, and answers to wrong set-ups (CLUSTER=1: on a real control plane)
	@$(BIN)/python -m demo $(if $(CLUSTER),--cluster)

test: $(SET_UP) ## run all tests but those of test-attacks, test-wheels, test-browser, test-prometheus, test-node and test-release; the first run builds a Kubernetes control plane
	$(BIN)/python -m testbed.cluster.build
	@$(MAKE) --no-print-directory coverage
	$(BIN)/python -m pytest -n 2 $(addprefix --ignore=,$(ATTACKS) $(WHEELS))

# In a run of its own, because tracing doubles the time of the tests. The test that is left out would take 27 seconds.
coverage: $(SET_UP) ## print the coverage of webhook/core and certs by their own tests: 20 seconds
	@$(BIN)/coverage run -m pytest -q -n 0 -m "not cluster and not slow" --hypothesis-profile=quick tests/core tests/certs \
		--deselect tests/core/test_reviewer.py::test_a_strangers_large_pod_does_not_stop_everybody \
		>$(VENV)/coverage-tests.log || cat $(VENV)/coverage-tests.log
	@for package in webhook/core certs; do \
		echo "Coverage of $$package, statements and branches: $$($(BIN)/coverage report --format=total --include="$$package/*") %"; \
	done

# With bytecode, of tests as well: to rewrite 6,000 assertions takes each worker 7 seconds of every run.
test-quick: $(SET_UP) ## run the tests that need no cluster and start no process: under a minute
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto -m "not cluster and not slow" --hypothesis-profile=quick

test-attacks: $(SET_UP) ## run the tests of what a stranger may try; the first run builds a Kubernetes control plane
	$(BIN)/python -m testbed.cluster.build
	$(BIN)/python -m pytest -n 2 $(ATTACKS)

test-wheels: $(SET_UP) ## test the wheels: installed by pip, pipx and uv; the oldest dependencies of the helper; its types in a program
	$(BIN)/python -m pytest -n 2 $(WHEELS)

test-browser: $(SET_UP) docs ## use our pages and the docs' site in Debian's chromium, and take the docs' pictures; needs root to install it
	@command -v chromium >/dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core)
	$(BIN)/python -m pytest -n 0 tests/browser

test-prometheus: $(SET_UP) ## test alerts, dashboards and traces with promtool, a real Prometheus and a real OpenTelemetry Collector; the first run builds them
	$(BIN)/python -m testbed.cluster.build --version 1.37
	$(BIN)/python -m testbed.prometheus.build
	$(BIN)/python -m testbed.traces.build
	$(BIN)/python -m pytest -n 0 -m prometheus tests/monitoring

pictures: $(SET_UP) ## draw the dashboards with Perses, in chromium, into docs/pictures; the first run builds Prometheus and Perses
	@command -v chromium >/dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core)
	$(BIN)/python -m testbed.cluster.build --version 1.37
	$(BIN)/python -m testbed.prometheus.build
	$(BIN)/python -m testbed.third_party.build perses
	$(BIN)/python -m pytest -n 0 -m prometheus tests/monitoring/test_prometheus.py tests/monitoring/test_sign_in.py --pictures

test-node: $(SET_UP) ## run the tests on a node: containerd, kubelet, our image; needs root and Debian
	$(BIN)/python -m testbed.node
	$(BIN)/python -m pytest -n 0 -m node tests/node

test-tools: $(SET_UP) ## run other people's tools as in a pod and write docs/tools.md, and az with the commands that we print; needs Java, Maven and Cargo
	$(BIN)/python -m testbed.third_party.build
	$(BIN)/python -m testbed.third_party.providers
	$(BIN)/python -m testbed.third_party.pod $(BIN)/python -m pytest -n 0 -m tools tests/third_party
	$(BIN)/python -m pytest -n 0 -m tools tests/az

test-corpus: $(SET_UP) ## lint public charts and manifests, in which nothing is wrong; the first run downloads them
	$(BIN)/python -m testbed.corpus
	$(BIN)/python -m pytest -n 0 -m corpus tests/offline/lint/test_corpus.py

test-kind: $(SET_UP) ## run the same tests on kind; needs Docker
	M365WI_TEST_CLUSTER=kind $(BIN)/python -m testbed.node
	M365WI_TEST_CLUSTER=kind $(BIN)/python -m pytest -n 0 -m node tests/node

test-release: $(SET_UP) ## make a release twice, look into it, run its arm64 image in an emulator; sign it, push it, verify it, tamper with it; needs root and Debian
	@for program in buildah ip qemu-aarch64-static; do command -v $$program >/dev/null || \
		(apt-get update -q && apt-get install -q -y --no-install-recommends buildah iproute2 qemu-user-static) || exit 1; done
	$(BIN)/python -m testbed.cluster.build --version 1.37 --all
	$(BIN)/python -m testbed.chart.helm >/dev/null
	$(BIN)/python -m testbed.registry.build
	$(BIN)/python -m pytest -n 0 -m release tests/release

# In environments of their own, without the locks: what somebody gets who installs today, and the least that we ask for.
test-newest: $(SET_UP) ## run the tests of test-quick with the newest release of each dependency
	$(call without_locks,newest,highest,requirements.in)

test-oldest: $(SET_UP) ## run the tests of test-quick with the oldest release of each dependency that pyproject.toml allows
	$(call without_locks,oldest,lowest-direct,--all-extras pyproject.toml cli/pyproject.toml)

define without_locks
@mkdir -p build
@$(BIN)/uv pip compile -q --resolution $(2) --no-header --no-annotate --python $(BIN)/python $(3) -o build/$(1).txt
@grep -v "^-r" requirements-dev.in >build/$(1)-tests.in
@$(BIN)/uv venv -q --clear --python $(BIN)/python build/$(1)
$(BIN)/uv pip install -q --python build/$(1)/bin/python -r build/$(1)-tests.in --constraints build/$(1).txt -r build/$(1).txt
env -u PYTHONDONTWRITEBYTECODE build/$(1)/bin/python -m pytest -n auto -m "not cluster and not slow" --hypothesis-profile=quick
endef

check: $(SET_UP) ## check format, lint, types, layers, spelling, wording, shape, messages, version, changelog, workflows, manifests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tools.wording
	$(BIN)/python -m tools.shape
	$(BIN)/python -m tools.codes
	$(BIN)/python -m tools.messages --check
	$(BIN)/python -m tools.variables --check
	$(BIN)/python -m tools.cli --check
	$(BIN)/python -m tools.version
	$(BIN)/python -m tools.changelog
	$(BIN)/python -m tools.workflows
	$(BIN)/python -m testbed.chart.manifests --check

docs: $(DOCS)/set-up ## build the docs' site in build/site, strictly: 5 seconds; it opens from its files
	$(MKDOCS) build --quiet --strict

docs-serve: $(DOCS)/set-up ## show the docs' site while you write it
	$(MKDOCS) serve

# The newest release is `latest`, which the site opens with: a patch of an older one must not take its place.
docs-version: $(DOCS)/set-up ## put the docs' site into the branch gh-pages, beside its other versions: DOCS_VERSION=v0.1.0, or dev
	PATH=$(DOCS)/bin:$$PATH $(MIKE) deploy --update-aliases $(DOCS_VERSION:v%=%) $(if $(filter $(DOCS_VERSION),$(NEWEST)),latest)
	$(MIKE) set-default --allow-undefined latest

messages: $(SET_UP) ## write docs/messages.md from the tables of messages
	$(BIN)/python -m tools.messages

variables: $(SET_UP) ## write docs/variables.md from the table of tools
	$(BIN)/python -m tools.variables

cli: $(SET_UP) ## write docs/cli.md from the commands' flags
	$(BIN)/python -m tools.cli

manifests: $(SET_UP) ## write manifests/install*.yaml from the chart; the first run builds Helm
	$(BIN)/python -m testbed.chart.manifests

release: $(SET_UP) ## make everything that is published in dist/release, from a tagged commit (SNAPSHOT=1: from any tree, to try it); needs root and Debian
	$(BIN)/python -m testbed.chart.helm >/dev/null
	$(BIN)/python -m tools.release $(if $(SNAPSHOT),--snapshot) $(if $(REPOSITORY),--repository $(REPOSITORY)) $(if $(PACKAGES),--packages $(PACKAGES))

release-sign: $(SET_UP) ## sign dist/release with the key COSIGN_KEY, or KEYLESS=1 as the workflow that runs; nothing is pushed
	$(BIN)/python -m tools.release.sign $(if $(KEYLESS),--keyless)

release-bundle: $(SET_UP) ## collect in dist/air-gapped what a machine without a network needs; signs it as release-sign does
	$(BIN)/python -m tools.release.bundle $(if $(KEYLESS),--keyless)

release-push: $(SET_UP) ## push dist/release into a registry: make release-push REGISTRY=registry.example.com/team
	$(BIN)/python -m tools.release.push $(REGISTRY)

bench: $(SET_UP) ## measure speed, as ratios to a reference and to the commit before in the same run, and by part
	$(BIN)/python -m bench

bench-report: $(SET_UP) ## measure `check -A` with 2,000 ServiceAccounts and 5,000 pods: a minute
	$(BIN)/python -m bench.whole_cluster

bench-scale: $(SET_UP) ## measure with 200 and with 50,000 ServiceAccounts in a real kube-apiserver: 10 minutes
	$(BIN)/python -m bench.scale

format: $(SET_UP) ## format the source and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(SET_UP) ## resolve the dependencies and write the lock files (UPGRADE=1: the newest release of each)
	$(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade )--universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade )--universal --python-version 3.11 --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade )--universal --python-version 3.11 --generate-hashes --no-header docs/requirements.in -o docs/requirements.txt
	$(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade )--universal --python-version 3.11 --resolution lowest-direct --all-extras --no-strip-extras --generate-hashes --no-header pyproject.toml -o tests/helper/oldest.txt

clean: ## remove what the targets made here, but not the cache of test binaries
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

$(COMMANDS): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.13 …")'
	@echo "Setting up $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) requirements.txt
	@touch $@

$(SET_UP): requirements-dev.txt $(COMMANDS)
	@echo "Adding the tools for development (once) …"
	@$(INSTALL) requirements-dev.txt
	@touch $@

$(DOCS)/set-up: docs/requirements.txt
	@echo "Setting up $(DOCS) (once) …"
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.txt
	@touch $@
