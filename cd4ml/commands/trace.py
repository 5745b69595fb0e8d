"""`cd4ml trace`: from an image, a model or a commit back to everything that it was made of and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cd4ml
from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.folder import look
from cd4ml.commands.look import look_of
from cd4ml.commands.pages import page_path
from cd4ml.commands.plan import refused
from cd4ml.commands.project import change_directory, read_config
from cd4ml.errors import FAILED, INCONCLUSIVE, PASSED, UNAVAILABLE, Cd4mlError
from cd4ml.evidence.options import find_public_key
from cd4ml.git import Checkout
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.render.pipeline_run import Entry
from cd4ml.render.trace import document, terminal
from cd4ml.report import Status
from cd4ml.report.trace import Trace, Verdict
from cd4ml.stages import PIPELINE, STAGES, declaration
from cd4ml.tracing.gitops import Place
from cd4ml.tracing.story import Sources, trace
from cd4ml.writing import write_atomically

_CODES: Final = {
    Status.PASSED: PASSED,
    Status.FAILED: FAILED,
    Status.ERROR: UNAVAILABLE,
    Status.INCONCLUSIVE: INCONCLUSIVE,
}
_REPORTS: Final = "reports"
_CONFIG: Final = "cd4ml.yaml"


@dataclass(frozen=True, kw_only=True)
class TraceOptions(Options):
    """Options of `cd4ml trace`."""

    subject: str = option(
        "What to trace; it may also stand alone, right behind `trace`: an image with its digest or a tag, a digest, "
        "`models:/<name>/<version>`, `models:/<name>@<alias>`, a model's folder, or a commit.",
        required=True,
        example="models:/loan-approval@champion",
    )
    reports: str | None = vocabulary.REPORTS.here(f"By default {_REPORTS}, if it is there.")
    repository: str | None = vocabulary.REPOSITORY.here("By default that of deploy-model in cd4ml.yaml.")
    branch: str | None = vocabulary.BRANCH.here("By default that of deploy-model in cd4ml.yaml, or main.")
    manifest: str | None = vocabulary.MANIFEST.here("By default that of deploy-model in cd4ml.yaml.")
    manifest_path: str | None = vocabulary.MANIFEST_PATH.here()
    layout: str | None = option("Folder with an OCI image layout that holds the image and what is attached to it.")
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    public_key: str | None = vocabulary.PUBLIC_KEY.here(
        "The reports, the documents beside them and what is attached to the image: nothing else of these is believed."
    )
    remote: bool = option(
        "Ask sources on other machines too: the image's registry, a GitOps repository and a registry of models that "
        "are no folders or files here.",
        default=False,
        formerly="online",
    )
    html: str | None = vocabulary.HTML.here()
    json: bool = vocabulary.JSON.here("It holds the whole story.", default=False)
    config: str | None = vocabulary.CONFIG.here(f"By default {_CONFIG}, if it is there.")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    verbose: bool = vocabulary.VERBOSE.here(default=False, last=True)


def run(arguments: Sequence[str], door: Door) -> int:
    """Tell the story; the exit code says whether everything that is known fits together."""
    if arguments and not arguments[0].startswith("-"):
        arguments = ["--subject", *arguments]
    try:
        given = argument_layers("trace", declared(TraceOptions), arguments, door.environ, COMMANDS["trace"])
        options = resolve(TraceOptions, given)
        change_directory(options.working_directory)
        page = page_path(options.html, "trace", door.environ)
        found: Trace = door.redactor.everywhere(trace(options.subject, _sources(options, door)))
        if page:
            _write(page, found)
    except Cd4mlError as error:
        return refused("trace", error, door)
    if options.json:
        print(document.text(found, version=cd4ml.__version__), file=door.stdout, end="")
    else:
        look = look_of(door.stdout, door.environ, verbose=options.verbose)
        print(terminal.text(found, look=look), file=door.stdout, end="")
    return _CODES[found.status].code


def _sources(options: TraceOptions, door: Door) -> Sources:
    """Return where to look."""
    told = _deploys(options.config)
    repository = options.repository or _text(told, "repository")
    manifest = options.manifest or _text(told, "manifest")
    place = None
    if repository and manifest:
        place = Place(
            repository=repository,
            branch=options.branch or _text(told, "branch") or "main",
            manifest=manifest,
            part=options.manifest_path or _text(told, "manifest-path"),
        )
    return Sources(
        folder=options.reports or _REPORTS,
        reports=_reports(options.reports),
        gitops=place,
        layout=options.layout,
        tracking_uri=options.tracking_uri or _text(told, "tracking-uri"),
        online=options.remote,
        checkout=Checkout(directory=Path.cwd(), environ=door.environ),
        environ=door.environ,
        key=find_public_key(options.public_key) if options.public_key is not None else None,
    )


def _deploys(config: str | None) -> dict[str, Any]:
    """Return what the configuration tells the stage of the pipeline that writes the manifest."""
    if config is None and not Path(_CONFIG).is_file():
        return {}
    stages = (name for name in PIPELINE if any(one.name == "manifest" for one in declared(declaration(name).Options)))
    return dict(read_config(config or _CONFIG).values(next(stages)))


def _text(told: dict[str, Any], name: str) -> str | None:
    """Return a value of the configuration."""
    value = told.get(name)
    return str(value) if value not in (None, "") else None


def _reports(named: str | None) -> tuple[Sequence[Verdict], dict[str, str]] | Cd4mlError | None:
    """Return what the folder of reports holds, or why it cannot be read; None if nobody named it and there is none."""
    if named is None and not Path(_REPORTS).is_dir():
        return None
    try:
        found = look(Path(named or _REPORTS))
    except Cd4mlError as error:
        return error
    verdicts = [Verdict(file=entry.file, published=entry.published) for entry in found.entries if _counts(entry)]
    return verdicts, dict(found.unreadable)


def _counts(entry: Entry) -> bool:
    """Whether a report is about a change: what watches production is about other data, at another time."""
    info = STAGES.get(entry.stage)
    return info is not None and (info.in_pipeline or bool(entry.published.report.outputs.get("image")))


def _write(path: Path, found: Trace) -> None:
    """Write the page."""
    from cd4ml.render.html.trace import page  # most calls want no page

    write_atomically(path, page(found))
