"""`cd4ml schema infer`: propose a schema from training data, as a file that a person reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.progress import Progress
from cd4ml.commands.project import change_directory
from cd4ml.data.tables.dialect import TableOptions
from cd4ml.errors import PASSED, OptionsError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import declared, option
from cd4ml.inputs.values import resolve
from cd4ml.wording import safe
from cd4ml.writing import write_atomically


@dataclass(frozen=True, kw_only=True)
class InferOptions(TableOptions):
    """Options of `cd4ml schema infer`."""

    data: tuple[str, ...] = vocabulary.DATA.here("One: the training data.", required=True)
    output: str = vocabulary.OUTPUT.here("It holds the proposal.", default="schema.yaml")
    overwrite: bool = option("Replace an existing file.", default=False)
    slack: float = option("How far bounds reach beyond what was seen, as a share of its range.", default=0.1)
    categories: int = option("Number of different texts up to which a column holds categories.", default=50)
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Propose a schema and say what to do with it.

    Raises:
        OptionsError: the file is there already, an option makes no sense, or the data are not a table.
        UnavailableError: the data are missing, or the file cannot be written.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        arguments = ["infer", *arguments]
    if not arguments or arguments[0] != "infer":
        raise OptionsError("expected `cd4ml schema infer`", advice="See cd4ml help schema.")
    given = argument_layers("schema infer", declared(InferOptions), arguments[1:], door.environ, COMMANDS["schema"])
    options = resolve(InferOptions, given[:1])  # what stages take from the environment is not about this command
    change_directory(options.working_directory)
    target = Path(options.output)
    _check(options, target)
    from cd4ml.checks.data.remarks import said_of
    from cd4ml.data.schema.infer import propose
    from cd4ml.data.tables.opening import open_table

    data = options.data[0]
    with Progress("schema infer", door.stderr, door.environ, door.redactor) as progress:
        progress.say(f"Reading {data}")
        source = open_table(data, reading=options.reading).source()
        if not source.rows or not source.schema:
            raise OptionsError(f"{data}: there are no rows to infer a schema from")
        progress.say(f"Looking at {source.rows:,} rows of {data}")
        proposal = propose(source, slack=options.slack, most_categories=options.categories)
    write_atomically(target, proposal.text)
    said = [f"{options.output}: a proposal from {proposal.rows:,} rows and {len(source.schema):,} columns. Review it."]
    said += [f"validate-data will block: {fault}." for fault in proposal.faults]
    said += proposal.remarks
    if options.reading.dialect.declared:
        said.append(
            f"Declare {', '.join(options.reading.dialect.declared)} for the stages as well (defaults in cd4ml.yaml)."
        )
    said += [f"{path}: {said_of(words)}" for path, words in options.reading.words.items()]
    print("\n".join(safe(door.redactor.text(line)) for line in said), file=door.stdout)
    return PASSED.code


def _check(options: InferOptions, target: Path) -> None:
    """Refuse to overwrite a reviewed file unasked, and settings that make no sense."""
    problems = []
    if len(options.data) > 1:
        problems.append(f"data: a schema is inferred from one table, got {len(options.data)}")
    if target.exists() and not options.overwrite:
        problems.append(f"{options.output} exists already; --overwrite replaces it")
    if not options.output.endswith((".yaml", ".yml")):
        problems.append(f"output: expected a .yaml file, got {options.output!r}")
    if options.slack < 0:
        problems.append(f"slack must not be negative, got {options.slack:g}")
    if options.categories < 1:
        problems.append("categories must be at least 1")
    if problems:
        raise OptionsError(problems)
