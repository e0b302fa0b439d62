# Everyday commands; `just` alone lists them. Each is one line, so it can be typed without `just` too.

export RUSTDOCFLAGS := "-Dwarnings"

_default:
    @just --list

# Types only, quick.
check:
    cargo check --workspace --all-targets --locked

# All tests that need no other service; the others say that they were skipped.
test *ARGS:
    cargo test --workspace --locked {{ARGS}}

# Everything, with PostgreSQL and the real webhook receivers.
test-all:
    ./test.sh

# One test of the integration suite, by a part of its name.
it NAME:
    cargo test -p reckoner --test it --locked {{NAME}}

# Order of modules, lengths, banned words, dead files.
tidy:
    cargo test -p reckoner --test it --locked tidy

fmt:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
    cargo doc --no-deps --workspace --locked

# Licences, advisories and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check

# Accepts changed snapshots, among them the OpenAPI description; look at `git diff` afterwards.
accept-snapshots:
    INSTA_UPDATE=always cargo test -p reckoner --test it --locked

demo:
    cargo run --release --locked -- demo

# A server on ./data.
serve *ARGS:
    cargo run --locked -- serve --data-dir data --listen 127.0.0.1:8080 {{ARGS}}

# Ingest against a raw log, a bare HTTP handler and PostgreSQL, in one run.
bench *ARGS:
    scripts/bench {{ARGS}}

# Kills the server in the middle of a load, again and again, and counts what is there afterwards.
kill-rounds ROUNDS="50":
    scripts/kill-rounds {{ROUNDS}}
