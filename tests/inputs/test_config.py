"""cd4ml.yaml: known keys only, no word that YAML reads otherwise than it is meant, every problem with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cd4ml.commands.project import read_config
from cd4ml.errors import OptionsError
from cd4ml.inputs.options import Kind, declared
from cd4ml.inputs.values import in_yaml, parse, resolve
from cd4ml.stages import STAGES, declaration
from cd4ml.stages.evaluate_model import options as evaluate_model


def write(folder: Path, text: str) -> str:
    """Write a configuration and return its path."""
    path = folder / "cd4ml.yaml"
    path.write_text(text)
    return str(path)


def test_read__sections_and_defaults(tmp_path: Path) -> None:
    """A stage sees its section over the shared defaults."""
    path = write(tmp_path, "defaults:\n  predictions: p.csv\naudit-fairness:\n  sensitive-features: [sex]\n")

    config = read_config(path)

    assert config.values("audit-fairness") == {"predictions": "p.csv", "sensitive-features": ["sex"]}
    assert config.configures("audit-fairness") and not config.configures("check-code")


def test_read__unknown_keys_all_at_once(tmp_path: Path) -> None:
    """Misspelt stages and options are errors, each with its line and the nearest known name."""
    path = write(tmp_path, "audit-fairnes: {}\naudit-fairness:\n  minimum-rato: 0.8\n")

    with pytest.raises(OptionsError) as caught:
        read_config(path)

    first, second = caught.value.problems
    assert "cd4ml.yaml:1" in first and "`audit-fairness`" in first
    assert "cd4ml.yaml:3" in second and "`minimum-ratio`" in second


def test_read__no_file(tmp_path: Path) -> None:
    """A file that is not there is named once, with what to do."""
    with pytest.raises(OptionsError) as caught:
        read_config(str(tmp_path / "nowhere.yaml"))

    assert caught.value.message == f"{tmp_path}/nowhere.yaml: no such file"
    assert "README" in caught.value.advice


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x\n", "aliases"),
        ("- a\n- b\n", "expected a mapping"),
        ("a: [\n", r"cd4ml\.yaml:\d: invalid YAML: while parsing a flow"),
        ("audit-fairness: 3\n", "must be a mapping"),
        ("check-code:\n  minimum-coverage:\n", ":2: `minimum-coverage` in `check-code` has no value"),
        ("audit-fairness: {}\naudit-fairness: {}\n", "invalid YAML"),
        ("x: " + "y" * 1_000_001, "larger than"),
    ],
)
def test_read__bad_files(tmp_path: Path, text: str, problem: str) -> None:
    """What is no plain mapping is refused with a message that says why."""
    with pytest.raises(OptionsError, match=problem):
        read_config(write(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("positive-label: yes", 'YAML reads `yes` as true: quote it ("yes"), or write true'),
        ("sensitive-features: [SE, NO]", 'YAML reads `NO` as false: quote it ("NO"), or write false'),
        ("positive-label: 010", 'YAML reads `010` as the number 8: quote it ("010"), or write 8'),
        ("positive-label: 12:30", 'YAML reads `12:30` as the number 750: quote it ("12:30"), or write 750'),
        ("positive-label: 2026-01-31", 'YAML reads `2026-01-31` as a date: quote it ("2026-01-31")'),
        ("on: x", 'YAML reads `on` as true: quote it ("on"), or write true'),
    ],
)
def test_read__word_that_yaml_reads_otherwise__said(tmp_path: Path, line: str, message: str) -> None:
    """A word that YAML would turn into a boolean, a number or a date is refused with its line and what to write."""
    path = write(tmp_path, f"audit-fairness:\n  predictions: p.csv\n  {line}\n")

    with pytest.raises(OptionsError) as caught:
        read_config(path)

    assert caught.value.message == f"{path}:3: {message}"


def test_read__quoted_words_booleans_and_numbers(tmp_path: Path) -> None:
    """Quoted words are texts; true, false and numbers are what they look like; `1e-3` is left to the option."""
    text = "audit-fairness:\n  positive-label: 'yes'\n  minimum-ratio: 1e-3\ncheck-code: {tools: ['on', true, 3]}\n"

    config = read_config(write(tmp_path, text))

    assert config.values("audit-fairness") == {"positive-label": "yes", "minimum-ratio": "1e-3"}
    assert config.values("check-code") == {"tools": ["on", True, 3]}


@pytest.mark.parametrize(
    ("stage", "written", "problem"),
    [
        ("evaluate-model", "minimum: 0.8", "minimum: expected a mapping such as {roc-auc: 0.8}, got 0.8"),
        ("evaluate-model", "minimum: roc-auc", "minimum: expected a mapping such as {roc-auc: 0.8}, got 'roc-auc'"),
        ("evaluate-model", "minimum: [roc-auc: 0.8]", "a mapping such as {roc-auc: 0.8}, got [{'roc-auc': 0.8}]"),
        ("evaluate-model", "slice-bins: [25, 40]", 'a mapping such as {age: "25:40:62"}, got [25, 40]'),
        ("audit-fairness", "minimum-ratio: [age: 0.6]", 'a number, or a mapping such as {"*": 0.8, age: 0.6}, got'),
        ("audit-fairness", "minimum-ratio: true", 'a mapping such as {"*": 0.8, age: 0.6}, got true'),
        ("evaluate-model", "predictions: [a, b]", "predictions: expected a text, got ['a', 'b']"),
    ],
)
def test_values__as_yaml_has_them(tmp_path: Path, stage: str, written: str, problem: str) -> None:
    """A value of the wrong form is named with its line, and what is expected is said as a file has it."""
    config = read_config(write(tmp_path, f"{stage}:\n  {written}\n"))

    with pytest.raises(OptionsError) as caught:
        resolve(declaration(stage).Options, [config.layer(stage)])

    (told,) = [one for one in caught.value.problems if "is required" not in one]
    assert "cd4ml.yaml:2: " in told and problem in told


@pytest.mark.parametrize("stage", STAGES)
def test_values__examples_in_yaml(tmp_path: Path, stage: str) -> None:
    """The mapping that a message shows for an option means what the option's example means."""
    pairs = [one for one in declared(declaration(stage).Options) if one.kind in (Kind.NUMBERS, Kind.TEXTS, Kind.LIMIT)]
    for option in pairs:
        config = read_config(write(tmp_path, f"{stage}:\n  {option.name}: {in_yaml(option)}\n"))
        if option.example:
            assert parse(option, config.values(stage)[option.name]) == parse(option, option.example)


def test_values__pairs_as_texts(tmp_path: Path) -> None:
    """Pairs that a file has as the command line takes them are read all the same."""
    config = read_config(write(tmp_path, "evaluate-model:\n  predictions: a\n  minimum: [f1=0.8, recall=0.7]\n"))

    options = resolve(evaluate_model.Options, [config.layer("evaluate-model")])

    assert options.minimum == {"f1": 0.8, "recall": 0.7}
