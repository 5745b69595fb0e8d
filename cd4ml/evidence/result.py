"""What a stage decided, as an in-toto test result: a report as a statement, and the statement as a report.

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.evidence.about import About
from cd4ml.evidence.statement import Resource, Statement
from cd4ml.published import page
from cd4ml.report import Check, InputDigest, ModelIdentity, Published, Report, Source, Status
from cd4ml.wording import redacted

PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"
# What test results have no field for stands in one extension field, whose name is an address, as in-toto asks for.
RUN: Final = page("stages/verify-evidence.md#what-is-signed")
SOURCE: Final = "source"
REPORT: Final = "report"
CONFIG: Final = "config"
_MODEL: Final = "model"
_PRODUCTION: Final = "production"
_IMAGE: Final = "image"
_WRITTEN: Final = "-sha256"
_ROLE: Final = "role"
_READ: Final = "read"
_WROTE: Final = "written"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a statement says of a stage's run.

    Attributes:
        published: the report, as far as the statement holds it: of each check its id and whether it passed.
        at: when it was stated.
        config: digest of the configuration file, None if there was none.
        report: digest of the report's file, None if it is not about a file.
        subjects: digests of what it is about.
    """

    published: Published
    at: datetime.datetime
    config: str | None
    report: str | None
    subjects: frozenset[str]


def result_statement(
    published: Published,
    *,
    of: About,
    at: datetime.datetime,
    report: str | None = None,
    config: Resource | None = None,
    repository: str | None = None,
) -> Statement:
    """Return what a report says as a statement: about the model or the commit, and about the image if it names one.

    Args:
        report: digest of the report's file; where it is not known, the report itself is not what is stated.
        config: the configuration file.
        repository: address of the repository that the commit is in.
    """
    source, model = _source(published.source, repository), _model(_MODEL, published.report.candidate)
    image = _image(published.report.outputs.get(_IMAGE))
    itself = Resource(name=REPORT, digest={"sha256": report}) if report else None
    about = [model if of is About.MODEL and model else source or model, image]
    subjects = [one for one in about if one] or [one for one in (itself,) if one]
    rests_on = (source, model, _model(_PRODUCTION, published.report.production), config, itself, image)
    checks = published.report.checks
    passed = [check.id for check in checks if check.status is Status.PASSED]
    predicate = {
        "result": "PASSED" if published.report.status is Status.PASSED else "FAILED",
        "configuration": [one.document for one in (*filter(None, rests_on), *_tables(published.report))],
        "url": page(f"stages/{published.report.stage}.md"),
        "passedTests": passed,
        "failedTests": [check.id for check in checks if check.status is not Status.PASSED],
        RUN: {
            "stage": published.report.stage,
            "status": str(published.report.status),
            "at": at.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        },
    }
    return Statement(subjects=subjects, predicate_type=PREDICATE, predicate=predicate)


def claim(statement: Statement) -> Claim:
    """Read what a statement says of a stage's run.

    Raises:
        OptionsError: it is not a test result of a stage, or contradicts itself.
    """
    if statement.predicate_type != PREDICATE:
        raise OptionsError(f"its predicate is {statement.predicate_type[:100]!r}, not a test result")
    try:
        return _claim(statement)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise OptionsError(f"not a test result of a stage: {error}") from error


def _claim(statement: Statement) -> Claim:
    """See claim."""
    predicate, run = statement.predicate, statement.predicate[RUN]
    named = {item["name"]: item for item in predicate["configuration"] if _ROLE not in item.get("annotations", {})}
    status = Status(run["status"])
    checks = [
        Check(id=str(id), status=decided, message="")
        for key, decided in (("passedTests", Status.PASSED), ("failedTests", Status.FAILED))
        for id in predicate[key]
    ]
    passed = {check.status for check in checks} == {Status.PASSED}
    if (predicate["result"] == "PASSED") is not passed or (status is Status.PASSED) is not passed:
        raise ValueError("its result is not that of its checks")
    source = named.get(SOURCE, {})
    at = datetime.datetime.fromisoformat(run["at"])
    if at.tzinfo is None:
        raise ValueError("its time has no zone")
    report = Report(
        stage=str(run["stage"]),
        checks=checks,
        inputs=[InputDigest(name=n, path=n, sha256=digest) for n, digest, role in _roles(predicate) if role == _READ],
        outputs={**dict(_outputs(predicate)), _IMAGE: str(named.get(_IMAGE, {}).get("uri", ""))},
        candidate=_identity(named.get(_MODEL)),
        production=_identity(named.get(_PRODUCTION)),
        stated=status,
    )
    return Claim(
        published=Published(
            report=report,
            source=Source(
                git_sha=_commit(source),
                modified=_modified(source),
            ),
        ),
        at=at,
        config=_digest(named.get(CONFIG)),
        report=_digest(named.get(REPORT)),
        subjects=frozenset(digest for subject in statement.subjects for digest in subject.digest.values()),
    )


def _commit(source: Mapping[str, Any]) -> str | None:
    """Return the commit, None if the statement names none."""
    commit = source.get("digest", {}).get("gitCommit")
    if not isinstance(commit, str | None):
        raise TypeError("its commit is not a text")
    return commit


def _modified(source: Mapping[str, Any]) -> list[str] | None:
    """Return which files of the commit were changed, None if the statement does not say."""
    files = source.get("annotations", {}).get("modified")
    if files is not None and not (isinstance(files, list) and all(isinstance(file, str) for file in files)):
        raise TypeError("its changed files are not a list of texts")
    return files


def _source(source: Source, repository: str | None) -> Resource | None:
    """Return the commit, and which of its files were changed."""
    if not source.git_sha:
        return None
    modified = {} if source.modified is None else {"modified": list(source.modified[:20])}
    uri = redacted(repository or "")
    return Resource(
        name=SOURCE,
        uri=uri if not uri or uri.startswith("git+") else f"git+{uri}",
        digest={"gitCommit": source.git_sha},
        annotations=modified,
    )


def _model(name: str, model: ModelIdentity | None) -> Resource | None:
    """Return a model, None if its digest is not known."""
    return (
        Resource(name=name, uri=redacted(model.uri), digest={"sha256": model.sha256})
        if model and model.sha256
        else None
    )


def _image(name: str | None) -> Resource | None:
    """Return the image, None if no digest of one is known."""
    _, separator, digest = (name or "").rpartition("@sha256:")
    return Resource(name=_IMAGE, uri=name or "", digest={"sha256": digest}) if separator else None


def _tables(report: Report) -> Iterator[Resource]:
    """Yield the tables that were read and written."""
    for item in report.inputs:
        if item.sha256:
            yield Resource(name=item.name, digest={"sha256": item.sha256}, annotations={_ROLE: _READ})
    for name, value in report.outputs.items():
        if name.endswith(_WRITTEN) and value:
            role = {_ROLE: _WROTE}
            yield Resource(name=name.removesuffix(_WRITTEN), digest={"sha256": value}, annotations=role)


def _roles(predicate: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, digest and role of each table."""
    for item in predicate["configuration"]:
        if _ROLE in item.get("annotations", {}):
            yield str(item["name"]), str(item["digest"]["sha256"]), str(item["annotations"][_ROLE])


def _outputs(predicate: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return the tables that were written, as a report's outputs name them."""
    return [(f"{name}{_WRITTEN}", digest) for name, digest, role in _roles(predicate) if role == _WROTE]


def _identity(item: Mapping[str, Any] | None) -> ModelIdentity | None:
    """Return a model as a report names it."""
    return ModelIdentity(uri=str(item.get("uri", "")), sha256=str(item["digest"]["sha256"])) if item else None


def _digest(item: Mapping[str, Any] | None) -> str | None:
    """Return the digest of something that need not be there."""
    return str(item["digest"]["sha256"]) if item else None
