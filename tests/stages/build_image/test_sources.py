"""Findings in the image are traced to the model's files, where those are in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from cd4ml.stages.build_image.sources import Sources


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's folder below the working directory."""
    folder = tmp_path / "work" / "model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("{}")
    (folder / "requirements.txt").write_text(
        "# locked\nscikit-learn==1.9.0\nTyping_Extensions>=4 ; python_version > '3'\n"
    )
    (folder / "notes.txt").write_text("x\n")
    (tmp_path / "outside.txt").write_text("x\n")
    monkeypatch.chdir(folder.parent)
    return folder


def test_sources__the_line_of_the_requirement() -> None:
    """A package is traced to the line that asks for it in any spelling, one that another brings to the first line."""
    found = Sources("./model")
    assert found.of_package("typing-extensions") == {"path": "model/requirements.txt", "line": 3}
    assert found.of_package("numpy") == {"path": "model/requirements.txt", "line": 1}


def test_sources__files_of_the_model_alone() -> None:
    """A file is traced if the model has it: no path of the image leads elsewhere in the repository or out of it."""
    found = Sources("model")
    assert found.of_file("/app/model/notes.txt", 4) == {"path": "model/notes.txt", "line": 4}
    for path in ("/app/model/other.txt", "/etc/passwd", "/app/model/../../outside.txt", "image configuration"):
        assert found.of_file(path, 1) is None


def test_sources__a_model_elsewhere_has_none(model: Path) -> None:
    """A model of the registry, and one outside the working directory, is not in the repository."""
    for name in ("models:/credit/3", str(model), "../work/model", "none"):
        assert Sources(name).of_package("numpy") is None and Sources(name).of_file("/app/model/notes.txt", 1) is None
