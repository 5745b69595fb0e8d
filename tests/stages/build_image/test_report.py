"""The report of build-image, put together from what its steps found."""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.report import Check, InputDigest, ModelIdentity, Status
from cd4ml.stages.build_image.report import Part, Record

CANDIDATE = ModelIdentity(uri="model", sha256="a" * 64)
GOOD = Check(id="good", status=Status.PASSED, message="It holds.")
BAD = Check(id="bad", status=Status.FAILED, reason="bad", message="It does not.")
TABLE = InputDigest(name="test-data", path="test.parquet", sha256="b" * 64, rows=3)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step found."""

    part: Part


def record() -> Record:
    """Return the record of a run that has a plan."""
    return Record(candidate=CANDIDATE, plan=("build", "push"))


def test_parts_stand_in_the_order_of_the_steps() -> None:
    """Checks, details, inputs and outputs of all steps are in one report, and a step's value is handed on as it is."""
    known = record()
    first = Step(part=Part(checks=(GOOD,), details={"base": {"id": "x"}}))
    assert known.add(first) is first
    known.add(Step(part=Part(checks=(BAD,), details={"digest": "y"}, inputs=(TABLE,), outputs={"digest": "y"})))
    report = known.report("Done.")
    assert [check.id for check in report.checks] == ["good", "bad"] and report.status is Status.FAILED
    assert list(report.details) == ["base", "digest"] and report.inputs == (TABLE,)
    assert report.outputs == {"image": "", "digest": "y"} and report.plan == ("build", "push")


def test_nothing_looked_at_is_not_good() -> None:
    """Without a check nothing may follow, nor after one that did not pass."""
    known = record()
    assert not known.good
    known.add(Step(part=Part(checks=(GOOD,))))
    assert known.good
    known.add(Step(part=Part(checks=(BAD,))))
    assert not known.good


def test_an_unfinished_run_keeps_what_is_known_and_passes_nothing() -> None:
    """The report that is written on the way has the plan and every part so far, and is an error."""
    known = record()
    known.add(Step(part=Part(checks=(GOOD,), details={"base": {"id": "x"}})))
    report = known.unfinished()
    assert report.status is Status.ERROR and [check.id for check in report.checks] == ["good", "unfinished"]
    assert report.details == {"base": {"id": "x"}} and report.candidate == CANDIDATE
