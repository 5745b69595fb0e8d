"""Changing one scalar of a YAML file and not a byte more.

Re-writing YAML through a library loses comments, quotes or indentation. Here the parser only says where a scalar
stands; its characters are replaced, and the result is parsed again to prove that nothing else has changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from cd4ml.errors import OptionsError

Path = tuple[str | int, ...]
# Scalars that mean themselves without quotes; everything else is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*")
_NOT_TEXT: Final = re.compile(r"(?i)(true|false|null|yes|no|on|off|~|[-+.]?[0-9][0-9_,.eExXoO:+-]*)")
_TEMPLATE: Final = re.compile(r"\{\{-?.*?\}\}", re.S)
_TEMPLATE_ADVICE: Final = "It holds template expressions ({{ … }}): name the file of values, or the rendered one."
_DEEPEST: Final = 50
_MOST_NODES: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A scalar to set: position of its document in the file, keys and indices that lead to it, and its new value."""

    document: int
    path: Path
    value: str | int | bool


class _Nodes(yaml.SafeLoader):  # type: ignore[misc]  # not libyaml's, which makes nodes without their anchors
    """Nodes whose scalars know their anchors; an anchor may be set again, as YAML allows."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Forget an anchor that is set again."""
        if not self.check_event(yaml.AliasEvent):
            self.anchors.pop(self.peek_event().anchor, None)
        return super().compose_node(parent, index)

    def compose_scalar_node(self, anchor: str | None) -> Any:
        """Note a scalar's anchor."""
        node = super().compose_scalar_node(anchor)
        node.anchor = anchor
        return node


def documents(text: str) -> list[Any]:
    """Return the root node of each document in the text.

    Raises:
        OptionsError: it is invalid YAML.
    """
    try:
        return list(yaml.compose_all(text, Loader=_Nodes))
    except (yaml.YAMLError, RecursionError) as error:
        raise OptionsError(
            f"the manifest is invalid YAML: {' '.join(str(error).split())[:300]}",
            advice=_TEMPLATE_ADVICE if _TEMPLATE.search(text) else "",
        ) from error


def find(node: Any, path: Path) -> Any:
    """Return the node at a path, None if there is none.

    Raises:
        OptionsError: a key on the way occurs twice, or the way leads through a merge key.
    """
    for step in path:
        if node is None:
            return None
        node = _item(node, step) if isinstance(step, int) else _entry(node, step, path)
    return node


def value(node: Any) -> Any:
    """Return a node's content as plain data; every scalar as the text that stands in the file."""
    return _plain(node, 0, [_MOST_NODES])


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with the scalars set.

    Raises:
        OptionsError: a target is missing, is not a simple scalar or is shared through an anchor; then nothing changes.
    """
    roots = documents(text)
    splices = []
    for edit in edits:
        node = find(roots[edit.document] if edit.document < len(roots) else None, edit.path)
        splices.append((*_span(text, node, edit), _written(edit.value, node)))
    changed = text
    for start, end, written in sorted(splices, reverse=True):
        changed = changed[:start] + written + changed[end:]
    _prove(roots, documents(changed), edits)
    return changed


def shown(path: Path) -> str:
    """Return a path as people write it: `spec.containers[0].image`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _item(node: Any, index: int) -> Any:
    """Return an item of a sequence node."""
    items = node.value if node.id == "sequence" else []
    return items[index] if index < len(items) else None


def _entry(node: Any, key: str, path: Path) -> Any:
    """Return the value node of a key of a mapping node."""
    if node.id != "mapping":
        return None
    found = [value for name, value in node.value if name.id == "scalar" and name.value == key]
    if len(found) > 1:
        raise OptionsError(f"{shown(path)}: the key `{key}` occurs {len(found)} times")
    if not found and any(name.value == "<<" for name, _ in node.value if name.id == "scalar"):
        raise OptionsError(f"{shown(path)}: `{key}` may come through a merge key; write it out in the manifest")
    return found[0] if found else None


def _span(text: str, node: Any, edit: Edit) -> tuple[int, int]:
    """Return where a scalar's characters stand."""
    where = shown(edit.path)
    if node is None:
        raise OptionsError(
            f"the manifest has no `{where}`", advice=f"Add it with the value {edit.value!r} or empty quotes."
        )
    if node.id != "scalar" or node.style in ("|", ">"):
        raise OptionsError(f"`{where}` is not a simple scalar")
    if node.anchor:
        raise OptionsError(f"`{where}` is shared through the anchor &{node.anchor}; write it out in the manifest")
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:
        raise OptionsError(f"`{where}` has no value to replace", advice='Write "" there.')
    if text[start] == "!":
        raise OptionsError(f"`{where}` carries a tag; write it out in the manifest")
    return start, end


def _written(value: str | int | bool, node: Any) -> str:
    """Return a value as it is written, in the quotes that stand there now."""
    if not isinstance(value, str):
        text = json.dumps(value)
        return f"{node.style}{text}{node.style}" if node.style in ("'", '"') else text
    if node.style == "'" and "'" not in value and value.isprintable():
        return f"'{value}'"
    if node.style is None and _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    return json.dumps(value)


def _prove(before: Sequence[Any], after: Sequence[Any], edits: Sequence[Edit]) -> None:
    """Check that the targets have their new values and that nothing else differs."""
    expected = [value(root) for root in before]
    for edit in edits:
        *way, last = edit.path
        parent = expected[edit.document]
        for step in way:
            parent = parent[step]
        parent[last] = edit.value if isinstance(edit.value, str) else json.dumps(edit.value)
    if [value(root) for root in after] != expected:
        raise OptionsError("the edit would change more than its target; the manifest is left as it is")


def _plain(node: Any, depth: int, left: list[int]) -> Any:
    """Return a node as nested lists and mappings of texts; `left` counts down, because aliases can multiply."""
    left[0] -= 1
    if depth > _DEEPEST:
        raise OptionsError(f"the manifest is nested more than {_DEEPEST} levels deep")
    if left[0] < 0:
        raise OptionsError(f"the manifest holds more than {_MOST_NODES} values, aliases written out")
    if node is None:
        return None
    if node.id == "mapping":
        return _pairs([(_key(name, depth + 1, left), _plain(item, depth + 1, left)) for name, item in node.value])
    if node.id == "sequence":
        return [_plain(item, depth + 1, left) for item in node.value]
    return node.value


def _key(node: Any, depth: int, left: list[int]) -> Any:
    """Return a mapping's key; a key that is not a scalar (`? [a, b]`, `{{ a template }}`) by what it holds."""
    if node.id == "scalar":
        return node.value
    return "complex key", hashlib.sha256(repr(_plain(node, depth, left)).encode("utf-8", "replace")).hexdigest()


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a mapping that loses no entry if a key occurs twice: the last one counts, the others are numbered."""
    found: dict[Any, Any] = {}
    for number, (key, item) in enumerate(pairs):
        if key in found:
            found["repeated key", number, key] = found[key]
        found[key] = item
    return found


def mapping(data: Any, *keys: str) -> Mapping[str, Any]:
    """Return the mapping at the keys of plain data, an empty one if there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}
