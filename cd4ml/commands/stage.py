"""Running one stage: options in, report, outputs, summary and annotations out, exit code back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cd4ml.commands.door import Door
from cd4ml.commands.limits import Limits
from cd4ml.commands.progress import Progress
from cd4ml.commands.project import cache_directory, change_directory, read_config
from cd4ml.commands.results import Ended, Results
from cd4ml.commands.signing import UnsignedError, find_signing
from cd4ml.context import Context
from cd4ml.errors import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    UNAVAILABLE,
    USAGE,
    Cd4mlError,
    ExitCode,
    Interrupted,
    OptionsError,
    RequiredOptionsError,
    UnavailableError,
)
from cd4ml.evidence.basis import basis
from cd4ml.evidence.result import CONFIG
from cd4ml.evidence.signer import without_keys
from cd4ml.evidence.statement import Resource
from cd4ml.git import Checkout
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options as StageOptions
from cd4ml.inputs.options import declared
from cd4ml.inputs.values import Layer, resolve
from cd4ml.inputs.vocabulary import OnFailed, OnInconclusive, RunOptions
from cd4ml.process.descendants import contained
from cd4ml.reading import outside
from cd4ml.report import Report, Status, error_report
from cd4ml.stages import STAGES, declaration, help_text, load


def run_stage(name: str, arguments: Sequence[str], door: Door, *, grouped: bool = False) -> Ended:
    """Run one stage from its arguments, whatever happens, and say how it ended.

    Args:
        grouped: see `Results`.
    """
    started = time.time()
    results = Results(name=name, door=door, started=started, grouped=grouped)
    try:
        run_options, options, run_context, limits = _prepare(name, arguments, results)
        results.save(error_report(name, Cd4mlError("The run did not finish.")))
        with Progress(name, door.stderr, door.environ, door.redactor, quiet=run_options.quiet) as progress, contained():
            report = load(name).run(options, replace(run_context, progress=progress.say))
            report.require_unique_ids()
            report = limits.placed(report)
        results.decided(report)
    except Interrupted as error:
        ended = UnavailableError(f"{error.name} ended the run before a verdict.", advice="Run it again.")
        results.finish(results.broken_off(ended), UNAVAILABLE, show_json=results.json)
        raise
    except Cd4mlError as error:
        return results.finish(results.broken_off(error), error.exit_code, show_json=results.json)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "cd4ml":
            return results.defect(error)
        missing = _missing_library(name, error)
        return results.finish(results.broken_off(missing), missing.exit_code, show_json=results.json)
    except OSError as error:
        told = outside(error)
        return results.finish(results.broken_off(told), told.exit_code, show_json=results.json)
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes a report and exit code 70
        return results.defect(error)
    try:
        return results.finish(report, exit_code(report, run_options), show_json=run_options.json)
    except UnsignedError as error:
        return results.finish(results.broken_off(error.why), error.why.exit_code, show_json=results.json)


def _missing_library(name: str, error: ModuleNotFoundError) -> UnavailableError:
    """Return the error of a stage whose libraries are not installed: the core alone runs no stage."""
    locks = " and ".join(f"requirements/{lock}.txt" for lock in STAGES[name].requirements)
    installed = f"Install {locks} of cd4ml's repository, or" if locks else "In cd4ml's repository"
    return UnavailableError(
        f"The library {error.name}, which {name} needs, is not installed beside cd4ml.",
        advice=f"{installed} run `make setup` there and use its .venv/bin/cd4ml.",
    )


def exit_code(report: Report, options: RunOptions) -> ExitCode:
    """Return the exit code of a verdict."""
    if report.status is Status.ERROR:
        reasons = {check.reason for check in report.checks if check.status is Status.ERROR}
        return UNAVAILABLE if reasons == {UnavailableError.reason} else USAGE
    if report.status is Status.INCONCLUSIVE:
        return INCONCLUSIVE if options.on_inconclusive is OnInconclusive.FAIL else PASSED
    if report.status is Status.FAILED:
        return FAILED if options.on_failed is OnFailed.FAIL else PASSED
    return PASSED


def _prepare(name: str, arguments: Sequence[str], results: Results) -> tuple[RunOptions, StageOptions, Context, Limits]:
    """Resolve options and change into the working directory."""
    environ = results.door.environ
    stage = declaration(name)
    run_declared, stage_declared = declared(RunOptions), declared(stage.Options)
    everything = (*run_declared, *stage_declared)
    layers = argument_layers(name, everything, arguments, environ, help_text(name))
    where = resolve(RunOptions, layers)
    results.shown(where)
    results.root = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    change_directory(where.working_directory)
    results.place(where.report)
    config = _config(where.config, explicit=_explicit(layers, "config"))
    limits = Limits(config=config, elsewhere={o.name for o in everything if _explicit(layers, o.name)})
    layers += [config.layer(name)] if config else []
    run_options = resolve(RunOptions, layers)
    if run_options.report != where.report:
        results.place(run_options.report)
    try:
        options = resolve(stage.Options, layers)
    except RequiredOptionsError as error:
        absent = "" if Path(where.config).exists() else f"There is no {where.config} in the working directory."
        raise OptionsError(error.problems, advice=absent) from error
    results.options = options
    results.began = basis(Checkout(directory=Path.cwd(), environ=environ), _read(config))
    results.signing = find_signing(run_options, environ)
    context = Context(
        directory=Path.cwd(),
        environ=without_keys(environ, run_options.signing_key),
        signer=results.signing.signer,
        unsigned=results.signing.unsigned,
        reports=results.path.parent,
        cache=cache_directory(environ),
        save=results.keep,
        basis=results.began,
    )
    return run_options, options, context, limits


def _read(config: Config | None) -> Resource | None:
    """Return the configuration file as evidence names it."""
    return Resource(name=CONFIG, uri=config.path, digest={"sha256": config.sha256}) if config else None


def _explicit(layers: Sequence[Layer], name: str) -> bool:
    """Whether some layer sets the option."""
    return any(layer.values.get(name) for layer in layers)


def _config(path: str, *, explicit: bool) -> Config | None:
    """Return the configuration file, None if there is none; one that was named must exist."""
    return read_config(path) if explicit or Path(path).exists() else None
