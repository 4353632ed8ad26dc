# What is run on couchmend's sources; `make` alone lists it.
# Go is needed; Node and npm only for the tests that cross to PouchDB.

GO       ?= go
NPM      ?= npm
FUZZTIME ?= 20s
GOLANGCI ?= v2.5.0

NODE := $(shell command -v node 2>/dev/null)
PYTHON := $(shell command -v python3 2>/dev/null)
POUCH := test/pouch/node_modules/.package-lock.json
BROWSER := test/browser/node_modules/.package-lock.json
# A browser that CHROMIUM names, or the first one found.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

# Packages whose tests start other servers or the whole command. They run last:
# what a unit test can find out, it should find out first.
CROSSING := internal/(pouchserver|conformance|e2e|browser)(/|$$)
UNITS   = $(shell $(GO) list ./... | grep -Ev '$(CROSSING)')
SERVERS = $(shell $(GO) list ./... | grep -E '$(CROSSING)' | grep -v internal/browser)

.PHONY: help build test vet format unit servers browser chromium tools race bench fuzz lint clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

build: ## build ./couchmend, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o couchmend ./cmd/couchmend

test: vet format unit servers browser ## everything: vet, format, unit and property tests, then those that cross to other servers, then the browser's

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

browser: tools chromium ## stories in the console, told in Chromium
	@chromium="$(CHROMIUM)"; chromium=$${chromium:-$$(command -v chromium)}; \
	if [ -z "$(NODE)" ]; then echo "SKIPPED: Node is not installed, so nothing ran in a browser."; \
	elif [ -z "$$chromium" ]; then echo "SKIPPED: Chromium is not installed, and apt could not install it, so nothing ran in a browser."; \
	else CHROMIUM="$$chromium" COUCHMEND_REQUIRE_BROWSER=1 $(GO) test ./internal/browser; fi

# Chromium comes by apt where it is missing and this user may install it.
chromium:
	@if [ -z "$(CHROMIUM)" ] && [ -n "$(NODE)" ] && command -v apt-get >/dev/null; then \
		sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
		echo "installing Chromium by apt"; \
		{ $$sudo apt-get install -y -q chromium || { $$sudo apt-get update -q && $$sudo apt-get install -y -q chromium; }; } >/dev/null 2>&1 || true; \
	fi

tools: $(if $(NODE),$(POUCH) $(BROWSER)) ## install the npm packages that the tests use

$(POUCH): test/pouch/package-lock.json
	cd test/pouch && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(BROWSER): test/browser/package-lock.json
	cd test/browser && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
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
	rm -rf couchmend .tools test/pouch/node_modules test/browser/node_modules
