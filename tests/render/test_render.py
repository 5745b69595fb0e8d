"""Rendering: data is text and nothing else, and the summary stays within the platform's limits."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cd4ml.github.runtime import commands, write_outputs
from cd4ml.render.inert import inert
from cd4ml.render.markdown import LARGEST, markdown
from cd4ml.report import Check, Interval, Location, Report, Status
from cd4ml.wording import safe

HOSTILE = [
    "x\n::set-output name=passed::true",
    "##[add-mask]true",
    "#::#[x:::::",
    "</details><img src=http://x>",
    "`code` *bold* [link](http://x) @org/team #1 |a|b|",
    "\u202egnp.exe \x1b[31mred \x00",
    "\u2028::error::x",
    "http://evil.example www.evil.example",
]


def report(message: str, count: int = 1, status: Status = Status.FAILED) -> Report:
    """Make a report of equal checks."""
    check = Check(
        id=message, status=status, message=message, advice=message, value=1.5, location=Location(path=message)
    )
    return Report(stage="validate-data", checks=(check,) * count, summary=message)


@given(st.text())
def test_safe__never_a_command(text: str) -> None:
    """No text at all comes out as a workflow command, a line break or a control character."""
    shown = safe(text)

    assert "::" not in shown and "##[" not in shown
    assert not re.search(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e]", shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown__inert(text: str) -> None:
    """A hostile text yields a table of the same shape without links, images, mentions, code or HTML of its own."""
    parser = MarkdownIt("gfm-like", {"linkify": False})

    def shape(source: str) -> list[str]:
        return [token.type for token in parser.parse(source) if token.type != "inline"]

    assert shape(markdown(report(text))) == shape(markdown(report("x")))
    shown = inert(text).replace("<span>$</span>", "")
    assert not re.search(r"[@#<>\[\]`|*_]", shown.replace("&#", ""))


@pytest.mark.parametrize(
    "text", ["@octocat", "#12", "octo/repo#3", "GH-14", "https://evil.example", "www.evil.example", ":tada:", "$x$"]
)
def test_inert__mentions_nobody(text: str) -> None:
    """What the platform looks for after character references have become characters is not there any more."""
    shown = MarkdownIt("gfm-like", {"linkify": False}).render(inert(text))

    assert text not in html.unescape(shown) and "<a " not in shown


def test_inert__an_image_can_be_copied() -> None:
    """The reference of an image is the same when it is copied from the page; what only looks like one is not."""
    image = f"registry.example/credit@sha256:{'ab' * 32}"

    assert html.unescape(inert(image)) == image
    for other in ("@sha256:" + "ab" * 32, "a/ @sha256", "credit@sha256:ab", "credit@octocat"):
        assert "@\u200b" in html.unescape(inert(other))


def test_markdown__says_how_sure_and_what_to_do() -> None:
    """Value, interval and limit stand beside each other, and words say what happened and what to do about it."""
    found = Interval(lower=0.78, upper=0.7999996, confidence=0.95, method="Wilson")
    bad = Check(
        id="minimum", status=Status.FAILED, message="m", value=0.79999, limit=0.8, interval=found, n=9, advice="Improve"
    )
    text = html.unescape(
        markdown(Report(stage="x", checks=(bad, Check(id="fine", status=Status.PASSED, message="")), summary="s"))
    )

    change = Interval(lower=-0.03, upper=-0.01, confidence=0.9, method="Tango", of="difference")
    worse = Check(id="regression", status=Status.FAILED, message="", value=0.76, baseline=0.78, interval=change)
    assert "| difference -0.0300 to -0.0100 |" in html.unescape(markdown(Report(stage="x", checks=(worse,))))
    own = replace(worse, interval=replace(change, of="value"))  # what it is of is said, never guessed from the numbers
    assert "| -0.0300 to -0.0100 |" in html.unescape(markdown(Report(stage="x", checks=(own,))))
    assert "| minimum | 0.79999 | 0.7800 to 0.8000 | 0.80000 |  | 9 |" in text
    assert "1 of 2 checks did not pass." in text and "- ❌ m<br>→ Improve\n" in text
    assert "where the true value lies, as far as these rows can tell" in text and "Methods: Wilson." in text


def test_markdown__what_passed_is_counted() -> None:
    """Four hundred rules that hold are one line by kind, folded away; what is remarkable of one is said there."""
    rules = [
        Check(id=f"finite:c{n}", status=Status.PASSED, message="m", metric="failing-rows", value=0) for n in range(400)
    ]
    remark = Check(id="missing-values:a", status=Status.PASSED, message="a holds n/a.", reason="undeclared")
    text = html.unescape(markdown(Report(stage="validate-data", checks=[*rules, remark], summary="All hold.")))

    assert len(text.splitlines()) < 14 and "Passed: finite 400" in text and "- ✅ a holds n/a." in text
    assert text.index("All hold.") < text.index("<details><summary>401 checks passed</summary>")


def test_markdown__first_what_blocks_once() -> None:
    """What did not pass stands above everything that is folded, each sentence once, and an advice after the last."""
    bad = [Check(id=f"k:{n}", status=Status.FAILED, message=f"m{n} broken.", advice="Fix.") for n in range(12)]
    text = html.unescape(markdown(Report(stage="x", checks=bad, summary="m0 broken. And 11 more. Also n.")))

    assert [text.count(f"m{n} broken.") for n in range(12)] == [1] * 12
    assert text.index("- ❌ m9 broken.<br>→ Fix.") < text.index("Also n.") < text.index("<details>")
    assert text.index("<details>") < text.index("m10 broken.") and "m0 broken.<br>" not in text


def test_markdown__stays_under_the_limit() -> None:
    """Ten thousand failed checks fit the step summary, and the ones that do not are counted."""
    text = markdown(report("x" * 400, count=10_000))

    assert len(text.encode()) <= LARGEST
    assert re.search(r"… and [\d,]+ more checks in the JSON report", text)


def test_markdown__says_inconclusive_not_passed() -> None:
    """Too little data is never shown as a pass."""
    assert "inconclusive: too little data" in markdown(report("x", status=Status.INCONCLUSIVE))


def test_annotations__ten_of_a_type() -> None:
    """The platform shows ten annotations of a type; no more are sent, and one says how many there are beyond."""
    lines = commands(report("x", count=30).checks, title="cd4ml")

    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 10 + ["::notice"]
    assert lines[-1].endswith("::And 20 more: the summary and the report list them.")


def test_annotations__ten_in_a_step() -> None:
    """Stages of one step share the ten of a type; what does not fit is counted for each."""
    written: Counter[str] = Counter()
    lines = [commands(report("x", count=7).checks, title="cd4ml", written=written) for _ in range(2)]

    assert [len(one) for one in lines] == [7, 4] and "::And 4 more" in lines[1][-1]


def test_annotations__what_decides_first() -> None:
    """No verdict comes before a failure, a failure before too little data; a linter's findings stand for its count."""
    place = Location(path="a.py", line=3)

    def found(id: str, status: Status, **more: Any) -> Check:
        """Make a check that says its id."""
        return Check(id=id, status=status, message=id, **more)

    checks = [
        found("minimum:accuracy", Status.INCONCLUSIVE),
        found("flake8", Status.FAILED),
        found("black", Status.FAILED),
        found("flake8/F401:a.py:0", Status.FAILED, location=place),
        found("pytest", Status.ERROR),
        found("image", Status.PASSED),
    ]

    lines = commands(checks, title="cd4ml")

    assert [line.rpartition("::")[2] for line in lines] == ["pytest", "black", "flake8/F401:a.py:0", "minimum:accuracy"]


@pytest.mark.parametrize("text", HOSTILE)
def test_annotations__one_command_a_line(text: str) -> None:
    """A hostile message or path stays inside its own annotation."""
    (line,) = commands(report(text).checks, title="cd4ml", prefix="models/")

    assert line.startswith("::error ") and line.count("::") == 2 and "\n" not in line


def test_write_outputs__any_text(tmp_path: Path) -> None:
    """A value with line breaks and a would-be delimiter is one value."""
    file = tmp_path / "output"

    write_outputs(file, {"status": "failed", "report": "a\nEOF\npassed=true\n"})

    lines = file.read_text().split("\n")
    delimiter = lines[3].partition("<<")[2]
    assert lines[3].startswith("report<<") and lines.count(delimiter) == 1
    assert lines[4:8] == ["a", "EOF", "passed=true", ""]
