# What a developer says to Footfall. Every target sets up what it needs.
PORT ?= 8000
DATA_DIR ?= .local
export PORT DATA_DIR
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PACKAGES := layers/common/footfall functions local tests benchmarks

.PHONY: run import sam-env test check bench build clean

run: .venv/local  ## start everything on this machine; prints ready and the address
	@exec $(BIN)/python -m local

import: .venv/local  ## FILE=interactions.csv [SHIFT=now]: send a CSV through the front door
	@$(BIN)/python -m local.importer "$(FILE)" $(if $(SHIFT),--shift $(SHIFT))

sam-env: .venv/local  ## env.json, with which `sam local invoke` reaches the running stack
	@$(BIN)/python -m local.sam_env

test: .venv/dev  ## every test
	$(BIN)/pytest -n auto --dist loadgroup

check: .venv/dev  ## format, lint, types and the fast tests: before each commit
	$(BIN)/ruff format $(if $(CI),--check) $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml
	$(BIN)/pytest -q tests/unit tests/architecture

bench: .venv/dev  ## every benchmark; writes benchmarks/results/latest.json
	$(BIN)/python -m benchmarks

build: .venvs/sam/done  ## what `sam deploy` uploads
	.venvs/sam/bin/sam build

clean:  ## forget the environments, builds and local data
	rm -rf .venv .venvs .aws-sam $(DATA_DIR) .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Footfall needs Python 3.11 or newer with venv (Debian: python3-venv)." >&2; exit 1; }
	@echo "setting up with $(PYTHON)"
	@$(PYTHON) -m venv .venv

.venv/local: .venv/bin/python pyproject.toml constraints.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local]'
	@touch $@

.venv/dev: .venv/local
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,dev]'
	@touch $@

.venvs/sam/done:
	$(PYTHON) -m venv .venvs/sam
	.venvs/sam/bin/pip install --quiet --disable-pip-version-check 'aws-sam-cli>=1.145'
	@touch $@
