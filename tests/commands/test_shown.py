"""What a run shows: verdicts, colours where they can be seen, groups in the platform's log, and progress that moves."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cd4ml.commands import progress
from cd4ml.commands.door import Lasting
from cd4ml.commands.look import look_of
from cd4ml.commands.progress import Progress
from cd4ml.wording import Redactor
from tests.actions.consumer import make_consumer
from tests.conftest import ROOT, Run, clean_environment, run_cd4ml

Cli = Callable[..., Run]
STAGES = ("--stages", "validate-data,audit-fairness")
CLEARED = "\r\x1b[K"


class Terminal(io.StringIO):
    """A stream that says that people read it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def on_a_terminal(folder: Path, *arguments: str, stop: bytes = b"", **environ: str) -> tuple[int, str]:
    """Run the command line on a terminal of its own, and return its exit code and everything that it showed.

    Args:
        stop: it is interrupted as soon as it shows this.
    """
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in clean_environment().items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cd4ml", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, deadline, told = b"", time.monotonic() + 60, False
    while time.monotonic() < deadline and select.select([ours], [], [], 30)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
        if stop and stop in shown and not told:
            told = True
            process.send_signal(signal.SIGINT)
    code = process.wait(timeout=30)
    os.close(ours)
    return code, shown.decode().replace("\r\n", "\n")


def test_quiet__the_verdict_and_nothing_else(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `quiet` a stage prints its verdict in one line, whatever it is, and a run one a stage and the total."""
    make_consumer(tmp_path, broken="audit-fairness")

    passed = cd4ml("validate-data", "--quiet", capsys=capsys)
    failed = cd4ml("audit-fairness", "--quiet", capsys=capsys)
    both = cd4ml("run", *STAGES, "--quiet", capsys=capsys)

    assert re.fullmatch(r"✔ validate-data  passed  \d+ checks · \d+ rows · [\d.]+ m?s\n", passed.stdout)
    assert re.fullmatch(r"✘ audit-fairness  failed  1 of \d+ checks · \d+ rows · [\d.]+ m?s\n", failed.stdout)
    assert [line.split()[1] for line in both.stdout.splitlines()] == ["validate-data", "audit-fairness", "cd4ml"]
    assert (passed.stderr, failed.stderr, both.stderr) == ("", "", "")


def test_quiet__an_error_says_why_on_standard_error(
    cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run without a verdict is never mute: the reason stands on standard error."""
    make_consumer(tmp_path)
    run = cd4ml("validate-data", "--data", "nowhere.csv", "--quiet", capsys=capsys)

    assert run.stdout.startswith("! validate-data  error") and len(run.stdout.splitlines()) == 1
    assert "nowhere.csv" in run.stderr


@pytest.mark.parametrize("command", ["validate-data", "run", "plan"])
def test_quiet_and_verbose__refused(
    cd4ml: Cli, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything and next to nothing cannot both be told."""
    make_consumer(tmp_path)

    run = cd4ml(command, "--quiet", "--verbose", capsys=capsys)

    assert run.code == 2 and "verbose and quiet exclude each other" in run.stdout + run.stderr


@pytest.mark.parametrize("how", ["--quiet", "--verbose"])
def test_how_it_is_shown__no_part_of_the_report(
    cd4ml: Cli, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """How results are shown changes neither the report nor `--json`, which stays alone on standard output."""
    make_consumer(tmp_path)
    plain = cd4ml("validate-data").report

    capsys.readouterr()
    run = cd4ml("validate-data", how, "--json", capsys=capsys)

    assert json.loads(run.stdout) == run.report
    assert {**run.report, "run": None} == {**plain, "run": None}


def test_verbose__every_check(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `verbose`, or where the platform's debug log is on, each check has a line."""
    make_consumer(tmp_path)
    run = cd4ml("run", *STAGES, "--verbose", capsys=capsys)

    folder = tmp_path / "reports"
    ids = [one["id"] for file in folder.glob("*-*.json") for one in json.loads(file.read_text())["checks"]]
    assert ids and all(f"  ✔ {id}: " in run.stdout for id in ids)

    debugged = run_cd4ml(tmp_path, "validate-data", env={"RUNNER_DEBUG": "1"})
    assert "  ✔ minimum-rows: " in debugged.stdout


def test_plan_verbose__says_what_is_left_out(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a script reads from `plan` stays as it is; what is not configured is said beside it."""
    make_consumer(tmp_path)
    plain, told = cd4ml("plan", capsys=capsys), cd4ml("plan", "--verbose", capsys=capsys)

    assert plain.stdout == told.stdout and "skipped: check-split, score-model" in told.stderr and plain.stderr == ""


def test_group__folds_all_but_the_verdict(
    cd4ml: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the platform's log each stage is a group, and its verdict, with what blocks, stands below the group."""
    make_consumer(tmp_path, broken="audit-fairness")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    run = cd4ml("run", *STAGES, capsys=capsys)

    words = re.findall(r"^(::\w+|[✔✘] [\w-]+ )", run.stdout, re.MULTILINE)
    one = [["::group", "::endgroup", f"{mark} {stage} "] for mark, stage in zip("✔✘", STAGES[1].split(","))]
    assert words == [*one[0], *one[1], "✔ validate-data ", "✘ audit-fairness ", "✘ cd4ml "]
    (sentence,) = [one["message"] for one in run_report(tmp_path, "audit-fairness") if one["status"] == "failed"]
    assert run.stdout.count(sentence[:60]) == 1
    assert run.stdout.index("::endgroup::", run.stdout.index("::group::audit")) < run.stdout.index(sentence[:60])
    assert "::" not in re.sub(r"^::(group::[\w-]+|endgroup::)$", "", run.stdout, flags=re.MULTILINE)


def run_report(folder: Path, stage: str) -> list[dict[str, str]]:
    """Return the checks of a report."""
    checks: list[dict[str, str]] = json.loads((folder / "reports" / f"{stage}.json").read_text())["checks"]
    return checks


def test_group__closed_whatever_happens(
    cd4ml: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage that ends in an error, and one whose results cannot be written, close their groups too."""
    make_consumer(tmp_path)
    (tmp_path / "data.csv").unlink()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    error = cd4ml("run", *STAGES, capsys=capsys)
    (tmp_path / "summary").mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    unwritable = cd4ml("run", *STAGES, capsys=capsys)

    assert (error.code, unwritable.code) == (3, 3)
    for run in (error, unwritable):
        assert run.stdout.count("::group::") == run.stdout.count("::endgroup::") > 0


@pytest.mark.parametrize(
    "environ, terminal, coloured",
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": "false"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colour__where_it_is_seen_and_wanted(environ: Mapping[str, str], terminal: bool, coloured: bool) -> None:
    """Colours are for terminals that know them; NO_COLOR and then FORCE_COLOR have the last word."""
    assert look_of(Lasting(Terminal() if terminal else io.StringIO()), environ).colour is coloured


def test_terminal__colours_and_a_line_that_goes(tmp_path: Path) -> None:
    """On a real terminal verdicts are coloured and progress leaves nothing behind; NO_COLOR takes the colours out."""
    make_consumer(tmp_path)

    code, shown = on_a_terminal(tmp_path, "validate-data")
    _, plain = on_a_terminal(tmp_path, "validate-data", NO_COLOR="1")

    assert code == 0 and "\x1b[32m✔\x1b[0m \x1b[1mvalidate-data\x1b[0m  \x1b[32mpassed\x1b[0m" in shown
    assert CLEARED + "validate-data · 0 s" in plain
    last = plain.rpartition(CLEARED)[2]
    assert last.startswith("✔ validate-data  passed") and "\x1b" not in last


def test_terminal__interrupted(tmp_path: Path) -> None:
    """An interrupt ends the run at once, amid progress, and what it says then stands on lines of its own."""
    make_consumer(tmp_path)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    arguments = ("validate-data", "--data", "data.csv", "--schema", "slow:SCHEMA", "--config", "none.yaml")
    (tmp_path / "none.yaml").write_text("")
    started = time.monotonic()

    code, shown = on_a_terminal(tmp_path, *arguments, stop="· 2 s".encode(), NO_COLOR="1")

    assert code == 130 and time.monotonic() - started < 40
    last = shown.rpartition(CLEARED)[2].splitlines()
    assert last[0].startswith("! validate-data  error") and last[-1] == "cd4ml: ended by SIGINT"


def test_ascii__where_nothing_else_is_shown(tmp_path: Path) -> None:
    """A terminal without UTF-8 gets marks that it knows, and other letters escaped instead of a crash."""
    make_consumer(tmp_path)
    plain = run_cd4ml(tmp_path, "validate-data", env={"PYTHONIOENCODING": "ascii"})
    there = run_cd4ml(tmp_path, "validate-data", "--data", "größe.csv", env={"PYTHONIOENCODING": "ascii"})

    assert plain.code == 0 and plain.stdout.startswith("+ validate-data  passed  ") and plain.stdout.isascii()
    assert there.code == 3 and r"gr\xf6\xdfe.csv: no such file" in there.stdout


def said(stream: io.StringIO, wait: float, *messages: str, quiet: bool = False) -> str:
    """Return what progress says of some phases, each of which lasts a while."""
    with Progress("score-model", Lasting(stream), {}, Redactor(), quiet=quiet) as shown:
        for message in messages:
            shown.say(message)
            time.sleep(wait)
    written = stream.getvalue()
    time.sleep(0.05)
    assert stream.getvalue() == written  # nothing comes after the end
    return written


def test_progress__a_log_gets_a_line_a_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a log each phase is one line, the same one is not said twice, and a long one is said again, with its time."""
    monkeypatch.setattr(progress, "_SECONDS_ON_A_TERMINAL", 0.01)

    assert said(io.StringIO(), 0.1, "Reading", "Reading", "Scoring") == "Reading\nScoring\n"
    monkeypatch.setattr(progress, "_SECONDS_IN_A_LOG", 0.05)
    lines = said(io.StringIO(), 0.3, "Scoring").splitlines()
    assert lines[0] == "Scoring" and 2 <= len(lines) <= 7 and set(lines[1:]) == {"Scoring … 0 s"}
    assert progress.Progress is Progress and said(io.StringIO(), 0.1, "Scoring", quiet=True) == ""


def test_progress__a_terminal_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal one line is written again and again, cut to the width, and it is gone at the end."""
    monkeypatch.setattr(progress, "_SECONDS_ON_A_TERMINAL", 0.01)

    shown = said(Terminal(), 0.1, "Scoring " + "x" * 200)

    assert "\n" not in shown and shown.endswith(CLEARED) and shown.count(CLEARED) > 4
    assert max(map(len, shown.split(CLEARED))) == 79


@pytest.mark.parametrize("text", ["::error::x", "a\nb", "\x1b[31mred", "##[group]"])
def test_progress__never_a_command(text: str) -> None:
    """A hostile name in progress is neither a command of the platform nor one of the terminal."""
    for stream in (io.StringIO(), Terminal()):
        told = said(stream, 0.0, f"Reading {text}").replace(CLEARED, "").rstrip("\n")
        assert not re.search(r"::|##\[|[\x00-\x1f]", told)


def test_progress__moves_while_native_code_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long call into a library does not stop it."""
    monkeypatch.setattr(progress, "_SECONDS_ON_A_TERMINAL", 0.02)
    stream = Terminal()
    with Progress("x", Lasting(stream), {}, Redactor()) as shown:
        shown.say("Hashing")
        before = stream.getvalue().count(CLEARED)
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 500_000)
        assert stream.getvalue().count(CLEARED) > before


def test_progress__ends_with_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody reads any more, the work goes on."""
    monkeypatch.setattr(progress, "_SECONDS_ON_A_TERMINAL", 0.01)
    stream = Terminal()
    with Progress("x", Lasting(stream), {}, Redactor()) as shown:
        shown._alive = False  # noqa: SLF001 - the last write of a closed stream would be the test's own error
        stream.close()
        time.sleep(0.1)


def test_page__shows_what_is_printed(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run that the documentation shows prints what stands there, but for its times and what is left out."""
    make_consumer(tmp_path, broken="audit-fairness")
    (block,) = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "terminal.md").read_text(), re.DOTALL)
    command, _, documented = block.partition("\n")

    printed = cd4ml(*command.removeprefix("$ cd4ml ").split(), capsys=capsys).stdout

    for line in documented.splitlines():
        expected = re.escape(line).replace("…", ".*")
        assert re.search("^" + re.sub(r"\d+\\\.\d\\ s", r"[\\d.]+ m?s", expected) + "$", printed, re.MULTILINE), line
