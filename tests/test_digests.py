"""Digests: SHA-256 over whole content, as other programs compute it, whoever waits for it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml import digests
from cd4ml.errors import OptionsError, UnavailableError


@pytest.mark.parametrize("size", [0, 1, 4 << 20, (9 << 20) + 5])
def test_file__as_the_standard_library_says(tmp_path: Path, size: int) -> None:
    """Every byte counts, whether the file is empty, fills a block or ends within one."""
    content = bytes(number * 7 % 251 for number in range(1000)) * (size // 1000 + 1)
    (tmp_path / "file").write_bytes(content[:size])

    assert digests.file_sha256(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()
    assert digests.hashing(tmp_path / "file").result(timeout=60) == hashlib.sha256(content[:size]).hexdigest()


def test_folder__as_sha256sum_says(tmp_path: Path, program: Callable[[str], str]) -> None:
    """A folder's digest is that of what `sha256sum` prints for its files, sorted by path."""
    (tmp_path / "model" / "b").mkdir(parents=True)
    (tmp_path / "model" / "b" / "weights.bin").write_bytes(b"\x00\x01")
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    command = [program("sha256sum"), "MLmodel", "b/weights.bin"]
    printed = subprocess.run(command, cwd=tmp_path / "model", capture_output=True, check=True).stdout

    assert digests.sha256(tmp_path / "model") == hashlib.sha256(printed).hexdigest()
    assert digests.hashing(tmp_path / "model").result(timeout=60) == hashlib.sha256(printed).hexdigest()


def test_beside_other_work__errors_reach_who_asks(tmp_path: Path) -> None:
    """What cannot be hashed is an error where the digest is asked for, not a digest and not a wait without end."""
    (tmp_path / "link").symlink_to("nowhere")

    with pytest.raises(UnavailableError, match="missing"):
        digests.hashing(tmp_path / "missing").result(timeout=60)
    with pytest.raises(OptionsError, match="not a regular file"):
        digests.hashing(tmp_path).result(timeout=60)
