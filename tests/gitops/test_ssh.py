"""A deploy key: git logs in with it, to known servers alone; nothing else that git starts learns of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.repository import clone
from tests.gitops.conftest import GitOps
from tests.gitops.test_repository import change

# Stands in for ssh: notes how it was called, and runs what the server would run.
SSH = """\
#!{python}
import json, os, subprocess, sys
from pathlib import Path
options = dict(option.partition("=")[::2] for option in sys.argv if "=" in option)
key = Path(sys.argv[sys.argv.index("-i") + 1])
note = {{
    "arguments": sys.argv[1:], "key": key.read_text(), "mode": key.stat().st_mode & 0o777, "file": str(key),
    "hosts": Path(options["UserKnownHostsFile"]).read_text(), "options": options,
    "told": [name for name, value in os.environ.items() if "CANARY" in value],
}}
Path({note!r}).write_text(json.dumps(note))
sys.exit(subprocess.run(["sh", "-c", sys.argv[-1]]).returncode)
"""


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for ssh before everything else; return where it notes how it was called."""
    (tmp_path / "bin").mkdir()
    program, note = tmp_path / "bin" / "ssh", tmp_path / "note.json"
    program.write_text(SSH.format(python=sys.executable, note=str(note)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return note


def test_key__for_known_servers_alone(gitops: GitOps, noted: Path) -> None:
    """git logs in with the key from a private file that is gone afterwards; no argument or variable holds it."""
    address = f"ssh://git@git.corp.example{gitops.bare}"
    given = {
        "CD4ML_SSH_KEY": "-----BEGIN-----\r\nCANARY\r\n-----END-----\n",
        "CD4ML_SSH_KNOWN_HOSTS": "git.corp.example x",
    }

    assert change(address, 5, **given) == gitops.head()

    said = json.loads(noted.read_text())
    assert (said["key"], said["hosts"]) == ("-----BEGIN-----\nCANARY\n-----END-----\n", "git.corp.example x\n")
    assert said["mode"] == 0o600 and said["told"] == [] and "CANARY" not in str(said["arguments"])
    assert (said["options"]["StrictHostKeyChecking"], said["options"]["BatchMode"]) == ("yes", "yes")
    assert not Path(said["file"]).exists()


def test_key__without_known_servers(gitops: GitOps) -> None:
    """A key without the servers that it is for is refused, before anything is asked."""
    environ = {**os.environ, "CD4ML_SSH_KEY": "x", "CD4ML_SSH_KNOWN_HOSTS": " "}

    with pytest.raises(OptionsError, match="could be anybody"), clone(str(gitops.bare), "main", environ):
        pass
