# Everything that one does with this project. `make` or `make help` lists it on one screen.
# It needs make and Python 3.11 or newer with venv; the rest is installed into .venv by itself.

SHELL := /bin/sh
BIN := .venv/bin
# Set PORT, or any R9S_… variable, on the command line or in the environment.
ifdef PORT
export R9S_PORT := $(PORT)
endif

.DEFAULT_GOAL := help
.PHONY: help serve test fix lint types schema migration migrate verify bench docs check ready ready-for-tests

help: ## Show this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name says; do \
		printf '  %-10s %s\n' "$$name" "$$says"; done
	@echo "Settings are environment variables: R9S_PORT=9000 make serve. All of them: .venv/bin/r9s settings"

serve: ready ## Serve on loopback with demo data; PORT=9000 for another port
	@$(BIN)/r9s migrate
	@$(BIN)/r9s demo --if-empty
	@exec $(BIN)/r9s serve

ifdef T
test: ready-for-tests ## Run all checks and tests; T="tests/test_ids.py -x" runs those tests alone
	$(BIN)/pytest $(T)
else
test: ready-for-tests lint types
	$(BIN)/pytest -n 2
endif

fix: ready ## Format, and mend what the linters can mend
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

lint: ready ## Check style, layers, templates and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/djlint --check --lint app
	$(BIN)/codespell

types: ready ## Check types
	$(BIN)/mypy app

schema: ready ## Write schema.graphql from the code
	$(BIN)/r9s schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

migration: ready ## Write a new migration from the models: m="What it does"
	@test -n "$(m)" || { echo 'Say what it does: make migration m="Members have a colour"' >&2; exit 2; }
	$(BIN)/alembic revision --autogenerate -m "$(m)"
	$(BIN)/ruff format alembic

migrate: ready ## Bring the database to the newest migration
	$(BIN)/r9s migrate

verify: ready ## Check the promises on live data
	$(BIN)/r9s verify

bench: ready ## Measure, each figure beside its limit
	$(BIN)/python -m bench

docs: ready-for-tests ## Write the docs' tables from the code, and check that docs name what exists
	$(BIN)/python -m scripts.write_docs
	$(BIN)/pytest -q tests/test_docs.py

check: test ## Do all that CI does

ready:
	@scripts/set_up.sh

ready-for-tests: ready
	@scripts/set_up_tests.sh
