#!/usr/bin/env bash
# Makes the project's environments from the lock files, and does nothing where they are already made.
#
#   tools/bootstrap.sh demo   .venv with requirements/demo.txt, node_modules, .venv/bin/anvil
#   tools/bootstrap.sh dev    the same with requirements/dev.txt, a superset of demo.txt, and .cache/parts:
#                             the npm packages of requirements/parts
#   tools/bootstrap.sh lint   .cache/lint: the Vyper formatter and linter, apart from Ape's pins
#   tools/bootstrap.sh lock [options of uv pip compile]
#                             write requirements/*.txt anew from requirements/*.in
#
# A stamp beside each environment holds the hash of the files it was made from, the Python version and
# the folder, so a second run only compares stamps. PYTHON=<path> chooses the interpreter.
# Exit codes: 0 ok, 2 wrong use or a tool missing on this machine, 3 a download failed.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
VENV=$ROOT/.venv
CACHE=$ROOT/.cache
BOOTSTRAP=$CACHE/bootstrap
LINT=$CACHE/lint
PARTS=$CACHE/parts
UV=$BOOTSTRAP/bin/uv
PYTHON_RANGE='3.11 or 3.12'
NODE_MIN=20

say() { printf '%s\n' "bootstrap: $*" >&2; }
die() { local code=$1; shift; printf 'bootstrap: %s\n' "$@" >&2; exit "$code"; }

# --- what the machine must offer -----------------------------------------------------------------

python_fits() {
  "$1" -c 'import sys; raise SystemExit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null
}

# Prints the interpreter to build with: $PYTHON, else that of the present .venv, else the first of the
# usual names that fits and runs.
find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    python_fits "$PYTHON" || die 2 "PYTHON=$PYTHON: expected Python $PYTHON_RANGE, got $("$PYTHON" --version 2>&1 || true)."
    command -v "$PYTHON"
    return
  fi
  for candidate in "$VENV/bin/python" python3 python3.12 python3.11 /usr/bin/python3; do
    if command -v "$candidate" >/dev/null 2>&1 && python_fits "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  die 2 "expected Python $PYTHON_RANGE, got $(python3 --version 2>&1 || echo none)." \
    "Install it (Debian 12: apt-get install python3 python3-venv), or name one: PYTHON=/path/to/python3.11 make demo"
}

require_node() {
  local major
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 ||
    die 2 "expected Node.js $NODE_MIN or newer with npm, got none." \
      "It brings Anvil and the third-party contracts of the local chain; install it from your system or nodejs.org."
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge "$NODE_MIN" ] ||
    die 2 "expected Node.js $NODE_MIN or newer, got $(node --version). Install a newer one and run this again."
}

# --- stamps --------------------------------------------------------------------------------------

# stamp_of <interpreter or tool version> <file>...: one line that changes when the result should.
stamp_of() {
  local version=$1
  shift
  printf '%s %s %s\n' "$(cat "$@" | sha256sum | cut -d' ' -f1)" "$version" "$ROOT"
}

matches() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# --- Python --------------------------------------------------------------------------------------

ensure_uv() {
  local stamp
  stamp=$(stamp_of "$PY_VERSION" requirements/uv.txt)
  if matches "$BOOTSTRAP/.stamp" "$stamp" && [ -x "$UV" ]; then return; fi
  say "installing uv into ${BOOTSTRAP#"$ROOT"/}"
  rm -rf "$BOOTSTRAP"
  "$PY" -m venv "$BOOTSTRAP" ||
    die 2 "$PY cannot make a virtual environment. On Debian: apt-get install python3-venv"
  "$BOOTSTRAP/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
    --require-hashes -r requirements/uv.txt ||
    die 3 "uv could not be installed; is the package index reachable from here?"
  printf '%s\n' "$stamp" >"$BOOTSTRAP/.stamp"
}

# uv with pip's own index and certificate settings, so that one configuration serves both.
run_uv() {
  env UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 \
    ${PIP_INDEX_URL:+UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"} \
    ${PIP_CERT:+SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"} \
    "$UV" --quiet "$@"
}

# make_venv <folder>: keeps a working one of the same Python made in this place, else makes it anew (its
# scripts hold absolute paths, so one that was copied along with the project is of no use).
make_venv() {
  local found
  found=$("$1/bin/python" -c 'import platform; print(platform.python_version())' 2>/dev/null || true)
  if [ "$found" = "$PY_VERSION" ] && ! cat "$1"/.stamp* 2>/dev/null | grep -qvF " $ROOT"; then return; fi
  run_uv venv --clear --python "$PY" "$1"
}

install_failed() {
  die 3 "the packages of $1 could not be installed; see uv's message above." \
    "A hash that differs means a changed download: do not work around it."
}

# demo never tears down a dev environment: dev.txt holds every pin of demo.txt.
ensure_demo() {
  local stamp dev_stamp
  stamp=$(stamp_of "$PY_VERSION" requirements/demo.txt)
  dev_stamp=$(stamp_of "$PY_VERSION" requirements/demo.txt requirements/dev.txt)
  if matches "$VENV/.stamp-demo" "$stamp" || matches "$VENV/.stamp-dev" "$dev_stamp"; then return; fi
  ensure_uv
  say "installing requirements/demo.txt into .venv"
  make_venv "$VENV"
  rm -f "$VENV/.stamp-dev"
  run_uv pip install --python "$VENV/bin/python" --require-hashes -r requirements/demo.txt ||
    install_failed requirements/demo.txt
  printf '%s\n' "$stamp" >"$VENV/.stamp-demo"
}

ensure_dev() {
  local stamp
  stamp=$(stamp_of "$PY_VERSION" requirements/demo.txt requirements/dev.txt)
  if matches "$VENV/.stamp-dev" "$stamp"; then return; fi
  ensure_uv
  say "installing requirements/dev.txt into .venv"
  make_venv "$VENV"
  rm -f "$VENV/.stamp-demo"
  run_uv pip sync --python "$VENV/bin/python" --require-hashes requirements/dev.txt ||
    install_failed requirements/dev.txt
  printf '%s\n' "$stamp" >"$VENV/.stamp-dev"
}

ensure_lint() {
  local stamp
  stamp=$(stamp_of "$PY_VERSION" requirements/lint.txt)
  if matches "$LINT/.stamp" "$stamp"; then return; fi
  ensure_uv
  say "installing requirements/lint.txt into ${LINT#"$ROOT"/}"
  make_venv "$LINT"
  run_uv pip sync --python "$LINT/bin/python" --require-hashes requirements/lint.txt ||
    install_failed requirements/lint.txt
  printf '%s\n' "$stamp" >"$LINT/.stamp"
}

# --- Node: Anvil and the origin chain's contracts --------------------------------------------------

ensure_node() {
  local stamp
  require_node
  stamp=$(stamp_of "$(uname -sm | tr ' ' -)" package.json package-lock.json .npmrc)
  if matches node_modules/.stamp "$stamp"; then return; fi
  say "installing Anvil and the local chain's contracts into node_modules"
  rm -f node_modules/.stamp
  # Not 'npm ci': it insists on the Anvil packages of every other platform.
  # No scripts, no peers, no audit and no hosts in the lock file: see .npmrc.
  npm install --no-save --loglevel=error </dev/null >&2 ||
    die 3 "npm install failed; see its message above."
  printf '%s\n' "$stamp" >node_modules/.stamp
}

# Third-party price sources that only tests need, apart from what a demo waits for.
ensure_parts() {
  local stamp
  require_node
  stamp=$(stamp_of npm requirements/parts/package.json requirements/parts/package-lock.json .npmrc)
  if matches "$PARTS/.stamp" "$stamp"; then return; fi
  say "installing requirements/parts into ${PARTS#"$ROOT"/}"
  rm -rf "$PARTS"
  cp -r requirements/parts "$PARTS"
  cp .npmrc "$PARTS/"
  (cd "$PARTS" && npm install --no-save --loglevel=error </dev/null >&2) ||
    die 3 "npm install failed; see its message above."
  printf '%s\n' "$stamp" >"$PARTS/.stamp"
}

# The Anvil to use: one of major version 1 that the user has on PATH, else the one from node_modules.
find_anvil() {
  local outside found native
  outside=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vxF -e "$VENV/bin" -e '.venv/bin' | paste -sd:)
  found=$(PATH=$outside command -v anvil || true)
  if [ -n "$found" ] && "$found" --version 2>/dev/null | grep -qiE '^anvil (version: )?1\.'; then
    printf '%s\n' "$found"
    return
  fi
  for native in node_modules/@foundry-rs/anvil-*/bin/anvil; do
    if [ -x "$native" ] && "$native" --version >/dev/null 2>&1; then
      printf '%s\n' "$ROOT/$native"
      return
    fi
  done
  die 3 "no Anvil for this platform ($(uname -sm)) in node_modules/@foundry-rs." \
    "Put an 'anvil' of version 1.x on PATH and run this again."
}

# .venv/bin/anvil: whoever activates .venv has Ape, Vyper and Anvil on PATH together.
link_anvil() {
  local anvil
  anvil=$(find_anvil)
  if [ "$(readlink "$VENV/bin/anvil" 2>/dev/null)" != "$anvil" ]; then
    ln -sfn "$anvil" "$VENV/bin/anvil"
  fi
}

# --- lock files ----------------------------------------------------------------------------------

# Both Python versions must get the same pins; the files name no index. Pins already there stay, unless
# an option says otherwise (--upgrade, --upgrade-package NAME).
lock() {
  local name version
  ensure_uv
  for name in uv demo dev lint; do
    for version in 3.11 3.12; do
      cp "requirements/$name.txt" "$CACHE/$name-$version.txt"
      run_uv pip compile --python-version "$version" --generate-hashes --no-header --no-annotate \
        --no-emit-index-url "$@" "requirements/$name.in" -o "$CACHE/$name-$version.txt" >/dev/null ||
        die 3 "requirements/$name.in could not be resolved for Python $version."
    done
    cmp "$CACHE/$name-3.11.txt" "$CACHE/$name-3.12.txt" ||
      die 2 "requirements/$name.in resolves differently on 3.11 and 3.12; pin what differs."
    mv "$CACHE/$name-3.11.txt" "requirements/$name.txt"
    rm -f "$CACHE/$name-3.12.txt"
  done
}

# -------------------------------------------------------------------------------------------------

case "${1:-}" in demo | dev | lint | lock) ;; *)
  die 2 "usage: tools/bootstrap.sh demo|dev|lint|lock" ;;
esac
PY=$(find_python)
# The interpreter beneath, should the one found belong to a virtual environment.
PY=$("$PY" -c 'import sys; print(sys._base_executable)')
PY_VERSION=$("$PY" -c 'import platform; print(platform.python_version())')
mkdir -p "$CACHE"
# One at a time: two 'make' in two terminals must not install into one folder together.
if command -v flock >/dev/null 2>&1; then
  exec 9>"$CACHE/bootstrap.lock"
  flock 9
fi
case "$1" in
  demo) ensure_demo; ensure_node; link_anvil ;;
  dev) ensure_dev; ensure_node; ensure_parts; link_anvil ;;
  lint) ensure_lint ;;
  lock) lock "${@:2}" ;;
esac
