"""Reading a pickle without loading it: each opcode is followed on a stack of its own; nothing is imported or called.

The machine does what CPython's unpickler (`Modules/_pickle.c`) would do with names, marks and the memo, and knows of
each value only what decides: which name it is, by which name it was made, or the text that a name is made of. What the
list in `allowed` does not allow is a finding; what this machine cannot follow is one as well.
"""

from __future__ import annotations

import _compat_pickle
import pickletools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from cd4ml.model_files.allowed import CONTAINERS, USES, Use

Pair = tuple[str, str]

_MOST_FINDINGS: Final = 20
_DTYPE: Final = re.compile(r"[<>=|]?[?bBhHiIlLqQefdgFDGSUVOMmacu]\d{0,6}(\[\w{1,9}\])?")
_LATIN: Final = ("latin1", "latin-1")
# numpy's flags of a type: 63 is an array of objects. The lower four say that its bytes are addresses of objects.
_OBJECT_FLAGS: Final = 63
_ADDRESSES: Final = 0x0F
_CALLABLE: Final = (Use.CLASS, Use.FUNCTION)


class _Plain:
    """A number, bytes, or any other constant that decides nothing."""


class _Items:
    """A list, dictionary or set.

    Attributes:
        odd: a dictionary with a key that is no text, or is a special name such as `__setstate__`.
        objects: a value is a type of numpy's whose bytes are addresses.
        sealed: numpy keeps it as the fields of a type, and it may not change any more.
    """

    __slots__ = ("kind", "odd", "objects", "sealed")

    def __init__(self, kind: str) -> None:
        self.kind, self.odd, self.objects, self.sealed = kind, False, False, False


class _Name:
    """A class or function; `use` is None if the list does not have it, which is then a finding already."""

    __slots__ = ("pair", "use")

    def __init__(self, pair: Pair, use: Use | None) -> None:
        self.pair, self.use = pair, use


class _Made:
    """What a call made; `pair` is None after a finding. `objects`: a type of numpy's whose bytes are addresses."""

    __slots__ = ("pair", "objects")

    def __init__(self, pair: Pair | None, objects: bool = False) -> None:
        self.pair, self.objects = pair, objects


class _Guarded(tuple[Any, ...]):
    """A tuple with a name in it that only some calls may take."""


_PLAIN: Final = _Plain()


class _Malformed(ValueError):
    """The unpickler would stop here with an error."""


def findings(path: Path) -> list[str]:
    """Return what a pickle would do beyond making the objects of the list; empty if nothing."""
    machine = _Machine()
    with path.open("rb") as stream:
        try:
            machine.run(stream)
        except (ValueError, OverflowError, MemoryError) as error:
            machine.found(f"cannot be read as a pickle: {str(error)[:200] or type(error).__name__}")
    return list(machine.all)


class _Machine:
    """Stack, marks and memo of an unpickler."""

    def __init__(self) -> None:
        """Start as the unpickler does."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.protocol = 0
        self.all: dict[str, None] = {}

    def found(self, text: str) -> None:
        """Note a finding, once."""
        if len(self.all) < _MOST_FINDINGS:
            self.all[text] = None

    def run(self, stream: IO[bytes]) -> None:
        """Follow the opcodes to STOP, which must be the end of the file."""
        steps = _STEPS
        for opcode, argument, _ in pickletools.genops(stream):
            steps[opcode.name](self, argument)
        if stream.read(1):
            self.found("goes on after its end (STOP)")

    # The stack: nothing below the last mark can be reached.

    @property
    def fence(self) -> int:
        """Where the values begin that can be reached."""
        return self.marks[-1] if self.marks else 0

    def pop(self) -> Any:
        """Take the uppermost value."""
        if len(self.stack) <= self.fence:
            raise _Malformed("the stack is empty")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the uppermost value."""
        if len(self.stack) <= self.fence:
            raise _Malformed("the stack is empty")
        return self.stack[-1]

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """Take all values since the last mark."""
        if not self.marks:
            raise _Malformed("there is no mark")
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def discard(self, _: Any) -> None:
        """POP, which takes a mark if that is uppermost."""
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop()

    def get(self, index: int) -> None:
        """Fetch from the memo."""
        if index not in self.memo:
            raise _Malformed(f"the memo has no {index}")
        self.push(self.memo[index])

    def put(self, index: int | None) -> None:
        """Keep the uppermost value in the memo."""
        if index is not None and index < 0:
            raise _Malformed("a negative place in the memo")
        self.memo[len(self.memo) if index is None else index] = self.top()

    # Names and calls.

    def name(self, module: Any, name: Any) -> _Name:
        """Return what a name stands for; the unpickler would import it here."""
        if type(module) is not str or type(name) is not str:
            self.found("makes up a name while it is loaded")
            return _Name(("", ""), None)
        if self.protocol < 3:  # names of Python 2
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            else:
                module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        use = USES.get((module, name))
        if use is None:
            self.found(f"names {_shown(module)}.{_shown(name)}, which is not on the list of what a model consists of")
        return _Name((module, name), use)

    def named(self, argument: str) -> _Name:
        """Return the name of GLOBAL and INST, whose two lines come as one."""
        return self.name(*argument.split(" ")) if argument.count(" ") == 1 else self.name(argument, "")

    def call(self, function: Any, arguments: Any) -> None:
        """REDUCE: call a function."""
        if isinstance(function, _Name) and function.use is None:
            return self.push(_Made(None))
        if not isinstance(function, _Name) or function.use in (Use.VALUE, Use.ARRAY):
            what = ".".join(function.pair) if isinstance(function, _Name) else "what a call returned"
            self.found(f"calls {what}")
            return self.push(_Made(None))
        check = _ARGUMENTS.get(function.pair, _ARGUMENTS.get(("", function.pair[1])))
        if not isinstance(arguments, tuple) or not (check(arguments) if check else _free(arguments)):
            self.found(f"calls {'.'.join(function.pair)} with arguments that no model has")
            return self.push(_Made(None))
        objects = function.pair == ("numpy", "dtype") and "O" in arguments[0]
        self.push(_Made(function.pair, objects))

    def create(self, cls: Any, arguments: Iterable[Any]) -> None:
        """NEWOBJ, OBJ and INST: make an instance of a class."""
        if isinstance(cls, _Name) and cls.use is None:
            return self.push(_Made(None))
        if not isinstance(cls, _Name) or cls.use is not Use.CLASS or not all(_free((value,)) for value in arguments):
            self.found(f"makes an instance of {'.'.join(cls.pair) if isinstance(cls, _Name) else 'no class'}")
            return self.push(_Made(None))
        self.push(_Made(cls.pair))

    def build(self, _: Any) -> None:
        """BUILD: fill an object with its state."""
        state, filled = self.pop(), self.top()
        if not isinstance(filled, _Made):
            what = ".".join(filled.pair) if isinstance(filled, _Name) else "something that it did not make"
            return self.found(f"sets attributes of {what}")
        if filled.pair is None:
            return None
        parts = state if isinstance(state, tuple) else (state,)
        odd = any(isinstance(part, _Items) and part.odd and part.kind == "dict" for part in parts)
        check = _STATES.get(filled.pair)
        wrong = check is not None and not check(filled, state)
        if not _free(parts) or (odd and check is None) or wrong:
            self.found(f"fills {'.'.join(filled.pair)} with a state that no model has")
        return None

    # Containers.

    def hold(self, target: Any, kinds: str, values: Iterable[Any]) -> None:
        """Put values into a container."""
        if isinstance(target, _Made) and (target.pair is None or target.pair in CONTAINERS and kinds != "set"):
            pass
        elif not isinstance(target, _Items) or target.kind != kinds or target.sealed:
            self.found(f"adds items to what is no {kinds}")
        for value in values:
            if type(value) in _SPECIAL and not _free((value,)):
                self.found("keeps a name that only loading may use")

    def items(self, kind: str, values: list[Any]) -> _Items:
        """Return a new container with the values."""
        made = _Items(kind)
        self.hold(made, kind, values)
        if kind == "dict":
            _note_pairs(made, values)
        return made

    def add_pairs(self, values: list[Any]) -> None:
        """SETITEM and SETITEMS."""
        target = self.top()
        self.hold(target, "dict", values)
        if isinstance(target, _Items):
            _note_pairs(target, values)

    def make_tuple(self, values: list[Any]) -> None:
        """Make a tuple, guarded if it holds a name that is."""
        self.push(tuple(values) if _free(values) else _Guarded(values))

    def last(self, count: int) -> list[Any]:
        """Take the uppermost values, in their order."""
        return [self.pop() for _ in range(count)][::-1]

    def foreign(self, text: str) -> None:
        """Something that no model uses."""
        self.found(text)
        self.push(_Made(None))


_SPECIAL: Final = (_Name, _Guarded)


def _free(values: Iterable[Any]) -> bool:
    """Whether all of the values may stand anywhere."""
    return not any(
        type(value) is _Guarded or type(value) is _Name and value.use in (Use.REBUILD, Use.ARRAY) for value in values
    )


def _note_pairs(target: _Items, values: list[Any]) -> None:
    """Note what the keys and values of a dictionary are."""
    for key, value in zip(values[::2], values[1::2], strict=True):
        if type(key) is not str or key.startswith("__") and key.endswith("__"):
            target.odd = True
        if isinstance(value, tuple) and any(isinstance(part, _Made) and part.objects for part in value):
            target.objects = True


def _shown(text: str) -> str:
    """Return a name for a message."""
    return text[:100].encode("ascii", "backslashreplace").decode()


def _named_first(*uses: Use) -> Callable[[tuple[Any, ...]], bool]:
    """Return a check that the first argument is a name of these uses, and that the others are free."""

    def check(arguments: tuple[Any, ...]) -> bool:
        first = arguments[0] if arguments else None
        return isinstance(first, _Name) and first.use in (None, *uses) and _free(arguments[1:])

    return check


def _array_first(arguments: tuple[Any, ...]) -> bool:
    """Whether arrays are rebuilt of arrays: `_reconstruct(ndarray, (0,), b'b')`."""
    names = [value for value in arguments if isinstance(value, _Name)]
    others = [value for value in arguments if not isinstance(value, _Name)]
    return all(name.use in (None, Use.ARRAY) for name in names) and bool(names) and _free(others)


def _codec(arguments: tuple[Any, ...]) -> bool:
    """Whether bytes are written as text, as protocols below 3 do."""
    return len(arguments) == 2 and arguments[1] in _LATIN


def _dtype(arguments: tuple[Any, ...]) -> bool:
    """Whether a type of numpy's is made from its short name."""
    return bool(arguments) and type(arguments[0]) is str and bool(_DTYPE.fullmatch(arguments[0])) and _free(arguments)


def _dtype_state(made: _Made, state: Any) -> bool:
    """Whether the state of a type is what numpy writes: otherwise bytes of the file could pass for addresses."""
    if not isinstance(state, tuple) or len(state) not in (8, 9) or type(state[7]) is not int:
        return False
    within, names, fields, flags = state[2], state[3], state[4], state[7]
    if made.objects:
        return within is None and names is None and fields is None and flags == _OBJECT_FLAGS
    if isinstance(within, tuple) and any(isinstance(part, _Made) and part.objects for part in within):
        return False
    if isinstance(fields, _Items):
        fields.sealed = True
        if fields.kind != "dict" or fields.odd or fields.objects:
            return False
    elif fields is not None:
        return False
    return not flags & _ADDRESSES


def _partial_state(_: _Made, state: Any) -> bool:
    """Whether a partial function calls something of the list."""
    return isinstance(state, tuple) and _named_first(*_CALLABLE)(state)


_ARGUMENTS: Final[Mapping[Pair, Callable[[tuple[Any, ...]], bool]]] = {
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _codec,
    ("copyreg", "_reconstructor"): _named_first(Use.CLASS),
    ("copyreg", "__newobj__"): _named_first(Use.CLASS),
    ("functools", "partial"): _named_first(*_CALLABLE),
    ("", "_reconstruct"): _array_first,
    ("", "_mareconstruct"): _array_first,
    ("", "newObj"): _named_first(Use.CLASS),
    ("", "_new_Index"): _named_first(Use.CLASS),
}
_STATES: Final[Mapping[Pair, Callable[[_Made, Any], bool]]] = {
    ("numpy", "dtype"): _dtype_state,
    ("functools", "partial"): _partial_state,
}

_Step = Callable[[_Machine, Any], object]
_CONSTANTS: Final = "INT BININT BININT1 BININT2 LONG LONG1 LONG4 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8"
_UNSEEN: Final = (
    "FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"  # any constant
)
_STEPS: Final[dict[str, _Step]] = {
    **{name: _Machine.push for name in _CONSTANTS.split()},
    **{name: lambda machine, _: machine.push(_PLAIN) for name in _UNSEEN.split()},
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "PROTO": lambda machine, number: setattr(machine, "protocol", number),
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: machine.pop(),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": _Machine.discard,
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    **{name: _Machine.get for name in ("GET", "BINGET", "LONG_BINGET")},
    **{name: _Machine.put for name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")},
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.make_tuple(machine.since_mark()),
    "TUPLE1": lambda machine, _: machine.make_tuple(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.make_tuple(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.make_tuple(machine.last(3)),
    "EMPTY_LIST": lambda machine, _: machine.push(_Items("list")),
    "EMPTY_DICT": lambda machine, _: machine.push(_Items("dict")),
    "EMPTY_SET": lambda machine, _: machine.push(_Items("set")),
    "LIST": lambda machine, _: machine.push(machine.items("list", machine.since_mark())),
    "DICT": lambda machine, _: machine.push(machine.items("dict", machine.since_mark())),
    "FROZENSET": lambda machine, _: machine.push(machine.items("set", machine.since_mark())),
    "APPEND": lambda machine, _: _held(machine, "list", [machine.pop()]),
    "APPENDS": lambda machine, _: _held(machine, "list", machine.since_mark()),
    "ADDITEMS": lambda machine, _: _held(machine, "set", machine.since_mark()),
    "SETITEM": lambda machine, _: machine.add_pairs(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.add_pairs(machine.since_mark()),
    "GLOBAL": lambda machine, text: machine.push(machine.named(text)),
    "STACK_GLOBAL": lambda machine, _: machine.push(machine.name(*machine.last(2))),
    "REDUCE": lambda machine, _: machine.call(*machine.last(2)),
    "NEWOBJ": lambda machine, _: machine.create(*_arguments(machine.last(2))),
    "NEWOBJ_EX": lambda machine, _: machine.create(*_arguments(machine.last(3))),
    "INST": lambda machine, text: machine.create(machine.named(text), machine.since_mark()),
    "OBJ": lambda machine, _: _object(machine, machine.since_mark()),
    "BUILD": _Machine.build,
    **{name: lambda machine, _: machine.foreign("uses copyreg's extensions") for name in ("EXT1", "EXT2", "EXT4")},
    "PERSID": lambda machine, _: machine.foreign("refers to an object outside"),
    "BINPERSID": lambda machine, _: _persistent(machine),
    "NEXT_BUFFER": lambda machine, _: machine.foreign("refers to a buffer outside"),
    "READONLY_BUFFER": lambda machine, _: machine.found("refers to a buffer outside"),
}


def _held(machine: _Machine, kind: str, values: list[Any]) -> None:
    """APPEND, APPENDS and ADDITEMS."""
    machine.hold(machine.top(), kind, values)


def _persistent(machine: _Machine) -> None:
    """BINPERSID: its number lies on the stack."""
    machine.pop()
    machine.foreign("refers to an object outside")


def _arguments(values: list[Any]) -> tuple[Any, list[Any]]:
    """Return the class and the arguments of NEWOBJ and NEWOBJ_EX: a tuple, and a dictionary of named ones."""
    return values[0], values[1:]


def _object(machine: _Machine, values: list[Any]) -> None:
    """OBJ: the class lies below its arguments."""
    if not values:
        raise _Malformed("OBJ without a class")
    machine.create(values[0], values[1:])
