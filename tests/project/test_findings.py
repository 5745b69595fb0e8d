"""What is found in a repository: each finding rests on something that its files say, and says on what."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from cd4ml.git import Checkout
from cd4ml.metrics.performance.metric import Task
from cd4ml.project import code, features, headers, labels, python, registry, surroundings, tables, target
from cd4ml.project.findings import Tables
from cd4ml.project.tree import MOST_FILES, Tree, look
from tests.project.makes import write

ROWS = "age,sex,approved\n30,f,1\n40,m,0\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree_of(folder: Path, files: dict[str, str]) -> Tree:
    """Write files and return the tree that they are."""
    write(folder, files)
    return look(folder, Checkout(directory=folder, environ={}))


def found_tables(folder: Path, files: dict[str, str], **named: str) -> Tables:
    """Return the tables of files."""
    tree = tree_of(folder, files)
    return tables.find(tree, python.modules(tree), {"train": None, "test": None, "predictions": None, **named})


def target_of(folder: Path, source: str, columns: list[str], name: str = "train.py") -> tuple[str | None, list[str]]:
    """Return the target that a source names, and what else it may be."""
    tree = tree_of(folder, {name: source})
    found, candidates = target.find(tree, python.modules(tree), columns)
    return found.value if found else None, list(candidates)


def test_tree__passes_over_what_others_wrote(here: Path) -> None:
    """Packages, environments, hidden folders and caches are not the project's; without git a note says so."""
    others = ["node_modules/a.py", ".venv/pyvenv.cfg", ".venv/b.py", "env2/pyvenv.cfg", "env2/c.py", "mlruns/0/m.csv"]
    tree = tree_of(here, {name: "" for name in ["a.py", "src/b.py", ".github/workflows/ci.yml", *others]})

    assert list(tree.names) == [".github/workflows/ci.yml", "a.py", "src/b.py"]
    assert not tree.in_git and "not a git repository" in tree.notes[0]


def test_tree__is_bounded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound files are not looked at, and a note says so."""
    monkeypatch.setattr("cd4ml.project.tree.MOST_FILES", 3)

    tree = tree_of(here, {f"{number}.py": "" for number in range(9)})

    assert len(tree.names) == 3 and any("were looked at, those" in note for note in tree.notes)
    assert MOST_FILES >= 10_000


@pytest.mark.parametrize(
    ("files", "train", "test"),
    [
        (
            {"train.py": "import pandas\npandas.read_csv('a.csv')\nm.fit(1)", "a.csv": ROWS, "b.csv": ROWS},
            "a.csv",
            None,
        ),
        ({"data/train.csv": ROWS, "data/test.csv": ROWS}, "data/train.csv", "data/test.csv"),
        ({"data/train/x.csv": ROWS, "data/test/x.csv": ROWS}, "data/train/x.csv", "data/test/x.csv"),
        ({"only.csv": ROWS, "tests/fixtures/small.csv": ROWS}, "only.csv", None),
        ({"a.csv": ROWS, "b.csv": ROWS}, None, None),
        ({"data/train.csv": ROWS, "data/test.csv": "id\n1\n"}, "data/train.csv", None),
        (
            {
                "src/t.py": "from pathlib import Path\nD = Path('data')\nread_csv(D / 'x.csv')\nm.fit(1)",
                "data/x.csv": ROWS,
            }
            | {"z.csv": ROWS},
            "data/x.csv",
            None,
        ),
    ],
)
def test_tables__by_code_and_by_name(here: Path, files: dict[str, str], train: str | None, test: str | None) -> None:
    """Training rows are what the training code reads, what is called so, or the only table; else none is guessed."""
    found = found_tables(here, files)

    assert (found.train and found.train.value.name, found.test and found.test.value.name) == (train, test)
    assert train or any("not certain" in note for note in found.notes)


def test_tables__data_that_are_not_here(here: Path) -> None:
    """Where the code reads a table that nobody has made yet, it is named with the place."""
    found = found_tables(here, {"train.py": "import pandas as pd\npd.read_parquet('data/train.parquet')\n"})

    assert found.train is None and any("data/train.parquet (train.py:2)" in note for note in found.notes)


@pytest.mark.parametrize(
    "path", ["/etc/passwd.csv", "../up.csv", "x" * 5000 + ".csv", "a\0.csv", "s3://bucket/a.csv", "{}"]
)
def test_tables__texts_in_code_that_are_no_files_here(here: Path, path: str) -> None:
    """Whatever text stands where code reads a table, nothing outside the project is looked at, and nothing breaks."""
    (here.parent / "up.csv").write_text(ROWS)
    found = found_tables(here, {"train.py": f"pd.read_csv({path!r})\nm.fit(1)\n", "data.csv": ROWS})

    assert found.train and found.train.value.name == "data.csv"


def test_tables__a_pipe_is_none(here: Path) -> None:
    """A pipe called like a table is passed over at once: opening it would wait for ever."""
    os.mkfifo(here / "train.csv")
    os.mkfifo(here / "train.py")

    found = found_tables(here, {"data.csv": ROWS})

    assert found.train and found.train.value.name == "data.csv"


def test_tables__predictions_by_their_columns(here: Path) -> None:
    """A table with truth and decisions is one of predictions, and no training rows."""
    found = found_tables(here, {"out/p.csv": "y_true,y_pred\n1,1\n", "a.csv": ROWS})

    assert found.predictions and found.predictions.value.name == "out/p.csv"
    assert found.train and found.train.value.name == "a.csv"


def test_tables__what_cannot_be_looked_into_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that are too large, damaged or no tables are passed over by name; none is read beyond its header."""
    monkeypatch.setattr(tables, "LARGEST", 1000)
    (here / "big.csv").write_text(ROWS + "1,f,1\n" * 1000)
    (here / "broken.parquet").write_bytes(b"PAR1 nothing")
    (here / "null.csv").write_bytes(b"a\0b\n")

    found = found_tables(here, {"empty.csv": ""})

    assert found.train is None
    for name, why in (
        ("big.csv", "more than"),
        ("broken.parquet", "not a file"),
        ("null.csv", "text"),
        ("empty.csv", ""),
    ):
        assert any(note.startswith(f"{name}:") and why in note for note in found.notes), name


def test_tables__a_huge_file_is_not_read(here: Path) -> None:
    """A file of 50 GB is named and left out in no time: nothing but its first bytes is read."""
    with (here / "train.csv").open("wb") as stream:
        stream.write(ROWS.encode() + b"1,f,1\n" * 20_000)
        stream.truncate(50 << 30)

    found = found_tables(here, {})

    assert found.train is None and any("54 GB" in note for note in found.notes), found.notes


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"a,b\n1,2\n", {}),
        (b"a;b\n1,5;2\n", {"delimiter": ";", "decimal": ","}),
        (b"a\tb\n1\t2\n", {"delimiter": "tab"}),
        ("a,b\nBlåbær,2\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("a,b\nBlåbær,2\n".encode("utf-16"), {}),
        ("\ufeffa,b\n1,2\n".encode(), {}),
        (b'"x,y",b\n1,2\n', {}),
    ],
)
def test_header__says_how_a_file_is_written(here: Path, content: bytes, options: dict[str, str]) -> None:
    """Delimiter, decimal mark and encoding are declared only where they differ from the default."""
    (here / "t.csv").write_bytes(content)

    found = headers.read("t.csv", Path("t.csv"))

    assert found.dialect.options() == options and len(found.columns) == 2


@pytest.mark.parametrize(
    "source",
    [
        "y = frame['approved']",
        "y = (frame['approved'] == 'Yes').astype(int).values",
        "y = frame.approved.values",
        "y = frame.pop('approved')",
        "X, y = frame.drop(columns=['id', 'approved']), frame['approved']",
        "TARGET = 'approved'\nX = frame.drop(columns=[TARGET, 'id'])",
        "class Settings:\n    target_column: str = 'approved'",
        "def load(path, target='approved'):\n    return frame[target]\nload('x', target='approved')",
        "X = frame.drop('approved', axis=1)\nlabels = frame['approved']",
    ],
)
def test_target__by_code(here: Path, source: str) -> None:
    """The target is found in the ways that training code names it."""
    assert target_of(here, source, ["id", "age", "approved"]) == ("approved", [])


def test_target__by_settings_notebook_and_signature(here: Path) -> None:
    """The project's settings, notebooks and a model's signature name the target as well."""
    columns = ["id", "age", "approved"]
    cell = '{"cells": [{"cell_type": "code", "source": ["%time\\n", "y = frame[\'approved\']"]}]}'
    assert target_of(here, cell, columns, "eda.ipynb")[0] == "approved"
    (here / "eda.ipynb").unlink()
    assert target_of(here, "train:\n  target: approved\n", columns, "params.yaml")[0] == "approved"
    (here / "params.yaml").unlink()
    signature = 'signature:\n  inputs: \'[{"name": "id"}, {"name": "age"}]\'\n'
    assert target_of(here, signature, columns, "model/MLmodel")[0] == "approved"


@pytest.mark.parametrize(
    ("source", "columns", "candidates"),
    [
        ("", ["a", "b"], []),
        ("", ["churned", "approved"], ["churned", "approved"]),
        ("y = frame['a']\n", ["b", "c"], []),
        ("y = first['a']\ny = second['b']\n", ["a", "b"], ["a", "b"]),
        ("frame.drop(columns=['a', 'b'])", ["a", "b"], ["a", "b"]),
        ("def broken(:", ["a", "b"], []),
    ],
)
def test_target__is_not_guessed(here: Path, source: str, columns: list[str], candidates: list[str]) -> None:
    """Where nothing is certain there is no target, and what it may be is listed."""
    assert target_of(here, source, columns) == (None, candidates)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("sex", "sex"),
        ("Gender", "gender"),
        ("applicant_age", "age"),
        ("CustomerAge", "age"),
        ("SeniorCitizen", "senior"),
        ("marital-status", "marital"),
        ("native_country", "nationality"),
        ("RACE2", "race"),
        *((name, None) for name in ("page", "average", "usage", "message", "sextant", "embrace", "trace", "mileage")),
        *((name, None) for name in ("account_age", "age_of_vehicle", "national_id", "screen_orientation", "")),
    ],
)
def test_sensitive_features__by_words(name: str, word: str | None) -> None:
    """Names are read as words: no part of another word counts, nor the age of a thing."""
    assert features.sensitive([name]) == ({name: word} if word else {})


@pytest.mark.parametrize(
    ("files", "tools"),
    [
        ({"a.py": ""}, ["ruff"]),
        ({"a.py": "", "test_a.py": "def test_a(): pass"}, ["ruff", "pytest"]),
        ({"a.py": "", "smoke_test.py": "print(1)"}, ["ruff"]),
        ({"a.py": "", "pyproject.toml": "[tool.black]\n", "setup.cfg": "[flake8]\n"}, ["black", "flake8"]),
        ({"a.py": "", "pyproject.toml": "[tool.ruff]\n"}, ["ruff-format", "ruff"]),
        ({"a.py": "", "pyproject.toml": "[tool.ruff]\n[tool.black]\n[tool.mypy]\n"}, ["black", "ruff", "mypy"]),
        ({"a.py": "", "requirements-dev.txt": "black==24.1\nmypy\n"}, ["black", "mypy"]),
        ({"a.py": "", "Makefile": "lint:\n\tflake8 src # not black\n"}, ["flake8"]),
        ({"a.py": "", ".github/workflows/ci.yml": "run: ruff check .\n"}, ["ruff-format", "ruff"]),
        ({"a.py": "", "pyproject.toml": "not TOML ["}, ["ruff"]),
    ],
)
def test_tools__are_those_that_the_project_uses(here: Path, files: dict[str, str], tools: list[str]) -> None:
    """Tools are proposed that are configured, required or run; where none is, one that finds mistakes alone."""
    tree = tree_of(here, files)

    found = code.find(tree, python.modules(tree))

    assert found and list(found.tools) == tools


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["src/a.py", "tests/test_a.py", "x.py"], ("src", "tests", "x.py")),
        ([f"{number}.py" for number in range(30)], (".",)),
        (["-x/a.py"], (".",)),
        (["a,b/a.py"], (".",)),
    ],
)
def test_paths__are_the_folders_with_python(here: Path, names: list[str], paths: tuple[str, ...]) -> None:
    """Paths are the entries with Python; where a list could not hold their names, the folder itself."""
    tree = tree_of(here, {name: "" for name in names})

    found = code.find(tree, [])

    assert found and found.paths == paths


def test_code__notebooks_alone_are_none(here: Path) -> None:
    """A project of notebooks has no code that the tools read."""
    assert code.find(tree_of(here, {"a.ipynb": "{}"}), []) is None


REGISTRY_SOURCE = """\
import os
import mlflow
from xgboost import XGBClassifier
NAME = os.getenv("MODEL_NAME", "credit")
mlflow.set_tracking_uri(os.getenv("MLFLOW_TRACKING_URI", "http://user:secret@mlflow.example:5000"))
mlflow.pyfunc.load_model(f"models:/{NAME}@production")
mlflow.MlflowClient().set_registered_model_alias(NAME, "challenger", 3)
"""


def test_registry__by_code(here: Path) -> None:
    """Address, registered name and aliases are read from code; what the address says of users stays out."""
    tree = tree_of(here, {"train.py": REGISTRY_SOURCE})

    found = registry.find(tree, python.modules(tree), {})

    assert found.uri and (found.uri.value, found.uri.why) == ("http://mlflow.example:5000", "train.py:5")
    assert found.model and found.model.value == "credit"
    assert {*found.aliases} == {"production", "challenger"} and found.flavours == ("xgboost",) and not found.local


@pytest.mark.parametrize(
    ("files", "uri", "model"),
    [
        ({".env": "export MLFLOW_TRACKING_URI='http://a.example'\nTOKEN=x\n"}, "http://a.example", None),
        ({".github/workflows/ci.yml": "env:\n  MLFLOW_TRACKING_URI: http://b.example\n"}, "http://b.example", None),
        ({".github/workflows/ci.yml": "env:\n  MLFLOW_TRACKING_URI: ${{ vars.X }}\n"}, None, None),
        ({"a.py": "mlflow.sklearn.log_model(m, registered_model_name='credit')"}, None, "credit"),
        ({"a.py": "c.search_model_versions(\"name='credit'\")"}, None, "credit"),
        ({"a.py": "load_model('models:/credit/Production')"}, None, "credit"),
        ({"params.yaml": "model:\n  registered_model_name: credit\n"}, None, "credit"),
        ({"a.py": "name = 'x'", "b.py": "def f(name):\n    return f'models:/{name}@a'"}, None, None),
        ({"tests/test_a.py": "load_model('models:/credit/1')"}, None, None),
    ],
)
def test_registry__wherever_it_is_named(here: Path, files: dict[str, str], uri: str | None, model: str | None) -> None:
    """Settings files, workflows and calls of MLflow's name the registry and its model; expressions and tests do not."""
    tree = tree_of(here, files)

    found = registry.find(tree, python.modules(tree), {})

    assert (found.uri and found.uri.value, found.model and found.model.value) == (uri, model)


@pytest.mark.parametrize(
    ("values", "source", "task"),
    [
        ([0, 1, 1], "", Task.BINARY),
        (["yes", "no"], "", Task.BINARY),
        (["a", "b", "c"], "", Task.MULTICLASS),
        ([0.5, 1.5, 2.5], "", Task.REGRESSION),
        (list(range(99)), "", Task.REGRESSION),
        ([1, 2, 3], "RandomForestClassifier()", Task.MULTICLASS),
        ([1, 2, 3], "xgb.XGBRegressor()", Task.REGRESSION),
        ([1, 2, 3], "", None),
        ([1, 2, 3], "RandomForestClassifier()\nRidge()", None),
    ],
)
def test_task__by_values_and_code(here: Path, values: list[object], source: str, task: Task | None) -> None:
    """What is predicted follows from the target's values, and from the code where they allow two readings."""
    tree = tree_of(here, {"a.py": source})

    found = labels.task(pl.Series(values), python.modules(tree))

    assert (found.value if found else None) == task


@pytest.mark.parametrize(
    ("values", "source", "label"),
    [
        ([0, 1, 1], "", None),
        ([True, False], "", None),
        (["Yes", "No", "No"], "", "Yes"),
        (["good", "bad"], "", "good"),
        (["A", "B", "B"], "", "A"),
        (["A", "B", "B"], "y = (frame['target'] == 'B').astype(int)", "B"),
        (["A", "B", "B"], "frame['target'].map({'A': 0, 'B': 1})", "B"),
        (["A", "B", "B"], "frame['other'] == 'B'", "A"),
        ([1, 2, 2], "", "1"),
    ],
)
def test_positive_label__by_code_word_or_rarity(
    here: Path, values: list[object], source: str, label: str | None
) -> None:
    """The positive label is the one that the code makes 1, the affirmative one, or the rarer one; 0 and 1 need none."""
    tree = tree_of(here, {"a.py": source})

    found = labels.positive(pl.Series(values), "target", python.modules(tree))

    assert (found.value if found else None) == label


@pytest.mark.parametrize(
    ("files", "command", "version", "fetch"),
    [
        ({"requirements.txt": ""}, "pip install -r requirements.txt", None, ()),
        (
            {"poetry.lock": ""},
            "pip install poetry && poetry config virtualenvs.create false && poetry install",
            None,
            (),
        ),
        (
            {"pyproject.toml": "[project]\nname='a'\nrequires-python='>=3.12'\n[dependency-groups]\ndev=[]\n"},
            "pip install . --group dev",
            "3.12",
            (),
        ),
        ({"pyproject.toml": "[project.optional-dependencies]\ntest=[]\n"}, "pip install '.[test]'", None, ()),
        ({".python-version": "3.13.1\n", "setup.py": ""}, "pip install .", "3.13", ()),
        ({".github/workflows/c.yml": "python-version: '3.11'\n"}, None, "3.11", ()),
        ({".python-version": "3.11; rm -rf /\n"}, None, "3.11", ()),
        ({"a.csv.dvc": "", ".dvc/config": "url = s3://b/x\n"}, None, None, ("pip install 'dvc[s3]'", "dvc pull")),
        (
            {"a.csv.dvc": "", "requirements.txt": "pandas\ndvc[s3]>=3\n"},
            "pip install -r requirements.txt",
            None,
            ("dvc pull",),
        ),
    ],
)
def test_surroundings__of_a_workflow(
    here: Path, files: dict[str, str], command: str | None, version: str | None, fetch: tuple[str, ...]
) -> None:
    """A workflow learns how packages and data are had, in commands that are put together from fixed words."""
    found = surroundings.find(tree_of(here, files), None)

    assert (found.install and found.install.value, found.python and found.python.value) == (command, version)
    assert found.fetch == fetch


def test_hostile_python__is_passed_over(here: Path) -> None:
    """Names and texts of any length, and sources that no parser takes, end nothing; what stands beside them counts."""
    doubling = "\n".join(["A0 = 'x' * 1", "A0 = 'xxxxxxxx'", *(f"A{n + 1} = A{n} + A{n}" for n in range(60))])
    sources = {
        "names.py": f"x = a{'.b' * 1500}()\n",
        "texts.py": doubling,
        "joined.py": "B0 = 'xxxxxxxx'\n" + "\n".join(f'B{n + 1} = f"{{B{n}}}{{B{n}}}"' for n in range(60)),
        "many.py": f"C0 = '{'x' * 4000}'\nC1 = f'{'{C0}' * 50_000}'\nC2 = str({'C0, ' * 50_000})\n",
        "deep.py": "x = " + "(" * 5000 + ")" * 5000,
        "minus.py": "x = " + "-" * 100_000 + "1",
        "zero.py": "x = 1\0",
        "sound.py": "DATA = 'data/train.csv'\n",
    }
    modules = python.modules(tree_of(here, sources))

    assert {"names.py", "texts.py", "joined.py", "sound.py"} <= {module.name for module in modules}
    (name,) = (name for module in modules if module.name == "names.py" for name, _ in module.calls())
    assert name == f"a{'.b' * 1500}"
    assert all(len(text) <= 4_096 for module in modules for text in module.texts.values())
    assert {"A0", "A9", "DATA"} <= {*modules[0].texts} and "A10" not in modules[0].texts


def test_python__is_bounded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of bytes no more Python is read, and a note says from where on."""
    monkeypatch.setattr("cd4ml.project.python._MOST_BYTES", 10)
    told: list[str] = []

    found = python.modules(tree_of(here, {"a.py": "x = 1\n", "b.py": "y = 2\n", "c.py": "z = 3\n"}), told)

    assert [module.name for module in found] == ["a.py"]
    assert len(told) == 1 and "from b.py on" in told[0]
