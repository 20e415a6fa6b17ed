# Everything a newcomer needs: `make demo` shows it, `make test` checks it, `make help` lists the rest.

PREFIX ?= /usr/local
SWIFT ?= swift
BINARY = .build/release/hopyard
DEMO = Scenarios/docker-bridge.lab
SWIFT_FILES = Package.swift Sources Tests $(wildcard Benchmarks/Sources) $(wildcard Benchmarks/Package.swift)

.PHONY: help setup build release demo test bench fuzz format lint install clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## Look for Swift and libpcap; install libpcap when it is missing
	@Scripts/setup

build: setup ## Build for debugging
	$(SWIFT) build

release: setup ## Build for use: .build/release/hopyard
	$(SWIFT) build -c release --product hopyard

demo: release ## Two containers behind docker0, with a capture of every hop in out/demo
	rm -rf out/demo
	$(BINARY) run $(DEMO) --pcap out/demo --pcapng out/demo/all.pcapng
	@echo
	@echo "Every hop, as each interface saw it:"
	@find out/demo -name '*.pcap' | LC_ALL=C sort | sed 's/^/  /'
	@echo "All of them in one file, for Wireshark:"
	@echo "  out/demo/all.pcapng"

test: setup ## Build everything and run the tests
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

bench: setup ## Measure, print a table and write Benchmarks/results.json
	Scripts/bench

fuzz: setup ## Random and mutated frames, labs and rule dumps (COUNT=N for fewer or more)
	Scripts/fuzz $(COUNT)

format: ## Format the sources
	$(SWIFT) format --in-place --recursive --parallel $(SWIFT_FILES)

lint: ## Check format and rules
	$(SWIFT) format lint --strict --recursive --parallel $(SWIFT_FILES)

install: release ## Install hopyard under PREFIX (/usr/local)
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/hopyard"

clean: ## Remove what was built
	rm -rf .build out
