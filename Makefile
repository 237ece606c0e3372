# Everything that a person does with the source. CONTRIBUTING.md says what is needed.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-long check fmt measure bench fuzz sanitize

help:
	@echo "make demo       run the demo: no broker, no configuration (ARGS='--for 1m --rate 5000')"
	@echo "make test       all tests, against a real Kafka that they start"
	@echo "make test-long  the long forms, for hours: an hour of soak, 50 nemesis seeds, outages and storms, a million records"
	@echo "make check      formatting, clippy, docs, sizes"
	@echo "make fuzz       search for hostile input (TARGET=check TIME=1200; all targets and a minute each if not given)"
	@echo "make sanitize   the tests that meet librdkafka, and librdkafka itself, under AddressSanitizer"
	@echo "make fmt | measure | bench"

# Without TLS: OpenSSL is most of a cold build, and the demo talks to itself.
demo:
	@.ci/prerequisites demo
	cargo run --locked --profile demo --no-default-features -- demo $(ARGS)

# A test mostly waits: for brokers, timeouts, elections. So two of the programs that Cargo makes of them run at a time
# (JOBS=1: one), and each prints what it has to say when it has ended. Benchmarks are no tests, the docs' examples are.
TESTS := $(notdir $(basename $(patsubst %/main.rs,%.rs,$(wildcard tests/*.rs tests/*/main.rs))))
test: JOBS = 2
test:
	@.ci/prerequisites test
	cargo test --locked --no-run
	@$(MAKE) --no-print-directory --keep-going --jobs $(JOBS) --output-sync=target test/--lib/--bins test/--doc $(TESTS:%=test/--test/%)

test/%:
	@cargo test --locked --no-fail-fast $(subst /, ,$*)

# What is found lies in fuzz/artifacts; CONTRIBUTING.md says how a case is kept. Without a sanitizer: what is fuzzed is
# safe Rust but for librdkafka, which is not instrumented, and runs several times as fast. Inputs stay short: the kept
# ones of a megabyte are for `make test`.
fuzz: TARGET = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
fuzz: TIME = 60
fuzz:
	@.ci/prerequisites fuzz
	for target in $(TARGET); do mkdir -p "fuzz/corpus/$$target"; cargo +nightly fuzz run --sanitizer none "$$target" \
		"fuzz/corpus/$$target" "tests/hostile/$$target" -- -max_total_time=$(TIME) -max_len=8192 -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1; done

# Memory that is used wrongly or not given back, on both sides of `src/kafka/ffi`: librdkafka's mock cluster is the broker.
# Without TLS: OpenSSL is most of a cold build.
sanitize: export CARGO_TARGET_DIR = $(CURDIR)/target/sanitize
sanitize: export CFLAGS = -fsanitize=address -fno-omit-frame-pointer -g1
sanitize: export RUSTFLAGS = -Zsanitizer=address
sanitize: export LSAN_OPTIONS = suppressions=$(CURDIR)/.ci/leaks
sanitize:
	@.ci/prerequisites sanitize
	cargo +nightly test --locked --lib --no-default-features --target $$(rustc +nightly -vV | sed -n 's/^host: //p') kafka::

# One at a time, with what they measure, of a release build.
test-long: export SLUICE_TEST_LONG = 1
test-long: export SLUICE_TEST_BINARY = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release/sluice
test-long:
	@.ci/prerequisites test
	cargo build --locked --release --bin sluice --example passthrough
	cargo test --locked --no-fail-fast -- --nocapture --test-threads=1
	SLUICE_TEST_KAFKA=3.9 cargo test --locked --no-fail-fast --test brokers --test exactly_once --test rebalance \
		--test transactions -- --nocapture --test-threads=1

check:
	@.ci/prerequisites check
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo check --locked --no-default-features --bins
	@$(MAKE) --no-print-directory measure

measure:
	@.ci/prerequisites demo
	cargo test --locked --quiet --test measure --test layering -- --nocapture

fmt:
	@.ci/prerequisites check
	cargo fmt

bench:
	@.ci/prerequisites test
	cargo bench --locked
