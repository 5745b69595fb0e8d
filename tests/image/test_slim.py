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
    "d/__init__.py": "from . import (  # both\n    core,\n    tests\n)\n",
    "d/core.py": "",
    "d/tests/x.py": "",
    "e/x.py": "import os; from f import core as c, tests as cases\n",
    "f/tests/x.py": "",
    "g/x.py": "import a.b, g.deep.tests.data as data\n",
    "g/deep/tests/data.py": "",
    "h/x.py": "from importlib import import_module\nimport_module('i.tests.data')\nimport_module(f'{__name__}.j')\n",
    "h/y.py": "load('.tests.data', __package__)\nload(f'{__package__}.far.tests')\n",
    "h/tests/data.py": "",
    "h/far/tests/data.py": "",
    "i/tests/data.py": "",
    "k/other.py": "print 'of another Python'\nfrom k.tests import x\n",
    "k/tests/x.py": "",
    "l/x.py": "# See l.tests.\nOPTIONS = 'tests, l.tests'  # from . import tests\n",
    "l/tests/x.py": "",
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
    assert set(FILES) - left == gone | {"c/sub/tests/w.py", "l/tests/x.py"}
    assert (tmp_path / "a-1.dist-info/RECORD").read_text() == "a/__init__.py,sha256=x,10\n"
