"""From the event to the comment: which pull request, which reports, what main says, and the one comment kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cd4ml.commands.comment.reports import Found, of_folder
from cd4ml.commands.door import Door
from cd4ml.commands.planned import by_stage, held_back, unjudged
from cd4ml.errors import UnavailableError
from cd4ml.github import events, runs
from cd4ml.github.client import Client, connect
from cd4ml.github.comments import Thread, keep
from cd4ml.github.events import PullRequest, WorkflowRun
from cd4ml.render.comment.body import MARKER, Part, body, part, parts
from cd4ml.render.comment.section import Main, Pipeline
from cd4ml.render.pipeline_run import reached
from cd4ml.stages import PIPELINE, STAGES

_PERMISSIONS: Final = "`pull-requests: write` and `actions: read`, which Dependabot's runs may lack (docs/comment.md)"
_FORKS: Final = "See docs/comment.md for the workflow that comments on pull requests from forks."
_MOST_RUNS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is commented on, as the options say."""

    name: str
    folder: str
    base_folder: str | None
    planned: Sequence[str]
    author: str

    @property
    def prefix(self) -> str:
        """What the names of the reports' artifacts begin with."""
        return f"{self.name}-report-"

    @property
    def page(self) -> str:
        """Name of the artifact with the HTML report."""
        return f"{self.name}-report"


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What was done.

    Attributes:
        address: of the comment, "" if there is none.
    """

    said: str
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """The run that judged a pull request.

    Attributes:
        workflow: number or file name of its workflow.
        here: whether it is the run that goes on now, so that its reports lie in a folder.
        conclusion: how it ended; "" while it goes on.
    """

    pull: PullRequest
    run: int
    attempt: int
    workflow: str | int
    here: bool
    conclusion: str = ""


def publish(place: Place, door: Door, *, insist: bool) -> Posted:
    """Post the comment or bring it up to date.

    Args:
        insist: whether it is an error if there is nothing to comment on, or if the token may only read.

    Raises:
        OptionsError: the environment has no token.
        UnavailableError: the platform refuses or does not answer.
    """
    pull, ended = events.pull_request(door.environ), events.workflow_run(door.environ)
    if pull is None and ended is None:
        return _nothing("this event is not that of a pull request.", insist)
    if pull and pull.fork and not insist:
        return _nothing(f"the pull request comes from a fork, so the token may only read. {_FORKS}", insist)
    client = connect(door.environ, permissions=_PERMISSIONS)
    judged = _judged(pull, ended, client, door)
    if judged is None:
        return _nothing("no single open pull request has this run's commit as its newest.", insist)
    return _publish(place, judged, client, door)


def _judged(pull: PullRequest | None, ended: WorkflowRun | None, client: Client, door: Door) -> _Judged | None:
    """Return the run that judged a pull request: this one, or the one whose end started this one."""
    if pull:
        run, attempt = _whole(door, "RUN_ID"), _whole(door, "RUN_ATTEMPT")
        return _Judged(pull=pull, run=run, attempt=attempt, workflow=_workflow(door), here=True)
    found = ended.pull_request(client) if ended else None
    if ended is None or found is None:
        return None
    return _Judged(
        pull=found,
        run=ended.id,
        attempt=ended.attempt,
        workflow=ended.workflow,
        here=False,
        conclusion=ended.conclusion,
    )


def _publish(place: Place, judged: _Judged, client: Client, door: Door) -> Posted:
    """Put the comment together and keep it."""
    left = _artifacts(client, judged)
    found = of_folder(place.folder) if judged.here else _of_run(client, left, place)
    base = _base(place, judged, client)
    # What acts runs on main only, and is missed only where this very run says that it had to run.
    of_main = [one.report.stage for one in base.reports.values()]
    judging = [name for name in (*place.planned, *of_main) if name in STAGES and not STAGES[name].acts]
    wanted = {*judging, *found.planned}
    reported = [one.report for one in found.reports.values()]
    verdicts = by_stage((one.stage, reached(one.status, planned=one.stage in wanted)) for one in reported)
    held = held_back(wanted, verdicts) - set(found.unreadable)
    address = _address(door, judged.run)
    pipeline = Pipeline(
        name=place.name,
        reports=found.reports,
        planned=[name for name in STAGES if name in wanted],
        held_back=held,
        unjudged=unjudged(held),
        unreadable=found.unreadable,
        main=base,
        commit=judged.pull.head,
        run=address,
        conclusion=judged.conclusion,
        page=f"{address}/artifacts/{left[place.page]['id']}" if place.page in left else "",
    )
    own = part(door.redactor.everywhere(pipeline), (judged.run, judged.attempt))
    thread = Thread(client=client, number=judged.pull.number, marker=MARKER, author=place.author)
    posted = keep(thread, lambda bodies: body(_with(own, bodies, judged)))
    return Posted(said=f"pull request {judged.pull.number}: {pipeline.status}. {posted}", address=posted)


def _with(own: Part, bodies: Sequence[str], judged: _Judged) -> list[Part]:
    """Return all parts, of two about one run the one that counts last."""
    there = [one for text in bodies for one in parts(text)]
    # Where the run itself could comment it knew more: which stages had to run.
    return [*there, own] if judged.here or judged.pull.fork else [own, *there]


def _nothing(why: str, insist: bool) -> Posted:
    """Say that nothing was posted.

    Raises:
        UnavailableError: a comment was insisted on.
    """
    if insist:
        raise UnavailableError(f"Nothing to comment on: {why}")
    return Posted(said=f"Nothing posted: {why}")


def _artifacts(client: Client, judged: _Judged) -> Mapping[str, Mapping[str, object]]:
    """Return the artifacts of the run; this run's own reports lie in a folder, and the rest can be done without."""
    try:
        return runs.artifacts(client, judged.run)
    except UnavailableError:
        if judged.here:
            return {}
        raise


def _of_run(client: Client, left: Mapping[str, Mapping[str, object]], place: Place) -> Found:
    """Return the reports that another run left."""
    found = runs.reports(client, left, place.prefix, list(STAGES))
    return Found(reports=found.found, unreadable=found.unreadable)


def _base(place: Place, judged: _Judged, client: Client) -> Main:
    """Return what the branch that the pull request goes to says of itself."""
    branch, base = judged.pull.branch, judged.pull.base
    if place.base_folder is not None:
        found = of_folder(place.base_folder)
        commit = next((one.source.git_sha for one in found.reports.values() if one.source.git_sha), None)
        why = "" if found.reports else f"{place.base_folder} holds no reports."
        return _said(Main(branch=branch, reports=found.reports, commit=commit, base=base, why=why), found.unreadable)
    try:
        return _last_green(place, judged, client)
    except UnavailableError as error:
        return Main(branch=branch, why=f"Its runs cannot be read: {error}")


def _last_green(place: Place, judged: _Judged, client: Client) -> Main:
    """Return the reports of the last green run on the branch that the pull request goes to."""
    branch = judged.pull.branch
    seen = False
    for run, _ in zip(runs.green_runs(client, judged.workflow, branch), range(_MOST_RUNS), strict=False):
        seen = True
        found = runs.reports(client, runs.artifacts(client, run.id), place.prefix, PIPELINE)
        other = [name for name, one in found.found.items() if one.source.git_sha not in (None, run.commit)]
        own = {name: one for name, one in found.found.items() if name not in other}
        if own:
            main = Main(branch=branch, reports=own, commit=run.commit, run=run.address, base=judged.pull.base)
            return _said(main, {**found.unreadable, **dict.fromkeys(other, "It is about another commit.")})
    if seen:
        return Main(branch=branch, why="Its last green runs left no reports that can be read.")
    return Main(branch=branch, why="This workflow has no green run on it yet.")


def _said(main: Main, unreadable: Mapping[str, str]) -> Main:
    """Name the reports that are there and cannot be read."""
    if not unreadable:
        return main
    names = ", ".join(unreadable)
    return replace(main, why=f"{main.why} Reports that could not be read there: {names}.".strip())


def _whole(door: Door, name: str) -> int:
    """Return a number that the platform sets.

    Raises:
        UnavailableError: it does not.
    """
    value = door.environ.get(f"GITHUB_{name}", "")
    if not value.isdecimal():
        raise UnavailableError(f"GITHUB_{name} is not set.")
    return int(value)


def _workflow(door: Door) -> str:
    """Return the file name of the workflow that goes on.

    Raises:
        UnavailableError: the platform does not say.
    """
    path = door.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    if not path.endswith((".yml", ".yaml")):
        raise UnavailableError("GITHUB_WORKFLOW_REF is not set.")
    return path.rpartition("/")[2]


def _address(door: Door, run: int) -> str:
    """Return the address of a run's page."""
    server = (door.environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
    return f"{server}/{door.environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
