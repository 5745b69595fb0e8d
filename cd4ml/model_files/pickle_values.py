"""What the pickle machine knows of values, and which arguments and states the names of the list may get."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cd4ml.model_files.allowed import CONTAINERS, Use

Pair = tuple[str, str]

_DTYPE: Final = re.compile(r"[<>=|]?[?bBhHiIlLqQefdgFDGSUVOMmacu]\d{0,6}(\[\w{1,9}\])?")
_LATIN: Final = ("latin1", "latin-1")
# numpy's flags of a type: 63 is an array of objects. The lower three say that its bytes are addresses of objects.
_OBJECT_FLAGS: Final = 63
_ADDRESSES: Final = 0x07
_GUARDED: Final = (Use.CLASS, Use.REBUILD, Use.ARRAY)


class Plain:
    """A number, bytes, or any other constant that decides nothing."""


class Items:
    """A list, dictionary or set.

    Attributes:
        odd: a dictionary with a key that is not a text, or is a special name such as `__setstate__`.
        objects: a value is a type of numpy's whose bytes are addresses.
        sealed: numpy keeps it as the fields of a type, and it may not change any more.
    """

    __slots__ = ("kind", "odd", "objects", "sealed")

    def __init__(self, kind: str) -> None:
        self.kind, self.odd, self.objects, self.sealed = kind, False, False, False


class Name:
    """A class or function; `use` is None if the list does not have it, which is then a finding already."""

    __slots__ = ("pair", "use")

    def __init__(self, pair: Pair, use: Use | None) -> None:
        self.pair, self.use = pair, use


class Made:
    """What a call made; `pair` is None after a finding. `objects`: a type of numpy's whose bytes are addresses."""

    __slots__ = ("pair", "objects")

    def __init__(self, pair: Pair | None, objects: bool = False) -> None:
        self.pair, self.objects = pair, objects


class Guarded(tuple[Any, ...]):
    """A tuple with a name in it that only some calls may take."""


PLAIN: Final = Plain()
SPECIAL: Final = (Name, Guarded)


def free(values: Iterable[Any]) -> bool:
    """Whether all of the values may stand anywhere."""
    return not any(type(value) is Guarded or type(value) is Name and value.use in _GUARDED for value in values)


def packed(values: list[Any]) -> tuple[Any, ...]:
    """Return a tuple, guarded if it holds a name that is."""
    return tuple(values) if free(values) else Guarded(values)


def plain_state(state: Any) -> bool:
    """Whether an object may be filled with a state: no attribute in it has a special name such as `__setstate__`."""
    parts = state if isinstance(state, tuple) else (state,)
    odd = any(isinstance(part, Items) and part.odd and part.kind == "dict" for part in parts)
    hidden = any(isinstance(part, Made) and part.pair in CONTAINERS for part in parts)
    return free(parts) and not odd and not hidden


def note_pairs(target: Items, values: list[Any]) -> None:
    """Note what the keys and values of a dictionary are."""
    for key, value in zip(values[::2], values[1::2], strict=True):
        if type(key) is not str or key.startswith("__") and key.endswith("__"):
            target.odd = True
        if isinstance(value, tuple) and any(isinstance(part, Made) and part.objects for part in value):
            target.objects = True


def shown(text: str) -> str:
    """Return a name for a message."""
    return text[:100].encode("ascii", "backslashreplace").decode()


def _named_first(*uses: Use) -> Callable[[tuple[Any, ...]], bool]:
    """Return a check that the first argument is a name of these uses, and that the others are free."""

    def check(arguments: tuple[Any, ...]) -> bool:
        first = arguments[0] if arguments else None
        return isinstance(first, Name) and first.use in (None, *uses) and free(arguments[1:])

    return check


def _array_first(arguments: tuple[Any, ...]) -> bool:
    """Whether arrays are rebuilt of arrays: `_reconstruct(ndarray, (0,), b'b')`."""
    names = [value for value in arguments if isinstance(value, Name)]
    others = [value for value in arguments if not isinstance(value, Name)]
    return all(name.use in (None, Use.ARRAY) for name in names) and bool(names) and free(others)


def _codec(arguments: tuple[Any, ...]) -> bool:
    """Whether bytes are written as text, as protocols below 3 do."""
    return len(arguments) == 2 and arguments[1] in _LATIN


def _dtype(arguments: tuple[Any, ...]) -> bool:
    """Whether a type of numpy's is made from its short name."""
    return bool(arguments) and type(arguments[0]) is str and bool(_DTYPE.fullmatch(arguments[0])) and free(arguments)


def _dtype_state(made: Made, state: Any) -> bool:
    """Whether the state of a type is what numpy writes: otherwise bytes of the file could pass for addresses."""
    if not isinstance(state, tuple) or len(state) not in (8, 9) or type(state[7]) is not int:
        return False
    within, names, fields, flags = state[2], state[3], state[4], state[7]
    if made.objects:
        return within is None and names is None and fields is None and flags == _OBJECT_FLAGS
    if isinstance(within, tuple) and any(isinstance(part, Made) and part.objects for part in within):
        return False
    if isinstance(fields, Items):
        fields.sealed = True
        if fields.kind != "dict" or fields.odd or fields.objects:
            return False
    elif fields is not None:
        return False
    return not flags & _ADDRESSES


def _partial_state(_: Made, state: Any) -> bool:
    """Whether a partial function calls something of the list."""
    return isinstance(state, tuple) and _named_first(Use.FUNCTION)(state)


ARGUMENTS: Final[Mapping[Pair, Callable[[tuple[Any, ...]], bool]]] = {
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _codec,
    ("copyreg", "_reconstructor"): _named_first(Use.CLASS, Use.DATA),
    ("copyreg", "__newobj__"): _named_first(Use.CLASS, Use.DATA),
    ("functools", "partial"): _named_first(Use.FUNCTION),
    ("", "_reconstruct"): _array_first,
    ("", "_mareconstruct"): _array_first,
    ("", "newObj"): _named_first(Use.CLASS, Use.DATA),
    ("", "_new_Index"): _named_first(Use.CLASS, Use.DATA),
}
STATES: Final[Mapping[Pair, Callable[[Made, Any], bool]]] = {
    ("numpy", "dtype"): _dtype_state,
    ("functools", "partial"): _partial_state,
}
