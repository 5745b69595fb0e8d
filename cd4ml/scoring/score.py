"""Starting the child process that runs a model.

The child gets the rows and nothing else of the job: no tokens, no registry address, a home folder of its own. That
keeps secrets in the environment from a model file that runs code when it is loaded. It is no sandbox: such code can
still read what the job's user can read, and use the network.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.scoring.environment import lock_requirements, model_environment, python_version
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    import pandas as pd

_CHILD: Final = Path(__file__).with_name("child.py")
_LOADER: Final = Path(__file__).parent.parent / "serving" / "model.py"
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "OPENBLAS_CORETYPE")
_LAST_WORDS: Final = 800


class ScoringError(Exception):
    """The model did not give one usable prediction for each row."""


def score(
    model: Path, rows: pd.DataFrame, *, positive_label: str | None, timeout: float, context: Context
) -> tuple[pd.DataFrame, str]:
    """Return `y_pred` (and `y_score`, if the model gives scores) for the rows, and the lock of the environment used.

    Args:
        rows: shape (n, k), the model's input columns among others.
        timeout: seconds that the child may take.

    Raises:
        ScoringError: the model crashed, took too long, or left rows without a prediction.
        OptionsError, UnavailableError: its environment cannot be made.
    """
    import pandas as pd

    version = python_version(model)
    lock = lock_requirements(model, extra=("pandas", "pyarrow"), python_version=version, context=context)
    interpreter = model_environment(lock, python_version=version, context=context)
    with tempfile.TemporaryDirectory(prefix="cd4ml-score-") as folder:
        given, made = Path(folder) / "rows.parquet", Path(folder) / "predictions.parquet"
        rows.to_parquet(given, index=False)
        arguments = [_LOADER, model.resolve(), given, made, positive_label or ""]
        _run([str(interpreter), "-I", str(_CHILD), *map(str, arguments)], folder, timeout, context.environ)
        predictions = pd.read_parquet(made)
    if len(predictions) != len(rows):
        raise ScoringError(f"{len(predictions)} predictions for {len(rows)} rows")
    for column in predictions.columns:
        missing = int(predictions[column].isna().sum())
        if missing:
            raise ScoringError(f"{column} is missing for {missing} of {len(rows)} rows")
    return predictions, lock


def _run(command: list[str], folder: str, timeout: float, environ: Mapping[str, str]) -> None:
    """Run the child to its end."""
    clean = {name: environ[name] for name in _KEPT if name in environ}
    clean |= {"HOME": folder, "TMPDIR": folder, "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"}
    clean |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    try:
        result = subprocess.run(
            command, cwd=folder, env=clean, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise ScoringError(f"the model did not finish within {timeout:.0f} seconds") from None
    if result.returncode != 0:
        words = " ".join(result.stderr.decode("utf-8", "replace").split())[-_LAST_WORDS:]
        raise ScoringError(f"the model's process ended with code {result.returncode}: {words}")
