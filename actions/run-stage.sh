#!/usr/bin/env bash
# The one script behind every action: find a Python, make cd4ml's own environment (once for each job), run the stage.
#
#   run-stage.sh <stage>|run|plan|comment|report|export|verdict
#
# Inputs arrive as CD4ML_INPUT_<NAME> in the environment. The caller's Python, PATH and working directory stay as they
# are; the environment lives in RUNNER_TEMP and is installed from hash-locked files only. Runs on bash 3.2 (macOS) too.
set -euo pipefail

stage=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Until cd4ml itself can speak, the outputs must not be missing: a consumer would see nothing where it expects a verdict.
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'status=error\npassed=false\n' >> "$GITHUB_OUTPUT"
fi

fail() {
  if [ "${GITHUB_ACTIONS:-}" = true ]; then echo "::error title=cd4ml $stage::$1"; else echo "cd4ml $stage: $1" >&2; fi
  exit "$2"
}

case ${OSTYPE:-} in
  msys* | cygwin* | win32*) fail "cd4ml runs on Linux and macOS. On Windows use WSL, or let this job run on Linux." 2 ;;
esac

# Print the path of the interpreter behind a name, if it is new enough and can make an environment. (Debian's own Python
# cannot without the package python3-venv; uv can do it for any.)
resolve() {
  "$1" -I -c 'import importlib.util, sys
if sys.version_info < (3, 11) or not (sys.argv[1] or importlib.util.find_spec("ensurepip")):
    sys.exit(1)
print(sys.executable)' "$(command -v uv || true)" 2>/dev/null
}

find_python() {
  local name
  for name in python3.11 python3.12 python3.13 python3.14 python3 python; do
    resolve "$name" && return
  done
  return 1
}

# What the caller set for its own Python must not steer this installation. Where packages come from (indexes, proxies,
# certificates, caches) stays the caller's choice: hashes make any source safe.
isolated() {
  local name drop=(-u PYTHONPATH -u PYTHONHOME -u PYTHONUSERBASE -u VIRTUAL_ENV -u CONDA_PREFIX -u PIP_TARGET
    -u PIP_PREFIX -u PIP_ROOT -u PIP_USER -u PIP_REQUIRE_VIRTUALENV -u PIP_CONSTRAINT -u PIP_PYTHON -u PIP_NO_DEPS
    -u PIP_DRY_RUN)
  for name in ${!UV_@}; do
    case $name in
      UV_CACHE_DIR | UV_NO_CACHE | UV_OFFLINE | UV_LINK_MODE | UV_CONCURRENT_* | UV_HTTP_* | UV_INSECURE_HOST) ;;
      UV_DEFAULT_INDEX | UV_INDEX* | UV_EXTRA_INDEX_URL | UV_FIND_LINKS | UV_KEYRING_PROVIDER) ;;
      UV_NATIVE_TLS | UV_SYSTEM_CERTS) ;;
      *) drop+=(-u "$name") ;;
    esac
  done
  env "${drop[@]}" UV_NO_CONFIG=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"
}

# The pip that comes with the caller's Python installs into the environment: making one there takes three seconds.
install_with_pip() {
  isolated "$python" -I -m pip --python "$bin/python" install --quiet --require-hashes "$@" ||
    { isolated "$bin/python" -I -m ensurepip >/dev/null &&
      isolated "$bin/python" -I -m pip install --quiet --require-hashes "$@"; }
}

with_uv() {
  command -v uv >/dev/null 2>&1 && isolated uv venv --quiet --no-project --python "$python" "$venv" &&
    isolated uv pip install --quiet --require-hashes --python "$bin/python" --requirement "$root/requirements/core.txt"
}

with_pip() {
  rm -rf "$venv" && isolated "$python" -I -m venv --without-pip "$venv" && install_with_pip --requirement "$root/requirements/core.txt"
}

# Every command is chained: `set -e` does not hold inside a function whose success is asked for.
make_environment() {
  rm -rf "$venv" || return
  with_uv || with_pip || return
  # cd4ml runs from its checkout: nothing is built, and `python -I` still finds it.
  "$bin/python" -I -c 'import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "cd4ml.pth").write_text(sys.argv[1] + "\n", encoding="utf-8")' "$root" &&
    : > "$venv/cd4ml-core"
}

install() {
  local name missing=()
  if [ ! -f "$venv/cd4ml-core" ]; then
    make_environment || return
  fi
  for name in $locks; do
    [ -f "$venv/cd4ml-$name" ] || missing+=("--requirement=$root/requirements/$name.txt")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    # pip knows settings that uv does not read, such as an index in pip.conf.
    isolated "$bin/uv" pip install --quiet --require-hashes --python "$bin/python" "${missing[@]}" ||
      install_with_pip "${missing[@]}" || return
    for name in $locks; do
      : > "$venv/cd4ml-$name"
    done
  fi
}

# Two steps at once (a matrix on one self-hosted machine) must not install into each other. The lock is of the open file,
# so it ends with this script however that ends.
lock() {
  exec 9> "$venv.lock"
  "$python" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
}

if [ -n "${CD4ML_PYTHON_EXECUTABLE:-}" ]; then
  # An interpreter that was named is never replaced by another in silence.
  python=$(resolve "$CD4ML_PYTHON_EXECUTABLE") || fail "CD4ML_PYTHON_EXECUTABLE does not name a Python 3.11 or newer with venv." 3
else
  python=$(find_python) || fail "No Python 3.11 or newer with venv was found. Add actions/setup-python before this step." 3
fi

# Which lock files the stage needs is declared beside it, in cd4ml/stages/__init__.py; the core needs no library for that.
# The environment belongs to this checkout, this Python and these lock files: its key is their digest.
facts=$("$python" -I -B -c '
import hashlib, os, pathlib, sys
root, stage = sys.argv[1:]
sys.path.insert(0, root)
from cd4ml.commands import COMMANDS
from cd4ml.stages import PIPELINE, STAGES
names = PIPELINE if stage == "run" else () if stage in COMMANDS else (stage,)
own = COMMANDS[stage].requirements if stage in COMMANDS else ()
locks = sorted(path for path in pathlib.Path(root, "requirements").glob("*.txt") if path.name != "dev.txt")
parts = [root.encode(), sys.executable.encode(), sys.version.encode(), *(path.read_bytes() for path in locks)]
extra = os.environ.get("CD4ML_REQUIREMENTS", "").split()
signs = (os.environ.get(f"CD4ML_{kind}{word}", "") for kind in ("", "INPUT_") for word in ("SIGNING_KEY", "KEYLESS"))
extra += ["evidence"] if any(word not in ("", "false") for word in signs) else []
unknown = set(extra) - {path.stem for path in locks}
if unknown:
    sys.exit("CD4ML_REQUIREMENTS names no lock file: " + ", ".join(sorted(unknown)))
needed = dict.fromkeys(["core", *own, *(lock for name in names for lock in STAGES[name].requirements), *extra])
print(hashlib.sha256(b"\0".join(parts)).hexdigest()[:20], *needed)' "$root" "$stage") ||
  fail "This copy of cd4ml does not know the stage, or is not whole." 2
key=${facts%% *}
locks=${facts#* }

temp=${RUNNER_TEMP:-${TMPDIR:-/tmp}}
mkdir -p "$temp"
venv="$temp/cd4ml-$key"
bin="$venv/bin"

lock || fail "$venv.lock cannot be locked." 3
if ! install > "$venv.log" 2>&1; then
  # Lines of other programs must not become commands of the platform.
  tr '\r' '\n' < "$venv.log" | sed -e 's/::/: :/g' -e 's/##\[/# #[/g' >&2
  rm -rf "$venv"
  fail "cd4ml's own environment could not be installed; the log above says why." 3
fi
exec 9>&-

# Compiled files stay out of the action's folder, which the runner may share between jobs.
exec "$bin/python" -I -X utf8 -X pycache_prefix="$venv/pycache" -m cd4ml "$stage"
