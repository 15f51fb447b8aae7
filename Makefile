# What a developer says to Footfall. Every target sets up what it needs.
PORT ?= 8000
DATA_DIR ?= .local
ARCHITECTURE ?= arm64
export PORT DATA_DIR
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := bin/pip install --quiet --disable-pip-version-check
CLIENTS := tests/sdks/clients/node_modules
TRACKER := web/tracker/node_modules
INSIGHTS := web/insights/node_modules
PACKAGES := layers/common/footfall functions local tests benchmarks

.PHONY: run import evaluate evaluate-journeys replay sam-env test check bench build clean

# Who tries it out gets a personal feed, and is in no experiment.
run: export PARAMETERS := $(or $(PARAMETERS),HoldoutPercent=0)
run: .venv/local  ## start everything on this machine; prints ready and the address
	@exec $(BIN)/python -m local

.PHONY: demo
demo: .venv/local  ## [SEED=1 DAYS=30 USERS=1500 EVENTS=… OUT=truth.json EVALUATE=1]: a month of a made-up network
	@$(BIN)/python -m local.demo $(if $(SEED),--seed "$(SEED)") $(if $(DAYS),--days "$(DAYS)") \
		$(if $(USERS),--users "$(USERS)") $(if $(EVENTS),--events "$(EVENTS)") $(if $(OUT),--out "$(OUT)") \
		$(if $(EVALUATE),--evaluate)

import: .venv/local  ## FILE=interactions.csv [SHIFT=now]: send a CSV through the front door
	@$(BIN)/python -m local.importer "$(FILE)" $(if $(SHIFT),--shift $(SHIFT))

evaluate: .venv/local  ## DATA=interactions.csv OUT=folder [REFIT_DAYS=1]: how well feeds foresee what is met next
	@$(BIN)/python -m local.evaluation.feeds "$(DATA)" "$(OUT)" $(if $(REFIT_DAYS),--refit-days "$(REFIT_DAYS)")

evaluate-journeys: .venv/local  ## DATA=sessions.csv OUT=folder: how well what comes next is predicted
	@$(BIN)/python -m local.evaluation.journeys "$(DATA)" "$(OUT)"

replay: .venv/local  ## [STACK=name]: have stored what was given up or refused, here or on AWS
	@$(BIN)/python -m local.replay $(STACK)

sam-env: .venv/local  ## env.json, with which `sam local invoke` reaches the running stack
	@$(BIN)/python -m local.sam.env

test: .venv/dev .venvs/sam/done .venvs/checkov/done .venvs/schemathesis/done  ## every test
	@$(MAKE) --silent .venvs/runtime/done || echo "without it, tests/runtime can't run" >&2
	@$(MAKE) --silent $(CLIENTS)/done || echo "without them, tests/sdks can't run Node's SDKs" >&2
	@$(MAKE) --silent $(TRACKER)/done || echo "without them, tests/browser can't build the tracker" >&2
	@$(MAKE) --silent $(INSIGHTS)/done || echo "without them, tests/browser can't build the operators' page" >&2
	$(BIN)/pytest -n auto --dist loadgroup

.PHONY: tracker
tracker: $(TRACKER)/done  ## check and build the script for pages, and the npm package in web/tracker/dist
	@cd web/tracker && export PATH="$(CURDIR)/.venvs/node/bin:$$PATH" && npm run --silent check && npm run --silent build

.PHONY: insights
insights: $(INSIGHTS)/done  ## check and build the operators' page, and its npm package in web/insights/dist
	@cd web/insights && export PATH="$(CURDIR)/.venvs/node/bin:$$PATH" && npm run --silent check && npm run --silent build

check: .venv/dev  ## format, lint, types and the fast tests: before each commit
	$(BIN)/ruff format $(if $(CI),--check) $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml
	$(BIN)/pytest -q tests/unit tests/architecture

bench: .venv/dev .venvs/sam/done  ## every benchmark; writes benchmarks/results/latest.json
	@$(MAKE) --silent .venvs/runtime/done || echo "there will be no cold starts" >&2
	$(BIN)/python -m benchmarks

build: .venv/local .venvs/sam/done .venvs/runtime/done  ## [ARCHITECTURE=x86_64]: what `sam deploy` uploads
	@$(BIN)/python -m local.sam "$(ARCHITECTURE)"

clean:  ## forget the environments, builds and local data
	rm -rf .venv .venvs $(CLIENTS) $(TRACKER) $(INSIGHTS) web/*/dist .aws-sam $(DATA_DIR) .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Footfall needs Python 3.11 or newer with venv (Debian: python3-venv)." >&2; exit 1; }
	@echo "setting up with $(PYTHON)"
	@$(PYTHON) -m venv .venv

.venv/local: .venv/bin/python pyproject.toml constraints.txt
	@.venv/$(PIP) -c constraints.txt -e '.[local]'
	@touch $@

.venv/dev: .venv/local
	@.venv/$(PIP) -c constraints.txt -e '.[local,dev]'
	@touch $@

# Tools that would weigh on `make run`, each in an environment of its own.
.venvs/sam/done .venvs/checkov/done .venvs/schemathesis/done .venvs/node/done: .venvs/%/done: constraints-%.txt | .venv/bin/python
	@echo "setting up $*"
	@$(BIN)/python -m venv .venvs/$*
	@.venvs/$*/$(PIP) -r $<
	@touch $@

# With a Chromium where the machine has none; told that it is in Lambda, it brings the libraries that it needs.
$(CLIENTS)/done: tests/sdks/clients/package-lock.json .venvs/node/done
	@echo "setting up Node's SDKs"
	@mkdir -p .venvs/chromium
	@cd $(@D)/.. && export PATH="$(CURDIR)/.venvs/node/bin:$$PATH" && if command -v chromium >/dev/null; then npm ci --silent; \
	else npm ci --silent --include=optional && TMPDIR="$(CURDIR)/.venvs/chromium" AWS_EXECUTION_ENV=AWS_Lambda_nodejs24.x \
	node --input-type=module -e 'import it from "@sparticuz/chromium"; await it.executablePath()'; fi
	@touch $@

$(TRACKER)/done $(INSIGHTS)/done: web/%/node_modules/done: web/%/package-lock.json .venvs/node/done
	@echo "setting up what web/$* is built with"
	@cd web/$* && PATH="$(CURDIR)/.venvs/node/bin:$$PATH" npm ci --silent
	@touch $@

# The Python that functions are deployed on, with nothing but AWS's client that runs them.
.venvs/runtime/done: constraints.txt | .venv/local
	@python=$$($(BIN)/python -m local.sam.interpreter) && $$python -m venv .venvs/runtime
	@.venvs/runtime/$(PIP) -c constraints.txt awslambdaric
	@touch $@
