#!/usr/bin/env bash
# One stage as a job of its own, for platforms other than GitHub.
#
#   stage.sh <stage> [<stage that must have passed> …]
#
# What cd4ml.yaml does not configure is passed over. The reports of the other stages, which earlier jobs left, say whether
# they passed: a job's colour does not, since a stage that only warns ends its job well. Options come from cd4ml.yaml and
# CD4ML_INPUT_<NAME> in the environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
stage=$1
shift

cd4ml() {
  bash "$here/../actions/run-stage.sh" "$1"
}

planned=$(cd4ml plan)
if ! grep -qxF -- "$stage" <<< "$planned"; then
  echo "$stage: not configured."
  exit 0
fi

before=()
for name in "$@"; do
  if grep -qxF -- "$name" <<< "$planned"; then before+=("$name"); fi
done
if [ "${#before[@]}" -gt 0 ]; then
  CD4ML_INPUT_PLANNED=$(printf '%s\n' "${before[@]}") cd4ml verdict || {
    echo "$stage does not run: not every stage that it needs has passed." >&2
    exit 3 # nothing was decided
  }
fi
cd4ml "$stage"
