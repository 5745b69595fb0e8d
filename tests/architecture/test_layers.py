"""The architecture: imports follow the arrow, the start is light, the core reads no environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cd4ml.stages import STAGES
from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
# Where a defect becomes a report; around the caller's own code; in the process that starts a model's, and around a
# model's answers to rows that it may refuse, and around converters; around answers of stores that may hold anything.
EVERYTHING_CAUGHT = {
    "cd4ml.commands.stage",
    "cd4ml.user_code",
    "cd4ml.data.schema.validation",
    "cd4ml.scoring.sandbox.launcher",
    "cd4ml.scoring.child",
    "cd4ml.scoring.conversion.program",
    "cd4ml.scoring.training.program",
    "cd4ml.serving.stores.lookups",
}
HEAVY = {
    "pandas",
    "numpy",
    "pyarrow",
    "sklearn",
    "fairlearn",
    "pandera",
    "mlflow",
    "jinja2",
    "fastapi",
    "polars",
    "ruamel",
    "yaml",
}

# Words that every room may use; they use nothing but each other, in the order in which they stand.
GROUND = ("published", "errors", "wording", "digests", "process", "reading", "yaml_text", "user_code", "git", "writing")
FLOOR = frozenset(GROUND)
# Room -> the other rooms that its modules may import. A room that is not here may import none.
ALLOWED: dict[str, frozenset[str]] = {
    **{name: frozenset(GROUND[:place]) for place, name in enumerate(GROUND)},
    "report": FLOOR,
    "inputs": FLOOR,
    # Of evidence no more than who signs.
    "context": FLOOR | {"report", "evidence"},
    "environments": FLOOR | {"context"},
    "data": FLOOR | {"report", "inputs", "feature_store"},
    "observe": FLOOR | {"report", "inputs", "data"},
    "metrics": FLOOR | {"report", "inputs", "data"},
    "image": FLOOR | {"environments", "serving"},
    "search": FLOOR,
    "checks": FLOOR | {"report", "inputs", "data", "metrics", "image", "search"},
    "model_files": frozenset({"errors"}),
    # What writes features to an online store, compares them, or serves them.
    "feature_store": frozenset(),
    # The image holds these and nothing else of the package.
    "serving": frozenset({"errors", "digests", "model_files", "feature_store"}),
    "code_tools": FLOOR | {"report", "context", "environments"},
    "registry": FLOOR | {"report", "model_files"},
    "scoring": FLOOR | {"report", "context", "environments", "data"},
    "gitops": FLOOR | {"report", "image", "github"},
    "evidence": FLOOR | {"report", "inputs", "data", "checks", "registry"},
    "tracing": FLOOR | {"report", "data", "image", "registry", "gitops", "evidence"},
    "render": frozenset({"report", "wording", "published"}),
    "github": FLOOR | {"report"},
    "retraining": FLOOR | {"report", "github"},
    "stages": FLOOR
    | {"report", "inputs", "context", "data", "metrics", "checks", "code_tools", "registry", "scoring", "image"}
    | {"model_files", "gitops", "evidence", "retraining", "observe", "search", "serving"},
    "worker": FLOOR | {"report", "inputs", "context", "data", "observe", "metrics", "checks", "stages"},
    "project": FLOOR | {"inputs", "data", "metrics", "code_tools", "registry"},
    "diagnosis": FLOOR
    | {"report", "inputs", "context", "environments", "code_tools", "registry", "image", "stages", "github"}
    # What a running service says of itself, for its incidents.
    | {"data", "metrics", "observe"},
    "commands": FLOOR
    | {"metrics", "project", "report", "inputs", "context", "data", "checks", "stages", "render", "github"}
    | {"diagnosis", "evidence", "tracing", "retraining", "worker"},
    "cli": FLOOR | {"commands", "stages"},
    "__main__": frozenset({"cli"}),
}
# The process that scores has the modules of the image beside it, and nothing else of the package.
IN_THE_ENVIRONMENT_OF_THE_MODEL = {
    "cd4ml.scoring.batch.answering": {"cd4ml.serving.model"},
    "cd4ml.scoring.batch.converted": {
        "cd4ml.serving.runtimes.graph",
        "cd4ml.serving.runtimes.onnx",
        "cd4ml.serving.signature",
    },
    "cd4ml.scoring.child": {"cd4ml.serving.model"},
    "cd4ml.scoring.conversion.program": {"cd4ml.serving.model", "cd4ml.serving.tensor_model"},
    "cd4ml.scoring.conversion.ask": {
        "cd4ml.serving.exchange",
        "cd4ml.serving.refused",
        "cd4ml.serving.runtimes.fast",
        "cd4ml.serving.signature",
    },
}


def name_of(path: Path) -> str:
    """Return a file's name as a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path): path for path in MODULES}


def imported(source: str) -> set[str]:
    """Return the package's own modules that a source imports anywhere in it, or names to a loader as a literal."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in NAMES else node.module for name in whole}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names |= {
                word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
            }
    return {name for name in names if name == "cd4ml" or name.startswith("cd4ml.")}


def relative(source: str) -> list[int]:
    """Return the lines of relative imports, which name no room."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.level]


def circle(arrows: Mapping[str, set[str]]) -> set[str]:
    """Return the modules of circles, and those between two; `arrows` are the imports of each module."""
    left = {name: towards & arrows.keys() for name, towards in arrows.items()}
    while done := {
        name for name, towards in left.items() if not towards or not any(name in others for others in left.values())
    }:
        left = {name: towards - done for name, towards in left.items() if name not in done}
    return set(left)


def room_of(name: str) -> str:
    """Return the room that a module stands in."""
    return name.split(".")[1] if "." in name else ""


def not_allowed(room: str, source: str) -> set[str]:
    """Return what a source in a room imports without being allowed to."""
    allowed = ALLOWED.get(room, frozenset()) | {room, ""}
    return {name for name in imported(source) if room_of(name) not in allowed}


def test_imports_follow_the_arrow() -> None:
    """No module imports what its room is not allowed to."""
    sources = {name: path.read_text() for name, path in NAMES.items()}
    upward = {name: found for name, source in sources.items() if (found := not_allowed(room_of(name), source))}

    assert upward == IN_THE_ENVIRONMENT_OF_THE_MODEL
    assert {name: lines for name, source in sources.items() if (lines := relative(source))} == {}


def test_no_circles() -> None:
    """No module imports itself by way of others, not even for its types."""
    assert not circle({name: imported(path.read_text()) - {name} for name, path in NAMES.items()})


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a": "from cd4ml.b import x", "b": "def late() -> None:\n    import cd4ml.a"}, {"a", "b"}),
        ({"a": "if TYPE_CHECKING:\n    from cd4ml.b import X", "b": "from cd4ml.a import Y"}, {"a", "b"}),
        ({"a": "import cd4ml.b", "b": "import cd4ml.c", "c": "import cd4ml.b", "d": "import cd4ml.a"}, {"b", "c"}),
        ({"a": "import cd4ml.b", "b": "import cd4ml.c", "c": "import os"}, set()),
    ],
)
def test_a_circle_is_found(sources: dict[str, str], found: set[str]) -> None:
    """However the imports of a circle are written, its modules are found, and no others."""
    arrows = {f"cd4ml.{name}": imported(source) for name, source in sources.items()}

    assert circle(arrows) == {f"cd4ml.{name}" for name in found}


@pytest.mark.parametrize(
    "source", ["from . import x", "from ..render import terminal", "from .render.html import page"]
)
def test_a_relative_import_is_found(source: str) -> None:
    """An import that does not say whose module it means is found."""
    assert relative(source) == [1]


def test_every_room_is_listed() -> None:
    """The list of rooms has those that there are, and no others."""
    assert {room_of(name) for name in NAMES} - {""} == set(ALLOWED)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("image", "from cd4ml.render import terminal"),
        ("gitops", "from cd4ml.render.markdown import markdown"),
        ("registry", "import cd4ml.render.numbers"),
        ("evidence", "def late() -> None:\n    from cd4ml.github import runtime"),
        ("stages", "from cd4ml.github.runtime import write_outputs"),
        ("stages", "import importlib\nimportlib.import_module('cd4ml.render.terminal')"),
        ("image", "from cd4ml import render"),
        ("metrics", "from cd4ml.checks.data import table"),
        ("serving", "from cd4ml.report import Report"),
        ("wording", "from cd4ml.process import completed"),
        ("a_new_room", "from cd4ml.report import Report"),
    ],
)
def test_what_the_list_refuses(room: str, source: str) -> None:
    """An import that runs up is found, wherever in a module it stands."""
    assert not_allowed(room, source)


def test_stages_import_at_their_heads() -> None:
    """Imports inside functions of stages are few: each costs a reader the overview of what a stage needs."""
    inside = [
        f"{name}:{node.lineno}"
        for name, path in NAMES.items()
        if room_of(name) == "stages"
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cd4ml")
    ]

    assert len(inside) < 20, inside


def attributes(source: str) -> set[str]:
    """Return the attributes that a source takes of names: `os.environ`."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_only_the_cli_reads_environment_and_exits() -> None:
    """`os.environ`, `sys.argv` and `sys.exit` occur at the doors alone."""
    doors = (
        *("cli.py", "__main__.py", "serving/", "scoring/child", "scoring/conversion/program", "scoring/conversion/ask"),
        *("scoring/batch/answering", "scoring/batch/converted", "scoring/training/program"),
        *("scoring/sandbox/launcher", "registry/worker", "image/base_probe", "image/slim"),
        *("image/builders/attendant", "image/builders/offline"),
    )
    inside = {name: path for path in MODULES if not (name := path.relative_to(PACKAGE).as_posix()).startswith(doors)}
    used = {name: attributes(path.read_text()) for name, path in inside.items()}
    of_the_process = {"os.environ", "os.getenv", "sys.argv", "sys.exit"}

    assert {name: found & of_the_process for name, found in used.items() if found & of_the_process} == {}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_module_is_light(stage: str) -> None:
    """Importing a stage brings in no heavy library: `--help` and the reading of cd4ml.yaml stay quick."""
    code = f"import sys, cd4ml.stages; cd4ml.stages.declaration({stage!r}); print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout

    assert not HEAVY & set(loaded.split())


def test_help_is_light() -> None:
    """`cd4ml --help` imports no heavy library at all."""
    code = "import sys; from cd4ml.cli import main; main(['--help']); print(' '.join(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stderr

    assert not HEAVY & set(loaded.split())


def kinds(caught: ast.expr | None) -> set[str]:
    """Return the names of the exceptions that an expression stands for, without the modules before them."""
    every = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return {"BaseException" if kind is None else ast.unparse(kind).rpartition(".")[2] for kind in every}


def broad(source: str) -> list[int]:
    """Return the lines that catch everything and do not raise it again: handlers, `suppress`, other names of it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = [node.type]
            if any(isinstance(line, ast.Raise) and line.exc is None for line in node.body):
                continue
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = [*node.args]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            caught = [node.value]
        else:
            continue
        if any(kinds(kind) & {"Exception", "BaseException"} for kind in caught):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "caught",
    [
        *("", " Exception", " (Exception, SystemExit)", " (ValueError, BaseException) as error", " Exception as e"),
        *(" builtins.Exception", " (builtins.BaseException,)", "* Exception"),
    ],
)
def test_a_broad_except_is_found(caught: str) -> None:
    """However a handler that catches everything is written, it is found."""
    assert broad(f"try:\n    pass\nexcept{caught}:\n    pass\n") == [3]


@pytest.mark.parametrize(
    "line", ["with suppress(Exception): pass", "with contextlib.suppress(ValueError, Exception): pass"]
)
def test_a_broad_suppress_is_found(line: str) -> None:
    """A context manager that swallows everything is found as well."""
    assert broad(line) == [1]


@pytest.mark.parametrize("line", ["ERRORS = (ValueError, Exception)", "Anything: Final = BaseException"])
def test_another_name_of_everything_is_found(line: str) -> None:
    """A constant that a handler could catch everything by is found where it is made."""
    assert broad(line) == [1]


def test_one_broad_except() -> None:
    """Every exception is caught where the list above says so, and nowhere else."""
    assert {name for name, path in NAMES.items() if broad(path.read_text())} == EVERYTHING_CAUGHT
