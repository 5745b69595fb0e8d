"""`cd4ml comment`: what a run found, as one comment on its pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from cd4ml.commands import COMMANDS, planned
from cd4ml.commands.comment.publishing import Place, publish
from cd4ml.commands.door import Door
from cd4ml.commands.plan import refused
from cd4ml.commands.project import change_directory
from cd4ml.errors import PASSED, Cd4mlError, OptionsError
from cd4ml.github import runtime
from cd4ml.github.client import RefusedError
from cd4ml.github.comments import ACTIONS
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.render.comment.body import NAME
from cd4ml.wording import safe

_NAMES: Final = "only letters, digits, `.`, `_`, `-`, and no `-report` at its end or before a `-`"


class When(StrEnum):
    """When a comment is posted."""

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, kw_only=True)
class CommentOptions(Options):
    """Options of `cd4ml comment` and of its action."""

    post: When = option(
        "`auto` posts where the event is a pull request and the token may write, and otherwise says why not; `never` "
        "does not post; with `always`, not to have posted is an error.",
        default=When.AUTO,
    )
    reports: str = vocabulary.REPORTS.here(default="reports")
    base_reports: str | None = option(
        "Folder of the reports to compare with (default: those of the last green run of the same workflow on the "
        "branch that the pull request goes to)."
    )
    name: str = option(
        "The pipeline's name, with which its artifacts' names begin. Each pipeline has its own part of the comment.",
        default="cd4ml",
    )
    planned: tuple[str, ...] = vocabulary.PLANNED.here("One that judges and left no report is shown as not run.")
    author: str = option("Login of the account that the token comments under.", default=ACTIONS)
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Post the comment or bring it up to date. The exit code says nothing of the verdict: that is the stages' own."""
    try:
        given = argument_layers("comment", declared(CommentOptions), arguments, door.environ, COMMANDS["comment"])
        options = resolve(CommentOptions, given)
        change_directory(options.working_directory)
        place = _place(options)
    except Cd4mlError as error:
        return refused("comment", error, door)
    if options.post is When.NEVER:
        return _told("Nothing posted: `post` is `never`.", door)
    try:
        posted = publish(place, door, insist=options.post is When.ALWAYS)
    except Cd4mlError as error:
        if options.post is When.ALWAYS:
            return refused("comment", error, door)
        expected = isinstance(error, RefusedError) and error.status == HTTPStatus.FORBIDDEN
        return _warned(f"Nothing posted: {error}", door, kind="notice" if expected else "warning")
    file = door.file("GITHUB_OUTPUT")
    if file and posted.address:
        runtime.write_outputs(file, {"address": posted.address})
    return _told(posted.said, door)


def _place(options: CommentOptions) -> Place:
    """Return what is commented on, and where it is found."""
    problems = [] if NAME.fullmatch(options.name) else [f"name: {_NAMES}; got `{options.name}`"]
    problems += planned.unknown(options.planned)
    if problems:
        raise OptionsError(problems)
    return Place(
        name=options.name,
        folder=options.reports,
        base_folder=options.base_reports,
        planned=options.planned,
        author=options.author,
    )


def _told(message: str, door: Door) -> int:
    """Say what was done."""
    print(f"comment: {safe(door.redactor.text(message))}", file=door.stdout)
    return PASSED.code


def _warned(message: str, door: Door, *, kind: str) -> int:
    """Say why nothing was done, where people look for it; a comment is not a gate."""
    told = safe(door.redactor.text(message))
    print(f"comment: {told}", file=door.stdout)
    if door.environ.get("GITHUB_ACTIONS") == "true":
        print(runtime.command(kind, told, title="cd4ml comment"), file=door.stderr)
    return PASSED.code
