"""What a report says of the commit that it is about."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cd4ml.code_tools.files import find
from cd4ml.errors import UnavailableError
from cd4ml.git import Checkout


def checkout(folder: Path) -> Checkout:
    """Return the checkout around a folder, in this process's environment."""
    return Checkout(directory=folder, environ=os.environ)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of one commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text("SEED = 1\n")
    name = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    for arguments in (("init", "--quiet"), ("add", "."), (*name, "commit", "--quiet", "--message", "Start")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def test_modified__names_tracked_files_that_differ(repository: Path) -> None:
    """A changed or removed file is named; new files and new times alone are not."""
    os.utime(repository / "train.py", (1, 1))
    (repository / "predictions.parquet").write_text("new")
    assert checkout(repository).modified() == []

    (repository / "train.py").write_text("SEED = 2\n")
    assert checkout(repository).modified() == ["train.py"]


def test_modified__is_unknown_outside_a_repository(tmp_path: Path) -> None:
    """Without a commit nothing is said to be unmodified."""
    assert (checkout(tmp_path).head(), checkout(tmp_path).modified()) == (None, None)


def test_repository_of_a_hook__is_not_the_one_around_the_folder(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR, which git sets for its hooks, does not make another repository's commit this one's."""
    commit = checkout(repository).head()
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "other")], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))

    assert commit and checkout(repository).head() == commit


def test_repository_committed_into_the_tree__does_not_answer(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare repository in the project's folder gives neither commit nor files, runs no filter, and is named."""
    ran, project = tmp_path / "ran", repository / "project"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(repository), str(project)], check=True)
    (project / "train.py").write_text("SEED = 2\n")
    (project / ".gitattributes").write_text("*.py filter=evil\n")
    settings = f'[core]\n\tbare = false\n\tworktree = .\n[filter "evil"]\n\tclean = touch {ran}; cat\n'
    (project / "config").write_text(settings)
    (project / "inside").mkdir()
    for folder in (project, project / "inside"):
        asked = checkout(folder)
        assert (asked.head(), asked.top(), asked.modified(), asked.files(".")) == (None, None, None, [])
        assert asked.merge_base("HEAD") is None and asked.diff("HEAD") is None and asked.bare == project
        assert str(project) in (asked.refused() or "")
    assert not ran.exists() and checkout(repository).head() and checkout(repository).bare is None

    monkeypatch.setattr(Checkout, "bare", None)  # git itself refuses, too
    assert checkout(project).head() is None and checkout(project).modified() is None and not ran.exists()


def test_repository_committed_into_the_tree__hides_no_code(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where such a folder keeps git from listing the project's code, the code is not looked for in another way."""
    subprocess.run(["git", "clone", "--quiet", "--bare", ".", "project"], cwd=repository, check=True)
    monkeypatch.chdir(repository / "project")

    with pytest.raises(UnavailableError, match="HEAD, objects and refs"):
        find(["."], checkout(repository / "project"))


def test_linked_repository_in_the_tree__does_not_answer(repository: Path, tmp_path: Path) -> None:
    """Nor does a folder that says where its objects are, as git keeps one for each working tree."""
    (repository / "project").mkdir()
    (repository / "project" / "HEAD").write_text("ref: refs/heads/main\n")
    (repository / "project" / "commondir").write_text(f"{repository / '.git'}\n")

    assert checkout(repository / "project").head() is None


def test_environment__has_no_secret(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git runs while it answers finds no token, and the caller's settings are still git's."""
    seen = tmp_path / "seen"
    monkeypatch.setenv("REGISTRY_TOKEN", "do-not-give-away")
    for name, value in (("COUNT", "1"), ("KEY_0", "filter.show.clean"), ("VALUE_0", f"env >{seen}; cat")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    (repository / ".gitattributes").write_text("*.py filter=show\n")
    (repository / "train.py").write_text("SEED = 2\n")

    assert checkout(repository).modified() == ["train.py"]
    assert "GIT_CONFIG_COUNT=1" in seen.read_text() and "do-not-give-away" not in seen.read_text()


def signed(folder: Path) -> str:
    """Check out a commit that says it is signed, so that whoever shows its signature asks gpg; return it."""
    trust = ("-c", f"safe.directory={folder}")
    written = subprocess.run(["git", *trust, "cat-file", "commit", "HEAD"], cwd=folder, capture_output=True, check=True)
    head, _, message = written.stdout.partition(b"\n\n")
    signature = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----"
    made = subprocess.run(
        ["git", *trust, "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=folder,
        input=head + b"\n" + signature + b"\n\n" + message,
        capture_output=True,
        check=True,
    )
    commit = made.stdout.decode().strip()
    subprocess.run(["git", *trust, "update-ref", "HEAD", commit], cwd=folder, check=True)
    return commit


class TestRepositoryOfAnotherUser:
    """A container job's checkout, and what a hostile one would run."""

    @pytest.fixture
    def foreign(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return a repository that git takes for another user's, as any user may test it."""
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        refused = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, check=False)
        assert b"dubious ownership" in refused.stderr
        return repository

    def test_answered(self, foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Commit and changed files are known, from the repository's folder and from one inside it."""
        (foreign / "inside").mkdir()
        assert len(checkout(foreign).head() or "") == 40 and checkout(foreign).modified() == []
        (foreign / "train.py").write_text("SEED = 2\n")

        inside = checkout(foreign / "inside")
        assert (inside.modified(), inside.top()) == (["train.py"], foreign)
        assert (inside.foreign, inside.refused()) == (True, None)
        monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
        assert checkout(foreign).foreign is False

    def test_given_to_another_user(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a folder whose files belong to someone else the commit is known too (only root can give files away)."""
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        monkeypatch.delenv("SUDO_UID", raising=False)
        if os.geteuid() == 0:
            for path in (repository, *repository.rglob("*")):
                os.chown(path, 4321, 4321)
        else:
            monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

        assert checkout(repository).foreign and len(checkout(repository).head() or "") == 40

    def test_runs_nothing(self, foreign: Path, tmp_path: Path) -> None:
        """No program that its configuration names is run: monitor, hook, filter, difference, text, pager, signature."""
        ran = tmp_path / "ran"
        ran.mkdir()
        commit = signed(foreign)
        (foreign / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
        (foreign / ".git" / "hooks").mkdir(exist_ok=True)
        script = tmp_path / "evil"
        script.write_text(f'#!/bin/sh\ntouch "{ran}/${{1#--}}"\ncat\n')
        script.chmod(0o755)
        for hook in ("post-index-change", "post-checkout", "reference-transaction"):
            (foreign / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {ran}/hook\n")
            (foreign / ".git" / "hooks" / hook).chmod(0o755)
        more = tmp_path / "included"
        more.write_text(f'[filter "evil"]\n\tclean = {script} clean\n\tsmudge = {script} smudge\n\trequired = true\n')
        with (foreign / ".git" / "config").open("a") as stream:
            stream.write(
                f"[include]\n\tpath = {more}\n[core]\n\tfsmonitor = {script} fsmonitor\n\tpager = {script} pager\n"
                f"\tsshCommand = {script} ssh\n[diff]\n\texternal = {script} external\n"
                f'[diff "evil"]\n\ttextconv = {script} textconv\n\tcommand = {script} command\n'
                f"[log]\n\tshowSignature = true\n[gpg]\n\tprogram = {script}\n"
            )
        (foreign / "train.py").write_text("SEED = 3\n")
        asked = checkout(foreign)

        assert asked.modified() == ["train.py"]
        assert asked.head() == commit and asked.committed_at(commit) and asked.different(commit)
        assert "SEED = 3" in (asked.diff(commit) or "")
        assert asked.files(".") and asked.files_at(commit) and asked.is_ancestor(commit, commit)
        assert not list(ran.iterdir())

    def test_filter_with_an_equals_sign(self, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A filter whose name holds `=` is not run either, and the caller's own settings stay."""
        ran = tmp_path / "ran"
        for name, value in (("COUNT", "1"), ("KEY_0", "diff.noprefix"), ("VALUE_0", "true")):
            monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
        (foreign / ".gitattributes").write_text("*.py filter=a=b\n")
        with (foreign / ".git" / "config").open("a") as stream:
            stream.write(f'[filter "a=b"]\n\tclean = touch {ran}; cat\n\trequired = true\n')
        (foreign / "train.py").write_text("SEED = 3\n")

        assert checkout(foreign).modified() == ["train.py"] and not ran.exists()

    def test_only_this_repository(self, foreign: Path, tmp_path: Path) -> None:
        """Nothing that was trusted stays trusted, and no other repository is."""
        checkout(foreign).head()
        other = subprocess.run(["git", "rev-parse", "HEAD"], cwd=foreign, capture_output=True, check=False)

        assert other.returncode == 128
