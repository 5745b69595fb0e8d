"""The help of a command: a short usage, options in groups, an example that works, and the page to read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Final

import pytest

from cd4ml.cli import main
from cd4ml.commands import COMMANDS
from cd4ml.inputs.arguments import layers
from cd4ml.inputs.help_text import HelpText
from cd4ml.inputs.options import Group, declared, grouped
from cd4ml.inputs.values import resolve
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.stages import STAGES, declaration, help_text
from tests.conftest import ROOT, Run

TEXTS: Final[dict[str, HelpText]] = {**{name: help_text(name) for name in STAGES}, **COMMANDS}


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a call that ends with success prints."""
    try:
        code: object = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", STAGES)
def test_groups__every_option_of_a_stage_has_one(name: str) -> None:
    """Every option of a stage is in a group of its subject, and none among those that all stages take."""
    options = declared(declaration(name).Options)

    assert [option.name for option in options if option.group in (Group.NONE, Group.COMMON)] == []
    assert {option.group for option in declared(RunOptions)} == {Group.COMMON}


@pytest.mark.parametrize("name", STAGES)
def test_help__groups_in_their_order(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option stands once, below the name of its group, and what all stages take comes last."""
    options = (*declared(declaration(name).Options), *declared(RunOptions))

    text = shown([name, "--help"], capsys)

    found = re.findall(r"^(?:(\w[\w ]*):$|  --([\w-]+) )", text, re.M)
    expected = []
    for group, members in grouped(options).items():
        expected += [(str(group), ""), *(("", option.name) for option in members)]
    assert [pair for pair in found if pair != ("example", "")] == expected


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "completion"])  # which takes a word alone
def test_help__usage_is_one_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usage names what must be given and nothing else."""
    monkeypatch.setenv("COLUMNS", "200")
    usage, empty, *_ = shown([name, "--help"], capsys).splitlines()

    required = [option for option in declared(declaration(name).Options) if option.required] if name in STAGES else []
    assert empty == "" and usage.startswith(f"usage: cd4ml {name}") and usage.endswith("[options]")
    assert len(usage) < 200 and all(f" --{option.name} " in usage for option in required)


@pytest.mark.parametrize("name", STAGES)
def test_help__examples_as_a_shell_takes_them(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example of an option can be typed as it stands: marks and words with spaces are in quotes."""
    monkeypatch.setenv("COLUMNS", "2000")

    text = re.sub(r"\n {9,}", " ", shown([name, "--help"], capsys))  # behind a long name the sentence begins below
    found = re.findall(r"^  --([\w-]+) .*E\.g\. (.*?)\.(?: Required\.| Default: .*)?$", text, re.M)

    options = (*declared(declaration(name).Options), *declared(RunOptions))
    assert [(option, shlex.split(example)) for option, example in found] == [
        (option.name, [option.example]) for members in grouped(options).values() for option in members if option.example
    ]
    assert all(example[0].isalnum() or example[0] == "'" for _, example in found)


@pytest.mark.parametrize("name", STAGES)
def test_help__defaults(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number that an option is set to if nobody sets it stands in the help, zero included."""
    monkeypatch.setenv("COLUMNS", "2000")

    text = re.sub(r"\n {9,}", " ", shown([name, "--help"], capsys))

    numbers = [one for one in declared(declaration(name).Options) if type(one.default) in (int, float)]
    for option in numbers:
        assert re.search(rf"^  --{option.name} .* Default: {re.escape(str(option.default))}$", text, re.M), option.name


@pytest.mark.parametrize("columns", [60, 100, 160])
def test_help__as_wide_as_the_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines fill the terminal and do not exceed it; only what is to be pasted or opened is never broken."""
    monkeypatch.setenv("COLUMNS", str(columns))

    lines = shown(["evaluate-model", "--help"], capsys).partition("\nexample:")[0].splitlines()

    widest = max(len(line) for line in lines if not line.startswith("  --"))
    assert columns - 12 <= widest <= columns


@pytest.mark.parametrize("name", TEXTS)
def test_help_command__is_the_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`cd4ml help <command>` is `cd4ml <command> --help`."""
    assert shown(["help", name], capsys) == shown([name, "--help"], capsys)


def test_help_command__of_nothing_and_of_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name it is the overview; a name that there is not is refused with the nearest."""
    assert main(["help"]) == 0
    assert "other commands:" in capsys.readouterr().out
    assert main(["help", "evaluate-modle"]) == 2
    assert "did you mean `evaluate-model`?" in capsys.readouterr().err


@pytest.mark.parametrize("name", TEXTS)
def test_help__ends_with_example_and_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help ends with an example, which its page shows as well, and with that page, which exists."""
    text = TEXTS[name]
    shown_text = shown(["help", name], capsys)
    page = (ROOT / "docs" / text.page).read_text(encoding="utf-8")

    assert shown_text.rstrip().endswith(f"/docs/{text.page}")
    if text.example:
        line = re.search(r"^example:\n  (cd4ml .*)$", shown_text, re.M)
        assert line and f"$ {line[1]}" in page
        assert line[1].endswith(text.example)


@pytest.mark.parametrize("name", STAGES)
def test_example__is_read(name: str) -> None:
    """The example of a stage sets known options to good values, and every required one among them."""
    options = declaration(name).Options

    given = layers(name, declared(options), shlex.split(help_text(name).example), {}, help_text(name))

    assert resolve(options, given)


def test_word_without_an_option__refused(cd4ml: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    """A word that belongs to no option is named as such, with how stages are chosen."""
    assert cd4ml("run", "evaluate-model").code == 2
    assert "`evaluate-model` belongs to no option (did you mean `--stages`?)" in capsys.readouterr().err

    run = cd4ml("evaluate-model", "--predictions", "p.csv", "--minimum", "accuracy", "0.9")
    assert run.code == 2 and "`0.9` belongs to no option" in run.report["checks"][0]["message"]
