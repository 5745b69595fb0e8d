#!/usr/bin/env bash
# The one script behind every action: find a Python, make cd4ml's own environment (once for each job), run the stage.
#
#   run-stage.sh <stage>|run
#
# Inputs arrive as CD4ML_INPUT_<NAME> in the environment. The caller's Python, PATH and working directory stay as they
# are; the environment lives in RUNNER_TEMP and is installed from hash-locked files only.
set -euo pipefail

stage=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Until cd4ml itself can speak, the outputs must not be missing: a consumer would see nothing where it expects a verdict.
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'status=error\npassed=false\n' >> "$GITHUB_OUTPUT"
fi

fail() {
  echo "::error title=cd4ml $stage::$1"
  exit "$2"
}

find_python() {
  local name
  for name in "${CD4ML_PYTHON_EXECUTABLE:-}" python3.11 python3.12 python3.13 python3 python; do
    if [ -n "$name" ] && "$name" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

digest() {
  "$python" -I -c 'import hashlib, sys
content = b"".join(open(name, "rb").read() for name in sys.argv[2:])
print(hashlib.sha256(sys.argv[1].encode() + sys.version.encode() + content).hexdigest()[:20])' "$root" "$@"
}

# What the caller set for its own Python must not steer this installation; addresses of an index and proxies still do.
isolated() {
  env -u PYTHONPATH -u PYTHONHOME -u VIRTUAL_ENV -u CONDA_PREFIX -u UV_PROJECT_ENVIRONMENT -u UV_SYSTEM_PYTHON \
    -u UV_PYTHON -u UV_EXCLUDE_NEWER -u UV_CONSTRAINT -u UV_OVERRIDE -u UV_TARGET -u PIP_TARGET -u PIP_PREFIX -u PIP_USER \
    -u PIP_REQUIRE_VIRTUALENV UV_NO_CONFIG=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"
}

python=$(find_python) || fail "No Python 3.11 or newer was found. Add actions/setup-python before this step." 3

# Which lock files the stage needs is declared beside it, in cd4ml/stages/__init__.py; the core needs no library for that.
locks=$("$python" -I -B -c '
import sys
sys.path.insert(0, sys.argv[1])
from cd4ml.stages import PIPELINE, STAGES
names = PIPELINE if sys.argv[2] == "run" else (sys.argv[2],)
print(*dict.fromkeys(["core", *(lock for name in names for lock in STAGES[name].requirements)]))' "$root" "$stage") ||
  fail "cd4ml does not know the stage $stage." 2

files=()
for lock in $locks; do
  files+=("$root/requirements/$lock.txt")
done

temp=${RUNNER_TEMP:-${TMPDIR:-/tmp}}
venv="$temp/cd4ml-$(digest "$root/requirements/core.txt")"
bin="$venv/bin"
[ "${OS:-}" = Windows_NT ] && bin="$venv/Scripts"

install() {
  local name file missing=()
  if [ ! -f "$venv/cd4ml-core" ]; then
    rm -rf "$venv"
    if command -v uv >/dev/null 2>&1; then
      isolated uv venv --quiet --no-project --python "$python" "$venv"
      isolated uv pip install --quiet --require-hashes --python "$bin/python" --requirement "$root/requirements/core.txt"
    else
      isolated "$python" -I -m venv "$venv"
      isolated "$bin/python" -I -m pip install --quiet --require-hashes --requirement "$root/requirements/core.txt"
    fi
    # cd4ml runs from its checkout: nothing is built, and `python -I` still finds it.
    "$bin/python" -I -c 'import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "cd4ml.pth").write_text(sys.argv[1] + "\n")' "$root"
    touch "$venv/cd4ml-core"
  fi
  for file in "${files[@]}"; do
    name=$(basename "$file" .txt)
    [ -f "$venv/cd4ml-$name" ] || missing+=("$file")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    isolated "$bin/uv" pip install --quiet --require-hashes --python "$bin/python" "${missing[@]/#/--requirement=}"
    for file in "${missing[@]}"; do
      touch "$venv/cd4ml-$(basename "$file" .txt)"
    done
  fi
}

# Two steps at once (a matrix on one self-hosted machine) must not install into each other; a lock left by a run that
# was killed is taken over after ten minutes.
mkdir -p "$temp"
lock="$venv.lock"
for ((waited = 0; ; waited++)); do
  mkdir "$lock" 2>/dev/null && break
  if [ "$waited" -ge 600 ]; then
    rmdir "$lock" 2>/dev/null || true
  fi
  sleep 1
done
trap 'rmdir "$lock" 2>/dev/null || true' EXIT
log="$venv.log"
if ! install > "$log" 2>&1; then
  sed 's/::/: :/g; s/##\[/# #[/g' "$log" >&2
  rm -rf "$venv"
  fail "cd4ml's own environment could not be installed; the log above says why." 3
fi
rmdir "$lock" 2>/dev/null || true
trap - EXIT

# Compiled files stay out of the action's folder, which the runner may share between jobs.
exec "$bin/python" -I -X utf8 -X pycache_prefix="$venv/pycache" -m cd4ml "$stage"
