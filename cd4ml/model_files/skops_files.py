"""Reading a skops file without loading it: its tree of nodes, each held against the list in `allowed`.

skops asks a list of trusted types, too, but MLflow takes that list from the model's own MLmodel
(GHSA-w582-9x45-8mpx), and what skops trusts by itself depends on the version that the model asks for. So neither
counts here.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.model_files.allowed import SCALARS, USES, Use

_LARGEST_SCHEMA: Final = 512 << 20
_PROTOCOLS: Final = (1, 2)
_MOST_FINDINGS: Final = 20
_PLAIN_KEYS: Final = {("builtins", name) for name in ("bool", "bytes", "float", "int", "str", "NoneType")} | SCALARS
_GENERATORS: Final = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_Pair = tuple[str, str]


def findings(path: Path) -> list[str]:
    """Return what a skops file would do beyond making the objects of the list; empty if nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                return ["holds two files of the same name"]
            if archive.getinfo("schema.json").file_size > _LARGEST_SCHEMA:
                return [f"has a schema.json of more than {_LARGEST_SCHEMA >> 20} MiB"]
            schema = json.loads(archive.read("schema.json"))
    except (
        OSError,
        KeyError,
        ValueError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:
        return [f"cannot be read as a skops file: {type(error).__name__}: {str(error)[:200]}"]
    found: dict[str, None] = {}
    if schema.get("protocol") not in _PROTOCOLS if isinstance(schema, dict) else True:
        found["uses an unknown skops protocol"] = None
    numbers: dict[Any, Any] = {}
    for node, as_key in _nodes(schema):
        problem = _problem(node, as_key) or _doubled(node, numbers)
        if problem and len(found) < _MOST_FINDINGS:
            found[problem] = None
    return list(found)


def _nodes(schema: Any) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Return every object of the tree that may be a node, and whether it says what the keys of a dictionary are."""
    waiting: list[tuple[Any, bool]] = [(schema, False)]
    while waiting:
        value, as_key = waiting.pop()
        if isinstance(value, list):
            waiting += [(item, as_key) for item in value]
        elif isinstance(value, dict):
            if "__loader__" in value or "__class__" in value or "__module__" in value:
                yield value, as_key
            waiting += [(item, as_key or name == "key_types") for name, item in value.items()]


def _problem(node: Mapping[str, Any], as_key: bool) -> str | None:
    """Return what is wrong with a node, None if nothing is."""
    loader, pair = node.get("__loader__"), (node.get("__module__"), node.get("__class__"))
    if not (isinstance(loader, str) and isinstance(pair[0], str) and isinstance(pair[1], str)):
        return "has a node without a type"
    named: _Pair = (pair[0], pair[1])
    rule = _RULES.get(loader)
    if rule is None:
        return f"has a node {_shown(loader)} of {_shown('.'.join(named))}, which may call anything"
    if as_key and loader == "TypeNode":
        return None if named in _PLAIN_KEYS else f"makes keys with {_shown('.'.join(named))}"
    if not rule(named, node):
        return f"has a node {loader} of {_shown('.'.join(named))}, which is not on the list of a model's parts"
    return None


def _doubled(node: Mapping[str, Any], numbers: dict[Any, Any]) -> str | None:
    """Return what is wrong with a node's number: skops takes an earlier node of the number in its place, unseen."""
    number = node.get("__id__")
    if not number:
        return None
    same = [node.get(name) for name in ("__loader__", "__module__", "__class__")]
    same += [node.get("content")] if same[0] == "JsonNode" else []
    if not isinstance(number, int) or numbers.setdefault(number, same) != same:
        return "has two nodes of the same number"
    return None


def _shown(text: str) -> str:
    """Return a name for a message."""
    return text[:200].encode("ascii", "backslashreplace").decode()


_Rule = Callable[[_Pair, Mapping[str, Any]], bool]


def _used(*uses: Use) -> _Rule:
    """Return a rule: the name is on the list for one of these uses."""
    return lambda pair, _: USES.get(pair) in uses


def _one_of(*pairs: str) -> _Rule:
    """Return a rule: the name is one of these."""
    return lambda pair, _: ".".join(pair) in pairs


def _function(pair: _Pair, node: Mapping[str, Any]) -> bool:
    """Protocols before 1 named the function in the content; nothing may stand there."""
    return USES.get(pair) is Use.FUNCTION and "content" not in node


def _partial(pair: _Pair, node: Mapping[str, Any]) -> bool:
    """Whether a partial function calls a function of the list, and not a type or an object."""
    function = node["content"].get("func") if isinstance(node.get("content"), dict) else None
    return (
        pair == ("functools", "partial") and isinstance(function, dict) and function.get("__loader__") == "FunctionNode"
    )


def _array(pair: _Pair, node: Mapping[str, Any]) -> bool:
    """Whether an array or one of numpy's numbers is read from numpy's own format, or item by item."""
    return (pair == ("numpy", "ndarray") or pair in SCALARS) and node.get("type") in ("numpy", "json")


def _generator(pair: _Pair, node: Mapping[str, Any]) -> bool:
    """Whether a random generator's parts are numpy's: some versions of skops call whatever is named here."""
    try:
        name = json.loads(node["content"]["bit_generator"]["content"]["bit_generator"]["content"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return False
    return ".".join(pair) in ("numpy.random._generator.Generator", "numpy.random.Generator") and name in _GENERATORS


def _mapping(pair: _Pair, _: Mapping[str, Any]) -> bool:
    """Whether a dictionary is one."""
    return pair in (("builtins", "dict"), ("collections", "OrderedDict"), ("sklearn.utils._bunch", "Bunch"))


_RULES: Final[Mapping[str, _Rule]] = {
    "DictNode": _mapping,
    "DefaultDictNode": _one_of("collections.defaultdict"),
    "ListNode": _one_of("builtins.list"),
    "SetNode": _one_of("builtins.set", "builtins.frozenset"),
    "TupleNode": _one_of("builtins.tuple"),
    "BytesNode": _one_of("builtins.bytes"),
    "BytearrayNode": _one_of("builtins.bytearray"),
    "SliceNode": _one_of("builtins.slice"),
    "JsonNode": _one_of("builtins.str"),
    "FunctionNode": _function,
    "PartialNode": _partial,
    "TypeNode": _used(Use.DATA, Use.VALUE),
    "ConstructorFromReduceNode": _used(Use.DATA),
    "ObjectNode": _used(Use.CLASS, Use.DATA),
    "TreeNode": _one_of("sklearn.tree._tree.Tree"),
    "LossNode": _used(Use.DATA),
    "NdArrayNode": _array,
    "MaskedArrayNode": _one_of("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"),
    "DTypeNode": _one_of("numpy.dtype"),
    "RandomStateNode": _one_of("numpy.random.mtrand.RandomState"),
    "RandomGeneratorNode": _generator,
    "SparseMatrixNode": lambda pair, _: pair[0].startswith("scipy.sparse") and USES.get(pair) is Use.CLASS,
}
