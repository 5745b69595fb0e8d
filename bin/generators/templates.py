"""The templates for other platforms: the jobs of the stages, and what each waits for."""

from __future__ import annotations

from typing import Final

from cd4ml.stages import JUDGES, PIPELINE, STAGES, needed
from generators.marked import with_part

GITLAB: Final = "templates/gitlab/template.yml"
JENKINS: Final = "templates/jenkins/Jenkinsfile"
_FORMS: Final = {GITLAB: "# <{}>", JENKINS: "// <{}>"}
_FOLDER: Final = "$[[ inputs.working-directory ]]"
# What later jobs need of a stage, beside its report.
_RESULTS: Final = {"score-model": ("predictions.parquet", "train-predictions.parquet")}
_ACTING: Final = {"build-image": ".cd4ml-builds", "deploy-model": ".cd4ml-deploys"}


def gitlab(text: str) -> str:
    """Return GitLab's template with a job for every stage of the pipeline, and one for what people look at."""
    jobs = [line for stage in PIPELINE for line in [*_gitlab_job(stage), ""]]
    return with_part(text, "stages", "\n".join([*jobs, *_gitlab_reports()]), where=GITLAB, form=_FORMS[GITLAB])


def _gitlab_job(stage: str) -> list[str]:
    """Return the job of a stage."""
    info = STAGES[stage]
    waits = ", ".join(f"cd4ml-{name}" for name in needed(stage))
    results = (f"reports/{stage}.json", *_RESULTS.get(stage, ()))
    kind = (
        _ACTING.get(stage, ".cd4ml-acts")
        if info.acts
        else ".cd4ml-judges" if stage in JUDGES else ".cd4ml-judges-project"
    )
    more = [] if info.acts else [".cd4ml-inconclusive-$[[ inputs.on-inconclusive ]]"]
    return [
        f"cd4ml-{stage}:",
        "  extends:",
        *(f"    - {name}" for name in (kind, *more)),
        f"  needs: [{waits}]",
        "  script:",
        f'    - bash "$CD4ML_HOME/templates/stage.sh" {" ".join((stage, *needed(stage)))}',
        "  artifacts:",
        "    when: always",
        "    paths:",
        *(f"      - {_FOLDER}/{path}" for path in results),
    ]


def _gitlab_reports() -> list[str]:
    """Return the job that shows the reports; a stage whose job is not in this pipeline is not missed."""
    acting = " ".join(stage for stage in PIPELINE if STAGES[stage].acts)
    return [
        "cd4ml-reports:",
        "  extends: .cd4ml",
        "  rules:",
        '    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && "$[[ inputs.deliver ]]" == "true"',
        "      when: always",
        "      variables:",
        "        CD4ML_CACHE_POLICY: pull-push",
        '        CD4ML_LEFT_OUT: ""',
        '    - if: $CI_PIPELINE_SOURCE == "merge_request_event"',
        "      when: always",
        "    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
        "      when: always",
        "      variables:",
        "        CD4ML_CACHE_POLICY: pull-push",
        "  variables:",
        f"    CD4ML_LEFT_OUT: {acting}",
        "  needs:",
        *(f"    - {{job: cd4ml-{stage}, optional: true}}" for stage in PIPELINE),
        "  script:",
        '    - bash "$CD4ML_HOME/templates/reports.sh" $CD4ML_LEFT_OUT',
        "  artifacts:",
        "    when: always",
        "    paths:",
        f"      - {_FOLDER}/reports",
        "    reports:",
        f"      junit: {_FOLDER}/reports/junit.xml",
        f"      codequality: {_FOLDER}/reports/code-quality.json",
    ]


def jenkins(text: str) -> str:
    """Return the Jenkinsfile with a stage for every stage of the pipeline: side by side what waits for the same."""
    lines = []
    for layer in _layers():
        lines += _jenkins_layer(layer)
    acting = [stage for stage in PIPELINE if STAGES[stage].acts]
    text = with_part(text, "stages", "\n".join(lines), where=JENKINS, form=_FORMS[JENKINS])
    function = f"String acting() {{\n  return '{' '.join(acting)}'\n}}"
    return with_part(text, "acting", function, where=JENKINS, form=_FORMS[JENKINS])


def _layers() -> list[list[str]]:
    """Return the stages in the order in which they can run: those of a layer wait for the same."""
    layers: list[list[str]] = []
    for stage in PIPELINE:
        if layers and needed(layers[-1][0]) == needed(stage):
            layers[-1].append(stage)
        else:
            layers.append([stage])
    return layers


def _jenkins_layer(layer: list[str]) -> list[str]:
    """Return a stage, or several side by side."""
    if len(layer) == 1:
        return _jenkins_stage(layer[0])
    inner = [f"    {line}" for stage in layer for line in _jenkins_stage(stage)]
    return [f"stage('{' and '.join(layer)}') {{", "  parallel {", *inner, "  }", "}"]


def _jenkins_stage(stage: str) -> list[str]:
    """Return one stage."""
    step = "act" if STAGES[stage].acts else "judge"
    only = ["  when { expression { delivers() } }"] if STAGES[stage].acts else []
    prepare = """    sh '[ -z "$CD4ML_PREPARE_BUILD" ] || bash -euo pipefail -c "$CD4ML_PREPARE_BUILD"'"""
    return [
        f"stage('{stage}') {{",
        *only,
        "  steps {",
        *([prepare] if stage == "build-image" else []),
        f"    {step}('{' '.join((stage, *needed(stage)))}')",
        "  }",
        "}",
    ]
