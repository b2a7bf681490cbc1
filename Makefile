# `make` alone explains the targets. Needed beside Go: make, git, and gcc for the race
# detector; on Debian, `make test` run as root installs what its suites need.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Every module of the workspace, as a package pattern.
packages := $(shell sed -n 's/^\t\(\.[^ ]*\)$$/\1/p' go.work | sed 's,/*$$,/...,')
lint = $$(GOWORK=off go tool -n -modfile=tools/go.mod golangci-lint)

.PHONY: help
help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/muster, the one binary
	@go build -trimpath -ldflags "-s -w" -o bin/muster ./platform/cmd/muster

.PHONY: demo
demo: build ## Run the shop behind the gateway until Ctrl-C
	@bin/muster demo

.PHONY: test
test: ## Check and test everything; installs what it needs on Debian as root
	@scripts/test.sh

.PHONY: prove
prove: build ## Show every promise in full and print a table (takes long)
	@scripts/prove.sh

.PHONY: soak
soak: build ## Kill replicas under load, then crash twice in a checkout, an hour each; for=10m for less
	@bin/muster demo --for $(or $(for),1h) --chaos --exit
	@CRASH_PAIRS=$(or $(for),1h) go test -count=1 -v -timeout 0 -run TestCrashesAtPairsOfBoundaries ./proof/checkout

.PHONY: guards
guards: ## Take out each guard in turn: a suite must notice every time
	@go run ./internal/guards

.PHONY: lint
lint: ## Run every linter over every module
	@$(lint) run $(packages)

.PHONY: fix
fix: ## Let the linters mend what they can
	@$(lint) run --fix $(packages)

.PHONY: fmt
fmt: ## Format all Go code
	@$(lint) fmt

.PHONY: gen
gen: build ## Generate code from the shop's contracts
	@bin/muster gen shop/proto

.PHONY: gen-check
gen-check: build ## Fail when generated code is not what its contract says
	@bin/muster gen --check shop/proto

.PHONY: picture
picture: ## Draw the README's picture of the floors anew
	@go test -count=1 -run TestRepository/picture ./internal/archtest -update

.PHONY: dashboard
dashboard: ## Build the dashboard's pages from their sources
	@cd tools && GOWORK=off go run ./bundle

.PHONY: bench-edge
bench-edge: build ## Measure requests a second through the edge
	@go run ./bench -write docs/benchmarks.md edge

.PHONY: bench-gateway
bench-gateway: build ## Measure the edge beside HAProxy, nginx and others, on a quiet machine; rows=plain,full for less
	@go run ./bench -write docs/benchmarks.md -rounds 3 -rows "$(rows)" gateway

.PHONY: bench-start
bench-start: build ## Measure start, memory and size of the demo
	@go run ./bench -write docs/benchmarks.md start

.PHONY: bench-first
bench-first: build ## Measure how soon the demo's first trace is in the browser
	@go run ./bench -write docs/benchmarks.md first

.PHONY: bench-saga
bench-saga: ## Measure sagas beside plain commits, on SQLite and PostgreSQL
	@go run ./bench -write docs/benchmarks.md saga

.PHONY: bench-outbox
bench-outbox: ## Measure outboxes, by the table and by the log; messages=20000 for less
	@go run ./bench -write docs/benchmarks.md -messages $(or $(messages),1000000) outbox

.PHONY: bench-bus
bench-bus: ## Measure the bus beside plain JetStream and a RabbitMQ quorum queue
	@go run ./bench -write docs/benchmarks.md bus

.PHONY: bench-telemetry
bench-telemetry: build ## Measure the store of traces, and what telemetry costs the shop
	@go run ./bench -write docs/benchmarks.md telemetry; s=$$?; go run ./bench -write docs/benchmarks.md cost && exit $$s

.PHONY: bench-call
bench-call: ## Measure what a call's policies cost, beside failsafe-go and grpc-go
	@go run ./bench -write docs/benchmarks.md call

.PHONY: clean
clean: ## Remove what was built and what ran
	@rm -rf bin .muster
