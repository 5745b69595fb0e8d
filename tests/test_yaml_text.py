"""YAML means what PyYAML makes of it, what people seldom mean so is refused, and limits hold from the start."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cd4ml.errors import OptionsError
from cd4ml.yaml_text import MOST_NESTED, Lined, document, texts

PATH = Path("x.yaml")
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates() | st.datetimes()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=20
)


@pytest.fixture(params=["libyaml", "Python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with libyaml and, as where it is missing, without."""
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_document__what_pyyaml_writes__comes_back(value: Any) -> None:
    """Whatever PyYAML writes is read as PyYAML reads it: nothing that a tool writes is refused or read otherwise."""
    text = yaml.safe_dump(value)

    assert document(text, PATH) == yaml.safe_load(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1e3\nb: 08\nc: 0o17\nd: 1_000\ne: 0x1F\nf: 1.5e+3\ng: .inf",
        "a: ~\nb:\nc: null\nd: 'null'\ne: y\nf: n",
        "a: 2026-01-31\nb: 2026-01-31 10:00:00\nc: '2026-01-31'",
        "a: &x {k: 1}\nb: *x\nc: [*x, *x]",
        "base: &b {k: 1, l: 2}\na: {l: 3, <<: *b, m: 4}\nc:\n  <<: [{k: 5}, *b]",
        "a: !!str 1\nb: !!int '2'\nc: !!set {x, y}\nd: ! 12",
        "? a\n: b\n",
        "a: |\n  x\n  y\nb: >\n  x\n  y\n",
    ],
)
def test_document__means_what_pyyaml_makes_of_it(text: str) -> None:
    """Numbers, dates, anchors, merges and tags mean what they mean to PyYAML, entries in the same order."""
    found, expected = document(text, PATH), yaml.safe_load(text)

    assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("yes", 'as true: quote it ("yes"), or write true'),
        ("NO", 'as false: quote it ("NO"), or write false'),
        ("on", 'as true: quote it ("on"), or write true'),
        ("Off", 'as false: quote it ("Off"), or write false'),
        ("010", 'as the number 8: quote it ("010"), or write 8'),
        ("12:30", 'as the number 750: quote it ("12:30"), or write 750'),
        ("1:30.5", 'as the number 90.5: quote it ("1:30.5"), or write 90.5'),
    ],
)
def test_document__word_that_is_seldom_meant_so__refused(written: str, meaning: str) -> None:
    """A word that YAML reads as a boolean or a number against its looks is refused with its line and what to write."""
    message = f"x.yaml:2: YAML reads `{written}` {meaning}"

    for text in (f"a: x\nb: {written}", f"a: x\nb: [SE, {written}]", f"a: x\n{written}: b"):
        with pytest.raises(OptionsError) as caught:
            document(text, PATH)
        assert caught.value.message == message
    assert document(f"a: '{written}'", PATH) == {"a": written}


def test_document__every_such_word_is_named() -> None:
    """All words that are read otherwise than meant are told at once."""
    with pytest.raises(OptionsError) as caught:
        document("a: [NO, SE]\nb: {on: 010}", PATH)

    assert [problem.partition(": ")[0] for problem in caught.value.problems] == ["x.yaml:1", "x.yaml:2", "x.yaml:2"]


def test_document__dates_where_they_are_none() -> None:
    """A date without quotes is one where dates are wanted, and refused where texts are."""
    assert document("a: 2026-01-31", PATH) == {"a": datetime.date(2026, 1, 31)}
    with pytest.raises(OptionsError, match=r'x.yaml:1: YAML reads `2026-01-31` as a date: quote it \("2026-01-31"\)$'):
        document("a: 2026-01-31", PATH, dates=False)


def test_document__true_false_and_null_stay() -> None:
    """The words that everybody means as YAML does are taken."""
    assert document("[true, False, TRUE, null, ~]", PATH) == [True, False, True, None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "x.yaml:4: invalid YAML: the key `c` occurs twice in a mapping"),
        ("a: [\n", "x.yaml:2: invalid YAML: while parsing a flow "),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: invalid YAML: a second document"),
        ("a: *x\n", "x.yaml:1: invalid YAML: there is no anchor `x` before this alias"),
        ("a: &x [*x]\n", "x.yaml:1: invalid YAML: there is no anchor `x` before this alias"),
        ("a: !!python/name:os.system x\n", "x.yaml:1: invalid YAML: the tag `tag:yaml.org,2002:python/name:os.system`"),
        ("a: !!python/tuple [x]\n", "x.yaml:1: invalid YAML: the tag `tag:yaml.org,2002:python/tuple`"),
        ("{a: 1}: 2\n", "x.yaml:1: invalid YAML: a key that is a list or a mapping"),
        ("a: {<<: 3}\n", "x.yaml:1: invalid YAML: `<<` merges something that is not a mapping"),
        ("a: 2026-02-31\n", "x.yaml: invalid YAML: day"),
        ("a: " + "9" * 5000, "x.yaml: invalid YAML: Exceeds the limit"),
        ("a: \x00\n", "x.yaml: invalid YAML: "),
    ],
)
def test_document__invalid__refused_with_its_line(text: str, message: str) -> None:
    """What is no YAML, is there twice, or asks for objects of Python is refused in a sentence."""
    with pytest.raises(OptionsError) as caught:
        document(text, PATH)

    assert caught.value.message.startswith(message)


def test_nesting__at_its_edge() -> None:
    """Fifty collections inside one another are read, one more is not; brackets in texts do not count."""
    edge = MOST_NESTED
    assert document("[" * edge + "]" * edge, PATH)
    with pytest.raises(OptionsError, match="x.yaml:1: nested more than 50 deep"):
        document("[" * (edge + 1) + "]" * (edge + 1), PATH)
    assert document("a: '" + "[" * 1000 + "'", PATH) == {"a": "[" * 1000}


def test_nesting__endless__refused_at_once() -> None:
    """A hundred thousand brackets are refused at the fifty-first."""
    started = time.monotonic()
    with pytest.raises(OptionsError, match="deep"):
        document("[" * 100_000, PATH)
    assert time.monotonic() - started < 5


def test_aliases__few_bytes_that_expand__refused() -> None:
    """Nested aliases that would stand for a billion values are refused, and where no aliases are wanted, the first."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    with pytest.raises(OptionsError, match="aliases repeat more than 100000 values"):
        document("\n".join(lines), PATH)
    with pytest.raises(OptionsError, match="x.yaml:2: YAML aliases are not supported"):
        document("a: &x 1\nb: *x\n", PATH, aliases=False)


def test_lines__of_every_key() -> None:
    """Mappings know the lines of their keys, merged ones that of the mapping."""
    found = document("a:\n  b: 1\n\n  c: {d: 2}\ne: {<<: {f: 3}}", PATH, lines=True)

    assert isinstance(found, Lined) and found.lines == {"a": 1, "e": 5}
    assert found["a"].lines == {"b": 2, "c": 4} and found["a"]["c"].lines == {"d": 4} and "f" in found["e"].lines


def test_texts__everything_as_it_is_written() -> None:
    """Where every value is a text, nothing is read as a number, a boolean or a date."""
    assert texts("a: 010\nb: [yes, 1e3, 2026-01-31]\nc:\n", PATH) == {
        "a": "010",
        "b": ["yes", "1e3", "2026-01-31"],
        "c": "",
    }
