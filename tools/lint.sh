#!/usr/bin/env bash
# Checks or rewrites the sources.
#
#   tools/lint.sh check         ruff and mypy on Python, natrix on Vyper
#   tools/lint.sh format-check  what `format` would change, changing nothing
#   tools/lint.sh format        ruff and mamushi rewrite in place
#
# Every tool runs even if one before it failed. Exit codes: 0 ok, 1 something found, 2 wrong use.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
PYTHON_BIN=$PWD/.venv/bin
VYPER_BIN=$PWD/.cache/lint/bin
PYTHON_SOURCES=()
for folder in plimsoll scripts tests tools; do [ -d "$folder" ] && PYTHON_SOURCES+=("$folder"); done
found=0

# step <name> <command>: runs one tool and remembers that it found something.
step() {
  local name=$1
  shift
  printf -- '--- %s\n' "$name"
  "$@" || found=1
}

# mamushi and natrix on every Vyper source; mamushi stops at a dotted `implements: module.Interface`.
vyper_sources() { find contracts -name '*.vy' -print0 | sort -z; }
# natrix compiles what it reads: a module that says `uses:` is read through the deployables that import it.
lintable_sources() { vyper_sources | xargs -0 grep -LZ '^uses:'; }
with_lintable_sources() { lintable_sources | PATH=$VYPER_BIN:$PATH xargs -0 -r "$@"; }
with_vyper_sources() { vyper_sources | PATH=$VYPER_BIN:$PATH xargs -0 -r "$@"; }

case "${1:-}" in
  check)
    step ruff "$PYTHON_BIN/ruff" check "${PYTHON_SOURCES[@]}"
    step mypy "$PYTHON_BIN/mypy"
    step natrix with_lintable_sources natrix lint
    ;;
  format-check)
    step 'ruff format' "$PYTHON_BIN/ruff" format --check "${PYTHON_SOURCES[@]}"
    step mamushi with_vyper_sources mamushi --line-length 100 --check
    ;;
  format)
    step 'ruff format' "$PYTHON_BIN/ruff" format "${PYTHON_SOURCES[@]}"
    step mamushi with_vyper_sources mamushi --line-length 100
    ;;
  *)
    echo "usage: tools/lint.sh check|format-check|format" >&2
    exit 2
    ;;
esac
exit "$found"
