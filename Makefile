# What is run on couchmend's sources; `make` alone lists it.
# Go is needed; Node and npm only for the tests that cross to PouchDB.

GO       ?= go
NPM      ?= npm
FUZZTIME ?= 20s
GOLANGCI ?= v2.5.0

NODE := $(shell command -v node 2>/dev/null)
PYTHON := $(shell command -v python3 2>/dev/null)
POUCH := test/pouch/node_modules/.package-lock.json

# Packages whose tests start other servers or the whole command. They run last:
# what a unit test can find out, it should find out first.
CROSSING := internal/(pouchserver|conformance|e2e)(/|$$)
UNITS   = $(shell $(GO) list ./... | grep -Ev '$(CROSSING)')
SERVERS = $(shell $(GO) list ./... | grep -E '$(CROSSING)')

.PHONY: help build test vet format unit servers tools race bench fuzz lint clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

build: ## build ./couchmend, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o couchmend ./cmd/couchmend

test: vet format unit servers ## everything: vet, format, unit and property tests, then those that cross to other servers

vet:
	$(GO) vet ./...

format:
	@bad=$$(find . -name node_modules -prune -o -name '*.go' -print | xargs gofmt -l); \
	if [ -n "$$bad" ]; then echo "not formatted (run gofmt -w):"; echo "$$bad"; exit 1; fi

# A missing PouchDB is a failure where Node is installed, never a silent skip.
unit servers: export COUCHMEND_REQUIRE_POUCH = $(if $(NODE),1,)
unit servers: export COUCHMEND_REQUIRE_PYTHON = $(if $(PYTHON),1,)

unit: tools ## unit and property tests only
	$(GO) test $(UNITS)

servers: tools ## tests against express-pouchdb, PouchDB phones, and the CouchDB that COUCHMEND_TEST_COUCHDB names
	$(GO) test $(SERVERS)
	@[ -n "$(NODE)" ] || echo "SKIPPED: Node is not installed, so nothing ran against express-pouchdb or PouchDB phones."
	@[ -n "$(PYTHON)" ] || echo "SKIPPED: python3 is not installed, so no resolver in Python ran."
	@[ -n "$$COUCHMEND_TEST_COUCHDB" ] || echo "SKIPPED: COUCHMEND_TEST_COUCHDB is not set, so nothing ran against a real CouchDB."

tools: $(if $(NODE),$(POUCH)) ## install the npm packages that the tests use

$(POUCH): test/pouch/package-lock.json
	cd test/pouch && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

race: tools ## all tests under the race detector (needs cgo and a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

bench: ## benchmarks of all packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzzer for FUZZTIME (20s)
	@for pkg in $$($(GO) list ./...); do \
		for name in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

lint: .tools/golangci-lint ## golangci-lint, built into .tools at first (takes a minute or two)
	.tools/golangci-lint run --allow-parallel-runners

.tools/golangci-lint:
	GOBIN=$(CURDIR)/.tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

clean: ## remove what the other targets made
	rm -rf couchmend .tools test/pouch/node_modules
