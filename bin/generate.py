#!/usr/bin/env python3
"""Write everything that is derived from the stages: action files, JSON Schemas, the jobs of the reusable workflow, and
in the documentation the tables and the picture of the stages; the tables of the gateway, from its code; and what the
Helm chart says of the gateway's settings and of its own values.

bin/generate.py            write
bin/generate.py --check    fail if a file is not what it would be written as
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cd4ml.stages import STAGES  # noqa: E402
from generators import actions, chart, dashboard, excerpts, flow, gateway, schemas, tables  # noqa: E402
from generators.marked import MarkersError  # noqa: E402
from generators.templates import GITLAB, JENKINS, gitlab, jenkins  # noqa: E402
from generators.workflow import WORKFLOW, workflow  # noqa: E402


def files() -> dict[str, Callable[[], str]]:
    """Return every generated file and what makes it."""
    made: dict[str, Callable[[], str]] = {
        "docs/reference.md": lambda: tables.reference(text_of("docs/reference.md")),
        "docs/cd4ml.schema.json": schemas.config_schema,
        "docs/behaviour.schema.json": schemas.behaviour_schema,
        "docs/report.v1.schema.json": schemas.report_schema,
        "docs/model-card.v1.schema.json": schemas.model_card_schema,
        "docs/trace.v1.schema.json": schemas.trace_schema,
        "docs/diagnosis.v1.schema.json": schemas.diagnosis_schema,
        "docs/prediction-event.v1.schema.json": schemas.prediction_event_schema,
        "docs/model-card.md": lambda: tables.model_card_page(text_of("docs/model-card.md")),
        gateway.PAGE: lambda: gateway.page(text_of(gateway.PAGE)),
        gateway.EVENTS_PAGE: lambda: gateway.events_page(text_of(gateway.EVENTS_PAGE)),
        chart.SETTINGS: chart.settings,
        chart.SCHEMA: lambda: chart.schema(text_of(chart.SCHEMA)),
        chart.README: lambda: chart.readme(text_of(chart.README), text_of(f"{chart.CHART}/values.yaml")),
        chart.FRESHNESS_RULES: lambda: text_of(chart.FRESHNESS),
        dashboard.FILE: dashboard.page,
        "docs/pictures/pipeline.svg": flow.picture,
        "docs/first-verdict.md": lambda: excerpts.first_verdict(text_of("docs/first-verdict.md"), text_of("README.md")),
        "action.yml": actions.root_action,
        "actions/comment/action.yml": actions.comment_action,
        "actions/export/action.yml": actions.export_action,
        "actions/plan/action.yml": actions.plan_action,
        "actions/report/action.yml": actions.report_action,
        WORKFLOW: lambda: workflow(text_of(WORKFLOW)),
        GITLAB: lambda: gitlab(text_of(GITLAB)),
        JENKINS: lambda: jenkins(text_of(JENKINS)),
    }
    for stage in STAGES:
        made[f"actions/{stage}/action.yml"] = partial(actions.stage_action, stage)
        made[f"docs/stages/{stage}.md"] = partial(stage_page, stage)
        made[f"cd4ml/stages/{stage.replace('-', '_')}/__init__.py"] = partial('"""The stage {}."""\n'.format, stage)
    return made


def stage_page(stage: str) -> str:
    """Return the page of a stage."""
    return tables.stage_page(text_of(f"docs/stages/{stage}.md"), stage)


def text_of(path: str) -> str:
    """Return a document of which a part is written by hand."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MarkersError(f"{path} is missing: write it") from error


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    check = parser.parse_args().check
    stale, problems = [], []
    for name, make in files().items():
        path = ROOT / name
        try:
            wanted = make()
        except MarkersError as error:
            problems.append(str(error))
            continue
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(wanted, encoding="utf-8")
    if problems:
        print("\n".join(f"generate: {problem}" for problem in problems), file=sys.stderr)
    if check and stale:
        print(f"generate: not up to date: {', '.join(stale)}\nrun `make generate`", file=sys.stderr)
    if problems or check and stale:
        return 1
    print(f"generate: {len(stale)} of {len(files())} files {'differ' if check else 'written'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
