"""Where a secret is kept, as an option names it: never the secret itself, which some hand over in its place."""

from __future__ import annotations

import os
import re
from typing import Final

VARIABLE: Final = "env://"
_NAMED: Final = re.compile(rf"{VARIABLE}[A-Za-z_][A-Za-z0-9_]{{0,127}}")


def names_place(value: str) -> bool:
    """Whether a value is `env://NAME` or a file that is there; any other may be the secret, and is never shown."""
    try:
        return _NAMED.fullmatch(value) is not None or os.path.isfile(value)
    except ValueError:  # a character that no name holds
        return False
