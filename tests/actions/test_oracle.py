"""Any text at all, through everything that cd4ml prints and sets, read by the runner's own rules."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cd4ml.github.runtime import commands, error_command, write_outputs
from cd4ml.render.terminal import terminal
from cd4ml.report import Check, Location, Published, Report, Source, Status, v1
from tests.actions import runner_oracle

# Pieces that mean something to the runner, so that chance finds their combinations.
PIECES = st.sampled_from(
    [
        "::",
        "##[",
        "set-output",
        "add-mask",
        " name=passed",
        "]",
        "\r",
        "\n",
        "<<",
        "=",
        "EOF",
        "%0A",
        "%",
        "\u2028",
        "x",
        ",",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))


def report(text: str) -> Report:
    """Return a report that holds the text wherever a report can hold one."""
    failed = Check(
        id=text,
        status=Status.FAILED,
        message=text,
        advice=text,
        metric=text,
        value=text,
        slice={text: text},
        location=Location(path=text, line=3),
    )
    return Report(
        stage="validate-data",
        checks=(failed,),
        summary=text,
        outputs={"image": text},
        details={"x": [text]},
        plan=(text,),
    )


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
def test_log__one_annotation_and_no_other_command(text: str) -> None:
    """Log, JSON on standard output and annotations of a failed check hold exactly one command: its annotation."""
    made = report(text)
    published = v1.text(v1.document(Published(report=made, source=Source(git_sha=None), options={"x": text})))
    annotations = "\n".join(commands(made.checks, title="cd4ml validate-data", prefix="models/"))

    found = runner_oracle.commands(f"{terminal(made)}\n{published}\n{annotations}\n")

    assert [command.name for command in found] == ["error"]
    keys = [item.partition("=")[0] for item in found[0].properties.split(",")]
    assert keys == ["title", "file", "line"]


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_error__one_command(text: str) -> None:
    """The annotation of a run that could not begin is one command, whatever the message."""
    (command,) = runner_oracle.commands(error_command(text, title="cd4ml run"))

    assert (command.name, command.properties) == ("error", "title=cd4ml run")


@settings(max_examples=1500, deadline=None)
@given(TEXTS, TEXTS)
def test_outputs__exactly_what_was_set(first: str, second: str) -> None:
    """The runner reads back the keys that were set and no others, each with its very value."""
    values = {"report": first, "image": second}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output"
        write_outputs(file, values)

        assert runner_oracle.outputs(file.read_bytes().decode()) == values
