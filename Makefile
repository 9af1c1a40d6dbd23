# Go and make are enough for all of this. What more is installed makes more tests run; what was skipped is
# said last, with what is missing.

GO   ?= go
ARGS ?=

# What gofumpt looks at: everything but what npm unpacked.
GO_FILES = $(shell find cmd functions shared tests $(wildcard templates) -name '*.go' -not -path '*/node_modules/*')

# The race detector needs a C compiler.
RACE = $(shell test "$$($(GO) env CGO_ENABLED)" = 1 && command -v $$($(GO) env CC) >/dev/null && echo -race)

.DEFAULT_GOAL := help
.PHONY: help run build test check unit page e2e race chaos teeth bench fmt lint vuln verify dev-setup template clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## start everything on 127.0.0.1:8080 (ARGS="--addr 127.0.0.1:0" for flags of hearth up)
	@exec bin/hearth up $(ARGS)

build: ## build bin/hearth
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/hearth ./cmd/hearth # static, as in the image: it starts sooner

test: check unit page ## all tests that this machine can run

check: ## formatting, vet, staticcheck and a tidy go.mod
	@loose="$$($(GO) tool gofumpt -l $(GO_FILES))"; test -z "$$loose" || { echo "not formatted, make fmt does it:"; echo "$$loose"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff

unit: ## the Go tests, shuffled, under the race detector
	@$(GO) test $(RACE) -shuffle=on -timeout 15m -json ./... 2>&1 | $(GO) run ./tests/report
	@test -n "$(RACE)" || echo "SKIP  the race detector: no C compiler (apt-get install gcc)"

page: ## the page's tests, and that what is embedded is what its sources build to
	@functions/system/console/web/verify.sh

e2e: ## the stories over the whole bundle
	$(GO) test -count=1 -v ./tests/...

race: ## the Go tests three times over under the race detector
	$(GO) test $(RACE) -shuffle=on -count=3 -timeout 60m ./...

chaos: ## the bundle while everything fails, at length (ARGS="-messages 10000 -kills 500 -seed 7")
	@$(GO) run ./tests/faults/chaos $(ARGS)

teeth: ## that the fault suite notices when a protection is missing
	@$(GO) run ./tests/faults/teeth $(ARGS)

bench: build ## throughput and latency of a message beside a floor, in one run (ARGS="-rounds 5" for flags)
	@$(GO) run ./tests/bench $(ARGS)

fmt: ## format the Go files
	@$(GO) tool gofumpt -w $(GO_FILES)

# golangci-lint is no tool in go.mod: it alone would bring 200 modules. The first run builds it, for minutes.
lint: ## what golangci-lint finds beyond make check
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

vuln: ## known vulnerabilities in what we depend on (asks vuln.go.dev)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

verify: build page ## that generated files belong to their sources
	@bin/hearth stack --check
	@bin/hearth stack --ce --check

dev-setup: ## what more can be installed (SUDO=1 installs it with apt)
	@SUDO="$(SUDO)" tests/dev-setup

template: ## the name under which faas-cli looks for templates (for checkouts without links)
	@ln -sfn templates template

clean: ## remove what was built; .hearth, where your data is, stays
	@rm -rf bin build
