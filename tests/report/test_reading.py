"""Reports there and back: what was published is read as it was, and anything else is refused in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cd4ml.errors import OptionsError
from cd4ml.report import Check, InputDigest, Interval, Location, ModelIdentity, Published, Report, Source, Status, v1
from cd4ml.report.reading import LARGEST, MOST_NESTED, ReportError, parse, read, read_file
from tests.conftest import ROOT
from tests.reports import document, write

# A report of every kind of value takes a while to make on a machine that does other things as well.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALIDATOR = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.v1.schema.json").read_text()))
TEXTS = st.text(st.characters(), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY_FLOAT = st.floats()
WHOLE = st.integers(-(2**70), 2**70)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return None or a value."""
    return st.none() | values


def values(numbers: st.SearchStrategy[float], sequences: Callable[..., Any] = st.lists) -> st.SearchStrategy[Any]:
    """Return values of metrics and details."""
    return st.recursive(
        st.none() | st.booleans() | WHOLE | numbers | TEXTS,
        lambda inner: sequences(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=20,
    )


def mappings(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects of some values."""
    return st.dictionaries(TEXTS, inner, max_size=3)


LOCATIONS = st.builds(Location, path=TEXTS, line=maybe(WHOLE), column=maybe(WHOLE))
INTERVALS = st.builds(
    Interval,
    lower=FINITE | st.just(-math.inf),
    upper=FINITE | st.just(math.inf),
    confidence=FINITE,
    method=TEXTS,
    of=st.sampled_from(["value", "difference"]),
)
SCALARS = st.booleans() | WHOLE | FINITE | TEXTS
CHECKS = st.builds(
    Check,
    id=TEXTS,
    status=st.sampled_from(Status),
    message=TEXTS,
    reason=maybe(TEXTS),
    advice=maybe(TEXTS),
    metric=maybe(TEXTS),
    value=maybe(SCALARS),
    interval=maybe(INTERVALS),
    limit=maybe(SCALARS),
    baseline=maybe(SCALARS),
    slice=maybe(mappings(TEXTS)),
    n=maybe(st.integers(0)),
    location=maybe(LOCATIONS),
)
MODELS = st.builds(
    ModelIdentity, uri=TEXTS, sha256=DIGESTS, name=maybe(TEXTS), version=maybe(TEXTS), alias=maybe(TEXTS)
)
INPUTS = st.builds(InputDigest, name=TEXTS, path=TEXTS, sha256=DIGESTS, rows=maybe(WHOLE))


def several(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return up to three values."""
    return st.lists(inner, max_size=3).map(tuple)


def reports(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Report]:
    """Return reports with every field, and some values in metrics, details and what was measured."""
    made = st.builds(
        Report,
        stage=TEXTS,
        checks=several(CHECKS),
        summary=TEXTS,
        metrics=mappings(inner),
        details=mappings(inner),
        outputs=mappings(TEXTS),
        inputs=several(INPUTS),
        candidate=maybe(MODELS),
        production=maybe(MODELS),
        measured=mappings(inner),
        plan=several(TEXTS),
        seed=maybe(WHOLE),
    )
    return made | st.builds(Report.skipped, TEXTS)


def publications(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Published]:
    """Return reports as they are published."""
    return st.builds(
        Published,
        report=reports(inner),
        source=st.builds(Source, git_sha=maybe(TEXTS), modified=maybe(several(TEXTS))),
        options=mappings(inner),
        run=mappings(inner).map(lambda run: {name: value for name, value in run.items() if name != v1.MEASURED}),
        version=TEXTS,
    )


@UNHURRIED
@given(publications(values(FINITE)))
def test_there_and_back(published: Published) -> None:
    """A report that is published is read as it was, from the document and from its text."""
    made = v1.document(published)

    assert read(made) == published
    assert parse(v1.text(made), published.report.stage) == published
    assert parse(v1.text(made, indent=None).encode(), published.report.stage) == published


@UNHURRIED
@given(publications(values(ANY_FLOAT)))
def test_document__meets_its_schema(published: Published) -> None:
    """Whatever is published meets the schema that scripts rely on."""
    made = v1.document(published) | {"stage": "check-code"}

    assert list(VALIDATOR.iter_errors(made)) == []


@UNHURRIED
@given(publications(values(ANY_FLOAT, lambda inner, **size: st.lists(inner, **size).map(tuple))))
def test_there_and_back__what_json_does_not_know(published: Published) -> None:
    """Whatever the document replaces (numbers that are not finite, tuples) it replaces once: read again it is equal."""
    made = v1.document(published)

    assert v1.document(read(made)) == made


def test_there_and_back__what_is_replaced() -> None:
    """A value that is not a number comes back as none, a bound that is not one as infinite, and none of them passes."""
    interval = Interval(lower=math.nan, upper=math.nan, confidence=0.95, method="m")
    check = Check(id="a", status=Status.ERROR, message="m", value=math.nan, limit=math.inf, interval=interval)
    report = Report(stage="s", checks=[check], metrics={"auc": math.nan, "of": (1, math.inf)})

    back = read(v1.document(Published(report=report, source=Source(git_sha=None, modified=["a"] * 30)))).report

    assert back.checks == (
        Check(
            id="a",
            status=Status.ERROR,
            message="m",
            interval=Interval(lower=-math.inf, upper=math.inf, confidence=0.95, method="m"),
        ),
    )
    assert back.metrics == {"auc": None, "of": [1, None]}


def test_details__as_deep_as_is_allowed() -> None:
    """Details come back from the greatest depth that a reader allows; one level more is refused."""
    deep: list[Any] = []
    for _ in range(MOST_NESTED - 3):  # the document, its details and the list itself
        deep = [deep]
    published = Published(report=Report(stage="s", checks=(), details={"deep": deep}), source=Source(git_sha=None))

    assert parse(v1.text(v1.document(published)), "s") == published
    with pytest.raises(ReportError, match="nested more than 100 deep"):
        read(document("s", details={"deep": [deep]}))


CHECK = {"id": "a", "status": "passed", "message": "m"}
MODEL = {"uri": "u", "sha256": "0" * 64}
INPUT = {"name": "n", "path": "p", "sha256": "0" * 64}
INTERVAL = {"lower": 0, "upper": 1.5, "confidence": 0.95, "method": "m"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"schema_version": "2"}, 'schema_version: expected "1", got "2"'),
    ({"schema_version": 1}, 'schema_version: expected "1", got 1'),
    ({"more": 1}, 'the report has an unknown key "more"'),
    ({"tool": {"name": "pytest", "version": "1"}}, 'tool.name: expected "cd4ml", got "pytest"'),
    ({"tool": {"name": "cd4ml"}}, 'tool lacks the key "version"'),
    ({"tool": []}, "tool: expected an object, got a list"),
    ({"stage": None}, "stage: expected a text, got null"),
    ({"status": "ok"}, 'status: expected one of passed, failed, inconclusive, error, skipped, got "ok"'),
    ({"status": None}, "status: expected one of"),
    ({"status": ["passed"]}, "status: expected one of .*, got a list"),
    ({"status": "failed"}, "its status is 'failed', but the worst of its checks is 'passed'"),
    ({"status": "skipped"}, "its status is 'skipped', but the worst of its checks is 'passed'"),
    ({"checks": [CHECK | {"status": "failed"}]}, "its status is 'passed', but the worst of its checks is 'failed'"),
    ({"checks": []}, "its status is 'passed', but it ran no check"),
    ({"checks": {}}, "checks: expected a list, got an object"),
    ({"checks": [[]]}, r"checks\[0\]: expected an object, got a list"),
    ({"checks": [CHECK, {"id": "a"}]}, r'checks\[1\] lacks the key "status"'),
    ({"checks": [CHECK | {"more": 1}]}, r'checks\[0\] has an unknown key "more"'),
    ({"checks": [CHECK | {"reason": None}]}, r"checks\[0\].reason is null"),
    ({"checks": [CHECK | {"n": 1.5}]}, r"checks\[0\].n: expected a whole number, got 1.5"),
    ({"checks": [CHECK | {"n": True}]}, r"checks\[0\].n: expected a whole number, got true"),
    (
        {"checks": [CHECK | {"value": []}]},
        r"checks\[0\].value: expected a number or a whole number or a text or .*a list",
    ),
    ({"checks": [CHECK | {"slice": {"race": 1}}]}, r"checks\[0\].slice.race: expected a text, got 1"),
    ({"checks": [CHECK | {"location": {"line": 1}}]}, r'checks\[0\].location lacks the key "path"'),
    ({"checks": [CHECK | {"interval": INTERVAL | {"of": "ratio"}}]}, r"interval.of: expected one of value, difference"),
    ({"checks": [CHECK | {"interval": INTERVAL | {"lower": "0"}}]}, r'interval.lower: expected a number, got "0"'),
    ({"checks": [CHECK | {"interval": INTERVAL | {"lower": 10**400}}]}, "interval.lower: expected a number, got 1000"),
    ({"checks": [CHECK | {"interval": INTERVAL | {"confidence": None}}]}, "interval.confidence: expected a number"),
    ({"candidate": "models:/credit/1"}, 'candidate: expected an object, got "models:/credit/1"'),
    ({"candidate": {"uri": "u"}}, 'candidate lacks the key "sha256"'),
    ({"production": MODEL | {"version": 3}}, "production.version: expected a text, got 3"),
    ({"inputs": {"a": 1}}, "inputs: expected a list, got an object"),
    ({"inputs": [INPUT | {"rows": "1"}]}, r'inputs\[0\].rows: expected a whole number, got "1"'),
    ({"outputs": {"image": 7}}, "outputs.image: expected a text, got 7"),
    ({"outputs": []}, "outputs: expected an object, got a list"),
    ({"metrics": []}, "metrics: expected an object, got a list"),
    ({"metrics": {"auc": math.nan}}, "nan is not a finite number"),
    ({"metrics": {"auc": {1}}}, r"\{1\} is not a value of JSON"),
    ({"metrics": {1: 1}}, r"\{1: 1\} is not a value of JSON"),
    ({"details": None}, "details: expected an object, got null"),
    ({"options": []}, "options: expected an object, got a list"),
    ({"run": {"measured": []}}, "run.measured: expected an object, got a list"),
    ({"plan": "Push."}, 'plan: expected a list, got "Push."'),
    ({"plan": [1]}, r"plan\[0\]: expected a text, got 1"),
    ({"seed": "0"}, 'seed: expected a whole number, got "0"'),
    ({"source": {"git_sha": 7}}, "source.git_sha: expected a text, got 7"),
    ({"source": {"git_sha": None, "modified": "a.py"}}, 'source.modified: expected a list, got "a.py"'),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[words for _, words in WRONG])
def test_wrong__refused(changes: dict[str, Any], words: str) -> None:
    """A value of another form, version or status is refused, and the message says where and what was expected."""
    with pytest.raises(ReportError, match=words):
        read(document("check-code", **changes))


@pytest.mark.parametrize("key", ["schema_version", "stage", "status", "checks"])
def test_missing_key__refused(key: str) -> None:
    """What a verdict consists of may not be left out."""
    found = document("check-code")
    del found[key]

    with pytest.raises(ReportError, match=key):
        read(found)


def test_missing_part__says_nothing() -> None:
    """Of a part that is left out nothing is known: no commit, no model, no data, no outputs."""
    checks = [{"id": "a", "status": "passed"}]
    found = read({"schema_version": "1", "stage": "s", "status": "passed", "checks": checks})

    assert found.report == Report(stage="s", checks=(Check(id="a", status=Status.PASSED, message=""),))
    assert (found.source, found.options, found.run, found.version) == (Source(git_sha=None), {}, {}, "")


def test_verdict_alone__only_where_it_is_asked_for() -> None:
    """Version and checks may be missing where no evidence is asked for; what is there must still be right."""
    alone = {"stage": "s", "status": "failed"}

    assert read(alone, whole=False).report.status is Status.FAILED
    wrong: list[dict[str, Any]] = [{"schema_version": "2"}, {"checks": []}, {"checks": [CHECK]}, {"status": "bad"}]
    for more in (*wrong, {"more": 1}):
        with pytest.raises(ReportError):
            read(alone | more, whole=False)
    with pytest.raises(ReportError, match="schema_version"):
        read(alone)


@pytest.mark.parametrize("found", [None, [], "passed", 1, True])
def test_no_object__refused(found: object) -> None:
    """What is not an object at all is refused."""
    with pytest.raises(ReportError, match="the report: expected an object"):
        read(found)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', 'the key "c" is given twice'),
        (b'{"a": NaN}', "NaN is not a number of JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not a number of JSON"),
        (b'{"a": 1e999}', "inf is not a finite number"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "invalid JSON"),
        (b"[" * 101 + b"]" * 101, "nested more than 100 deep"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested more than 100 deep"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'\xef\xbb\xbf{"a": 1}', "invalid JSON"),
        (b'"' + b"a" * LARGEST + b'"', "larger than 64000000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_odd_text__refused(content: bytes, words: str) -> None:
    """A text that two readers would read differently, or that one would choke on, is refused."""
    with pytest.raises(ReportError, match=words) as caught:
        parse(content, "check-code")
    assert len(caught.value.message) < 300


def test_file__named(tmp_path: Path) -> None:
    """From a file, the message names it; a link, a folder or no file at all is no report either."""
    path = tmp_path / "check-code.json"
    with pytest.raises(FileNotFoundError):
        read_file(path, "check-code")
    path.write_text("[]")
    with pytest.raises(
        OptionsError, match=r"check-code.json is not a report of check-code: the report: expected an object"
    ):
        read_file(path, "check-code")
    write(tmp_path, "validate-data").rename(path)
    with pytest.raises(OptionsError, match='is not a report of check-code: its stage is "validate-data"'):
        read_file(path, "check-code")
    path.write_bytes(b"\xff")
    with pytest.raises(OptionsError, match="check-code.json: not UTF-8"):
        read_file(path, "check-code")
    path.unlink()
    path.mkdir()
    with pytest.raises(OptionsError, match="not a regular file"):
        read_file(path, "check-code")


def test_report__every_field_has_its_place() -> None:
    """A field that is added to the report, a check or what stands beside them is published and read."""
    full: Mapping[str, Any] = v1.document(Published(report=Report(stage="s", checks=()), source=Source(git_sha=None)))
    elsewhere = {"measured", "stated"}

    assert {field.name for field in fields(Report)} - elsewhere <= set(full)
    assert {field.name for field in fields(Published)} - {"report", "version"} <= set(full)
