"""`cd4ml completion`: real shells complete commands, options and values by the scripts."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from cd4ml.cli import main
from cd4ml.commands import COMMANDS
from cd4ml.inputs.options import declared
from cd4ml.stages import PIPELINE, STAGES, declaration
from tests.conftest import ROOT, clean_environment, missing

# A shell in which `cd4ml` prints what it was called with, and the script is in place.
STARTS: Final = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {script}; cd4ml() {{ printf '<%s>' \"$*\"; }}"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -U compinit; compinit -u -D; source {script}; cd4ml() {{ printf '<%s>' \"$*\"; }}",
    ),
}
# A shell is interactive where the terminal is its own.
WITH_TERMINAL: Final = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)
WORDS: Final = [
    ("cd4ml aud", "audit-fairness"),
    ("cd4ml evaluate-model --primary", "evaluate-model --primary-metric"),
    ("cd4ml evaluate-model --comparison=poi", "evaluate-model --comparison=point"),
    ("cd4ml evaluate-model --comparison poi", "evaluate-model --comparison point"),
    ("cd4ml run --stages valid", "run --stages validate-data"),
    ("cd4ml deploy-model --required-stages build", "deploy-model --required-stages build-image"),
    ("cd4ml validate-data --data some", "validate-data --data some-table.parquet"),
    ("cd4ml schema inf", "schema infer"),
    ("cd4ml help check-c", "help check-code"),
    ("cd4ml completion fi", "completion fish"),
]


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a shell's script as a file beside a table; a shell that is not there is a reason to skip."""
    if not shutil.which(shell):
        missing(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    path = folder / f"completion.{shell}"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    (folder / "some-table.parquet").touch()
    return path


def typed(shell: str, path: Path, line: str) -> str:
    """Return what `cd4ml` is called with after a line and the tabulator were typed at a shell's prompt."""
    command, setup = STARTS[shell]
    terminal, far_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_TERMINAL, *command],
        cwd=path.parent,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": str(path.parent)},
        stdin=far_end,
        stdout=far_end,
        stderr=far_end,
        start_new_session=True,
    )
    os.close(far_end)
    try:
        os.write(terminal, f"{setup.format(script=shlex.quote(str(path)))}; echo rea''dy\n".encode())
        _read_until(terminal, r"ready")
        os.write(terminal, f"{line}\t".encode())
        time.sleep(0.1)
        os.write(terminal, b"\n")
        return _read_until(terminal, r"<([^<>]*)>").strip()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read_until(terminal: int, pattern: str) -> str:
    """Return what a pattern's last group finds in a terminal's output, once it is there."""
    seen, end = "", time.monotonic() + 30
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
        found = re.search(pattern, seen)
        if found:
            return found[found.lastindex or 0]
    raise AssertionError(f"no {pattern} in {seen!r}")


@pytest.mark.parametrize("shell", STARTS)
@pytest.mark.parametrize(("line", "called"), WORDS)
def test_shell__completes(
    shell: str, line: str, called: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a prompt, the tabulator completes commands, options, their words, names of stages and files."""
    assert typed(shell, script(shell, tmp_path, capsys), line) == called


@pytest.mark.parametrize(("line", "called"), WORDS)
def test_fish__completes(line: str, called: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """fish finds the same words, with their sentences."""
    path = script("fish", tmp_path, capsys)
    ask = f"source {shlex.quote(str(path))}; complete -C {shlex.quote(line)}"

    found = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True, text=True, cwd=tmp_path, check=True)

    assert called.split()[-1] in [row.partition("\t")[0] for row in found.stdout.splitlines()]


def offered(path: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last of the words."""
    line = " ".join(map(shlex.quote, words))
    program = (
        f"source {shlex.quote(str(path))}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _cd4ml; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    run = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=path.parent, check=True)
    return run.stdout.split()


def test_bash__offers_everything_that_is_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every stage and command is offered, every option of a stage, every word of a choice, and no file for a number."""
    path = script("bash", tmp_path, capsys)

    assert {*STAGES, *COMMANDS, "help", "--help", "--version"} == {*offered(path, "cd4ml", "")}
    for stage in STAGES:
        options = {f"--{option.name}" for option in declared(declaration(stage).Options)}
        assert options <= {*offered(path, "cd4ml", stage, "--")}
    assert offered(path, "cd4ml", "check-code", "--on-failed", "") == ["fail", "warn"]
    assert offered(path, "cd4ml", "run", "--stages", "") == [*PIPELINE]
    assert offered(path, "cd4ml", "evaluate-model", "--seed", "") == []


def test_page__line_for_bash(tmp_path: Path) -> None:
    """The line that the page gives for ~/.bashrc completes, with the command as it is installed."""
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^(source <\(cd4ml completion bash\))", page, re.M)
    (tmp_path / "cd4ml").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cd4ml "$@"\n')
    (tmp_path / "cd4ml").chmod(0o755)

    run = subprocess.run(
        ["bash", "-c", f"{line}\ncomplete -p cd4ml"],
        env=clean_environment(PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout.strip() == "complete -F _cd4ml cd4ml", run.stderr


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["bash", "zsh"]])
def test_completion__of_no_shell__refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No shell, an unknown one or two of them are an error that names the shells."""
    assert main(["completion", *arguments]) == 2
    assert "name one shell: bash, zsh, fish" in capsys.readouterr().err
