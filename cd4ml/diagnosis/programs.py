"""The programs that build-image needs: a container engine, and Trivy with its database."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from cd4ml.diagnosis.looking import SECONDS, Result, Subject, fine, not_started, skipped, warned
from cd4ml.errors import UNAVAILABLE, UnavailableError
from cd4ml.image import scan
from cd4ml.image.builders import AUTO
from cd4ml.image.engine import detect
from cd4ml.report import Status

_ENGINE = "engine"
_TRIVY = "trivy"


def engine(subject: Subject) -> Iterator[Result]:
    """Say which container engine answers; without one build-image says so itself where it is configured."""
    try:
        yield fine(_ENGINE, f"{detect(subject.option('engine', AUTO), subject.context.environ).name} answers")
    except UnavailableError as error:
        yield skipped(_ENGINE, f"{error.message.rstrip('.')}: no image can be built here")


def trivy(subject: Subject) -> Iterator[Result]:
    """Say whether there is Trivy, and how old its database is."""
    try:
        program = scan.find_trivy(subject.option("trivy"), subject.context.environ)
    except UnavailableError:
        yield skipped(_TRIVY, "not found: no image can be scanned here")
        return
    if subject.brought_by_repository(program):
        yield not_started(_TRIVY, program)
        return
    offline, cache = subject.option("scan_offline", False), subject.option("trivy_cache")
    environ = subject.context.environ
    try:
        version, made = scan.database(program, cache=Path(cache) if cache else None, environ=environ, seconds=SECONDS)
    except UnavailableError as error:
        if offline:
            advice = "Fetch it: trivy image --download-db-only (with --cache-dir, if trivy-cache is set)."
            message = f"no database in its cache, and scan-offline is set: {error.message}"
            yield Result(topic=_TRIVY, status=Status.FAILED, message=message, advice=advice, code=UNAVAILABLE)
        else:
            yield fine(_TRIVY, f"{program}; its database will be fetched by the first scan")
        return
    age = (datetime.datetime.now(datetime.UTC).date() - made.date()).days
    told = f"Trivy {version}, its database is {age} {'day' if age == 1 else 'days'} old"
    most = subject.option("maximum_database_age", 7)
    if offline and age > most:
        advice = "Fetch a new one: trivy image --download-db-only."
        message = f"{told}: older than maximum-database-age ({most})"
        yield Result(topic=_TRIVY, status=Status.FAILED, message=message, advice=advice, code=UNAVAILABLE)
    else:
        yield fine(_TRIVY, told) if age <= most else warned(_TRIVY, f"{told}; the next scan will fetch it again")
