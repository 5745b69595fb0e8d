"""What build-image decides about the image that it built: its predictions, and its vulnerabilities."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.image import built as checks
from cd4ml.context import Context
from cd4ml.data.predictions.table import read_predictions
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from cd4ml.evidence.scored import refuse_changed
from cd4ml.image import scan, simulate
from cd4ml.image.builders.builder import Builder, Image
from cd4ml.image.ignores import Ignore
from cd4ml.image.reference import Reference
from cd4ml.image.scan import Scan
from cd4ml.image.simulate import Simulation
from cd4ml.scoring import environment
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.state import Run

_MINIMUM_ROWS: Final = 20


def simulate_image(state: Run, image: Image, model: Path, engine: Builder, context: Context) -> None:
    """Start the image, look at it and compare its predictions."""
    options = state.options
    context.progress("starting the image" + (" and comparing its predictions" if options.simulate else ""))
    scored = _scored(state, context) if options.simulate else None
    found = simulate.simulate(engine, image.id, scored, seconds=options.startup_seconds)
    state.checks += checks.of_look(
        found.look,
        model_sha256=state.candidate.sha256,
        python=environment.python_version(model),
        user=image.user,
        read_only=engine.read_only_root,
    )
    if options.simulate:
        state.checks += checks.of_answers(found.answers, minimum_rows=_MINIMUM_ROWS)
    state.details["simulation"] = _simulation_details(found)


def _simulation_details(found: Simulation) -> dict[str, Any]:
    """Return the simulation for the report."""
    answers = found.answers
    return {
        "warm_up": found.look.warm_up,
        "uid": found.look.uid,
        "read_only_root": found.look.read_only_root,
        "python": found.look.python,
        "columns": list(found.look.columns),
        "rows": answers.compared if answers else 0,
        "test_rows": answers.of if answers else 0,
        "scores_compared": answers.scores_compared if answers else False,
        "differences": [asdict(item) for item in answers.differences[:20]] if answers else [],
    }


def _scored(state: Run, context: Context) -> Any:
    """Return a function that pairs test rows with their predictions; the tables must be about this model."""
    assert state.options.test_data and state.options.predictions
    reading, table = state.options.reading, state.options.predictions
    test = open_table(state.options.test_data, reading=reading)
    predictions = read_predictions(open_table(table, reading=reading))
    if predictions.candidate is not None and predictions.candidate.sha256 != state.candidate.sha256:
        raise OptionsError(
            f"{table}: the predictions were made by the model {predictions.candidate.sha256[:12]}, "
            f"not of {state.candidate.sha256[:12]}",
            advice="Run score-model for this candidate first.",
        )
    refuse_changed(predictions, context.reports)
    frame = test.frame()
    state.inputs += [test.digest("test-data", len(frame)), predictions.digest]
    return lambda look: simulate.scored_rows(frame, predictions.frame, look.columns, look.optional)


def scan_image(
    options: Options, reference: Reference, scratch: Path, engine: Builder, trivy: str, context: Context
) -> Scan:
    """Scan the image as it would be pushed."""
    context.progress("scanning the image with Trivy")
    archive = scratch / "image.tar"
    engine.archive(str(reference), archive)
    cache = Path(options.trivy_cache) if options.trivy_cache else None
    found = scan.scan(archive, scratch, trivy=trivy, cache=cache, offline=options.scan_offline, environ=context.environ)
    archive.unlink()
    return found


def judge(state: Run, image: Image, found: Scan, ignores: Sequence[Ignore]) -> None:
    """Decide on the scan."""
    state.checks += checks.of_scan(
        found,
        severities=scan.severities(state.options.severity),
        ignores=ignores,
        ignore_unfixed=state.options.ignore_unfixed,
        today=datetime.datetime.now(datetime.UTC).date(),
        maximum_age_days=state.options.maximum_database_age,
        image_id=image.id,
    )
    state.details["scan"] = _scan_details(found, ignores)


def _scan_details(found: Scan, ignores: Sequence[Ignore]) -> Mapping[str, Any]:
    """Return the scan for the report."""
    counts: dict[str, int] = {}
    for finding in found.findings:
        counts[finding.severity] = counts.get(finding.severity, 0) + 1
    return {
        "trivy": found.trivy_version,
        "database_updated_at": found.database_updated_at.isoformat(),
        "distribution": found.distribution,
        "end_of_life": found.end_of_life,
        "packages": len(found.packages),
        "by_severity": counts,
        "findings": [asdict(finding) for finding in found.findings[:100]],
        "ignores": [{**asdict(entry), "expires": entry.expires.isoformat()} for entry in ignores],
    }
