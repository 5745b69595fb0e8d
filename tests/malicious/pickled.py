"""Pickles that call what they should not, and containers around them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.malicious import CASES, Call, case, change, name, opcodes, payload, shell, text, weights

for _protocol in range(6):

    def _system(folder: Path, marker: Path, *, protocol: int = _protocol) -> None:
        """`os.system`, in a protocol."""
        import os

        weights(folder, pickle.dumps(Call(os.system, shell(marker)), protocol=protocol))

    CASES[f"os-system-in-protocol-{_protocol}"] = _system


@case
def _exec_of_builtins(folder: Path, marker: Path) -> None:
    """`exec`, by its name in Python 2."""
    weights(folder, b"c__builtin__\nexec\n(V" + payload(marker).encode() + b"\ntR.")


@case
def _getattr_chain(folder: Path, marker: Path) -> None:
    """`getattr(getattr(shutil, 'os'), 'system')`, of which only `getattr` is a name."""
    imported = b"c__builtin__\n__import__\n(Vshutil\ntR"
    module = b"c__builtin__\ngetattr\n(" + imported + b"Vos\ntR"
    system = b"c__builtin__\ngetattr\n(" + module + b"Vsystem\ntR"
    weights(folder, system + b"(V" + shell(marker).encode() + b"\ntR.")


@case
def _dotted_name(folder: Path, marker: Path) -> None:
    """A name with dots reaches a module through another that is on everybody's list."""
    weights(folder, opcodes(name("numpy", "f2py.os.system"), text(shell(marker)), b"\x85R"))


@case
def _numpy_runs_a_program(folder: Path, marker: Path) -> None:
    """A helper of numpy's tests executes text."""
    weights(folder, opcodes(name("numpy.testing._private.utils", "runstring"), text(payload(marker)), b"}\x86R"))


@case
def _numpy_loads_a_pickle(folder: Path, marker: Path) -> None:
    """`numpy.load` of an array of objects that lies beside the model."""
    np.save(folder / "more.npy", np.array([Call(exec, payload(marker))], dtype=object), allow_pickle=True)
    file = str(folder / "more.npy")
    load = name("numpy", "load") + text(file) + b"NN\x88".replace(b"NN", b"N") + b"\x87R"
    weights(folder, opcodes(load))


@case
def _pandas_reads_a_pickle(folder: Path, marker: Path) -> None:
    """`pandas.read_pickle` of another file of the folder."""
    (folder / "more.json").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    weights(folder, opcodes(name("pandas", "read_pickle"), text(str(folder / "more.json")), b"\x85R"))


@case
def _pandas_evaluates_text(folder: Path, marker: Path) -> None:
    """`pandas.eval` calls what a text names."""
    weights(folder, opcodes(name("pandas.core.computation.eval", "eval"), text(f"__import__('os')#{marker}"), b"\x85R"))


@case
def _scikit_learn_imports_anything(folder: Path, marker: Path) -> None:
    """scikit-learn's copy of joblib's loader reads another pickle."""
    import joblib

    joblib.dump(Call(exec, payload(marker)), folder / "more.joblib")
    member = name("joblib.numpy_pickle", "load")
    weights(folder, opcodes(member, text(str(folder / "more.joblib")), b"\x85R"))


@case
def _scipy_distribution(folder: Path, marker: Path) -> None:
    """A distribution of scipy's executes a text of its state."""
    state = b"}" + text("_parse_arg_template") + text(payload(marker)) + b"s"
    weights(folder, opcodes(name("scipy.stats._continuous_distns", "norm_gen"), b")\x81", state, b"b"))


@case
def _estimator_with_a_foreign_function(folder: Path, marker: Path) -> None:
    """A pipeline that is all scikit-learn's, with `os.system` for a transformation."""
    import os

    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = make_pipeline(FunctionTransformer(os.system, kw_args={"command": shell(marker)}))
    weights(folder, pickle.dumps([model, Call(os.system, shell(marker))]))


@case
def _partial_function(folder: Path, marker: Path) -> None:
    """`functools.partial` around what is not on the list, called through a dictionary's default."""
    called = name("functools", "partial") + name("builtins", "exec") + text(payload(marker)) + b"\x86R"
    weights(folder, opcodes(called, b")R"))


@case
def _method_caller(folder: Path, marker: Path) -> None:
    """`operator.methodcaller` on a module."""
    caller = name("operator", "methodcaller") + text("system") + text(shell(marker)) + b"\x86R"
    module = name("importlib", "import_module") + text("os") + b"\x85R"
    weights(folder, opcodes(caller, module, b"\x85R"))


@case
def _instruction_inst(folder: Path, marker: Path) -> None:
    """INST, the oldest way to call."""
    weights(folder, b"(V" + shell(marker).encode() + b"\nios\nsystem\n.")


@case
def _instruction_obj(folder: Path, marker: Path) -> None:
    """OBJ calls a class that lies under its arguments."""
    command = b"(V/bin/sh\nV-c\nV" + shell(marker).encode() + b"\nl"
    weights(folder, b"(csubprocess\nPopen\n" + command + b"o.")


@case
def _extension_code(folder: Path, marker: Path) -> None:
    """A code of copyreg's table, which the pickle fills first."""
    add = name("copyreg", "add_extension") + text("os") + text("system") + b"K\x07\x87R0"
    weights(folder, opcodes(add, b"\x82\x07", text(shell(marker)), b"\x85R"))


@case
def _name_from_the_memo(folder: Path, marker: Path) -> None:
    """The name's halves come from the memo, with harmless texts between."""
    halves = text("os") + b"\x94" + text("system") + b"\x94" + text("sklearn") + text("Pipeline") + b"00"
    weights(folder, opcodes(halves, b"00h\x00h\x01\x93", text(shell(marker)), b"\x85R"))


@case
def _name_under_a_mark(folder: Path, marker: Path) -> None:
    """POP takes a mark and not the value below it, which a reader that counts otherwise misses."""
    weights(folder, opcodes(text("os"), b"(0", text("system"), b"\x93", text(shell(marker)), b"\x85R"))


@case
def _computed_name(folder: Path, marker: Path) -> None:
    """The module's name is what a codec returns."""
    module = name("_codecs", "decode") + b"C\x02os" + text("latin1") + b"\x86R"
    weights(folder, opcodes(module, text("system"), b"\x93", text(shell(marker)), b"\x85R"))


@case
def _second_pickle_after_the_first(folder: Path, marker: Path) -> None:
    """A harmless pickle in front, which itself reads the one behind it."""
    second = pickle.dumps(Call(exec, payload(marker)))
    (folder / "second").write_bytes(second)
    opened = name("io", "open") + text(str(folder / "second")) + text("rb") + b"\x86R"
    weights(folder, opcodes(name("pickle", "load"), opened, b"\x85R") + second)


@case
def _pickle_in_a_pickle(folder: Path, marker: Path) -> None:
    """`pickle.loads` of bytes, as numpy and joblib nest them."""
    inner = pickle.dumps(Call(exec, payload(marker)), protocol=4)
    nested = b"B" + struct.pack("<I", len(inner)) + inner
    weights(folder, opcodes(name("_pickle", "loads"), nested, b"\x85R"))


@case
def _look_alike_letters(folder: Path, marker: Path) -> None:
    """A module that looks like scikit-learn's (with a Cyrillic letter) and lies beside the model."""
    fake = "s\u043alearn"
    (folder / f"{fake}.py").write_text(payload(marker) + "\nclass LogisticRegression: pass\n")
    path = name("sys", "path") + text(str(folder)) + b"a0"
    weights(folder, opcodes(path, name(fake, "LogisticRegression"), b")\x81"))


@case
def _attributes_of_a_class(folder: Path, marker: Path) -> None:
    """BUILD sets an attribute of a class that is on the list, and the next object calls it."""
    cls = name("sklearn.compose._column_transformer", "make_column_selector")
    state = b"N}" + text("__setstate__") + name("builtins", "exec") + b"s\x86b0"
    weights(folder, opcodes(cls, state, cls, b")\x81", text(payload(marker)), b"b"))


@case
def _by_value(folder: Path, marker: Path) -> None:
    """cloudpickle brings a function with its code."""
    import cloudpickle

    source = payload(marker)
    function: Any = eval(f"lambda: exec({source!r})")  # of no module: cloudpickle keeps its code
    weights(folder, cloudpickle.dumps(Call(function)))


@case
def _in_a_file_named_json(folder: Path, marker: Path) -> None:
    """The pickle is in a file that a reader of names takes for text."""
    (folder / "metadata.json").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    change(folder, "python_function", model_path="metadata.json")
    change(folder, "sklearn", pickled_model="metadata.json")


# Containers around pickles, for loaders that open them.


def _joblib_case(compression: str, pack: Callable[[bytes], bytes]) -> None:
    """Register joblib's file in a compression, read by a loader that MLmodel names."""

    def build(folder: Path, marker: Path) -> None:
        import joblib

        plain = io.BytesIO()
        joblib.dump([np.arange(3), Call(exec, payload(marker))], plain)
        (folder / "model.joblib").write_bytes(pack(plain.getvalue()))
        (folder / "own").mkdir()
        loader = "import joblib\n\ndef _load_pyfunc(path):\n    return joblib.load(path)\n"
        (folder / "own" / f"own_{compression}.py").write_text(loader)
        settings = {"loader_module": f"own_{compression}", "data": "model.joblib", "code": "own"}
        change(folder, "python_function", model_path=None, **settings)

    CASES[f"joblib-{compression}"] = build


_joblib_case("plain", bytes)
_joblib_case("zlib", zlib.compress)
_joblib_case("gz", gzip.compress)
_joblib_case("bz2", bz2.compress)
_joblib_case("lzma", lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE))
_joblib_case("xz", lzma.compress)


def _through_pickle(file: str) -> bytes:
    """Return a pickle that has numpy load a file with objects."""
    return opcodes(name("numpy.lib._npyio_impl", "load"), text(file), b"N\x88\x87R", text("x"), b"0")


@case
def _array_of_objects(folder: Path, marker: Path) -> None:
    """An .npy file under the name of the model's pickle."""
    array = np.array([Call(exec, payload(marker))], dtype=object)
    np.save(folder / "model.npy", array, allow_pickle=True)
    weights(folder, _through_pickle(str(folder / "model.npy")))


@case
def _archive_of_arrays(folder: Path, marker: Path) -> None:
    """An .npz file with an array of objects, whose members are read when they are asked for."""
    file = folder / "model.npz"
    np.savez(file, allow_pickle=True, a=np.array([Call(exec, payload(marker))], dtype=object))
    member = name("operator", "getitem") + _through_pickle(str(file))[2:-1].removesuffix(text("x") + b"0") + text("a")
    weights(folder, opcodes(member, b"\x86R"))


@case
def _zip_of_torch(folder: Path, marker: Path) -> None:
    """A zip as torch writes it; MLflow's loader of torch unpickles what is in it."""
    (folder / "data").mkdir()
    with zipfile.ZipFile(folder / "data" / "model.pth", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Call(exec, payload(marker)), protocol=2))
        archive.writestr("model/version", "3\n")
    (folder / "data" / "pickle_module_info.txt").write_text("pickle")
    change(folder, "python_function", model_path=None, loader_module="mlflow.pytorch", data="data")
    change(folder, "pytorch", model_data="data", pytorch_version="2.9.0")
