"""What a verdict was computed from: commit, models, data, image and options, with their digests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, details, element, joined, short
from cd4ml.render.html.tables import facts, table
from cd4ml.render.html.values import listed, mapping
from cd4ml.render.numbers import number
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import ModelIdentity, Published

_MOST_OPTIONS: Final = 100
_LONGEST_OPTION: Final = 300
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", re.ASCII)


def evidence(entry: Entry) -> Html:
    """Return what a stage's verdict rests on, folded."""
    published = entry.published
    report = published.report
    models = [*_model("candidate", report.candidate), *_model("production", report.production)]
    parts = [
        facts(_facts(published)),
        table("Models", ("Model", "Registered as", "Looked up as", "SHA-256"), models),
        table("Data", ("Input", "Path", "Rows", "SHA-256"), _inputs(published), numeric=(2,)),
        table(
            "Outputs", ("Output", "Value"), [[name, element("code", value)] for name, value in report.outputs.items()]
        ),
        _plan(report.plan),
        details(
            "Options that were set", table("Options", ("Option", "Value"), _options(published), most=_MOST_OPTIONS)
        ),
    ]
    return details("Evidence: commit, data, models, options", *parts)


def _facts(published: Published) -> list[tuple[str, Content]]:
    """Return where and when a report was made."""
    modified = published.source.modified
    changed = None if modified is None else ", ".join(modified) if modified else "none"
    seed = published.report.seed
    return [
        ("Commit", element("code", published.source.git_sha) if published.source.git_sha else "none known"),
        ("Files that differ from it", changed),
        ("Started", _text(published.run.get("started_at"))),
        ("Seconds", _text(published.run.get("seconds"))),
        ("Seed", None if seed is None else str(seed)),
        ("Made by", f"cd4ml {published.version}"),
    ]


def _text(value: object) -> str | None:
    """Return a scalar as text."""
    return None if value is None or isinstance(value, Mapping | list) else str(value)


def _model(role: str, model: ModelIdentity | None) -> Iterable[list[Content]]:
    """Yield a model's row."""
    if model:
        yield [
            role,
            _short_name(model) if model.name else "",
            element("code", model.uri) if model.uri else "",
            code(model.sha256),
        ]


def _inputs(published: Published) -> list[list[Content]]:
    """Return a row for each input."""
    return [
        [item.name, element("code", item.path), number(item.rows), code(item.sha256)]
        for item in published.report.inputs
    ]


def _options(published: Published) -> list[list[Content]]:
    """Return the options that hold anything."""
    return [
        [name, element("code", short(_option(value), most=_LONGEST_OPTION))]
        for name, value in published.options.items()
        if value not in (None, "", [], {})
    ]


def _option(value: Any) -> str:
    """Return an option's value as people write it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_option(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_option, value))
    return value if isinstance(value, str) else json.dumps(value)


def _plan(plan: Sequence[str]) -> Html | None:
    """Return what a stage set out to do."""
    return (
        joined([element("p", element("strong", "Plan")), element("ol", *(element("li", step) for step in plan))])
        if plan
        else None
    )


def code(digest: str) -> Html:
    """Return a digest."""
    return element("code", digest, class_="digest")


def subject(run: Run) -> str:
    """Return what was judged in a line: commit, candidate and production, as far as all reports agree."""
    reports = [entry.published.report for entry in run.entries]
    commits = {entry.published.source.git_sha for entry in run.entries}
    said = [f"commit {sha[:12]}" for sha in commits if sha and len(commits) == 1]
    for role, models in (
        ("candidate", [r.candidate for r in reports]),
        ("production", [r.production for r in reports]),
    ):
        found = {model.sha256: model for model in reversed(models) if model and model.name}
        said += [f"{role} {_short_name(model)}" for model in found.values() if len(found) == 1]
    started = sorted(str(e.published.run["started_at"]) for e in run.entries if e.published.run.get("started_at"))
    return " · ".join([*said, *(_minute(one) for one in started[:1])])


def _minute(time: str) -> str:
    """Return a time as people read it; as it is, if it is none of ours."""
    found = _TIME.fullmatch(time)
    return f"{found[1]}\u00a0{found[2]}\u00a0UTC" if found else time


def differences(run: Run) -> list[str]:
    """Return what the reports of a run do not agree on: together they are then no evidence of one change."""
    said = []
    commits = _groups((entry.name, entry.published.source.git_sha or "no commit") for entry in run.entries)
    if len(commits) > 1:
        said.append(f"The reports are of different commits: {_listed(commits)}.")
    judged = [(e.name, e.published.report.candidate) for e in run.entries]
    models = _groups((name, model.sha256) for name, model in judged if model)
    if len(models) > 1:
        said.append(f"The reports are of different candidate models: {_listed(models)}.")
    rows = run.by_test_rows()
    if len(rows) > 1:
        said.append(f"The reports are about different test rows: {_listed(rows)}.")
    changed = [entry.name for entry in run.entries if entry.published.source.modified]
    if changed:
        said.append(f"Files differed from the commit when these ran: {', '.join(changed)}.")
    return said


def _groups(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return names by what they have in common."""
    groups: dict[str, list[str]] = {}
    for name, key in found:
        groups.setdefault(key, []).append(name)
    return groups


def _listed(groups: Mapping[str, Sequence[str]]) -> str:
    """Return groups in words."""
    return "; ".join(f"{key[:12]} ({', '.join(names)})" for key, names in groups.items())


def digests(run: Run) -> Html:
    """Return every digest of a run in one table."""
    rows: dict[tuple[str, str], list[str]] = {}
    names: dict[tuple[str, str], str] = {}
    for entry in run.entries:
        for what, name, digest in _digests(entry.published):
            rows.setdefault((what, digest), []).append(entry.stage)
            names[what, digest] = names.get((what, digest)) or name
    cells: list[list[Content]] = [
        [what, element("code", names[what, digest]), code(digest), ", ".join(dict.fromkeys(stages))]
        for (what, digest), stages in rows.items()
    ]
    return table("Digests of what was judged", ("What", "Name", "Digest", "Used by"), cells)


def _digests(published: Published) -> Iterable[tuple[str, str, str]]:
    """Yield what a report depends on: kind, name and digest."""
    report = published.report
    if published.source.git_sha:
        yield "commit", "", published.source.git_sha
    for role, model in (("candidate model", report.candidate), ("production model", report.production)):
        if model:
            yield role, _short_name(model), model.sha256
    for item in report.inputs:
        yield "data", item.path, item.sha256
    base = mapping(report.details, "base")
    images = (
        ("base image", base.get("reference"), base.get("digest")),
        ("image", report.details.get("image"), report.details.get("digest")),
    )
    for what, name, digest in images:
        if isinstance(digest, str):
            yield what, str(name or ""), digest


def _short_name(model: ModelIdentity) -> str:
    """Return a model's name and version, or its address."""
    return f"{model.name} {f'version {model.version}' if model.version else ''}".strip() if model.name else model.uri


def seconds(entry: Entry) -> float | None:
    """Return how long a stage took, None if its report does not say."""
    value = entry.published.run.get("seconds")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def measured(entry: Entry) -> list[list[Content]]:
    """Return what a stage measured of its own time, as rows."""
    found = entry.published.report.measured
    return [
        [entry.name, name, number(value)] for name, value in found.items() if not listed(value) and not mapping(value)
    ]
