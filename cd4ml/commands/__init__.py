"""The commands beside the stages: what each is for, and the module that runs it.

A new command is a module here (or a folder) that offers `run(arguments, door) -> exit code`, and one line in COMMANDS.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from cd4ml.commands.door import Door
from cd4ml.inputs.help_text import HelpText
from cd4ml.stages import ANALYSIS, DRIFT, FEATURES, STAGES

__all__ = ["COMMANDS", "Command", "Runs", "load"]


class Runs(Protocol):
    """What a command's module offers."""

    def run(self, arguments: Sequence[str], door: Door) -> int:
        """Do what the command is for, and return the exit code."""


@dataclass(frozen=True, kw_only=True)
class Command(HelpText):
    """What is known of a command without importing it.

    Attributes:
        module: its module in this folder.
        requirements: the lock files in `requirements/` that it needs beside `core`.
        words: what stands right behind its name, where something does.
    """

    module: str
    requirements: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


COMMANDS: Final[dict[str, Command]] = {
    "run": Command(
        summary="Run every stage that cd4ml.yaml configures, in order.",
        example="--stages validate-data,audit-fairness",
        page="terminal.md",
        module="pipeline",
    ),
    "plan": Command(
        summary="Name the stages that cd4ml.yaml configures.",
        page="actions.md",
        module="plan",
    ),
    "doctor": Command(
        summary="Look for what keeps stages from running here, with what to do.",
        page="doctor.md",
        module="doctor",
    ),
    "report": Command(
        summary="Write the reports of a run as one HTML page.",
        example="--reports reports --output reports/index.html",
        page="report.md",
        module="report",
        requirements=("report",),
    ),
    "export": Command(
        summary="Write the reports of a run as SARIF, JUnit XML, GitLab Code Quality or a badge.",
        example="--junit reports/junit.xml --code-quality reports/code-quality.json",
        page="export.md",
        module="export",
    ),
    "verdict": Command(
        summary="Say whether all stages of a run passed, for pipelines with a job for each.",
        example="--planned check-code,validate-data",
        page="export.md",
        module="verdict",
    ),
    "comment": Command(
        summary="Say on the pull request what a run found: one comment, kept up to date.",
        page="comment.md",
        module="comment",
    ),
    "trace": Command(
        summary="Tell where an image, a model or a commit comes from, on what verdicts, and who approved it.",
        example="models:/credit@champion --repository ../gitops.git --manifest credit/values.yaml",
        page="trace.md",
        module="trace",
    ),
    "diagnose": Command(
        summary="Say which of the known incidents a service has, by what evidence, and what to change.",
        example="--events events.jsonl --since 2027-01-15T08:00:00Z --metrics-file metrics.txt "
        "--values credit/values.yaml --reports reports",
        page="diagnose.md",
        module="diagnose",
        requirements=(ANALYSIS,),
    ),
    "init": Command(
        summary="Propose cd4ml.yaml, a schema and a workflow for this repository, and run the gates once.",
        example="--dry-run",
        page="init.md",
        module="init",
    ),
    "serve-analysis": Command(
        summary="Answer Argo Rollouts and Flagger by HTTP: may the canary go on, as analyze-rollout says?",
        example="--host 127.0.0.1 --port 8090",
        page="rollouts.md",
        module="serve_analysis",
        requirements=(ANALYSIS,),
    ),
    "monitor": Command(
        summary="Count prediction events in windows of time, and judge each window as detect-drift judges a table.",
        example="--events events.jsonl --window 1h",
        page="monitor.md",
        module="monitor",
        requirements=("monitor", *STAGES[DRIFT].requirements),
    ),
    "materialize-features": Command(
        summary="Write the latest features of each entity from a table to Redis, where the gateway finds them.",
        example="--offline features.parquet --online redis://127.0.0.1:6379/0 --entity customer_id "
        "--timestamp event_timestamp",
        page="features.md",
        module="materialize_features",
        requirements=STAGES[FEATURES].requirements,
    ),
    "schema": Command(
        summary="`schema infer` proposes a schema for validate-data from training data.",
        example="--data data/train.parquet --output schema.yaml",
        page="stages/validate-data.md",
        module="schema",
        words=("infer",),
    ),
    "completion": Command(
        summary="Print the script by which bash, zsh or fish completes commands, options and values.",
        page="command-line.md",
        module="completion",
        words=("bash", "zsh", "fish"),
    ),
}


def load(name: str) -> Runs:
    """Import a command; the help and the other commands do without it."""
    return cast(Runs, importlib.import_module(f"cd4ml.commands.{COMMANDS[name].module}"))
