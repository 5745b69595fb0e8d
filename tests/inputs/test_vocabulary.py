"""One word, one meaning: an option is the same in every stage and command that takes it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from cd4ml.commands import COMMANDS, load
from cd4ml.commands.project import read_config
from cd4ml.errors import OptionsError
from cd4ml.inputs.config import DEFAULTS
from cd4ml.inputs.options import Kind, Option, Options, declared
from cd4ml.inputs.options import option as declare
from cd4ml.inputs.values import Layer, resolve
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.stages import STAGES, declaration
from tests.conftest import Run

OPTIONS: Final[Mapping[str, type[Options]]] = {
    **{name: declaration(name).Options for name in STAGES},
    "every stage": RunOptions,
    **{
        f"{name}: {value.__name__}": value
        for name in COMMANDS
        for value in vars(load(name)).values()
        if isinstance(value, type)
        and issubclass(value, Options)
        and value.__module__ == f"cd4ml.commands.{COMMANDS[name].module}"
    },
}
# A value that every option of a kind takes, but for choices and numbers with bounds.
VALUES: Final = {
    Kind.TEXT: "a",
    Kind.CHARACTER: ";",
    Kind.INTEGER: "7",
    Kind.NUMBER: "0.5",
    Kind.BOOLEAN: "true",
    Kind.LIST: ["a"],
    Kind.NUMBERS: {"a": 0.5},
    Kind.TEXTS: {"a": "b"},
    Kind.LIMIT: 0.5,
}


def shared() -> dict[str, dict[str, Option]]:
    """Return every option that several stages or commands take: name -> who takes it -> its declaration there."""
    found: dict[str, dict[str, Option]] = defaultdict(dict)
    for where, options in OPTIONS.items():
        for option in declared(options):
            found[option.name][where] = option
    return {name: takers for name, takers in found.items() if len(takers) > 1}


SHARED: Final = shared()


def meaning(option: Option) -> str:
    """Return the first sentence of an option's help: what it means wherever it is taken."""
    return re.split(r"(?<=\.) (?=[A-Z])", option.help, maxsplit=1)[0]


def differences(takers: Mapping[str, Option]) -> list[str]:
    """Return in what the declarations of an option differ that must not."""
    told: dict[str, set[object]] = {
        "meaning": {meaning(option) for option in takers.values()},
        "kind": {(option.kind, option.choices) for option in takers.values()},
        "values of data": {option.of_data for option in takers.values()},
        "place": {option.in_config for where, option in takers.items() if where in STAGES},
        "default": {repr(option.default) for option in takers.values() if option.default not in (None, (), {})},
    }
    return [what for what, values in told.items() if len(values) > 1]


@pytest.mark.parametrize("name", SHARED)
def test_shared_option__means_the_same_everywhere(name: str) -> None:
    """Whoever takes an option takes it with one meaning, one way to write it, and at most one default."""
    assert not differences(SHARED[name]), SHARED[name]


def test_commands__are_looked_at() -> None:
    """Options of commands are among those that are compared; a command that takes words alone has none."""
    with_options = {name for name, command in COMMANDS.items() if not command.words}

    assert {name.partition(":")[0] for name in OPTIONS} >= with_options


@dataclass(frozen=True, kw_only=True)
class Other(Options):
    """Options that mean something else by the words of detect-drift."""

    features: tuple[str, ...] = declare("Columns that the model reads.")
    reference: int = declare("What to compare with: a table.", default=3)
    alpha: float = declare("Chance of any false alarm, over all that is tested.", default=0.01)


@pytest.mark.parametrize(
    ("name", "found"),
    [("features", ["meaning"]), ("reference", ["meaning", "kind"]), ("alpha", ["default"])],
)
def test_clash__is_found(name: str, found: list[str]) -> None:
    """A word with another meaning, another kind or another default is told apart."""
    takers = {
        where: option
        for where, options in {"detect-drift": OPTIONS["detect-drift"], "other": Other}.items()
        for option in declared(options)
        if option.name == name
    }

    assert differences(takers) == found


@pytest.mark.parametrize("name", STAGES)
def test_defaults__suit_every_stage(name: str, tmp_path: Path) -> None:
    """`defaults` may set every option that stages share, at once, and each stage reads them."""
    settings = {
        option.name: option.choices[-1] if option.kind is Kind.CHOICE else VALUES[option.kind]
        for takers in SHARED.values()
        for where, option in takers.items()
        if where in STAGES
    }
    needed = {
        option.name: VALUES[option.kind]
        for option in declared(declaration(name).Options)
        if option.required and option.name not in settings
    }
    path = tmp_path / "cd4ml.yaml"
    path.write_text(json.dumps({DEFAULTS: settings, name: needed}))  # JSON is YAML

    layer = Layer(origin=str(path), values=read_config(str(path)).values(name))
    options = resolve(declaration(name).Options, [layer])

    assert all(
        str(getattr(options, option.field_name)) == option.choices[-1]
        for option in declared(type(options))
        if option.name in settings and option.kind is Kind.CHOICE
    )


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_task_of_all_stages__does_not_break_drift(task: str, cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A task that is set for all stages is one that detect-drift knows."""
    (tmp_path / "cd4ml.yaml").write_text(
        f"defaults: {{task: {task}}}\ndetect-drift: {{reference: a.csv, current: b.csv}}\n"
    )
    for name, rows in (("a.csv", 100), ("b.csv", 110)):
        (tmp_path / name).write_text("x,kind\n" + "1,a\n2,b\n3,a\n" * rows)

    assert cd4ml("detect-drift").code == 0


RENAMED: Final = {
    (name, option.formerly): option.name
    for name in STAGES
    for option in declared(declaration(name).Options)
    if option.formerly
}


@pytest.mark.parametrize(("stage", "old"), RENAMED)
def test_old_name__is_translated(stage: str, old: str, cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """An option under its earlier name is refused with its new one, on the command line and in the configuration."""
    new = RENAMED[stage, old]
    (tmp_path / "cd4ml.yaml").write_text(f"{stage}:\n  {old}: x\n")

    with pytest.raises(OptionsError, match=rf":2: unknown option `{old}` in `{stage}` \(did you mean `{new}`\?\)"):
        read_config(str(tmp_path / "cd4ml.yaml"))

    run = cd4ml(stage, f"--{old}", "x")
    assert run.code == 2
    assert f"unknown option `--{old}` (did you mean `--{new}`?)" in run.report["checks"][0]["message"]


# A value that each renamed option takes.
TAKEN: Final = {"validate-data": "local", "evaluate-model": "7", "audit-fairness": "best"}


@pytest.mark.parametrize("prefix", ["CD4ML_INPUT_", "CD4ML_"])
@pytest.mark.parametrize(("stage", "old"), RENAMED)
def test_old_name__as_a_variable(
    stage: str, old: str, prefix: str, cd4ml: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that sets an option by its earlier name is refused with its new one; nothing is dropped in silence."""
    new = RENAMED[stage, old]
    variables = {name: prefix + name.replace("-", "_").upper() for name in (old, new)}
    value = "point" if old == "decision" else TAKEN.get(stage, "7")

    monkeypatch.setenv(variables[old], value)
    run = cd4ml(stage)

    assert run.code == 2
    message = run.report["checks"][0]["message"]
    assert message == f"{variables[old]}: the option `{old}` is now `{new}`; set {variables[new]}"


@pytest.mark.parametrize(
    "environ", [{"CD4ML_DECISION": "1"}, {"CD4ML_MINIMUM_ROWS": "900", "CD4ML_MINIMUM_TEST_ROWS": "50"}]
)
def test_old_name__of_an_option_of_another_stage(
    environ: dict[str, str], cd4ml: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that only another stage's option can mean, or whose new name is set too, is no mistake."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert "predictions is required" in cd4ml("evaluate-model").report["checks"][0]["message"]


def test_old_names__are_free() -> None:
    """No stage takes an option under the earlier name of another of its options."""
    assert not [pair for pair in RENAMED if pair[1] in {option.name for option in declared(OPTIONS[pair[0]])}]
