"""What is left out of the image's packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

FILES = {
    "a/__init__.py": "import os\n",
    "a/tests/__init__.py": "",
    "a/tests/test_a.py": "from a.sub.tests import data\n",
    "a/sub/tests/data.bin": "x",
    "b/tool.py": "    from b.deep.tests.cases import one\n",
    "b/deep/tests/cases.py": "one = 1\n",
    "b/deep/other/tests/x.py": "",
    "c/__init__.py": "from .tests import helper\n",
    "c/tests/helper.py": "",
    "c/sub/y.py": "from ..util.tests import z\n# from c.sub.tests import nothing\n",
    "c/util/tests/z.py": "",
    "c/sub/tests/w.py": "",
    "tests/own.py": "",
    "contests/x.py": "",
    "a-1.dist-info/RECORD": 'a/__init__.py,sha256=x,10\na/tests/test_a.py,,\n"a/tests/d,1",,\n../bin/gone,,\n',
}


def test_tests_go_unless_a_module_needs_them(tmp_path: Path) -> None:
    """Folders of tests below packages are left out, but for those that a module imports; lists of files stay true."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run([sys.executable, "-I", str(ROOT / "cd4ml/image/slim.py"), str(tmp_path)], check=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    gone = {"a/tests/__init__.py", "a/tests/test_a.py", "a/sub/tests/data.bin", "b/deep/other/tests/x.py"}
    assert set(FILES) - left == gone | {"c/sub/tests/w.py"}
    assert (tmp_path / "a-1.dist-info/RECORD").read_text() == "a/__init__.py,sha256=x,10\n"
