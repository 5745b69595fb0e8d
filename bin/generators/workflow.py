"""The reusable workflow: what the job of each stage waits for and hands on, and what the last jobs ask of all of them.

A job's steps are written by hand; the job of a new stage begins with those of a stage like it.
"""

from __future__ import annotations

import re
from typing import Final

from cd4ml.stages import PIPELINE, STAGES, needed
from generators.marked import MarkersError, with_part

WORKFLOW: Final = ".github/workflows/pipeline.yml"
_FORM: Final = "# <{}>"
_NO_STAGES: Final = ("plan", "gate", "report")
_DELIVERED: Final = "needs.plan.outputs.deliver == 'true'"


def workflow(text: str) -> str:
    """Return the workflow with a job for every stage of the pipeline.

    Raises:
        MarkersError: it has a job for something else, or a job without its markers.
    """
    unknown = [name for name in _jobs(text) if name not in (*PIPELINE, *_NO_STAGES)]
    if unknown:
        raise MarkersError(f"{WORKFLOW}: {', '.join(unknown)} is not a stage of the pipeline; remove its job")
    for stage in PIPELINE:
        if stage not in _jobs(text):
            text = _with_job(text, stage)
        text = with_part(text, stage, _head(text, stage), where=WORKFLOW, form=_FORM)
    for marker in ("gate-needs", "report-needs"):
        text = with_part(text, marker, _needs(PIPELINE), where=WORKFLOW, form=_FORM)
    return with_part(text, "gate-jobs", _asked(), where=WORKFLOW, form=_FORM)


def _jobs(text: str) -> dict[str, str]:
    """Return the text of each job."""
    parts = re.split(r"^  ([a-z-]+):\n", text.partition("\njobs:\n")[2], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _with_job(text: str, stage: str) -> str:
    """Return the workflow with a job for a stage that has none, before the job of the stage after it."""
    jobs = _jobs(text)
    like = [
        name
        for name in PIPELINE
        if name in jobs and not STAGES[name].acts and needed(name) == needed(stage) and "- &" not in jobs[name]
    ]
    if STAGES[stage].acts or not like:
        wanted = f"{_FORM.format(stage)} and {_FORM.format(f'/{stage}')}"
        raise MarkersError(f"{WORKFLOW}: {stage} has no job; write it, with {wanted} at its head")
    after = next((name for name in PIPELINE[PIPELINE.index(stage) :] if name in jobs), "gate")
    job = f"  {stage}:\n{jobs[like[0]].replace(like[0], stage)}"
    return text.replace(f"\n  {after}:\n", f"\n{job}  {after}:\n")


def _head(text: str, stage: str) -> str:
    """Return the head of a stage's job; it hands on what decides, and what becomes an output of the workflow."""
    handed_on = ("passed", "warned", *re.findall(rf"\bjobs\.{stage}\.outputs\.([\w-]+)", text))
    outputs = [f"  {name}: ${{{{ steps.stage.outputs.{name} }}}}" for name in dict.fromkeys(handed_on)]
    return "\n".join([f"name: {stage}", _needs(needed(stage)), *_condition(stage), "outputs:", *outputs])


def _needs(stages: tuple[str, ...]) -> str:
    """Return which jobs a job waits for."""
    return f"needs: [{', '.join(('plan', *stages))}]"


def _condition(stage: str) -> list[str]:
    """Return when a stage runs: it is configured, and every stage that it needs has passed or is not configured."""
    terms = [_configured(stage), *([_DELIVERED] if STAGES[stage].acts else [])]
    terms += [f"(needs.{name}.outputs.passed == 'true' || !{_configured(name)})" for name in needed(stage)]
    if len(terms) == 1:
        return [f"if: ${{{{ {terms[0]} }}}}"]
    # A skipped job would skip all that wait for it, were it not for the first of these terms.
    first = "!cancelled() && needs.plan.result == 'success'"
    return ["if: >-", "  ${{", f"    {first}", *(f"    && {term}" for term in terms), "  }}"]


def _configured(stage: str) -> str:
    """Return the expression that says whether a stage is in the plan."""
    return f"contains(fromJSON(needs.plan.outputs.stages || '[]'), '{stage}')"


def _asked() -> str:
    """Return a line for each stage: whether it had to run, the job's result, the verdict, and whether it only warns."""
    lines = ["JOBS: |"]
    for stage in PIPELINE:
        wanted = _configured(stage) + (f" && {_DELIVERED}" if STAGES[stage].acts else "")
        told = f"${{{{ needs.{stage}.result }}}} ${{{{ needs.{stage}.outputs.passed }}}}"
        lines.append(f"  {stage} ${{{{ {wanted} }}}} {told} warned:${{{{ needs.{stage}.outputs.warned }}}}")
    return "\n".join(lines)
