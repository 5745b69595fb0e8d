"""The mistakes that can be seen before any stage runs: options of every stage, and what its preflight finds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cd4ml.context import Context
from cd4ml.errors import Cd4mlError, OptionsError, RequiredOptionsError
from cd4ml.inputs.arguments import INPUT_PREFIX
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options, declared
from cd4ml.inputs.values import resolve
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.registry import look
from cd4ml.stages import declaration, help_text
from cd4ml.stages.preflight import Early, Finding, Looked, findings, load_preflight, made_by

# By model and registry: the folder with what says how it is loaded, why there is none, or None: no answer in time.
Seen = dict[tuple[str, str | None], Path | Cd4mlError | None]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is wrong with a stage."""

    stage: str
    finding: Finding


def mistakes(
    names: Iterable[str], config: Config, context: Context, *, here: bool, seen: Seen | None = None
) -> Iterator[Mistake]:
    """Yield what is wrong with stages, in their order.

    Args:
        here: whether the stages run on this machine, as it is now. A plan is made elsewhere: there an option that is
            missing may still be set, and a file that is missing may still be made.
        seen: takes what is seen of models on the way.
    """
    try:
        scratch = tempfile.TemporaryDirectory(prefix="cd4ml-early-", ignore_cleanup_errors=True)
    except OSError:
        return  # nothing can be written: the stages say so
    with scratch as folder:
        looking = _Looking(folder=Path(folder), context=context, known={} if seen is None else seen)
        early = Early(context=context, here=here, look=looking.look if here else None)
        for name in names:
            try:
                options = options_of(name, config, context.environ, here=here)
            except Cd4mlError as error:
                yield from (Mistake(stage=name, finding=finding) for finding in findings(error))
                continue
            if options is not None:
                found = dict.fromkeys(load_preflight(name).preflight(options, early))  # two models, one registry
                yield from (Mistake(stage=name, finding=finding) for finding in found)
                early = replace(early, made={**early.made, **made_by(name, options)})


def options_of(name: str, config: Config, environ: Mapping[str, str], *, here: bool) -> Options | None:
    """Return a stage's options as a run has them, None if required ones may still be set.

    Raises:
        OptionsError: all that is wrong with their values.
    """
    stage = declaration(name)
    everything = (*declared(RunOptions), *declared(stage.Options))
    # An action's inputs are those of the command that is run, and not each stage's.
    own = {key: value for key, value in environ.items() if not key.startswith(INPUT_PREFIX)}
    layers = argument_layers(name, everything, (), own, help_text(name))
    layers.append(config.layer(name))
    try:
        resolve(RunOptions, layers)
        return resolve(stage.Options, layers)
    except RequiredOptionsError as error:
        problems = error.problems if here else error.others
        if problems:
            raise OptionsError(problems) from error
        return None


@dataclass(frozen=True, kw_only=True)
class _Looking:
    """Looks at models, at each one once: several stages may name it."""

    folder: Path
    context: Context
    known: Seen

    def look(self, models: Sequence[str], tracking_uri: str | None) -> Looked:
        """Return what is seen of models."""
        unknown = [uri for uri in models if (uri, tracking_uri) not in self.known]
        folder = self.folder / str(len(self.known))
        found = look(unknown, folder, tracking_uri=tracking_uri, environ=self.context.environ) if unknown else {}
        self.known.update({(uri, tracking_uri): found.get(uri) for uri in unknown})
        seen = {uri: self.known[uri, tracking_uri] for uri in models}
        return {uri: one for uri, one in seen.items() if one is not None}
