#!/usr/bin/env bash
# Installs what the tests need, runs every check and every suite, and ends with one line: `N passed, N failed`.
# Made for a fresh Debian machine with git, Rust, node and python3, as root or with sudo; installs only what is missing.
set -euo pipefail
cd "$(dirname "$0")"

LOGS=target/test-logs
VENV=target/test-venv
RECEIVERS=tests/receivers
mkdir -p "$LOGS"

passed=0 failed=0 skipped=0
failures=()

# A command runs outside of any condition, so that `set -e` holds inside it.
# step NAME COMMAND...: shows what the command says only if it fails, and how long it took. A failure counts as one.
step() {
  local name=$1 began=$SECONDS status
  local log="$LOGS/${name//[^a-z0-9]/-}.log"
  shift
  set +e
  (set -e; "$@") >"$log" 2>&1
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    cat "$log"
    failed=$((failed + 1))
  fi
  report "$name" "$status" "$began"
}

# suite NAME COMMAND...: shows what the command says and counts its results.
suite() {
  local name=$1 began=$SECONDS before=$failed status
  local log="$LOGS/${name//[^a-z0-9]/-}.log"
  shift
  set +e
  (set -e; "$@") 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  set -e
  count "$log"
  # A suite that fails without naming a test (it did not build, say) still counts.
  if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then failed=$((failed + 1)); fi
  report "$name" "$status" "$began"
}

# report NAME STATUS BEGAN
report() {
  local outcome=ok
  if [ "$2" -ne 0 ]; then
    outcome=FAILED
    failures+=("$1")
  fi
  printf '%-28s %-6s %4d s\n' "$1" "$outcome" $((SECONDS - $3))
}

# Adds up the result lines of cargo's suites and of ours.
count() {
  local sums
  sums=$(sed -nE \
    -e 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored;.*/\1 \2 \3/p' \
    -e 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2 0/p' "$1" |
    awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
  local p f s
  read -r p f s <<<"$sums"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

have() { command -v "$1" >/dev/null 2>&1; }

has_postgres() { have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

has_venv() { python3 -c 'import venv, ensurepip' 2>/dev/null; }

install_packages() {
  local missing=()
  have cc || missing+=(build-essential)
  has_postgres || missing+=(postgresql)
  have npm || missing+=(npm)
  have openssl || missing+=(openssl)
  has_venv || missing+=(python3-venv)
  if [ "${#missing[@]}" -gt 0 ]; then
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  fi
}

install_receivers() {
  if ! cmp -s "$RECEIVERS/package-lock.json" "$RECEIVERS/node_modules/.from-lock"; then
    (cd "$RECEIVERS" && npm ci --no-audit --no-fund)
    cp "$RECEIVERS/package-lock.json" "$RECEIVERS/node_modules/.from-lock"
  fi
  if ! cmp -s "$RECEIVERS/requirements.txt" "$VENV/from-requirements"; then
    python3 -m venv --clear "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check -r "$RECEIVERS/requirements.txt"
    cp "$RECEIVERS/requirements.txt" "$VENV/from-requirements"
  fi
}

shell_scripts() { grep -lE '^#!.*\b(ba)?sh\b' test.sh .ci/run scripts/*; }

check_shell() {
  local scripts
  mapfile -t scripts < <(shell_scripts)
  for script in "${scripts[@]}"; do bash -n "$script"; done
  if have shellcheck; then shellcheck "${scripts[@]}"; fi
}

check_python() {
  local scripts
  mapfile -t scripts < <(grep -lE '^#!.*python3' scripts/* || true)
  python3 - "${scripts[@]}" "$RECEIVERS"/*.py <<'PY'
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path)
PY
}

check_docs() { RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --locked; }

# Prints the summary and ends.
finish() {
  if [ "${#failures[@]}" -gt 0 ]; then printf 'failed: %s\n' "${failures[@]}"; fi
  printf '%d s in all\n' "$SECONDS"
  local summary="$passed passed, $failed failed"
  if [ "$skipped" -gt 0 ]; then summary+=", $skipped skipped"; fi
  echo "$summary"
  [ "${#failures[@]}" -eq 0 ] || exit 1
  exit 0
}

step "install packages" install_packages
step "install webhook receivers" install_receivers
if [ "$failed" -gt 0 ]; then finish; fi
export RECKONER_TEST_NODE_MODULES="$PWD/$RECEIVERS/node_modules"
export RECKONER_TEST_PYTHON="$PWD/$VENV/bin/python"

step "shell syntax" check_shell
step "python syntax" check_python
step "format" cargo fmt --all --check
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "docs" check_docs
suite "webhook receivers" "$RECKONER_TEST_PYTHON" "$RECEIVERS/check.py"
suite "cargo test" scripts/with-postgres cargo test --workspace --locked --no-fail-fast
# The program as the tests have built it: `cargo build` would build it again, with other features.
step "API fuzzing" env RECKONER_BIN=target/debug/reckoner scripts/fuzz-api 35
finish
