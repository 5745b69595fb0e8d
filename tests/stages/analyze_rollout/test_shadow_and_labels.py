"""Shadow predictions are paired with the stable ones, and both with labels that came later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import Run
from tests.events import CANARY, CANARY_MODEL, STABLE, events, write
from tests.stages.analyze_rollout.conftest import by_id, not_passed


def shadows(stable: list[dict[str, Any]], *, other: int) -> list[dict[str, Any]]:
    """Return what a shadow answered to the same rows: every `other`-th is another class."""
    found = []
    for number, event in enumerate(stable):
        copy = event | {"id": f"shadow-{event['id']}", "track": "shadow"}
        copy |= {"model": {"name": "credit", "version": "8", "sha256": CANARY_MODEL}}
        if "prediction" in copy and number % other == 0:
            copy |= {"prediction": {**copy["prediction"], "y_pred": 1 - copy["prediction"]["y_pred"]}}
        found.append(copy)
    return found


def labels(path: Path, found: list[dict[str, Any]], *, by: str) -> None:
    """Write labels that are what was answered but for every tenth row."""
    rows = [
        {by: event[by], "y_true": event["prediction"]["y_pred"] ^ (number % 10 == 0)}
        for number, event in enumerate(found)
        if "prediction" in event
    ]
    pl.DataFrame(rows).write_parquet(path)


@pytest.mark.parametrize(
    ("other", "code", "check"), [(200, 0, None), (8, 1, "disagreement")], ids=["agrees", "differs"]
)
def test_shadow__agreement(cd4ml: Callable[..., Run], tmp_path: Path, other: int, code: int, check: str | None) -> None:
    """A shadow that predicts the same passes, one that differs for one row in eight does not; each row is paired."""
    stable = events(STABLE, rows=6_000)
    write(tmp_path / "stable.jsonl", stable)
    write(tmp_path / "shadow.jsonl", shadows(stable, other=other))

    run = cd4ml("analyze-rollout", "--stable", "stable.jsonl", "--shadow", "shadow.jsonl")

    assert run.code == code, not_passed(run)
    assert by_id(run)["disagreement"]["n"] == sum("prediction" in event for event in stable)
    assert by_id(run)["disagreement"]["value"] == pytest.approx(1 / other, rel=0.1)
    if check:
        assert not_passed(run)[check] == ("failed", "disagreement")


@pytest.mark.parametrize(("lost", "code"), [(0, 0), (900, 4)], ids=["all", "some-of-stable"])
def test_shadow__beside_a_canary(cd4ml: Callable[..., Run], tmp_path: Path, lost: int, code: int) -> None:
    """Copies of requests that the canary answered lack no partner; copies of the stable version's still do."""
    both = events(STABLE, CANARY, rows=8_000)
    kept = [event for event in both if event["track"] == "canary"]
    write(tmp_path / "stable.jsonl", [event for event in both if event["track"] == "stable"][lost:])
    write(tmp_path / "canary.jsonl", [*kept, *shadows(both, other=200)])

    sources = ("--canary", "canary.jsonl", "--shadow", "canary.jsonl")
    run = cd4ml("analyze-rollout", "--stable", "stable.jsonl", *sources, "--judge", "agreement")

    assert run.code == code, not_passed(run)
    assert ("unpaired-rows" in not_passed(run)) is bool(lost)
    assert by_id(run)["unpaired-rows"]["n"] == pytest.approx(len(both) - len(kept), rel=0.02)


def test_shadow__unpaired(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Shadow predictions of which none is of a stable row prove no agreement."""
    stable = events(STABLE, rows=3_000)
    write(tmp_path / "stable.jsonl", stable)
    others = [event | {"trace_id": f"other-{event['trace_id']}"} for event in shadows(stable, other=200)]
    write(tmp_path / "shadow.jsonl", others)

    run = cd4ml("analyze-rollout", "--stable", "stable.jsonl", "--shadow", "shadow.jsonl")

    assert run.code == 4
    assert not_passed(run)["disagreement"] == ("inconclusive", "no-data")


@pytest.mark.parametrize(("other", "status"), [(200, "passed"), (8, "failed")])
def test_labels__paired(cd4ml: Callable[..., Run], tmp_path: Path, other: int, status: str) -> None:
    """With labels a pair says which of both is right; a shadow that is wrong more often fails."""
    stable = events(STABLE, rows=6_000)
    write(tmp_path / "stable.jsonl", stable)
    write(tmp_path / "shadow.jsonl", shadows(stable, other=other))
    labels(tmp_path / "labels.parquet", stable, by="trace_id")

    arguments = ("--shadow", "shadow.jsonl", "--labels", "labels.parquet", "--judge", "quality")
    run = cd4ml("analyze-rollout", "--stable", "stable.jsonl", *arguments)

    assert by_id(run)["quality-drop:paired"]["status"] == status, run.report["summary"]


@pytest.mark.parametrize(("flipped", "status"), [(False, "passed"), (True, "failed")])
def test_labels__of_both_versions(cd4ml: Callable[..., Run], tmp_path: Path, flipped: bool, status: str) -> None:
    """Without pairs, the share of wrong predictions is compared; labels are joined by the id of the event."""
    found = events(STABLE, replace(CANARY, share=0.8), rows=20_000)
    labels(tmp_path / "labels.parquet", found, by="id")
    for number, event in enumerate(found):
        if flipped and event["track"] == "canary" and "prediction" in event and number % 5 == 1:
            event["prediction"]["y_pred"] = 1 - event["prediction"]["y_pred"]
    write(tmp_path / "events.jsonl", found)

    arguments = ("--labels", "labels.parquet", "--judge", "quality", "--maximum-quality-drop", "0.05")
    run = cd4ml("analyze-rollout", "--stable", "events.jsonl", *arguments)

    assert by_id(run)["quality-drop"]["status"] == status, run.report["summary"]


def test_labels__for_no_row(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Labels of other rows say nothing, which is not that nothing got worse."""
    write(tmp_path / "events.jsonl", events(STABLE, CANARY, rows=500))
    labels(tmp_path / "labels.parquet", events(STABLE, rows=50, seed=9), by="id")

    run = cd4ml("analyze-rollout", "--stable", "events.jsonl", "--labels", "labels.parquet", "--judge", "quality")

    assert run.code == 4
    assert not_passed(run)["quality-drop"] == ("inconclusive", "no-data")


def test_shadow__one_trace_for_several_requests(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Requests of one trace are paired by their ids; without ids they are paired with nothing, and nothing passes."""
    stable = [
        event | {"trace_id": f"t{at // 3}", "request_id": f"r{at}"}
        for at, event in enumerate(events(STABLE, rows=6_000))
    ]
    shadow = shadows(stable, other=200)
    write(tmp_path / "stable.jsonl", stable)
    write(tmp_path / "shadow.jsonl", shadow[::-1])
    told = cd4ml("analyze-rollout", "--stable", "stable.jsonl", "--shadow", "shadow.jsonl")
    for name, found in (("stable", stable), ("shadow", shadow[::-1])):
        write(tmp_path / f"{name}.jsonl", [event | {"request_id": event["trace_id"]} for event in found])
    untold = cd4ml("analyze-rollout", "--stable", "stable.jsonl", "--shadow", "shadow.jsonl")

    assert told.code == 0, not_passed(told)
    assert not_passed(untold)["unpaired-rows"] == ("inconclusive", "unpaired-rows")


def test_shadow__that_fails(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A shadow that fails for most copies is not judged by the others."""
    stable = events(STABLE, rows=6_000)
    write(tmp_path / "stable.jsonl", stable)
    failed = [
        {k: v for k, v in one.items() if k != "prediction"} | {"status": 500} for one in shadows(stable, other=200)
    ]
    write(tmp_path / "shadow.jsonl", [*failed[:5_000], *shadows(stable, other=200)[5_000:]])

    run = cd4ml("analyze-rollout", "--stable", "stable.jsonl", "--shadow", "shadow.jsonl", "--judge", "agreement")

    assert (run.code, not_passed(run)) == (4, {"unpaired-rows": ("inconclusive", "unpaired-rows")})


def test_labels__of_a_trace_with_several_requests(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A label that fits several requests of one trace decides nothing."""
    found = [event | {"trace_id": f"t{at // 3}"} for at, event in enumerate(events(STABLE, CANARY, rows=3_000))]
    write(tmp_path / "events.jsonl", found)
    pl.DataFrame({"trace_id": [f"t{at}" for at in range(1_000)], "y_true": 0}).write_csv(tmp_path / "labels.csv")

    run = cd4ml("analyze-rollout", "--stable", "events.jsonl", "--labels", "labels.csv", "--judge", "quality")

    assert not_passed(run)["ambiguous-labels"] == ("inconclusive", "ambiguous-labels")


def test_labels__ids_of_whole_numbers(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Ids that are whole numbers in a CSV are the ids of the events."""
    found = [event | {"id": str(at)} for at, event in enumerate(events(STABLE, CANARY, rows=500))]
    write(tmp_path / "events.jsonl", found)
    pl.DataFrame({"id": range(500), "y_true": 0}).write_csv(tmp_path / "labels.csv")

    run = cd4ml("analyze-rollout", "--stable", "events.jsonl", "--labels", "labels.csv", "--judge", "quality")

    assert run.code in (1, 4)
    assert by_id(run)["quality-drop"]["n"] > 50
