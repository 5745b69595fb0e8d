"""Values of the chart `model-server`: what a pod may have, with the line of each value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml import yaml_text
from cd4ml.errors import OptionsError
from cd4ml.image.capacity import bytes_of
from cd4ml.reading import missing_file, text_file

# The chart's defaults, for what a file leaves out; a test compares them with the chart.
DEFAULTS: Final[Mapping[str, Any]] = {
    "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
    "metrics": {"rules": {"p99Seconds": 0.5}},
    "startupSeconds": 120,
}
_WHOLE: Final = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, kw_only=True)
class Values:
    """A values file.

    Attributes:
        place: the file.
        tree: its values, with the lines of their keys.
    """

    place: str
    tree: yaml_text.Lined

    def get(self, *keys: str) -> Any:
        """Return a value; the chart's default where the file has none."""
        found = _get(self.tree, keys)
        return _get(DEFAULTS, keys) if found is None else found

    def text(self, *keys: str) -> str | None:
        """Return a value as it is shown, with a word if it is the chart's default."""
        found = self.get(*keys)
        return None if found is None else f"{found}" if _get(self.tree, keys) is not None else f"{found} (default)"

    def where(self, *keys: str) -> str:
        """Return the file, with the line of the value if it has one there."""
        *above, last = keys
        inside = _get(self.tree, above)
        line = inside.lines.get(last) if isinstance(inside, yaml_text.Lined) else None
        return f"{self.place}:{line}" if line else self.place

    @property
    def memory(self) -> int:
        """Bytes that a pod may have.

        Raises:
            OptionsError: the value is none.
        """
        return bytes_of(str(self.get("resources", "limits", "memory")), f"{self.place}: resources.limits.memory")

    @property
    def workers(self) -> int | None:
        """Processes of a gateway; None where only the machine decides how many."""
        told = self.get("env", "WORKERS")
        if told is None:
            return 1
        return int(told) if _WHOLE.fullmatch(str(told)) else None


def read(place: str, below: str | None) -> Values:
    """Return the values of a file.

    Args:
        below: key above them, in the values of an umbrella chart; dots lead further down.

    Raises:
        OptionsError: it is no values file, or has no such key.
        UnavailableError: there is no such file.
    """
    path = Path(place)
    try:
        tree = yaml_text.document(text_file(path), path, lines=True)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    found = _get(tree, below.split(".") if below else ())
    if not isinstance(found, yaml_text.Lined):
        raise OptionsError(f"{place} has no values" + (f" below `{below}`" if below else ""))
    values = Values(place=place, tree=found)
    assert values.memory
    return values


def _get(tree: Any, keys: Any) -> Any:
    """Return what stands in a tree below keys; None if nothing does."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
