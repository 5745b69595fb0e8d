"""The comment on a pull request: what a reviewer reads, that data stays text, and that it is always whole."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cd4ml.render.comment.body import LARGEST, MARKER, Part, body, newest, part, parts
from cd4ml.render.comment.section import Main, Pipeline, section
from cd4ml.render.comment.text import length, quiet
from cd4ml.report import Bound, Check, Interval, Published, Report, Source, Status

RUN = "https://github.com/owner/model/actions/runs/9"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HOSTILE = [
    "@octocat @org/team mail me@example.org",
    "fixes #1, closes owner/name#2, GH-3 TICKET-4",
    "https://evil.example/x www.evil.example ftp://evil.example mailto:a@b.example",
    f"{COMMIT} {COMMIT[:7]} DEADBEEF",
    "</details></td><img src=http://x onerror=y><script>z</script>",
    "`code` *bold* [link](http://x) ![picture](http://x) |a|b| ~~gone~~ <http://x>",
    "\n\n# heading\n- [ ] task\n```\n",
    "<!-- /cd4ml:cd4ml --> <!-- cd4ml --> <!-- cd4ml:x run=9.9 status=passed -->",
    ":+1: :octocat: $x$ $$y$$ &#64;octocat &lt;b&gt; \\@a",
    "\u202egnp.exe \x1b[31mred \x00 \u200b@octocat",
]
# What the platform makes links, mentions and references of, in the text that a reader sees.
LINKED = re.compile(
    r"@[\w-]|#\d|\b(?:gh|ticket)-\d|\w://|www\.|mailto:|\b[0-9a-f]{7,40}\b|:[\w+-]+:", re.IGNORECASE | re.ASCII
)


def check(id_: str, value: Any = None, status: Status = Status.PASSED, **more: Any) -> Check:
    """Make a check."""
    return Check(**{"id": id_, "status": status, "message": f"{id_} {status}.", "value": value, **more})


def published(stage: str, *checks: Check, summary: str = "", **options: Any) -> Published:
    """Make a published report."""
    report = Report(stage=stage, checks=checks, summary=summary)
    return Published(report=report, source=Source(git_sha=COMMIT), options=options)


def pipeline(reports: Sequence[Published], main: Main = Main(), **more: Any) -> Pipeline:
    """Make a pipeline of some reports."""
    named = {one.report.stage: one for one in reports}
    return Pipeline(**{"name": "cd4ml", "reports": named, "main": main, "commit": COMMIT, "run": RUN, **more})


def main_of(*reports: Published, **more: Any) -> Main:
    """Return what main says."""
    return Main(**{"reports": {one.report.stage: one for one in reports}, "commit": "f" * 40, "run": RUN, **more})


def tokens(text: str) -> list[Token]:
    """Return the pieces of Markdown, of lines too."""
    found = []
    for token in MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text):
        found += [token, *(token.children or ())]
    return found


SIGNS = {
    Bound.AT_LEAST: "≥&nbsp;",
    Bound.AT_MOST: "≤&nbsp;",
    Bound.BELOW: "&lt;&nbsp;",
    Bound.EQUAL: "",
    Bound.MAGNITUDE: "±&nbsp;",
    Bound.DECREASE: "loss&nbsp;≤&nbsp;",
    Bound.INCREASE: "loss&nbsp;≤&nbsp;",
    Bound.CHANGE: "change&nbsp;≤&nbsp;",
}
ACCURACY = {
    "minimum": check(
        "minimum:accuracy",
        0.90,
        limit=0.88,
        bound=Bound.AT_LEAST,
        interval=Interval(lower=0.87, upper=0.92, confidence=0.95, method="Wilson"),
    ),
    "regression": check(
        "regression:accuracy",
        0.90,
        limit=0.02,
        bound=Bound.DECREASE,
        baseline=0.9151,
        interval=Interval(lower=-0.027, upper=-0.0044, confidence=0.9, method="Tango", of="difference"),
    ),
}


def test_pass__verdict_first_then_what_changed() -> None:
    """A pass begins with the verdict; a metric has one row with both limits, its change and the interval of that."""
    before = published("evaluate-model", check("minimum:accuracy", 0.91), check("regression:accuracy", 0.91))
    rows = check("minimum-rows:training", 1193, limit=30, bound=Bound.AT_LEAST)
    same = published("check-code", check("mypy", 0, limit=0, bound=Bound.AT_MOST), rows)

    text = section(pipeline([published("evaluate-model", *ACCURACY.values()), same], main_of(before, same)), 20_000)

    assert text.startswith("## ✅ cd4ml passed\n")
    assert (
        "| accuracy | 0.9100 | 0.9000<br><sub>0.8700&nbsp;to&nbsp;0.9200</sub> "
        "| −0.0100<br><sub>vs&nbsp;production&nbsp;−0.0151<br>(−0.0270&nbsp;to&nbsp;−0.0044)</sub> "
        "| ≥&nbsp;0.8800<br>loss&nbsp;≤&nbsp;0.0200 | ✅&nbsp;passed |"
    ) in text
    folded = text.partition("<details><summary>2 checks passed as on main")[2]
    assert "| minimum rows, training | 1,193 | 1,193 | ±0 | ≥&nbsp;30 | ✅&nbsp;passed |" in folded
    assert "mypy" not in folded, "a count that is 0, as it must be, is no row"
    assert f"[run]({RUN})" in text and f"[its last green run]({RUN})" in text


def test_failure__what_blocks_and_what_to_do() -> None:
    """A failure names the check, says what to do about it, and its row comes first."""
    said = "The area is 0.5. It lies between 0.4 and 0.6."
    failed = check("minimum:roc-auc", 0.5, Status.FAILED, limit=0.75, advice="Train longer.", message=said)

    text = section(pipeline([published("evaluate-model", ACCURACY["minimum"], failed)]), 20_000)

    assert text.startswith("## ❌ cd4ml failed: this change is blocked\n")
    told = html.unescape(text)
    assert (
        "- **evaluate-model**: The area is 0.5.<br>→ Train longer.<br><sub>It lies between 0.4 and 0.6.</sub>" in told
    )
    assert told.index("| ❌\xa0**roc-auc** | – | **0.5000** |") < told.index("| accuracy")


def test_split__drawn_where_it_did_not_pass() -> None:
    """Findings of a split that did not pass are drawn, folded and inert; of one that passed, or without room, not."""
    limited: dict[str, Any] = {"limit": 0.01, "bound": Bound.AT_MOST}
    checks = [check("overlap", 0.02, **limited), check("near-overlap", 0.005, **limited)]
    power = check("feature-power:``@everyone", 1.0, Status.FAILED, limit=0.99, bound=Bound.AT_MOST)
    failed, passed = published("check-split", *checks, power), published("check-split", *checks)

    text = section(pipeline([failed]), 60_000)
    _, _, drawn = text.partition("<summary>check-split: chart</summary>")

    code = next(token for token in tokens(drawn) if token.type == "fence").content
    assert "▶ 0.0200 (limit 0.0100)" in code and "near-overlap" in code and "feature-power:'' " in code
    assert drawn.count("</details>") == drawn.count("<details>") + 1
    assert "check-split: chart" not in section(pipeline([passed]), 60_000)
    assert "check-split: chart" not in section(pipeline([failed]), 600)


def test_inconclusive__said() -> None:
    """Too little data is no pass and no failure."""
    few = check(
        "disparate-impact:sex=F",
        None,
        Status.INCONCLUSIVE,
        advice="Collect more rows.",
        limit=0.8,
        bound=Bound.AT_LEAST,
    )
    before = main_of(published("audit-fairness", check("disparate-impact:sex=F", 0.9)))

    text = section(pipeline([published("audit-fairness", few)], before), 20_000)

    assert text.startswith("## ⚠️ cd4ml inconclusive: too little data, so this change is blocked\n")
    assert "→ Collect more rows" in text
    assert "| ⚠️&nbsp;**disparate impact, sex=F** | 0.9000 | – | – | ≥&nbsp;0.8000 | ⚠️&nbsp;inconclusive |" in text


@pytest.mark.parametrize(("status", "option"), [(Status.FAILED, "on-failed"), (Status.INCONCLUSIVE, "on-inconclusive")])
def test_warning__let_through_and_said(status: Status, option: str) -> None:
    """What only warns is told as that; one stage that does not makes the whole block."""
    warned = published("check-code", check("mypy", 3, status), **{option: "warn"})
    blocked = published("validate-data", check("x", 1, Status.FAILED))

    assert section(pipeline([warned]), 20_000).startswith(f"## ⚠️ cd4ml {status}, and only warns\n")
    assert "blocked" in section(pipeline([warned, blocked]), 20_000).partition("\n")[0]


def test_no_main__said_plainly() -> None:
    """Without main's numbers the comment says so and why, and shows what was measured."""
    text = section(pipeline([published("evaluate-model", *ACCURACY.values())], Main(why="Nothing ran yet.")), 20_000)

    assert "No numbers of main to compare with. Nothing ran yet" in html.unescape(text)
    assert "| accuracy | – | 0.9000" in text


@pytest.mark.parametrize(("base", "said"), [("f" * 40, False), (COMMIT, True), (None, False)])
def test_main__bound_to_its_commit(base: str | None, said: bool) -> None:
    """Main's numbers are those of a commit; where the pull request's base is another one, that is said."""
    text = section(
        pipeline([published("check-code", check("mypy", 0))], main_of(published("check-code"), base=base)), 9_000
    )

    assert "main: the numbers at <code>fffffff</code>" in text
    assert ("this pull request's base is <code>0123456</code>" in text) is said


def test_worse_groups__the_most_first() -> None:
    """Groups and slices that lost against main are listed, the greatest loss first; those that gained are not."""

    def ratio(sex: str, value: float) -> Check:
        return check(
            f"disparate-impact:sex={sex}",
            value,
            limit=0.8,
            bound=Bound.AT_LEAST,
            slice={"sex": sex},
            metric="disparate-impact-ratio",
            n=50,
        )

    before = published("audit-fairness", ratio("F", 0.95), ratio("M", 0.97), ratio("X", 0.9))
    now = published("audit-fairness", ratio("F", 0.94), ratio("M", 0.85), ratio("X", 0.99))

    text = section(pipeline([now], main_of(before)), 20_000)

    listed = text.partition("Groups and slices that got worse: 2, most of all <b>sex=M</b></summary>")[2].partition(
        "</details>"
    )[0]
    assert listed.index("sex=M") < listed.index("sex=F") and "sex=X" not in listed
    assert "0.8500, 0.1200 below main's 0.9700" in listed


@pytest.mark.parametrize(
    ("bound", "before", "now", "said"),
    [
        (Bound.AT_LEAST, 0.9, 0.8, "0.1000 below"),
        (Bound.AT_LEAST, 0.8, 0.9, None),
        (Bound.DECREASE, 0.9, 0.8, "0.1000 below"),
        (Bound.AT_MOST, 0.8, 0.9, "0.1000 above"),
        (Bound.AT_MOST, 0.9, 0.8, None),
        (Bound.BELOW, 0.8, 0.9, "0.1000 above"),
        (Bound.INCREASE, 0.8, 0.9, "0.1000 above"),
        (Bound.MAGNITUDE, 0.1, -0.3, "0.2000 further from 0 than"),
        (Bound.MAGNITUDE, -0.3, 0.1, None),
        (Bound.EQUAL, 0.8, 0.9, None),
        (Bound.CHANGE, 0.8, 0.9, None),
        (None, 0.8, 0.9, None),
    ],
)
def test_worse__as_the_limit_points(bound: Bound | None, before: float, now: float, said: str | None) -> None:
    """Which way a group got worse follows from the limit's direction, and from nothing in its name."""
    of = [published("s", check("any-name", value, bound=bound, slice={"sex": "F"})) for value in (before, now)]

    text = section(pipeline([of[1]], main_of(of[0])), 20_000)

    assert (said in text and "got worse: 1" in text) if said else "got worse" not in text


@pytest.mark.parametrize(("bound", "sign"), [(bound, sign) for bound, sign in SIGNS.items()])
def test_limit__with_its_direction(bound: Bound, sign: str) -> None:
    """The table shows on which side of the limit a value must lie."""
    one = check("any-name", 0.5, Status.FAILED, limit=0.25, bound=bound)

    assert f"| {sign}0.2500 |" in section(pipeline([published("s", one)]), 20_000)


def test_missing_and_unreadable__are_errors() -> None:
    """What left nothing, or nothing readable, is named, and is never a pass."""
    found = pipeline(
        [published("check-code", check("mypy", 0))],
        planned=("check-code", "validate-data"),
        unreadable={"evaluate-model": "not UTF-8"},
    )

    text = section(found, 20_000)

    assert text.startswith("## 🛑 cd4ml error")
    assert "🛑 validate-data did not run" in text and "🛑 evaluate-model could not be read" in text
    assert pipeline([]).status is Status.ERROR


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile__inert(text: str) -> None:
    """Whatever stands in data adds no link, mention, reference, picture, heading or element, wherever it stands."""

    def made(words: str) -> str:
        one = check(
            f"disparate-impact:{words}",
            0.5,
            Status.FAILED,
            message=words,
            advice=words,
            metric=words,
            slice={words: words},
            limit=0.8,
            baseline=0.9,
        )
        other = replace(one, id=words, value=words, limit=words, status=Status.PASSED)
        reports = [published("audit-fairness", one, other, summary=words)]
        found = pipeline(reports, Main(why=words, branch=words), unreadable={"check-code": words})
        return body([part(found, (1, 1))])

    hostile, tame = made(text), made("words")

    shape = [
        (token.type, token.tag) for token in tokens(tame) if token.type not in ("text", "text_special", "softbreak")
    ]
    elements = [token.content for token in tokens(tame) if token.type.startswith("html")]
    inside = [token for token in tokens(hostile) if token.content not in ("<span>", "</span>")]
    assert [(t.type, t.tag) for t in inside if t.type not in ("text", "text_special", "softbreak")] == shape
    assert [t.content for t in inside if t.type.startswith("html")] == elements
    seen = "".join(token.content for token in inside if token.type in ("text", "text_special"))
    assert not [found for found in LINKED.findall(seen) if found not in COMMIT[:7]], seen
    assert [one.name for one in parts(hostile)] == ["cd4ml"]


@given(st.text())
def test_quiet__no_reference_in_any_text(text: str) -> None:
    """No text at all comes out with anything that the platform links."""
    shown = quiet(text).replace("<span>$</span>", "")

    assert not LINKED.search(html.unescape(shown)) and not set("<$|`*_[]") & set(shown)


@pytest.mark.parametrize("name", ["run", "page"])
@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://x/y) [z](https://w", "https://x/\n# y", "data:x", "https://a b"]
)
def test_address__of_a_page_or_no_link(name: str, address: str) -> None:
    """What is not the plain address of a page is not linked."""
    text = section(
        pipeline(
            [published("check-code", check("mypy", 0))],
            main=Main(),
            run=address if name == "run" else "",
            page=address if name == "page" else "",
        ),
        20_000,
    )

    assert not [token for token in tokens(text) if token.type == "link_open"]


def whole(text: str) -> None:
    """Assert that a comment may be posted, and that no table and no fold is cut."""
    assert length(text) <= LARGEST
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<!-- cd4ml:") == text.count("<!-- /cd4ml:") == len(parts(text))
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|") and line.count("|") == 7, line


@pytest.mark.parametrize("count", [1, 50, 1000])
@pytest.mark.parametrize("words", ["x", "@" * 600, "😀" * 600])
@pytest.mark.parametrize("status", [Status.PASSED, Status.FAILED])
@pytest.mark.parametrize("largest", [20_000, 1_500])
def test_many_checks__whole(count: int, words: str, status: Status, largest: int) -> None:
    """However many checks there are and whatever they say, the comment is whole and says how many it leaves out."""
    checks = [
        check(f"{words}{number}", 0.5, status, message=words, advice=words, slice={words: words}, baseline=1.0)
        for number in range(count)
    ]
    reports = [published(stage, *checks, summary=words) for stage in ("validate-data", "audit-fairness")]
    before = [published(stage, *(replace(one, value=0.6) for one in checks)) for stage in ("validate-data",)]

    text = body([part(pipeline(reports, main_of(*before)), (1, 1), largest=largest)])

    whole(text)
    assert length(text) < largest + 300
    if count == 1000 and largest == 20_000:
        assert "more check" in text or "more finding" in text


@pytest.mark.parametrize("count", [2, 5, 40, 700])
def test_many_pipelines__whole(count: int) -> None:
    """The parts of many pipelines share what may be posted: the longest shrink to their verdicts, what blocks last."""
    texts = ["## ✅ passed\n\n" + "x\n" * 9_000, "## ❌ failed\n"]
    found = [
        Part(name=f"p{number}", run=(1, 1), status=(Status.PASSED, Status.FAILED)[number % 2], text=texts[number % 2])
        for number in range(count)
    ]

    text = body(found)

    whole(text)
    assert text.startswith(MARKER) and parts(text)[0].status is Status.FAILED
    assert ("does not fit here" in text) is (count > 5)


def test_parts__there_and_back() -> None:
    """What another pipeline said comes back as it was, also with the platform's line ends; a later run replaces it."""
    one = part(pipeline([published("check-code", check("mypy", 0))], name="one"), (2, 1))
    two = part(pipeline([published("check-code", check("mypy", 1, Status.FAILED))], name="two"), (2, 1))
    text = body([one, two])

    assert {found.name: found for found in parts(text.replace("\n", "\r\n"))} == {"one": one, "two": two}
    assert body(parts(text)) == text
    assert parts(text.replace(MARKER, "")) == []
    later, earlier = replace(one, run=(2, 2)), replace(one, run=(1, 9))
    assert newest([one, later, earlier]) == {"one": later}
