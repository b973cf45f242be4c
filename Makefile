# Two commands are enough for most days: make demo, make test.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The program needs no C library: one file that runs on any Linux.
BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-X tocsin/internal/app.Version=$(VERSION)"

# What the tests drive for real: both browsers and a desktop's message bus,
# Nagios, Icinga 2, Alertmanager, PostgreSQL; and a C compiler for the race detector.
TEST_PACKAGES := ca-certificates curl gcc libc6-dev git firefox-esr chromium dbus-daemon libnotify4 nagios4-core postgresql
TEST_PACKAGES += icinga2-bin prometheus-alertmanager nginx-light
# What the packages are tried with.
TEST_PACKAGES += fakeroot passwd systemd
# Network namespaces, to cut a node off from its database.
TEST_PACKAGES += iproute2
# Its promtool looks at alert rules and the dashboard.
TEST_PACKAGES += prometheus
# What the benchmarks compare with.
BENCH_PACKAGES := $(TEST_PACKAGES) wrk
# npm brings the Web Push sender to compare with; a Node.js from elsewhere is as good.
BENCH_PACKAGES += $(shell command -v npm >/dev/null || echo nodejs npm)

.PHONY: help
help: ## say what there is (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## build and run everything with a simulated engine and a team chat; prints addresses and a sign-in
	./bin/tocsin demo

.PHONY: build
build: ## build bin/tocsin, and bin/tocsin-notify for engines' machines
	$(BUILD) -o bin/ ./cmd/tocsin ./cmd/tocsin-notify

.PHONY: release
release: ## build dist/: programs, Debian packages, archives, bills of materials, sums; the same bytes each time
	go run ./cmd/release -out dist

.PHONY: test
test: test-packages lint ## all checks and tests; as root installs what they need from Debian's packages
	scripts/test

.PHONY: quick
quick: ## the tests of the program's packages, without browsers, Nagios and PostgreSQL
	go test ./cmd/... ./internal/...

.PHONY: lint
lint: bin/golangci-lint ## gofmt and golangci-lint, which vets as go vet does
	bin/golangci-lint fmt --diff
	CGO_ENABLED=0 bin/golangci-lint run

.PHONY: fmt
fmt: bin/golangci-lint ## format the code
	bin/golangci-lint fmt

# Built once, from a module of its own: what it needs stays out of go.mod.
# CGO_ENABLED=0 everywhere but for the race detector: what one step compiles
# serves the others.
bin/golangci-lint: tools/go.mod tools/go.sum
	CGO_ENABLED=0 go -C tools build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: bench
bench: bench-packages build ## measure, print tables, write docs/benchmarks.md
	go run ./bench -bin bin/tocsin

.PHONY: soak
soak: bench-packages build ## kill -9 hubs and nodes 1,000 times, cut the power at every sync, half an hour of everything with 5,000 streams; writes their tables
	go run ./bench -bin bin/tocsin -parts kill,mixed -kills 1000 -write
	TOCSIN_TEST_CUTS=all go test -count=1 -timeout 30m -run PowerCut -v ./test/keep # at every sync of a recorded run

.PHONY: pictures
pictures: test-packages ## take the pictures of docs/images anew
	go test -count=1 ./test/e2e -run TestPictures -update

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist tmp

.PHONY: test-packages bench-packages
test-packages:
	@scripts/packages $(TEST_PACKAGES)
bench-packages:
	@scripts/packages $(BENCH_PACKAGES)
