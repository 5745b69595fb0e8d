"""Processes that a run starts end with it, however they try to stay and however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cd4ml.errors import Interrupted, UnavailableError
from cd4ml.process.descendants import beside, contained
from cd4ml.process.programs import (
    Group,
    NotCompletedError,
    TimeLimitError,
    TooMuchOutputError,
    completed,
    end,
    required,
    start,
)
from cd4ml.process.signals import interruptible
from tests.conftest import ROOT, clean_environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and death signals are Linux's")
ENVIRON = dict(os.environ)
# Leaves its parent, its session and its group, and writes its number where the test looks.
DAEMON = textwrap.dedent("""
    import os, pathlib, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            path = pathlib.Path(sys.argv[1])
            path.with_suffix(".new").write_text(str(os.getpid()))
            path.with_suffix(".new").rename(path)
            time.sleep(120)
        os._exit(0)
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
""")


def gone(pid: int) -> bool:
    """Whether a process has ended, within two seconds."""
    for _ in range(200):
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """Return where a daemon writes its number; it is ended after the test whatever happens."""
    path = tmp_path / "pid"
    yield path
    if path.exists() and not gone(int(path.read_text())):
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_contained__daemon_ends(daemon: Path) -> None:
    """A process that forked twice and left session and group ends with the block that started it."""
    with contained():
        completed([sys.executable, "-c", DAEMON, str(daemon)], environ=ENVIRON, seconds=30)
        pid = int(daemon.read_text())
        os.kill(pid, 0)

    assert gone(pid)


def test_contained__daemon_ends_when_the_block_raises(daemon: Path) -> None:
    """An error on the way changes nothing about what is ended."""
    with pytest.raises(KeyError), contained():
        completed([sys.executable, "-c", DAEMON, str(daemon)], environ=ENVIRON, seconds=30)
        raise KeyError

    assert gone(int(daemon.read_text()))


def test_contained__what_ran_before_is_left_alone() -> None:
    """A process that was started before the block goes on."""
    before = start([sys.executable, "-c", "import time; time.sleep(60)"], environ=ENVIRON)
    try:
        with contained():
            completed([sys.executable, "-c", ""], environ=ENVIRON, seconds=30)

        assert before.poll() is None
    finally:
        end(before)
        before.communicate()


def test_completed__too_slow__its_children_end_too(tmp_path: Path) -> None:
    """What a program started in its group ends with it at the time limit."""
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"

    with pytest.raises(TimeLimitError, match="did not end within 2 seconds"):
        completed([sys.executable, "-c", parent], environ=ENVIRON, seconds=2)

    assert gone(int((tmp_path / "pid").read_text()))


def test_killed_parent__takes_the_child_along() -> None:
    """A process that is killed outright cannot clean up; what it started ends all the same."""
    program = textwrap.dedent("""
        import os, sys, time
        from cd4ml.process.programs import start
        child = start([sys.executable, "-c", "import time; time.sleep(60)"], environ=dict(os.environ))
        print(child.pid, flush=True)
        time.sleep(60)
    """)
    environ = clean_environment(PYTHONPATH=str(ROOT))
    parent = subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())

    parent.kill()
    parent.communicate()

    assert gone(pid)


def test_interruptible__only_the_first_signal_counts() -> None:
    """A second signal does not cut the cleaning up short."""
    with pytest.raises(Interrupted) as caught, interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            cleaned = True

    assert cleaned
    assert (caught.value.name, caught.value.code) == ("SIGTERM", 143)


@pytest.mark.parametrize("attempt", range(5))
def test_interrupted_while_starting__the_program_ends(tmp_path: Path, attempt: int) -> None:
    """A signal that comes while a program is being started waits until it is known which program to end."""
    pid = tmp_path / "pid"
    program = (
        f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); os.kill(os.getppid(), 15); time.sleep(60)"
    )

    with pytest.raises(Interrupted), interruptible():
        completed(["/bin/sh", "-c", f"kill -TERM $PPID; echo $$ > {pid}; exec sleep 60"], environ=ENVIRON, seconds=30)
    assert not pid.exists() or not pid.read_text().strip() or gone(int(pid.read_text()))

    with pytest.raises(Interrupted), interruptible():
        completed([sys.executable, "-c", program], environ=ENVIRON, seconds=30)
    assert gone(int(pid.read_text()))


def test_interruptible__ignored_signal_stays_ignored() -> None:
    """`nohup` starts a program with SIGHUP ignored: hanging up must not end it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signal__report_says_error_and_nothing_runs_on(tmp_path: Path, number: signal.Signals) -> None:
    """However a run is told to end: the tools end, the report and the outputs say error, the code names the signal."""
    (tmp_path / "test_x.py").write_text(
        "import os, pathlib, time\n\n\ndef test_x():\n"
        "    pathlib.Path('new').write_text(str(os.getpid()))\n    os.rename('new', 'pid')\n    time.sleep(300)\n"
    )
    outputs = tmp_path / "outputs"
    environ = clean_environment(PYTHONPATH=str(ROOT), GITHUB_OUTPUT=str(outputs))
    start_it = (
        "import runpy, signal\nfor number in (signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_DFL)\n"
        "runpy.run_module('cd4ml', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", start_it, "check-code", "--paths", ".", "--tools", "pytest"]
    process = subprocess.Popen(
        [*command, "--python", sys.executable],
        cwd=tmp_path,
        env=environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    while not (tmp_path / "pid").exists():
        assert process.poll() is None
        time.sleep(0.05)

    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    assert gone(int((tmp_path / "pid").read_text()))
    report = json.loads((tmp_path / "reports" / "check-code.json").read_text())
    assert report["status"] == "error"
    assert number.name in report["summary"]
    assert "\ntrue\n" not in outputs.read_text()


def test_beside__what_it_runs_ends_with_the_block() -> None:
    """A block that is left by a signal does not wait for what runs beside it: its programs end, one after the other."""

    def work() -> None:
        for _ in range(3):
            completed(["sleep", "60"], environ=ENVIRON, seconds=100)

    began = time.monotonic()
    with pytest.raises(Interrupted), beside(work):
        time.sleep(0.3)
        raise Interrupted(signal.SIGTERM)
    assert time.monotonic() - began < 10


def test_beside__result_is_the_functions() -> None:
    """A block that ends well waits for what runs beside it, and gets its result or its error."""
    with beside(lambda: 6 * 7) as found:
        pass
    assert found.result() == 42
    with beside(lambda: 1 // 0) as broken:
        pass
    assert isinstance(broken.exception(), ZeroDivisionError)


def test_ignored_ends_of_children__a_failing_program_still_fails(tmp_path: Path) -> None:
    """Started with SIGCHLD ignored, as some agents do, the command line still learns how its programs end."""
    code = textwrap.dedent("""
        import signal, subprocess, sys
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert subprocess.run(["false"]).returncode == 0
        from cd4ml.cli import main
        main(["--version"])
        print(subprocess.run(["false"]).returncode)
    """)
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ran.stdout.splitlines()[-1] == "1", ran.stderr


@pytest.mark.parametrize("stream", ["1", "2"])
def test_closed_standard_stream__exit_code_is_the_verdict(tmp_path: Path, stream: str) -> None:
    """Without standard output or error the verdict is the same, and there is no traceback."""
    script = f'exec "$0" -m cd4ml plan {stream}>&-'
    (tmp_path / "cd4ml.yaml").write_text("validate-data:\n  data: a.csv\n  schema: a.yaml\n")
    ran = subprocess.run(
        ["sh", "-c", script, sys.executable], cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=60
    )

    assert (ran.returncode, b"Traceback" in ran.stderr) == (0, False), ran.stderr


def test_completed__missing_program__said_with_what_to_do() -> None:
    """A program that is not there is named, and what to do about it."""
    with pytest.raises(NotCompletedError, match="^nosuchprogram was not found on this machine") as caught:
        completed(["nosuchprogram"], environ=ENVIRON, seconds=5)

    assert caught.value.advice == "Install nosuchprogram."


def test_completed__missing_folder__is_not_a_missing_program(tmp_path: Path) -> None:
    """If the folder is missing, the program is not said to be."""
    with pytest.raises(NotCompletedError, match="sh cannot be started: No such file or directory"):
        completed(["sh", "-c", "true"], environ=ENVIRON, seconds=5, folder=tmp_path / "nowhere")


def test_completed__too_much_output__is_not_read() -> None:
    """What a program writes beyond the limit is not read, and does not pass for its output."""
    with pytest.raises(TooMuchOutputError, match="sh wrote more than 10 bytes"):
        completed(["sh", "-c", "echo 1234567890"], environ=ENVIRON, seconds=5, most=10)


@pytest.mark.parametrize(("brief", "number"), [(False, signal.SIGKILL), (True, 0)])
def test_brief__alone_does_not_end_with_its_parent(brief: bool, number: int) -> None:
    """Every program asks for its end at the end of its parent, but one that only reads: asking is slow."""
    asked = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n), 0, 0, 0); print(n.value)"

    answer = completed([sys.executable, "-c", asked], environ=ENVIRON, seconds=30, brief=brief)

    assert int(answer.text) == number


def test_brief__too_slow__its_children_end_too(tmp_path: Path) -> None:
    """What is said to be brief and is not ends at the time limit, with all that it started in its group."""
    with pytest.raises(TimeLimitError):
        completed(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], environ=ENVIRON, seconds=1, brief=True)

    assert gone(int((tmp_path / "pid").read_text()))


def test_required__failure__ends_with_the_last_words() -> None:
    """A program that must succeed is quoted with its exit code and the end of what it said."""
    with pytest.raises(UnavailableError, match=r"^Nothing was done \(sh ended with 3\): no such thing$"):
        required(["sh", "-c", "echo no such thing >&2; exit 3"], "Nothing was done", environ=ENVIRON, seconds=5)


def test_end__patience__what_is_left_of_the_group_ends_too(tmp_path: Path) -> None:
    """A program that ends by itself once told to may leave others behind: they end all the same."""
    child = f"trap '' TERM; echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; while :; do sleep 0.1; done"
    process = start(
        ["sh", "-c", f'sh -c "$0" & while [ ! -e {tmp_path}/pid ]; do sleep 0.01; done', child], environ=ENVIRON
    )
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)

    end(process, patience=10)
    process.communicate()

    assert gone(int((tmp_path / "pid").read_text()))


def test_group__end__nothing_more_starts(tmp_path: Path) -> None:
    """What runs in a group ends with it, and nothing can be started in it any more."""
    group = Group()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(completed, ["sleep", "60"], environ=ENVIRON, seconds=60, group=group)
        time.sleep(0.2)
        group.end()

    assert waiting.result().code == -signal.SIGKILL
    with pytest.raises(NotCompletedError, match="interrupted"):
        completed(["true"], environ=ENVIRON, seconds=5, group=group)
