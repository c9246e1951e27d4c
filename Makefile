# Every target sets up what it needs; built things live in $RAYFLEET_CACHE (default ~/.cache/rayfleet), by version.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
DOCS_VENV := .venv-docs
RUN := PYTHONPATH=operator:hack $(VENV)/bin/python
BED ?= dev
PROFILE ?= node
NODES ?=

.PHONY: help setup binaries lint format test test-unit test-integration test-faults faults test-e2e e2e-all bench bench-quick demo testbed-up testbed-down crds metrics alerts dashboards board-pictures chart-readme chart-renders cli-reference protocol golden docs images lock clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 18

$(VENV)/installed: requirements/dev.txt pyproject.toml
	@echo "==> Python environment in $(VENV) (about 20 s)"
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get -qq update \
		&& apt-get -qq install -y python3-venv >/dev/null; } \
		|| { echo "Python's venv module is missing. As root: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(DOCS_VENV)/installed: requirements/docs.txt | $(VENV)/installed
	@echo "==> MkDocs in $(DOCS_VENV) (about 10 s)"
	@$(PYTHON) -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

setup: $(VENV)/installed ## Python environment and system packages (20 s; as root it installs Debian packages)
	@$(RUN) -m testbed prerequisites --install

binaries: setup ## The test bed's programs, from pinned Go modules (12 min the first time, then at once)
	@$(RUN) -m testbed build

lint: $(VENV)/installed docs ## Style, types, import order, file length, generated and golden files, the site's links (45 s)
	@echo "==> lint (about 40 s)"
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy operator/rayfleet tests hack benchmarks
	@$(VENV)/bin/lint-imports --no-cache
	@$(RUN) -m checks
	@$(RUN) -m crds --check
	@$(RUN) -m metrics --check
	@$(RUN) -m alerts --check
	@$(RUN) -m dashboards --check
	@$(RUN) -m chart_readme --check
	@$(RUN) -m cli_reference --check
	@$(RUN) -m protocol --check
	@$(RUN) -m golden --check

format: $(VENV)/installed ## Format the code, and fix what ruff can fix
	@$(VENV)/bin/ruff check --fix --quiet . || true
	@$(VENV)/bin/ruff format .

test: lint test-unit test-integration test-faults test-e2e bench-quick ## Everything that CI runs: lint, all tiers, then a short benchmark (typically 20 min warm, 35 min cold)

test-unit: $(VENV)/installed ## Decisions on values (budget 40 s)
	@$(RUN) -m checks.tier unit

test-integration: setup ## On a real etcd and kube-apiserver (budget 9 min)
	@$(RUN) -m testbed build etcd kubernetes kwok helm
	@$(RUN) -m checks.tier integration

test-faults: setup ## Crashes, lost answers, stale views, errors, leaders and odd input, the CI selection (budget 10 min)
	@$(RUN) -m testbed build etcd kubernetes helm
	@$(RUN) -m checks.tier faults

faults: setup ## Every fault case, without a budget (15 min; SEED=7 draws other chances, CASE='test[case]' runs one)
	@$(RUN) -m testbed build etcd kubernetes helm
	@FAULTS_SEED='$(SEED)' $(RUN) -m checks.tier faults --all $(if $(CASE),-k '$(CASE)')

test-e2e: setup ## On a real kubelet with real Ray, the CI selection (budget 20 min; needs root)
	@$(RUN) -m checks.tier e2e

e2e-all: setup ## Every e2e case, without a budget (needs root)
	@$(RUN) -m checks.tier e2e --all

bench: setup ## Measure the operator and judge it by its bars (16 min; QUICK=1: small sizes, no judgement of times, 4 min)
	@$(RUN) -m testbed build etcd kubernetes kwok helm
	@PYTHONUNBUFFERED=1 PYTHONPATH=operator:hack:tests $(VENV)/bin/python -m benchmarks run $(if $(QUICK),--quick)

bench-quick:
	@echo "==> a short benchmark: counts, memory and ratios are judged, times are shown (about 4 min)"
	@$(MAKE) --no-print-directory bench QUICK=1

demo: setup ## A real Kubernetes, the operator, a Ray cluster whose GPU workers come and go, two RayJobs (4 min; KEEP=1 leaves it up, FROM=5 goes on at step 5)
	@$(RUN) -m demo $(if $(KEEP),--keep) $(if $(FROM),--from $(FROM))

testbed-up: setup ## A test bed to play with (BED=dev PROFILE=node|control-plane|kwok NODES=2; IMAGES=1 has the operator's and Ray's on it)
	@$(if $(IMAGES),$(RUN) -m images build operator ray)
	@$(RUN) -m testbed up --name $(BED) --profile $(PROFILE) $(if $(NODES),--nodes $(NODES)) \
		$(if $(IMAGES),$(foreach image,operator ray,--image $$($(RUN) -m images path $(image))))

.PHONY: testbed-env
testbed-env: $(VENV)/installed ## Print what makes kubectl, helm and rayfleet of a shell use a test bed (BED=dev), for its eval
	@$(RUN) -m testbed env --name $(BED)

testbed-down: $(VENV)/installed ## Take down a test bed (BED=dev), or without BED every one, whoever brought it up
	@$(RUN) -m testbed down $(if $(filter command line,$(origin BED)),--name $(BED),--all)

crds: $(VENV)/installed ## Generate the CRDs, the chart's copies and the field reference
	@$(RUN) -m crds

metrics: $(VENV)/installed ## Generate the page that lists the metrics
	@$(RUN) -m metrics

alerts: $(VENV)/installed ## Generate the page that lists the alerts
	@$(RUN) -m alerts

dashboards: $(VENV)/installed ## Generate the dashboards of the chart
	@$(RUN) -m dashboards

board-pictures: setup ## Draw the dashboards for the documentation from a day on the test bed (4 min)
	@$(RUN) -m testbed build etcd kubernetes helm
	@BOARD_PICTURES=docs/monitoring $(VENV)/bin/python -m pytest -q tests/integration/test_watched_day.py

chart-readme: $(VENV)/installed ## Generate the README of the chart from the comments of its values
	@$(RUN) -m chart_readme

chart-renders: $(VENV)/installed ## Record what the chart makes of sets of values (tests/golden/chart)
	@$(RUN) -m testbed build helm
	@$(RUN) -m chart_renders

cli-reference: $(VENV)/installed ## Generate the page of the command line
	@$(RUN) -m cli_reference

protocol: $(VENV)/installed ## Compile the definition of Ray's messages
	@$(RUN) -m protocol

golden: $(VENV)/installed ## Record what the operator does on fixed input (tests/golden)
	@$(RUN) -m golden

# The variable silences an advertisement of the theme.
docs: $(DOCS_VENV)/installed ## Build the documentation's site into site/; a broken link is an error (3 s)
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict
	@echo "the site is in site/; to see it with its search: $(PYTHON) -m http.server --directory site"

images: setup ## Build the operator's and Ray's images (3 min the first time)
	@$(RUN) -m images build

lock: $(VENV)/installed ## Resolve the dependencies again into requirements/
	@$(VENV)/bin/pip install --quiet uv==0.13.8
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 $(UPGRADE) \
		pyproject.toml -o requirements/operator.txt
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 $(UPGRADE) \
		pyproject.toml --group dev -c requirements/operator.txt -o requirements/dev.txt
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 $(UPGRADE) \
		--group docs -o requirements/docs.txt

clean: ## Remove the Python environment and tool caches of this checkout
	@rm -rf $(VENV) $(DOCS_VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
