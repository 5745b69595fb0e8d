"""Reading a pickle without loading it: each opcode is followed on a stack of its own; nothing is imported or called.

The machine does what CPython's unpickler (`Modules/_pickle.c`) would do with names, marks and the memo, and knows of
each value only what decides: which name it is, by which name it was made, or the text that a name is made of. What the
list in `allowed` does not allow is a finding; what this machine cannot follow is one as well.
"""

from __future__ import annotations

import _compat_pickle
import pickletools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final

from cd4ml.model_files.allowed import CONTAINERS, USES, Use
from cd4ml.model_files.pickle_values import (
    ARGUMENTS,
    PLAIN,
    SPECIAL,
    STATES,
    Items,
    Made,
    Name,
    free,
    note_pairs,
    packed,
    plain_state,
    shown,
)

_MOST_FINDINGS: Final = 20


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

    def name(self, module: Any, name: Any) -> Name:
        """Return what a name stands for; the unpickler would import it here."""
        if type(module) is not str or type(name) is not str:
            self.found("computes a name while it is loaded")
            return Name(("", ""), None)
        if self.protocol < 3:  # names of Python 2
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            else:
                module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        use = USES.get((module, name))
        if use is None:
            self.found(f"names {shown(module)}.{shown(name)}, which is not on the list of a model's parts")
        return Name((module, name), use)

    def named(self, argument: str) -> Name:
        """Return the name of GLOBAL and INST, whose two lines come as one."""
        return self.name(*argument.split(" ")) if argument.count(" ") == 1 else self.name(argument, "")

    def call(self, function: Any, arguments: Any) -> None:
        """REDUCE: call a function."""
        if isinstance(function, Name) and function.use is None:
            return self.push(Made(None))
        if not isinstance(function, Name) or function.use in (Use.VALUE, Use.ARRAY):
            what = ".".join(function.pair) if isinstance(function, Name) else "what a call returned"
            self.found(f"calls {what}")
            return self.push(Made(None))
        check = ARGUMENTS.get(function.pair, ARGUMENTS.get(("", function.pair[1]), free))
        empty = arguments == ()
        if not isinstance(arguments, tuple) or not check(arguments) or function.use is Use.CLASS and not empty:
            self.found(f"calls {'.'.join(function.pair)} with arguments that no model has")
            return self.push(Made(None))
        objects = function.pair == ("numpy", "dtype") and "O" in arguments[0]
        self.push(Made(function.pair, objects))

    def create(self, cls: Any, arguments: Sequence[Any]) -> None:
        """NEWOBJ, OBJ and INST: make an instance of a class, an empty one unless it is mere data."""
        if isinstance(cls, Name) and cls.use is None:
            return self.push(Made(None))
        empty = not any(arguments)
        if isinstance(cls, Name) and (cls.use is Use.CLASS and empty or cls.use is Use.DATA and free(arguments)):
            return self.push(Made(cls.pair))
        what = ".".join(cls.pair) if isinstance(cls, Name) else "something that is not a class"
        self.found(f"makes an instance of {what}" + ("" if empty else " with arguments that no model has"))
        self.push(Made(None))

    def build(self, _: Any) -> None:
        """BUILD: fill an object with its state."""
        state, filled = self.pop(), self.top()
        if not isinstance(filled, Made):
            what = ".".join(filled.pair) if isinstance(filled, Name) else "something that it did not make"
            return self.found(f"sets attributes of {what}")
        if filled.pair is None:
            return None
        check = STATES.get(filled.pair)
        if not (check(filled, state) if check else plain_state(state)):
            self.found(f"fills {'.'.join(filled.pair)} with a state that no model has")
        return None

    # Containers.

    def hold(self, target: Any, kinds: str, values: Iterable[Any]) -> None:
        """Put values into a container."""
        if isinstance(target, Made) and (target.pair is None or target.pair in CONTAINERS and kinds != "set"):
            pass
        elif not isinstance(target, Items) or target.kind != kinds or target.sealed:
            self.found(f"adds items to something other than a {kinds}")
        for value in values:
            if type(value) in SPECIAL and not free((value,)):
                self.found("keeps a name that only loading may use")

    def items(self, kind: str, values: list[Any]) -> Items:
        """Return a new container with the values."""
        made = Items(kind)
        self.hold(made, kind, values)
        if kind == "dict":
            note_pairs(made, values)
        return made

    def add_pairs(self, values: list[Any]) -> None:
        """SETITEM and SETITEMS."""
        target = self.top()
        self.hold(target, "dict", values)
        if isinstance(target, Items):
            note_pairs(target, values)

    def make_tuple(self, values: list[Any]) -> None:
        """Make a tuple, guarded if it holds a name that is."""
        self.push(packed(values))

    def last(self, count: int) -> list[Any]:
        """Take the uppermost values, in their order."""
        return [self.pop() for _ in range(count)][::-1]

    def foreign(self, text: str) -> None:
        """Something that no model uses."""
        self.found(text)
        self.push(Made(None))


_Step = Callable[[_Machine, Any], object]
_CONSTANTS: Final = "INT BININT BININT1 BININT2 LONG LONG1 LONG4 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8"
_UNSEEN: Final = (
    "FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"  # any constant
)
_STEPS: Final[dict[str, _Step]] = {
    **{name: _Machine.push for name in _CONSTANTS.split()},
    **{name: lambda machine, _: machine.push(PLAIN) for name in _UNSEEN.split()},
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
    "EMPTY_LIST": lambda machine, _: machine.push(Items("list")),
    "EMPTY_DICT": lambda machine, _: machine.push(Items("dict")),
    "EMPTY_SET": lambda machine, _: machine.push(Items("set")),
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
    "INST": lambda machine, text: machine.create(machine.named(text), [packed(machine.since_mark())]),
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
    machine.create(values[0], [packed(values[1:])])
