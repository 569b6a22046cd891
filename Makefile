# `make demo` and `make test` are all that is needed: each makes its own environment first.
# Pass settings through the environment: FORK_URL, PRICES (demo), ARGS (further options of a command),
# PYTHON (interpreter to build with), TEST_WORKERS (processes of the fast tests, 2 unless told).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
export PATH := $(CURDIR)/.venv/bin:$(PATH)

ARGS ?=

.PHONY: help demo test bench lint format format-check lock clean env-demo env-dev env-lint

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  FORK_URL=<rpc>            make demo: fork that network in place of the local origin chain"
	@echo "  PRICES=<ohlc.csv[.gz]>    make demo: replay that file in place of the shipped crash"
	@echo "  ARGS='-k vault'           further options for demo, test and bench"

env-demo:
	@tools/bootstrap.sh demo

env-dev:
	@tools/bootstrap.sh dev

env-lint:
	@tools/bootstrap.sh lint

demo: env-demo ## Deploy on a forked chain, trade through a crash, prove solvency, write a report
	ape run demo $(ARGS)

test: env-dev ## Run all tests (ARGS: options of pytest)
	tools/test.sh all $(ARGS)

bench: env-dev ## Measure gas from Anvil receipts and print the table
	ape run bench $(ARGS)

lint: env-dev env-lint ## ruff, mypy (strict), natrix
	tools/lint.sh check

format: env-dev env-lint ## Rewrite Python (ruff) and Vyper (mamushi) sources in place
	tools/lint.sh format

format-check: env-dev env-lint ## Fail if `make format` would change a file
	tools/lint.sh format-check

lock: ## Resolve requirements/*.in into requirements/*.txt with hashes
	tools/bootstrap.sh lock $(ARGS)

clean: ## Remove everything that the other targets made
	rm -rf .venv .uv .cache .build .ruff_cache .mypy_cache .pytest_cache .hypothesis node_modules out
	find contracts plimsoll scripts tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
