"""The image is started and called: what it is made of, and whether it predicts what was scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from cd4ml.checks.image.capacity import latency_check, memory_check
from cd4ml.checks.image.simulation import container_checks, prediction_checks
from cd4ml.data.predictions.opening import open_predictions
from cd4ml.data.predictions.table import read_predictions
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from cd4ml.evidence.scored import refuse_changed
from cd4ml.image import simulate
from cd4ml.image.builders.builder import Image
from cd4ml.image.capacity import Load
from cd4ml.image.pairing import Scored, scored_rows
from cd4ml.image.simulate import Look, Simulation
from cd4ml.report import Check, InputDigest
from cd4ml.stages.build_image.conversion import MINIMUM_ROWS, Road
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate
from cd4ml.stages.build_image.report import Part

_MOST_DIFFERENCES: Final = 20


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What the image is compared with; `pair` returns the rows to send, and what was scored for them."""

    pair: Callable[[Look], Scored]
    digests: Sequence[InputDigest]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What the running image said, and the tables that it was compared with."""

    simulation: Simulation
    checks: Sequence[Check]
    inputs: Sequence[InputDigest]

    @property
    def part(self) -> Part:
        """See Found."""
        look, answers, load = self.simulation.look, self.simulation.answers, self.simulation.load
        details = {
            "warm_up": look.warm_up,
            "uid": look.uid,
            "read_only_root": look.read_only_root,
            "offline": look.offline,
            "python": look.python,
            "columns": list(look.columns),
            "rows": answers.compared if answers else 0,
            "test_rows": answers.of if answers else 0,
            "scores_compared": answers.scores_compared if answers else False,
            "startup_seconds": look.startup_seconds and round(look.startup_seconds, 2),
            "ready_mib": round(look.ready_bytes / 1024**2, 1) or None,
            "load": _load_details(load) if load else None,
            "differences": [asdict(item) for item in answers.differences[:_MOST_DIFFERENCES]] if answers else [],
        }
        return Part(checks=self.checks, details={"simulation": details}, inputs=self.inputs)


def _load_details(load: Load) -> dict[str, float | int | None]:
    """Return what the report says of the load; latencies in milliseconds, of requests of one row."""
    p50, p99 = ((found := load.quantile(share)) and round(1000 * found, 2) for share in (0.5, 0.99))
    mib = round(load.peak_bytes / 1024**2, 1)
    return {"rows": load.rows, "peak_mib": mib, "per_second": load.per_second, "p50_ms": p50, "p99_ms": p99}


def simulate_image(inputs: Inputs, candidate: Candidate, road: Road, image: Image, tables: Tables | None) -> Simulated:
    """Start the image, look at it and compare its predictions."""
    options, compares = inputs.options, tables is not None
    inputs.context.progress("Starting the image" + (" and comparing its predictions" if compares else ""))
    scored, digests = (tables.pair, tables.digests) if tables else (None, ())
    found = simulate.simulate(
        inputs.builder,
        image.id,
        scored,
        seconds=options.startup_seconds,
        tolerance=road.tolerance,
        per_second=options.latency_rate,
        limited=options.maximum_p99_ms is not None,
    )
    checks = container_checks(
        found.look,
        model_sha256=road.sha256,
        python=candidate.python,
        user=image.user,
        read_only=inputs.builder.read_only_root,
        startup_seconds=options.startup_seconds,
    )
    if compares:
        checks += prediction_checks(found.answers, minimum_rows=MINIMUM_ROWS)
    if found.load is not None:  # there is none where no row was answered, which blocks already
        checks.append(memory_check(found.load, limit=inputs.memory))
    if options.maximum_p99_ms is not None:
        checks.append(latency_check(found.load, limit=options.maximum_p99_ms))
    return Simulated(simulation=found, checks=checks, inputs=digests)


def tables_to_compare(inputs: Inputs, candidate: Candidate) -> Tables | None:
    """Return the tables that the image is compared with, which are there before anything is built.

    Raises:
        OptionsError: the predictions are another model's.
        UnavailableError: a table is not there.
    """
    options, sha256 = inputs.options, candidate.identity.sha256
    if not options.simulate:
        return None
    assert options.test_data and options.predictions
    reading, table = options.reading, options.predictions
    test = open_table(options.test_data, reading=reading)
    predictions = read_predictions(open_predictions(table, reading=reading))
    if predictions.candidate is not None and predictions.candidate.sha256 != sha256:
        raise OptionsError(
            f"{table}: the predictions were made by the model {predictions.candidate.sha256[:12]}, "
            f"not by {sha256[:12]}",
            advice="Run score-model for this candidate first.",
        )
    refuse_changed(predictions, inputs.context.reports)
    frame = test.frame()

    def pair(look: Look) -> Scored:
        return scored_rows(frame, predictions.frame, look.columns, look.optional)

    return Tables(pair=pair, digests=(test.digest("test-data", len(frame)), predictions.digest))
