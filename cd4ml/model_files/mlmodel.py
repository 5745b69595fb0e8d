"""Reading MLmodel, which says what MLflow loads: which module does it, from which files, in which format.

It is read by the same library and in the same way as MLflow reads it, so that both see the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.model_files.allowed import XGBOOST
from cd4ml.model_files.onnx_files import within

_LARGEST: Final = 32 << 20
# Settings of a flavor that are not paths: names, settings of the model's own code, and where a script once came from
# (MLflow takes the one of that name in the folder).
_NO_PATHS: Final = frozenset(
    {"model_code_path", "config", "loader_module", "predict_fn", "skops_trusted_types", "providers"}
)
_PREDICTING: Final = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
_SERIALIZED: Final = ("pickle", "cloudpickle", "skops")
_CATBOOST: Final = ("cbm", "json", "onnx", None)
_PROVIDERS: Final = ("CPUExecutionProvider", "CUDAExecutionProvider")
# What is said of a model of MLflow's class PythonModel and of nothing else.
PYTHON_MODEL: Final = "MLmodel: the model is a Python object (python_model) with its own code"
_PYFUNC: Final = "python_function"
NATIVE: Final = ("sklearn", "xgboost", "lightgbm", "catboost", "onnx")


@dataclass(frozen=True)
class Loaded:
    """A file that is loaded, and as what: `pickle`, `skops`, `onnx` or `native`."""

    name: str
    format: str


@dataclass(frozen=True)
class Contents:
    """What MLmodel makes MLflow do.

    Attributes:
        loaded: files, each with its format.
        code: what would run code of the model's own, in words.
    """

    loaded: tuple[Loaded, ...]
    code: tuple[str, ...]


def contents(folder: Path) -> Contents:
    """Return what MLmodel makes MLflow load.

    Raises:
        OptionsError: it cannot be read, or names a path outside the folder.
    """
    flavors = _checked(folder)
    pyfunc = flavors.get(_PYFUNC)
    if not isinstance(pyfunc, dict):
        raise OptionsError(
            f"{folder / 'MLmodel'}: it has no flavor {_PYFUNC}", advice="Save it with MLflow's save_model."
        )
    found = _Found(folder=folder, flavors=flavors)
    found.read(pyfunc)
    return Contents(loaded=tuple(dict.fromkeys(found.loaded)), code=tuple(dict.fromkeys(found.code)))


def refuse_ways_out(folder: Path) -> None:
    """Refuse a model whose MLmodel names a path outside its folder: the digest would not cover what is loaded.

    Raises:
        OptionsError: it does, or it cannot be read.
    """
    _checked(folder)


def _checked(folder: Path) -> Mapping[str, Any]:
    """Return the flavors, once no path in them leaves the folder."""
    document = settings(folder)
    flavors = document.get("flavors")
    if not isinstance(flavors, dict):
        raise OptionsError(f"{folder / 'MLmodel'}: it names no flavors")
    read = {"flavors": flavors, "saved_input_example_info": document.get("saved_input_example_info")}
    out = [f"{where}: {text!r}" for where, text in _texts(read) if _leaves(folder, text)]
    if out:
        raise OptionsError(
            f"{folder / 'MLmodel'}: a path leads out of the model's folder, so its digest would not cover what is "
            f"loaded: {', '.join(out[:5])[:500]}",
            advice="Save the model again, so that all of its files lie in its folder.",
        )
    return flavors


def settings(folder: Path) -> Mapping[str, Any]:
    """Return MLmodel as MLflow reads it.

    Raises:
        OptionsError: it cannot be read.
    """
    import yaml  # a part of every environment that has MLflow

    path = folder / "MLmodel"
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            raise OptionsError(f"{path}: not a regular file of at most {_LARGEST >> 20} MiB")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())[:300]
        raise OptionsError(f"{path}: it cannot be read: {text or type(error).__name__}") from error
    if not isinstance(document, dict):
        raise OptionsError(f"{path}: it holds no settings")
    return document


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    """Return every text that may be a path, and where it stands; what YAML repeats by reference is seen once."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), document)]
    seen: set[int] = set()
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, str):
            yield ".".join(map(str, where)), value
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [((*where, name), item) for name, item in items if not _no_path((*where, name))]


def _no_path(where: tuple[Any, ...]) -> bool:
    """Whether what stands there is never opened: `uri` says where an artifact was when the model was saved."""
    if len(where) == 3:
        return where[0] == "flavors" and where[2] in _NO_PATHS
    return len(where) == 5 and where[2] == "artifacts" and where[4] == "uri"


def _leaves(folder: Path, text: str) -> bool:
    """Whether a text names something outside the folder when it is taken for a path."""
    if "\n" in text or not text.strip() or len(text) > 4096:
        return False
    return "://" in text or not within(folder, text)


class _Found:
    """Collects what is loaded."""

    def __init__(self, *, folder: Path, flavors: Mapping[str, Any]) -> None:
        """Start with nothing."""
        self.folder = folder
        self.flavors = flavors
        self.loaded: list[Loaded] = []
        self.code: list[str] = []

    def read(self, pyfunc: Mapping[str, Any]) -> None:
        """Read the flavor that is loaded, and those that other readers of the model would load."""
        module = pyfunc.get("loader_module")
        native = next((name for name in NATIVE if module == f"mlflow.{name}"), None)
        if native is None:
            self.code.append(_loader(module, pyfunc))
        elif not isinstance(self.flavors.get(native), dict):
            self.code.append(f"MLmodel: its loader is mlflow.{native}, and it has no flavor {native}")
        if pyfunc.get("predict_fn", "predict") not in _PREDICTING:
            self.code.append(f"MLmodel: predict_fn is {ascii(pyfunc['predict_fn'])[:100]}")
        for name, flavor in self.flavors.items():
            self._flavor(name, flavor, pyfunc if name == native else {})

    def _flavor(self, name: Any, flavor: Any, pyfunc: Mapping[str, Any]) -> None:
        """Read one flavor; `pyfunc` is empty unless it is the one that is loaded."""
        if not isinstance(flavor, dict):
            self.code.append(f"MLmodel: its flavor {ascii(name)[:100]} holds no settings")
            return
        if flavor.get("code"):
            self.code.append(f"MLmodel: {name} brings its own code (code_paths) in {ascii(flavor['code'])[:100]}")
        if name == _PYFUNC:
            return
        if name not in NATIVE:
            self.code.append(f"MLmodel: its flavor {ascii(name)[:100]} is not one that loads without code")
            return
        format = self._format(name, flavor)
        # The loader looks for its settings beside the file: in the folder itself, they are the ones that are read here.
        keys = {"sklearn": ("pickled_model",), "catboost": ("data", "model_binary")}.get(name, ("data",))
        files = [flavor[key] for key in keys if key in flavor]
        files += [pyfunc[key] for key in ("data", "model_path") if key in pyfunc]
        if not files:
            self.code.append(f"MLmodel: {name} does not say which file holds the model")
        for file in files:
            self._file(file, format)

    def _format(self, name: str, flavor: Mapping[str, Any]) -> str:
        """Return as what a flavor's file is loaded, and note what is out of the ordinary."""
        if name == "xgboost" and str(flavor.get("model_class", "xgboost.core.Booster")) not in XGBOOST:
            self.code.append(f"MLmodel: its model_class is {ascii(flavor['model_class'])[:100]}, not one of XGBoost's")
        if name == "catboost" and flavor.get("save_format", "cbm") not in _CATBOOST:
            self.code.append(f"MLmodel: its save_format is {ascii(flavor['save_format'])[:100]}")
        if name == "onnx":
            if not _plain_session(flavor):
                self.code.append("MLmodel: it changes which libraries ONNX Runtime loads")
            return "onnx"
        booster = name == "lightgbm" and flavor.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster"
        if name in ("xgboost", "catboost") or booster:
            return "native"
        format = flavor.get("serialization_format", "pickle")
        if format not in _SERIALIZED:
            self.code.append(f"MLmodel: its serialization_format is {ascii(format)[:100]}")
        return "skops" if format == "skops" else "pickle"

    def _file(self, name: Any, format: str) -> None:
        """Note a file that is loaded; it must lie beside MLmodel, where its loader looks for the settings read here."""
        if not isinstance(name, str) or "/" in name or "\\" in name or not (self.folder / name).is_file():
            self.code.append(f"MLmodel: {ascii(name)[:100]} is not a file beside it")
        elif format == "onnx" and not name.endswith(".onnx"):
            self.code.append(f"MLmodel: {ascii(name)[:100]} is not named as an ONNX file")
        else:
            self.loaded.append(Loaded(name, format))


def _plain_session(flavor: Mapping[str, Any]) -> bool:
    """Whether an ONNX model asks for no more than threads and well-known processors: options name plug-ins to load."""
    options, providers = flavor.get("onnx_session_options") or {}, flavor.get("providers") or []
    known = isinstance(options, dict) and not options.get("extra_session_config")
    named = [providers] if isinstance(providers, str) else providers
    return known and isinstance(named, list) and all(isinstance(name, str) and name in _PROVIDERS for name in named)


def _loader(module: Any, pyfunc: Mapping[str, Any]) -> str:
    """Say what loads a model that is not of a native flavor."""
    if pyfunc.get("model_code_path"):
        return f"MLmodel: the model is code itself, {ascii(pyfunc['model_code_path'])[:100]}"
    if module == "mlflow.pyfunc.model":
        return PYTHON_MODEL
    return f"MLmodel: it is loaded by the module {ascii(module)[:100]}, which may run any code"
