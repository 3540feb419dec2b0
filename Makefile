# Everything runs on node_modules/.bin/node, which `npm ci` brings: the machine needs make, git, npm and any
# Node that npm runs on.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test crash power-cut soak build bench demo clean setup

NODE := node_modules/.bin/node
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# Arguments for what is started: make run ARGS="--memory"
ARGS ?=
CUTS ?= 2000
# A copy of the lock file that node_modules was installed from.
INSTALLED := node_modules/.installed-lock.json

COMPILED := dist/cli/main.js
SOURCES := $(shell find src -name '*.ts')

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: setup $(COMPILED) ## Serve http://127.0.0.1:4000 from data/ (ARGS="--port 8080" etc. are flags of `layerd serve`)
	@exec $(NODE) $(COMPILED) serve $(ARGS)

test: setup ## Run every check: lint, types, tests (ARGS="test/config.test.ts" for some tests only)
	@exec $(NODE) test/tools/run.ts $(ARGS)

crash: setup ## Kill the server under load 500 times and verify what is left (ARGS="--kills 50" for less)
	@exec $(NODE) test/crash/run.ts $(ARGS)

power-cut: setup ## Cut the power 2000 times and verify what is left (CUTS=300 for less)
	@POWER_CUTS=$(CUTS) ava test/power-cut

soak: setup ## Push and pull for ten minutes while garbage is collected every second (ARGS="--minutes 3" for less)
	@exec $(NODE) test/crash/soak.ts $(ARGS)

build: setup ## Compile to dist/, where cli/main.js is the command `layerd`
	@npm run --silent build
	@echo "built: try dist/cli/main.js --help"

bench: setup $(COMPILED) ## Measure layerd beside its peers
	@exec $(NODE) bench/run.ts $(ARGS)

demo: setup ## Walk through upload, range, resume, manifest and pull with curl
	@exec bash docs/demo.sh

clean: ## Remove what was built and installed; data/ stays
	rm -rf dist coverage node_modules

# What users run is measured and served: compiled, it starts faster and takes 30 MB less than from its sources.
$(COMPILED): $(SOURCES) tsconfig.json tsconfig.build.json package.json | setup
	@npm run --silent build

setup: $(INSTALLED)
	@cmp -s package-lock.json $(INSTALLED) || $(MAKE) --no-print-directory --always-make $(INSTALLED)

$(INSTALLED):
	@command -v npm > /dev/null || \
		{ echo "npm is missing: get it with Node.js from https://nodejs.org/ or your package manager" >&2; exit 1; }
	@echo "installing what package-lock.json lists ..." >&2
	@npm ci --no-progress --loglevel=error >&2
	@# The package node fetches its binary in an install script, which npm may have been told not to run.
	@$(NODE) --version > /dev/null 2>&1 || npm rebuild node --ignore-scripts=false >&2
	@$(NODE) -e 'process.exit(process.versions.node.startsWith("24.") ? 0 : 1)' || \
		{ echo "Node 24 (the package node of devDependencies) could not be installed" >&2; exit 1; }
	@cp package-lock.json $(INSTALLED)
