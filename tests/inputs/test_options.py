"""Options: one declaration, four sources, all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from cd4ml.errors import OptionsError
from cd4ml.inputs.options import Kind, Limit, Options, declared, option
from cd4ml.inputs.values import Layer, as_values, resolve


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Sample(Options):
    """One option of every kind."""

    data: str = option("Data.", required=True)
    rows: int = option("Rows.", default=3)
    ratio: float | None = option("Ratio.")
    push: bool = option("Push.", default=False)
    colour: Colour = option("Colour.", default=Colour.RED)
    columns: tuple[str, ...] = option("Columns.")
    minimum: Mapping[str, float] = option("Limits.")
    names: Mapping[str, str] = option("Names.")
    least: Limit = option("Least.", default=Limit(others=0.8))
    most: Limit | None = option("Most.")


def resolved(**values: Any) -> Sample:
    """Resolve from one layer in which `data` is set."""
    named = {name.replace("_", "-"): value for name, value in {"data": "x", **values}.items()}
    return resolve(Sample, [Layer(origin="test", values=named)])


def test_resolve__first_layer_wins() -> None:
    """Input beats environment beats configuration beats default, and an empty text is no value."""
    layers = [
        Layer(origin="input", values={"data": "input", "rows": ""}),
        Layer(origin="environment", values={"data": "environment", "rows": "7"}),
        Layer(origin="cd4ml.yaml", values={"rows": 8, "push": True}),
    ]

    options = resolve(Sample, layers)

    assert (options.data, options.rows, options.push, options.colour) == ("input", 7, True, Colour.RED)


@pytest.mark.parametrize("text", ["a,b", "a\nb", " a , b ,\n", ["a", "b"]])
def test_resolve__lists(text: Any) -> None:
    """Lists come with commas, with newlines or as YAML lists."""
    assert resolved(columns=text).columns == ("a", "b")


@pytest.mark.parametrize("raw", ["accuracy=0.9\nf1=1", "accuracy=0.9,f1=1", {"accuracy": 0.9, "f1": 1}])
def test_resolve__pairs(raw: Any) -> None:
    """Limits by name come as texts or as a YAML mapping."""
    assert resolved(minimum=raw).minimum == {"accuracy": 0.9, "f1": 1.0}


@pytest.mark.parametrize(
    ("name", "raw", "problem"),
    [
        ("rows", "many", "expected a whole number"),
        ("rows", 2.5, "expected a whole number"),
        ("rows", True, "expected a whole number"),
        ("ratio", "nan", "expected a finite number"),
        ("ratio", "inf", "expected a finite number"),
        ("push", "yes", "expected true or false"),
        ("push", "1", "expected true or false"),
        ("colour", "bleu", "did you mean `blue`"),
        ("minimum", "accuracy", "expected name=value"),
        ("minimum", "accuracy=0.9,accuracy=0.1", "given more than once: accuracy"),
        ("minimum", {"accuracy": "nan"}, "expected a finite number"),
        ("data", "a\x00b", "NUL"),
        ("data", ["a"], "expected a text"),
    ],
)
def test_resolve__bad_values(name: str, raw: Any, problem: str) -> None:
    """A value of the wrong kind is refused, with the source and the option in the message."""
    with pytest.raises(OptionsError) as caught:
        resolved(**{name: raw})

    assert problem in caught.value.message
    assert f"test: {name}:" in caught.value.message


def test_resolve__all_problems_at_once() -> None:
    """One run tells everything that is wrong."""
    with pytest.raises(OptionsError) as caught:
        resolve(Sample, [Layer(origin="test", values={"rows": "x", "push": "maybe"})])

    assert len(caught.value.problems) == 3
    assert "data is required" in caught.value.message


def test_declared__unknown_type() -> None:
    """A field type that no generator knows cannot be declared."""

    @dataclass(frozen=True, kw_only=True)
    class Strange(Options):
        when: complex = option("When.")

    with pytest.raises(TypeError, match="Strange.when"):
        declared(Strange)


def test_declared__kinds() -> None:
    """Every annotation maps to its kind."""
    kinds = {declared_option.name: declared_option.kind for declared_option in declared(Sample)}

    assert kinds == {
        "data": Kind.TEXT,
        "rows": Kind.INTEGER,
        "ratio": Kind.NUMBER,
        "push": Kind.BOOLEAN,
        "colour": Kind.CHOICE,
        "columns": Kind.LIST,
        "minimum": Kind.NUMBERS,
        "names": Kind.TEXTS,
        "least": Kind.LIMIT,
        "most": Kind.LIMIT,
    }


def test_as_values__plain() -> None:
    """Reports carry options under their outside names and as plain values."""
    values = as_values(resolved(columns="a,b", colour="blue"))

    assert values["columns"] == ["a", "b"]
    assert values["colour"] == "blue" and type(values["colour"]) is str


@pytest.mark.parametrize(
    ("raw", "others", "own"),
    [
        (0.7, 0.7, {}),
        ("0.7", 0.7, {}),
        ({"age": 0.6}, 0.8, {"age": 0.6}),
        ("age=0.6", 0.8, {"age": 0.6}),
        ({"*": 0.9, "age": 0.6, "sex": 0.7}, 0.9, {"age": 0.6, "sex": 0.7}),
        ("0.9, age=0.6", 0.9, {"age": 0.6}),
        ("age=0.6\n0.9", 0.9, {"age": 0.6}),
        (["0.9", "age=0.6"], 0.9, {"age": 0.6}),
        ("*=0.9,age=0.6", 0.9, {"age": 0.6}),
    ],
)
def test_resolve__limit(raw: Any, others: float, own: dict[str, float]) -> None:
    """A limit is a number for all, pairs for single names, or both; without a number the others keep the default."""
    found = resolved(least=raw).least

    assert (found.others, dict(found.own)) == (others, own)
    assert (found.of("age"), found.of("height")) == (own.get("age", others), others)


@pytest.mark.parametrize("raw", ["many", "age=many", {"age": "many"}, "0.8, 0.9", "age=1,age=2", "age=", True, "nan"])
def test_resolve__no_limit(raw: Any) -> None:
    """What is no number, two numbers for the same names and not-a-number are refused."""
    with pytest.raises(OptionsError, match="least"):
        resolved(least=raw)


def test_as_values__limit() -> None:
    """A report holds a plain number where there is one limit, and every limit by name where there are several."""
    assert as_values(resolved(least="0.7"))["least"] == 0.7
    assert as_values(resolved(least="0.7,age=0.6", most="age=1")) | {"data": "x"} == {
        **as_values(resolved()),
        "least": {"*": 0.7, "age": 0.6},
        "most": {"age": 1.0},
    }
    assert as_values(resolved())["most"] is None


def test_choices_without_a_type_of_their_own() -> None:
    """An option of texts takes those that its declaration allows, and names them if it is given another."""

    @dataclass(frozen=True, kw_only=True)
    class Engine(Options):
        engine: str = option("What builds.", default="auto", choices=("auto", "docker"))

    assert declared(Engine)[0].kind is Kind.CHOICE
    assert resolve(Engine, [Layer(origin="test", values={"engine": "docker"})]).engine == "docker"
    with pytest.raises(OptionsError, match="engine: expected one of auto, docker; got 'dokcer'"):
        resolve(Engine, [Layer(origin="test", values={"engine": "dokcer"})])
