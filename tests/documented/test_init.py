"""The commands of docs/init.md work as they stand, in a repository that knows nothing of cd4ml."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.conftest import ROOT, run_cd4ml
from tests.project.makes import sklearn_and_csv


def test_commands_of_the_page(tmp_path: Path) -> None:
    """The dry run writes nothing; with --yes the files are there, and the gates have run."""
    folder = sklearn_and_csv(tmp_path / "loans")
    lines = re.findall(r"^\$ cd4ml (init.*)$", (ROOT / "docs" / "init.md").read_text(), re.M)
    dry, wet = (shlex.split(line, comments=True) for line in lines)
    before = {path for path in folder.rglob("*") if ".git/" not in str(path)}

    looked = run_cd4ml(folder, *dry)
    after = {path for path in folder.rglob("*") if ".git/" not in str(path)}
    wrote = run_cd4ml(folder, *wet)

    assert looked.code == 0 and before == after and "+ evaluate-model:" in looked.stdout
    assert wrote.code == 0, wrote.stderr
    assert {"cd4ml.yaml", "schema.yaml", "reports"} <= {path.name for path in folder.iterdir()}
