#!/usr/bin/env python3
"""Draw the pictures of the documentation from what cd4ml really prints: it runs, and its output is the picture.

bin/pictures.py            write
bin/pictures.py --check    fail if a picture shows anything else than what is printed now (times aside)
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from generators.terminal import COLUMNS, picture  # noqa: E402

PICTURE: Final = ROOT / "docs" / "pictures" / "first-verdict.svg"
_TITLE: Final = "Terminal: three gates judge a model; audit-fairness fails"
_TIME: Final = re.compile(r"<text [^>]*>[^<]*\b\d+(\.\d+)? m?s\b[^<]*</text>")


def printed() -> str:
    """Return what `cd4ml run` prints in examples/first-verdict. It must end red: the picture is of a refusal."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "first-verdict"
        shutil.copytree(ROOT / "examples" / "first-verdict", folder, ignore=shutil.ignore_patterns("reports"))
        environ = {name: text for name, text in os.environ.items() if not name.startswith(("CD4ML_", "GITHUB_"))}
        command = [sys.executable, "-m", "cd4ml", "run"]
        result = subprocess.run(
            command,
            cwd=folder,
            env={**environ, "PYTHONPATH": str(ROOT), "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode != 1:
        sys.exit(f"pictures: cd4ml run ended with {result.returncode}, not with 1\n{result.stdout}{result.stderr}")
    return f"\x1b[1m$ cd4ml run\x1b[0m\n{result.stdout}"


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    check = parser.parse_args().check
    drawn = picture(printed(), title=_TITLE)
    before = PICTURE.read_text(encoding="utf-8") if PICTURE.exists() else ""
    if _TIME.sub("", before) == _TIME.sub("", drawn):
        return 0
    if check:
        print(f"pictures: {PICTURE.relative_to(ROOT)} is not up to date\nrun `make generate`", file=sys.stderr)
        return 1
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn, encoding="utf-8")
    print(f"pictures: {PICTURE.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
