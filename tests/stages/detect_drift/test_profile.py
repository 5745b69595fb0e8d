"""The reference profile: the same report as from the table, beside a model, and never a damaged one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.data.profile import reference as profiles
from cd4ml.digests import folder_sha256
from tests import models, registries
from tests.conftest import Run
from tests.stages.detect_drift.conftest import Drift, by_id, customers


@pytest.fixture
def profile(cd4ml: Callable[..., Run], tmp_path: Path) -> Path:
    """Save the profile of a table; reference.parquet and current.parquet lie beside it."""
    customers().to_parquet(tmp_path / "reference.parquet", index=False)
    customers(seed=2).to_parquet(tmp_path / "current.parquet", index=False)
    run = cd4ml("detect-drift", "--reference", "reference.parquet", "--save-profile", "model/profile.json")
    assert run.code == 0 and "Nothing was compared" in run.report["summary"]
    return tmp_path / "model" / "profile.json"


def test_profile__report_of_the_table(cd4ml: Callable[..., Run], profile: Path) -> None:
    """Checks, numbers and digests from a profile are those from the table it was made of."""
    by_table = cd4ml("detect-drift", "--reference", "reference.parquet", "--current", "current.parquet").report
    by_profile = cd4ml("detect-drift", "--reference", str(profile), "--current", "current.parquet").report

    for part in ("checks", "metrics", "outputs", "summary", "status"):
        assert by_profile[part] == by_table[part]
    assert [item["sha256"] for item in by_profile["inputs"]] == [item["sha256"] for item in by_table["inputs"]]


def test_profile__holds_no_rows(profile: Path) -> None:
    """A profile read and written again is the same to the byte."""
    assert profiles.to_json(profiles.read(profile)) == profile.read_text()


def test_profile__of_the_current_data(cd4ml: Callable[..., Run], profile: Path) -> None:
    """A profile knows its own data again."""
    run = cd4ml("detect-drift", "--reference", str(profile), "--current", "reference.parquet")

    assert run.code == 2 and "the reference itself" in run.report["summary"]


def _cut(text: str) -> str:
    return text[: len(text) // 2]


def _edit(text: str) -> str:
    return text.replace('"rows":2000', '"rows":2001')


def _version(text: str) -> str:
    return text.replace('"schema_version":"1"', '"schema_version":"9"')


def _signed(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """Return a change that also renews the digest."""

    def apply(text: str) -> str:
        document = json.loads(text)
        del document["sha256"]
        change(document)
        return json.dumps({**document, "sha256": profiles._digest(document)})

    return apply


DAMAGES: list[Callable[[str], str]] = [
    _cut,
    _edit,
    _version,
    lambda text: "",
    lambda text: "[]",
    lambda text: "{}",
    lambda text: text.replace('"low":', '"low":NaN,"x":', 1),
    _signed(lambda document: document["features"]["age"]["counts"].pop()),
    _signed(lambda document: document["features"]["age"].update(nulls=-1)),
    _signed(lambda document: document["features"]["age"]["grid"].update(scale=0)),
    _signed(lambda document: document["features"]["age"]["grid"].update(low=-1e308, high=1e308)),
    _signed(lambda document: document["features"]["city"]["counts"].update(north=-5)),
    _signed(lambda document: document["features"]["city"]["counts"].clear()),
    _signed(lambda document: document["features"].clear()),
    _signed(lambda document: document["features"]["city"].update(family="colour")),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=map(str, range(len(DAMAGES))))
def test_damaged_profile__refused(cd4ml: Callable[..., Run], profile: Path, damage: Callable[[str], str]) -> None:
    """A profile that was cut, changed or made up is refused: it would compare with something that never was."""
    profile.write_text(damage(profile.read_text()))
    run = cd4ml("detect-drift", "--reference", str(profile), "--current", "current.parquet")

    assert (run.code, run.report["status"]) == (2, "error")


def test_missing_profile__unavailable(cd4ml: Callable[..., Run], profile: Path) -> None:
    """A profile that is not there ends with exit code 3."""
    assert cd4ml("detect-drift", "--reference", "no.json", "--current", "current.parquet").code == 3


@pytest.mark.parametrize(
    "arguments",
    [["--save-profile", "again.json"], ["--label", "age"], ["--features", "agee"], ["--categorical", "age"]],
)
def test_options_that_need_the_table__refused(cd4ml: Callable[..., Run], profile: Path, arguments: list[str]) -> None:
    """What a profile cannot give is refused."""
    assert cd4ml("detect-drift", "--reference", str(profile), "--current", "current.parquet", *arguments).code == 2


def _model(folder: Path, profile: Path | None) -> Path:
    """Save a model, with a profile in its folder if there is one."""
    frame = models.people()
    models.save(models.classifier(frame), folder, frame[["age", "income", "city"]])
    if profile:
        (folder / "reference-profile.json").write_bytes(profile.read_bytes())
    return folder


@pytest.mark.filterwarnings("ignore")
def test_profile__from_the_registry(
    cd4ml: Callable[..., Run], profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The production model's profile is read from a real registry, and the report names the model and its digest."""
    with_one = _model(tmp_path / "with", profile)
    without = _model(tmp_path / "without", None)
    store = registries.new_store(tmp_path / "store")
    registries.register(store, "credit", [with_one, without], aliases={"champion": "1", "bare": "2"})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)

    def run(reference: str, *arguments: str) -> Run:
        return cd4ml("detect-drift", "--reference", reference, "--current", "current.parquet", *arguments)

    by_file = run(str(profile))
    for reference in ("models:/credit@champion", "models:/credit/1", str(with_one)):
        found = run(reference)
        assert found.code == 0
        assert (found.report["checks"], found.report["metrics"]) == (
            by_file.report["checks"],
            by_file.report["metrics"],
        )
        assert found.report["production"]["sha256"] == folder_sha256(with_one)
    assert run("models:/credit@champion").report["production"]["version"] == "1"

    bare = run("models:/credit@bare")
    assert bare.code == 2 and "reference-profile.json" in bare.report["summary"]
    assert run("models:/credit@nobody").code == 3
    assert run("models:/credit/../x").code == 2
    assert run("models:/credit@champion", "--tracking-uri", f"sqlite:///{tmp_path}/gone.db").code == 3
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "MLFLOW_TRACKING_URI" not in os.environ and run("models:/credit@champion").code == 2


def test_profile__without_drift_check(drift: Drift, tmp_path: Path) -> None:
    """A profile can be saved by the run that compares."""
    run = drift(customers(), customers(seed=2), "--save-profile", "p.json")

    assert run.code == 0 and (tmp_path / "p.json").exists() and "drift:age" in by_id(run)


@pytest.mark.parametrize("path", ["settings.json", "../profile.json", "link/profile.json"])
def test_profile_over_another_file__refused(cd4ml: Callable[..., Run], tmp_path: Path, path: str) -> None:
    """A profile replaces nothing but a profile, and stays in the workspace."""
    customers().to_parquet(tmp_path / "reference.parquet", index=False)
    (tmp_path / "settings.json").write_text('{"kind": "mine"}')
    (tmp_path / "link").symlink_to(tmp_path.parent)

    run = cd4ml("detect-drift", "--reference", "reference.parquet", "--save-profile", path)

    assert run.code == 2
    assert "save-profile: " in run.report["checks"][0]["message"]
    assert (tmp_path / "settings.json").read_text() == '{"kind": "mine"}'
    assert not (tmp_path.parent / "profile.json").exists()
