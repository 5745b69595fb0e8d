"""The sandbox: what hostile code gets on machines that offer more and less, and what ordinary programs still do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.scoring.sandbox import PROTECTIONS, Room, started
from tests.conftest import ROOT, missing
from tests.scoring import hostile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has a sandbox")
CANARY = "c4n4ry-51d2"
SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin")
DRIVER = """
import json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from cd4ml.process.descendants import contained
from cd4ml.scoring.sandbox import Room, interpreter_files, started
folder, code, required = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "required"
for name in ("rows", "own", "root"):
    (folder / name).mkdir(parents=True)
python = Path(sys.executable)
made = (python.parent.parent / "pyvenv.cfg").is_file()
read = [*(interpreter_files(python) if made else [python]), folder / "rows"]
command = [str(python), "-I", "-B", "-c", code]
room = Room(read=read, own=folder / "own", root=folder / "root")
environ = {{"PATH": "/usr/bin:/bin", "HOME": str(folder / "own")}}
with contained(), started(command, room=room, environ=environ, required=required) as (process, isolation):
    said = process.stdout.read().decode()
    code = process.wait()
print(json.dumps({{"said": said, "code": code, "held": isolation.held, "missing": isolation.missing}}))
"""


class Machine:
    """A machine that may be poorer than this one."""

    def __init__(self, folder: Path, restriction: str) -> None:
        """Take a folder that everybody may write to."""
        self.folder = folder
        self.restriction = restriction
        nobody = "nobody" in restriction
        if nobody and (os.getuid() != 0 or SYSTEM_PYTHON is None):
            missing("becoming an ordinary user needs root, and a Python of the system's own")
        self.python = SYSTEM_PYTHON if nobody and SYSTEM_PYTHON else sys.executable

    def command(self, code: str, required: str = "") -> list[str]:
        """Return the command that runs Python code in the sandbox."""
        driver = DRIVER.format(root=str(ROOT))
        inner = [self.python, "-I", "-c", driver, str(self.folder / "room"), code, required]
        return [self.python, "-I", str(Path(hostile.__file__)), self.restriction, *inner]

    def run(self, code: str, required: str = "") -> dict[str, Any]:
        """Run Python code in the sandbox, and return what it said and what held."""
        environ = {"PATH": "/usr/bin:/bin", "TOKEN": CANARY}
        result = subprocess.run(
            self.command(code, required), env=environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return dict(json.loads(result.stdout))


@pytest.fixture
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder that everybody may enter and write to, whoever runs the tests."""
    import tempfile

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o777)
        yield Path(name)


class Targets:
    """A host with secrets in files and processes, and with servers."""

    def __init__(self, folder: Path) -> None:
        """Plant the secrets and start the servers."""
        self.files = {}
        for name in (".netrc", ".aws/credentials", "temp/_runner_file_commands/set_env", "work/.git/config", "notes"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{CANARY}\n")
            path.chmod(0o666)
            self.files[name] = path
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        self.bystander = subprocess.Popen(["sleep", "300"], env={"SECRET": CANARY})
        self.servers = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
        port = self.servers[0].getsockname()[1]
        self.servers[1].bind(("127.0.0.1", port))
        for address in (str(folder / "daemon.sock"), f"\0cd4ml-{os.getpid()}"):
            server = socket.socket(socket.AF_UNIX)
            server.bind(address)
            server.listen()
            self.servers.append(server)
        (folder / "daemon.sock").chmod(0o666)
        self.told = {
            "canary": CANARY,
            "cmdline": False,
            "read": [str(path) for path in self.files.values()],
            "write": [str(self.files["notes"]), str(folder / "fresh")],
            "port": port,
            "unix": str(folder / "daemon.sock"),
            "abstract": f"cd4ml-{os.getpid()}",
            "pid": self.bystander.pid,
        }

    def datagrams(self) -> int:
        """Return how many datagrams came."""
        self.servers[1].setblocking(False)
        try:
            return len(self.servers[1].recv(100))
        except BlockingIOError:
            return 0

    def end(self) -> None:
        """End processes and servers."""
        self.bystander.kill()
        self.bystander.wait()
        for server in self.servers:
            server.close()


@pytest.fixture
def targets(open_folder: Path) -> Iterator[Targets]:
    """Return a host worth attacking."""
    made = Targets(open_folder / "host")
    yield made
    made.end()


MACHINES = [
    *("", "nobody", "no-namespaces", "nobody,no-namespaces"),
    *("no-landlock", "nobody,no-landlock", "masked", "nobody,masked"),
]


def attack(told: dict[str, Any]) -> str:
    """Return hostile code that prints what it got."""
    return f"{hostile.TRIES}\nprint(json.dumps(tries({told!r})))"


def leave(mark: str, then: str) -> str:
    """Return code that leaves a process behind."""
    return f"{hostile.TRIES}\nimport time\ndaemon({mark!r})\n{then}"


@pytest.fixture(params=MACHINES, ids=lambda name: name or "this-machine")
def machine(request: pytest.FixtureRequest, open_folder: Path) -> Machine:
    """Return each kind of machine."""
    return Machine(open_folder, request.param)


def test_hostile_code__gets_nothing(machine: Machine, targets: Targets) -> None:
    """With Landlock or with namespaces, as root or not: no secret, no server, no file, no signal, no setting."""
    run = machine.run(attack(targets.told))

    if not {"files", "network", "other-processes"} <= set(run["held"]):
        missing(f"this machine holds only {', '.join(run['held'])}: {run['missing']}")
    found = json.loads(run["said"])
    poorer = "no-namespaces" in machine.restriction or "masked" in machine.restriction
    assert ("namespaces" in run["held"]["files"]) != poorer
    assert found.pop("processes") == 0
    assert found.pop("mode") in (None, "FileNotFoundError", "PermissionError", "OSError")  # looked at below
    assert found.pop("udp") in ("sent", "PermissionError", "OSError") and targets.datagrams() == 0
    errors = {"PermissionError", "FileNotFoundError", "ConnectionRefusedError", "OSError", "ProcessLookupError"}
    assert set(found.values()) <= errors, found
    assert [path.read_text() for path in targets.files.values()] == [f"{CANARY}\n"] * 5
    assert targets.files["notes"].stat().st_mode & 0o777 == 0o666
    assert not (machine.folder / "host" / "fresh").exists()


@pytest.mark.parametrize("user", ["", "nobody,"], ids=["this-user", "nobody"])
def test_nothing_there__said_and_refused(open_folder: Path, targets: Targets, user: str) -> None:
    """A machine with neither namespaces nor Landlock says what does not hold, and runs nothing if all is required.

    The environment of the process that starts the program, which holds a secret, stays closed even there.
    """
    poor = Machine(open_folder, f"{user}no-landlock,no-namespaces")
    refused = poor.run("open('ran', 'w')", "required")

    assert {"files", "other-processes"} <= set(refused["missing"])
    assert "landlock: " in refused["missing"]["files"] and "namespaces: " in refused["missing"]["files"]
    assert set(refused["held"]) | set(refused["missing"]) == set(PROTECTIONS)
    assert refused["code"] != 0 and not list((open_folder / "room" / "own").iterdir())
    shutil.rmtree(open_folder / "room")
    run = poor.run(attack(targets.told))
    found = json.loads(run["said"])
    assert run["missing"] == refused["missing"]
    assert found["read 0"] == f"{CANARY}\n", "the test can fail"
    assert found["processes"] == 0
    assert (found["tcp"], found["unix"]) == ("PermissionError", "PermissionError")


def test_everything_there__runs_where_required(open_folder: Path) -> None:
    """On a machine with all of it nothing is missing, and what requires it runs."""
    run = Machine(open_folder, "").run("print(6 * 7)", "required")

    if run["missing"]:
        missing(f"this machine lacks {run['missing']}")
    assert (run["said"], run["code"]) == ("42\n", 0) and set(run["held"]) == set(PROTECTIONS)


def test_daemon__ends_with_the_program(machine: Machine) -> None:
    """A process that forked twice into a session of its own ends with the program that left it behind."""
    mark = f"left-behind-{os.getpid()}"
    run = machine.run(leave(mark, "time.sleep(0.3); print('done')"))

    assert run["said"] == "done\n" and "descendants" in run["held"]
    assert hostile.running(mark) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told"])
def test_killed__takes_everything_along(machine: Machine, number: int) -> None:
    """Where cd4ml itself is killed, the program and what it hid end too."""
    mark = f"orphan-{os.getpid()}-{number}"
    command = machine.command(leave(mark, "time.sleep(300)"))
    process = subprocess.Popen(command, env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL)
    assert _soon(lambda: len(hostile.running(mark)) == 1)
    inside = hostile.running(leave(mark, "time.sleep(300)"))

    process.send_signal(number)
    process.wait()

    assert _soon(lambda: not hostile.running(mark))
    assert inside and _soon(lambda: not [pid for pid in inside if Path(f"/proc/{pid}").exists()])


def _soon(condition: Any) -> bool:
    """Whether a condition comes true within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


ORDINARY = """
import ctypes, mmap, multiprocessing, os, subprocess, sys, tempfile
from multiprocessing import shared_memory
from pathlib import Path
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
lock = multiprocessing.Lock()
with lock:
    pass
block = shared_memory.SharedMemory(create=True, size=1 << 20)
block.buf[0] = 1
block.close()
block.unlink()
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
    os.chmod(file.name, 0o600)
    os.utime(file.name)
made = Path("deep/er")
made.mkdir(parents=True)
(made / "a").write_text("a")
(made / "a").rename(made / "b")
os.symlink("b", made / "c")
assert (made / "c").read_text() == "a"
assert subprocess.run(["/bin/echo", "hi"], capture_output=True).stdout == b"hi\\n"
assert os.cpu_count() and os.listdir("/sys/devices/system/cpu")
import getpass, locale, ssl, zoneinfo
open("/proc/self/status").read(); open("/proc/meminfo").read()
assert len(os.urandom(8)) == 8 and open("/dev/null", "w").write("x")
print("ordinary")
"""


def test_ordinary_program__works(machine: Machine) -> None:
    """Processes, locks, shared memory, temporary files, links and the system's own files are there as ever."""
    run = machine.run(ORDINARY)

    assert (run["said"], run["code"]) == ("ordinary\n", 0)


def test_program_that_dies__told(open_folder: Path) -> None:
    """A program that a signal ends is told as a shell tells it, and one that does not exist is an error."""
    run = Machine(open_folder, "").run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert run["code"] == 128 + signal.SIGSEGV


def test_no_such_program__error(open_folder: Path) -> None:
    """A program that cannot be run is an error that says so, and nothing is left open or running."""
    for name in ("rows", "own", "root"):
        (open_folder / name).mkdir()
    room = Room(read=[open_folder / "rows"], own=open_folder / "own", root=open_folder / "root")
    with pytest.raises(UnavailableError, match="could not be started: FileNotFoundError"):
        with started([str(open_folder / "nothing")], room=room, environ={}):
            pass


def test_what_holds__known_while_the_program_runs(open_folder: Path) -> None:
    """What holds is told at the start, not at the end; leaving the block ends the program."""
    for name in ("rows", "own", "root"):
        (open_folder / name).mkdir()
    room = Room(read=[open_folder / "rows"], own=open_folder / "own", root=open_folder / "root")
    before = time.monotonic()
    with started(["/bin/sleep", "300"], room=room, environ={}) as (process, isolation):
        assert "descendants" in isolation.held and process.poll() is None
        assert process.stdout is not None
    process.stdout.close()

    assert time.monotonic() - before < 60 and process.returncode == -signal.SIGKILL
