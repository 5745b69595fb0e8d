"""What the gateway is doing: loading, ready or failed. Loading verifies the model and calls it once."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cd4ml.digests import folder_sha256
from cd4ml.errors import Cd4mlError
from cd4ml.model_files import PYTHON_MODEL
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.signature import ModelError

_LOG: Final = logging.getLogger("uvicorn.error")
# Requests make no cycles of objects: the collector looks when many are alive, not whenever some wait to become events.
_GARBAGE: Final = 20_000
# Beside this code in the image: SERVICE_FILE, which a pod may set, cannot allow what the build did not.
_BUILT: Final = Path(__file__).resolve().parents[2] / "service.json"


class Phase(StrEnum):
    """How far the gateway is."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Service:
    """Which model this image serves, as `service.json` says.

    Attributes:
        sha256: digest of the model's folder; the gateway does not become ready with any other.
        positive_label: class whose probability is the score, as text; None for the model's own order.
        runtime: `onnx` or `native`.
        onnx_sha256: digest of the folder where it holds an ONNX model that was made from the model.
    """

    name: str
    version: str | None
    sha256: str
    positive_label: str | None = None
    runtime: str | None = None
    onnx_sha256: str | None = None

    @classmethod
    def read(cls, path: Path) -> Service:
        """Read the file that `build-image` wrote.

        Raises:
            SettingsError: there is none, or it does not say which model it is.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(f"SERVICE_FILE {path} cannot be read: {type(error).__name__}") from None
        if not isinstance(values, dict) or not all(isinstance(values.get(key), str) for key in ("name", "sha256")):
            raise SettingsError(f"SERVICE_FILE {path} must be a JSON object with the texts name and sha256")
        known: dict[str, Any] = {name: values.get(name) for name in cls.__dataclass_fields__}
        return cls(**known)

    @property
    def model(self) -> Mapping[str, str | None]:
        """What every answer says about the model."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(kw_only=True)
class State:
    """The model once it is loaded, and how the loading went.

    Attributes:
        python_models: whether MLflow's own switch lets it load models of its class PythonModel. In an image it counts
            for nothing: there the build decided.
        provider: see `Settings.execution_provider`.
        told: who is told of the model before the gateway is ready; SettingsError if it does not fit the settings.
        preloaded: the model where it was loaded before this process was forked; it has not been called yet.
    """

    folder: Path
    service: Service
    python_models: bool = False
    provider: str = "cpu"
    phase: Phase = Phase.LOADING
    reason: str = "the model is being loaded"
    warm_up: str = ""
    runtime: Runtime | None = field(default=None, repr=False)
    told: Sequence[Callable[[Runtime], None]] = ()
    preloaded: Runtime | None = field(default=None, repr=False)

    def load(self) -> None:
        """Verify the model, load it and call it once; afterwards the gateway is ready or has failed."""
        if self.phase is Phase.FAILED:
            return
        with self._failing():
            runtime = self.preloaded or self._verified()
            self.warm_up = runtime.warm_up()
            for tell in self.told:
                tell(runtime)
            _keep()
            gc.set_threshold(_GARBAGE)
            self.runtime, self.phase, self.reason = runtime, Phase.READY, ""
            _LOG.info("ready: model %s %s", self.service.name, self.service.sha256)

    def preload(self) -> None:
        """Verify the model and load it, for processes that are forked from this one; or fail, for them as well."""
        with self._failing():
            self.preloaded = self._verified()
            _keep()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Note what keeps the model from being loaded."""
        try:
            yield
        except (
            ModelError,
            Cd4mlError,
            SettingsError,
            OSError,
            ImportError,
            AttributeError,
            pickle.UnpicklingError,
            ValueError,
            TypeError,
            LookupError,
            ArithmeticError,
        ) as error:
            self.phase, self.reason = Phase.FAILED, type(error).__name__
            _LOG.error("the model cannot be served: %s: %s", type(error).__name__, error)
        except BaseException:  # the model's code may raise anything, and end the thread with it
            self.phase, self.reason = Phase.FAILED, "the model's code failed while it was loaded"
            raise

    def _verified(self) -> Runtime:
        """Verify and load the model; what that needs is imported only now, while probes are answered already."""
        self._verify()
        if self.service.runtime == "onnx":
            from cd4ml.serving.runtimes import fast

            return fast.load(self.folder, sha256=self.service.sha256, provider=self.provider)
        if self.provider != "cpu":
            raise ModelError(f"EXECUTION_PROVIDER={self.provider} is of ONNX Runtime, which does not serve this model")
        from cd4ml.serving.runtimes.native import Native

        return Native.load(
            self.folder,
            positive_label=self.service.positive_label,
            allow_code=self._code_allowed(),
            # Where no image was built, nobody has decided: MLflow's own switch does, for its own class of models.
            allowed=(PYTHON_MODEL,) if self.python_models and not _BUILT.exists() else (),
        )

    def _verify(self) -> None:
        """Refuse a model other than the one that the gates looked at."""
        service = self.service
        wanted = service.onnx_sha256 if service.runtime == "onnx" else service.sha256
        found = folder_sha256(self.folder)
        if found != wanted:
            raise ModelError(f"the model's files have the digest {found}, not {wanted}")

    def _code_allowed(self) -> bool:
        """Whether the image was built to run code of this very model."""
        try:
            built = json.loads(_BUILT.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        return (
            isinstance(built, dict) and built.get("allow_code") is True and built.get("sha256") == self.service.sha256
        )

    def version(self) -> dict[str, Any]:
        """Return what runs here, and which columns (or tensors) it takes."""
        columns = self.runtime.columns if self.runtime else ()
        tensors = self.runtime.tensors if self.runtime else ()
        return {
            "model": dict(self.service.model),
            "columns": [column.name for column in columns] + [tensor.name for tensor in tensors],
            "optional_columns": [column.name for column in columns if not column.required],
            "python": platform.python_version(),
        }


def _keep() -> None:
    """Have the collector of garbage not look at what is loaded with every few requests: it stays.

    Nor does it write to memory that is shared with another process then.
    """
    gc.collect()
    gc.freeze()
