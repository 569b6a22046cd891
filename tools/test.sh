#!/usr/bin/env bash
# Runs the tests in two groups and closes with one line that adds them up.
#
#   tools/test.sh [all|fast|chain] [options of pytest]
#
#   fast   everything but the chain folders: in-process EVM, no Anvil, TEST_WORKERS processes (2)
#   chain  tests/fork and tests/bench: Ape with one Anvil, one process
#
# A group without tests is let pass; a run in which no test was executed at all fails.
# Exit codes: 0 ok, 1 a test failed or none ran, 2 wrong use.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
export PATH=$PWD/.venv/bin:$PATH
CHAIN_FOLDERS=(tests/fork tests/bench)
RESULTS=.cache/test
NOTHING_COLLECTED=5
failed=0

group=all
case "${1:-}" in all | fast | chain) group=$1; shift ;; esac

# run <name> <pytest options>: one group; its exit code is kept unless it only found no tests.
run() {
  local name=$1 code
  shift
  python -m pytest --junitxml="$RESULTS/$name.xml" -o junit_suite_name="$name" "$@" && return
  code=$?
  if [ "$code" -ne "$NOTHING_COLLECTED" ]; then failed=1; fi
}

run_fast() {
  local folder ignored=()
  for folder in "${CHAIN_FOLDERS[@]}"; do ignored+=("--ignore=$folder"); done
  run fast tests -p no:ape_test -n "${TEST_WORKERS:-2}" --dist worksteal "${ignored[@]}" "$@"
}

run_chain() {
  local folder present=()
  for folder in "${CHAIN_FOLDERS[@]}"; do [ -d "$folder" ] && present+=("$folder"); done
  if [ "${#present[@]}" -eq 0 ]; then return; fi
  run chain "${present[@]}" "$@"
}

rm -rf "$RESULTS"
mkdir -p "$RESULTS"
case "$group" in
  fast) run_fast "$@" ;;
  chain) run_chain "$@" ;;
  all) run_fast "$@"; run_chain "$@" ;;
esac
python tools/test_summary.py "$RESULTS" || failed=1
exit "$failed"
