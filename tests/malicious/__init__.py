"""Models whose files run code when they are loaded: each writes a marker file, and nothing else.

Every case starts from a folder as MLflow saves it and changes what a hostile author would change. The marker is how a
test knows that code ran.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

Build = Callable[[Path, Path], None]
CASES: dict[str, Build] = {}


def cases() -> Mapping[str, Build]:
    """Return every case by name: each takes the folder of a harmless model to change, and the marker's path."""
    from tests.malicious import described, pickled

    assert described and pickled  # they register their cases
    return dict(CASES)


def case(build: Build) -> Build:
    """Register a case under its function's name."""
    CASES[build.__name__.strip("_").replace("_", "-")] = build
    return build


class Call:
    """Unpickling an instance calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        """Take the call."""
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        """Have it made."""
        return self.call


def payload(marker: Path) -> str:
    """Return Python that leaves the marker."""
    return f"open({str(marker)!r}, 'w').close()"


def shell(marker: Path) -> str:
    """Return a command that leaves the marker."""
    return f"touch '{marker}'"


def weights(folder: Path, content: bytes) -> None:
    """Replace the pickle of the model."""
    (folder / "model.pkl").write_bytes(content)


def change(folder: Path, flavor: str, **settings: Any) -> None:
    """Change settings of a flavor in MLmodel; None removes one."""
    path = folder / "MLmodel"
    document = yaml.safe_load(path.read_text())
    chosen = document["flavors"].setdefault(flavor, {})
    for name, value in settings.items():
        chosen[name] = value
        if value is None:
            del chosen[name]
    path.write_text(yaml.safe_dump(document))


def opcodes(*parts: bytes) -> bytes:
    """Return a pickle of protocol 4 from its opcodes."""
    return b"\x80\x04" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    """Return the opcode of a text."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def name(module: str, member: str) -> bytes:
    """Return the opcodes of a name."""
    return text(module) + text(member) + b"\x93"
