"""The command line: the only place that reads arguments and the environment.

cd4ml <stage> [options]     one stage (cd4ml/stages)
cd4ml <command> [options]   anything else, such as every stage in order (cd4ml/commands)
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Final, TextIO

import cd4ml
from cd4ml.commands import COMMANDS, load
from cd4ml.commands.door import Door, Lasting
from cd4ml.errors import EXIT_CODES, Cd4mlError, Interrupted
from cd4ml.errors import PASSED as EXIT_PASSED
from cd4ml.errors import USAGE as EXIT_USAGE
from cd4ml.process.signals import interruptible
from cd4ml.reading import outside
from cd4ml.stages import STAGES
from cd4ml.wording import Redactor, nearest, safe

# What runs models, ends programs and locks files is not there: half of it would be worse than none.
_ON_WINDOWS: Final = "cd4ml: runs on Linux and macOS. On Windows use WSL (`wsl --install`), and run it there."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if os.name == "nt":
        print(_ON_WINDOWS, file=sys.stderr)
        return EXIT_USAGE.code
    arguments = list(sys.argv[1:] if argv is None else argv)
    redactor = Redactor.of(os.environ)
    door = Door(
        environ=dict(os.environ),
        stdout=Lasting(_shows_anything(sys.stdout), redactor),
        stderr=Lasting(_shows_anything(sys.stderr), redactor),
        redactor=redactor,
    )
    # Whoever starts this process may have it ignored, and then every program seems to end with 0.
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # For this process alone, not for the programs it starts. Polars decodes row groups ahead of need, many at once; two
    # are as quick and take half the memory. No matrix here is large: threads for it cost a tenth of a second to start.
    os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", "2")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Importing libraries makes objects that stay: looking through them again and again for garbage is in vain.
    gc.set_threshold(100_000, 10, 10)
    try:
        with interruptible():
            return _run(arguments, door)
    except Interrupted as error:
        print(f"cd4ml: ended by {error.name}", file=door.stderr)
        return error.code
    finally:
        door.stdout.flush()
        door.stderr.flush()


def _shows_anything(stream: TextIO | None) -> TextIO:
    """Return a stream that escapes what its encoding lacks; one for nobody where a standard stream was closed."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _run(arguments: list[str], door: Door) -> int:
    """Run a command and return its exit code."""
    if arguments in (["--version"], ["-V"]):
        print(f"cd4ml {cd4ml.__version__}", file=door.stdout)
        return EXIT_PASSED.code
    if arguments[:1] == ["help"] and len(arguments) > 1:
        arguments = [*arguments[1:], "--help"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(), file=door.stdout)
        return EXIT_PASSED.code if arguments else EXIT_USAGE.code
    name, rest = arguments[0], arguments[1:]
    if name not in (*COMMANDS, *STAGES):
        known = nearest(name, [*STAGES, *COMMANDS])
        print(f"cd4ml: unknown command `{safe(name)}`{known}; see cd4ml --help", file=door.stderr)
        return EXIT_USAGE.code
    try:
        if name in COMMANDS:
            return load(name).run(rest, door)
        from cd4ml.commands.stage import run_stage  # what renders and reads would cost the help a fifth of its time

        return run_stage(name, rest, door).code
    except Cd4mlError as error:  # not even the report could be written
        print(f"cd4ml {name}: {safe(door.redactor.text(str(error)))}", file=door.stderr)
        return error.exit_code.code
    except OSError as error:
        told = outside(error)
        print(f"cd4ml {name}: {safe(door.redactor.text(str(told)))}", file=door.stderr)
        return told.exit_code.code


def _help() -> str:
    """Return the overview of all commands."""
    width = max(len(name) for name in STAGES)
    lines = [
        "usage: cd4ml <command> [options]",
        "",
        "Gates every change to a machine-learning model and delivers it.",
        "",
        "stages:",
        *(f"  {name:<{width}}  {info.summary}" for name, info in STAGES.items()),
        "",
        "other commands:",
        *(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()),
        "",
        "`cd4ml help <command>` shows a command's options. Exit codes:",
        *(f"  {code.code:>2}  {code.meaning}" for code in EXIT_CODES),
    ]
    return "\n".join(lines)
