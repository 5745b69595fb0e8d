"""What a stage decided, as an in-toto test result.

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.evidence.statement import Resource, Statement
from cd4ml.published import page
from cd4ml.report import Check, InputDigest, Status

PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"


def result_statement(
    subject: Resource,
    *,
    stage: str,
    checks: Sequence[Check],
    inputs: Sequence[InputDigest],
    rests_on: Sequence[Resource],
) -> Statement:
    """Return what a stage's checks say of a subject.

    Args:
        inputs: the tables that were read.
        rests_on: what else the checks are about: a model, for example.
    """
    tables = [Resource(name=item.name, digest={"sha256": item.sha256}) for item in inputs if item.sha256]
    passed = [check.id for check in checks if check.status is Status.PASSED]
    failed = [check.id for check in checks if check.status is not Status.PASSED]
    predicate = {
        "result": "PASSED" if passed and not failed else "FAILED",
        "configuration": [item.document for item in (*rests_on, *tables)],
        "url": page(f"stages/{stage}.md"),
        "passedTests": passed,
        "failedTests": failed,
    }
    return Statement(subjects=(subject,), predicate_type=PREDICATE, predicate=predicate)
