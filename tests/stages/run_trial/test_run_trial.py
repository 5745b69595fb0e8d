"""run-trial: the caller's code is run apart, sees no test rows, and whatever it does wrong is a trial that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from cd4ml.scoring.training.run import Bench, Code, TrainingError, bench, scores, trained
from cd4ml.search import plan
from tests import models
from tests.conftest import Run
from tests.generated.test_generated import problems
from tests.search.planned import planned
from tests.search.training import context, write_lock

pytestmark = pytest.mark.timeout(600)
CODE = '''
"""Training that does what `mode` says."""
import os, time
import pandas as pd


def score(parameters, train, validation):
    mode = parameters["mode"]
    if mode == "sizes":
        return len(train) + len(validation) / 1000
    if mode == "raises":
        raise ValueError("no such depth")
    if mode == "ends":
        os._exit(0)
    if mode == "claims":
        os.write(2, b"it did not finish within 300 seconds\\n")
        os._exit(3)
    if mode == "sleeps":
        time.sleep(600)
    if mode == "peeks":
        return float(len(pd.read_parquet(TEST)))
    if mode == "looks around":
        return float(os.path.exists(TEST) or any(name.startswith("CD4ML") for name in os.environ))
    return float("nan") if mode == "nan" else 0.5


def train(parameters, rows, folder):
    if parameters["mode"] == "saves":
        os.makedirs(folder)
        open(os.path.join(folder, "MLmodel"), "w").write("flavors: {}")
    if parameters["mode"] == "links":
        os.symlink("/", folder)
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with rows, training code and its lock."""
    folder = tmp_path_factory.mktemp("project")
    models.people(30).to_parquet(folder / "train.parquet", index=False)
    models.people(10, seed=1).to_parquet(folder / "test.parquet", index=False)
    (folder / "training.py").write_text(f"{CODE}\nTEST = {str(folder / 'test.parquet')!r}\n")
    write_lock(folder / "training.txt")
    return folder


@pytest.fixture
def place(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Lay out the code with folds of known sizes: 10 of 30 rows, and 5 of the other 20."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("CD4ML_GIT_TOKEN", "secret")
    outer = pd.Series([row % 3 for row in range(30)])
    inner = {f"inner_{k}": (pd.Series(range(30)) // 3 % 2).where(outer != k, -1) for k in range(3)}
    code = Code(function="training:score", files=["training.py"], lock=Path("training.txt"))
    with bench(code, pd.read_parquet("train.parquet"), context(project), pd.DataFrame({"outer": outer, **inner})) as it:
        yield it


def test_folds__each_once_and_apart(place: Bench) -> None:
    """The function gets the rows of each fold and those outside it, then so for each inner fold; it finds no test rows
    and no token of the job."""
    found, isolation = scores(place, {"mode": "sizes"}, seed=0, seconds=300, n=9)

    assert found[:3] == [20.01] * 3 and found[3:] == [10.01] * 6
    assert "files" in isolation.held
    assert scores(place, {"mode": "looks around"}, seed=0, seconds=300, n=9)[0] == [0.0] * 9


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("raises", "raised ValueError: no such depth"),
        ("ends", "left no answer"),
        ("peeks", "test.parquet"),
        ("claims", "ended with code 3: it did not finish within"),
    ],
)
def test_code__that_does_wrong(place: Bench, mode: str, said: str) -> None:
    """Code that raises, ends its process or opens the test rows has no scores, and it is said why; what it prints does
    not make it late."""
    with pytest.raises(TrainingError, match=said) as caught:
        scores(place, {"mode": mode}, seed=0, seconds=300, n=9)
    assert not caught.value.late


def test_time__is_up(place: Bench) -> None:
    """Code that takes longer than it may is ended."""
    with pytest.raises(TrainingError, match="did not finish") as caught:
        scores(place, {"mode": "sleeps"}, seed=0, seconds=5, n=9)
    assert caught.value.late


def test_model__that_is_none(place: Bench) -> None:
    """Training that leaves a link out of its folder leaves no model."""
    place = Bench(
        interpreter=place.interpreter,
        given=place.given,
        code=Code(function="training:train", files=["training.py"], lock=Path("training.txt")),
        context=place.context,
    )
    with (
        pytest.raises(TrainingError, match="saved no MLflow model"),
        trained(place, {"mode": "links"}, seed=0, seconds=99),
    ):
        pass


def test_job__not_a_number_and_what_changed(cd4ml: Callable[..., Run], project: Path, tmp_path: Path) -> None:
    """A score that is NaN fails the job; a job that is not in the plan, and data or code that changed, are errors."""
    from cd4ml.digests import file_sha256
    from cd4ml.scoring.training.run import code_sha256
    from cd4ml.search.space import parameters

    for path in project.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    code = Code(function="training:score", files=["training.py"], lock=Path("training.txt"))
    made = planned(
        space=parameters({"mode": "nan | also nan"}),
        trials=1,
        jobs=1,
        sampler="random",
        train_sha256=file_sha256(tmp_path / "train.parquet"),
        lock_sha256=file_sha256(tmp_path / "training.txt"),
        code_sha256=code_sha256(code),
    )
    (tmp_path / "training.py").write_text(
        (tmp_path / "training.py").read_text().replace('== "nan"', 'in ("nan", "also nan")')
    )
    made = plan.Plan(**{**vars(made), "code_sha256": code_sha256(code)})
    plan.write(made, tmp_path / "search" / "plan.json")

    run = cd4ml("run-trial", "--job", "0")
    assert (run.code, run.report["checks"][0]["reason"]) == (1, "not-a-number")
    assert problems("report.v1.schema.json", run.report) == []
    assert (tmp_path / "search" / "journal-0.log").is_file()
    assert cd4ml("run-trial", "--job", "1").code == 2
    for name in ("train.parquet", "training.py", "training.txt"):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(
            before + b"\n" if name != "train.parquet" else (tmp_path / "test.parquet").read_bytes()
        )
        run = cd4ml("run-trial", "--job", "0")
        assert run.code == 2 and f"{name} changed since" in run.report["checks"][0]["message"]
        (tmp_path / name).write_bytes(before)
