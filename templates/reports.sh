#!/usr/bin/env bash
# What people look at after the stages' jobs: the page, and the reports as JUnit XML, Code Quality and a badge, in reports/.
#
#   reports.sh [<stage that this run leaves out> …]
#
# The exit code says whether they were written; the verdict is that of the stages' jobs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

cd4ml() {
  bash "$here/../actions/run-stage.sh" "$1"
}

planned=$(cd4ml plan)
for name in "$@"; do
  planned=$(grep -vxF -- "$name" <<< "$planned" || true)
done
export CD4ML_INPUT_PLANNED=$planned
CD4ML_INPUT_JUNIT=reports/junit.xml CD4ML_INPUT_CODE_QUALITY=reports/code-quality.json \
  CD4ML_INPUT_BADGE=reports/badge.json cd4ml export
cd4ml report
