#!/usr/bin/env bash
# Measures how long the builds of this tree take, from nothing and after a change in each crate:
# seconds on the clock, and of the processors. Nothing else should run meanwhile; the processors'
# seconds can be compared even so.
#
#     scripts/build-times.sh [TREE]     another checkout than this one
set -euo pipefail

tree=$(realpath "${1:-$(dirname "$0")/..}")
CARGO_TARGET_DIR=$(mktemp -d)
export CARGO_TARGET_DIR
trap 'rm -rf "$CARGO_TARGET_DIR"' EXIT
cd "$tree"

measure() {
    local name=$1 TIMEFORMAT='%R %U %S' taken
    shift
    taken=$({ time "$@" >/dev/null 2>&1; } 2>&1)
    awk -v name="$name" '{ printf "%-36s %6.1f s, processors %6.1f s\n", name, $1, $2 + $3 }' <<<"$taken"
}

cargo fetch --locked >/dev/null 2>&1
measure "build, from nothing" cargo build --workspace
measure "tests, after the build" cargo test --workspace --no-run
for crate in core relay .; do
    # A tree may have fewer crates.
    [ -f "$crate/src/lib.rs" ] || continue
    touch "$crate/src/lib.rs"
    measure "build, after a change in $crate/src" cargo build --workspace
    touch "$crate/src/lib.rs"
    measure "tests, after a change in $crate/src" cargo test --workspace --no-run
done
