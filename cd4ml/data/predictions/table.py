"""The predictions table: the boundary between running models and judging them.

`score-model` writes it, or a user hands it in. In a Parquet file the key-value metadata say which models and which
test data the numbers are about; a table without them can be judged, but not deployed on.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cd4ml.data.predictions.labels import SEPARATOR, label_text
from cd4ml.data.tables.formats.parquet.table import ParquetTable
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError
from cd4ml.report import InputDigest, ModelIdentity
from cd4ml.wording import nearest
from cd4ml.writing import unwritable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

COLUMNS: Final = ("row_id", "y_true", "y_pred", "y_score", "production_y_pred", "production_y_score", "sample_weight")
# With a class after it: the score of that class, one column for each of several.
CLASS_SCORE: Final = "y_score_"
# What the columns of the production model begin with.
PRODUCTION: Final = "production_"
# Stands for all columns where names of columns are asked for.
EVERY: Final = "*"
_MOST_NAMES: Final = 10
_METADATA: Final = "cd4ml."
Origin = TypeVar("Origin", ModelIdentity, InputDigest)


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """A predictions table that can be judged.

    Attributes:
        frame: shape (n, k), n >= 1; columns `y_true` and `y_pred` without nulls, further standard columns where
            present, and whatever else the table holds.
        candidate, production: the models that made the predictions, None if the table does not say.
        test_data: the rows that were scored, None if the table does not say.
    """

    frame: pd.DataFrame
    candidate: ModelIdentity | None
    production: ModelIdentity | None
    digest: InputDigest
    test_data: InputDigest | None = None


def read_predictions(
    table: Table,
    *,
    columns: Mapping[str, str] | None = None,
    others: Collection[str] | None = None,
    labels: bool = True,
) -> Predictions:
    """Read a predictions table.

    Args:
        columns: the table's own name by standard name, where they differ (`{"y_pred": "decision"}`).
        others: which columns beside the standard ones are needed, `*` for all; None reads the table as it is stored.
        labels: whether `y_true` is needed; else it is left out unless every row has one.

    Returns:
        Rows of weight 0 are left out: they count for nothing.

    Raises:
        UnavailableError: it cannot be read.
        OptionsError: columns that are needed are missing, required ones have nulls, row ids repeat, a weight is no
            number or below 0, or there is no row; all problems at once.
    """
    own, name = columns or {}, table.name
    frame = table.frame(None if others is None else lambda found: _needed(found, name, own, others))
    frame = frame.rename(columns=standard_names(list(map(str, frame.columns)), name, own))
    rows = len(frame)
    frame = _that_count(frame, name)
    if not labels and "y_true" in frame.columns and frame["y_true"].isna().any():
        frame = frame.drop(columns="y_true")
    problems = _problems(frame, name, labels=labels)
    if problems:
        raise OptionsError(problems)
    return described(frame, table, rows)


def _that_count(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return the rows whose weight is not 0."""
    import numpy as np
    import pandas as pd

    if "sample_weight" not in frame.columns or frame.empty or frame["sample_weight"].isna().any():
        return frame
    weight = pd.to_numeric(frame["sample_weight"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise OptionsError(no_weight(table))
    if not weight.any():
        raise OptionsError(no_row_counts(table))
    return frame if weight.all() else frame[weight > 0].reset_index(drop=True)


def no_weight(table: str) -> str:
    """Say that a weight is none."""
    return f"{table}: every sample_weight must be a number of at least 0"


def no_row_counts(table: str) -> str:
    """Say that all weights are 0."""
    return f"{table}: every sample_weight is 0, so no row counts: give each row that counts a weight above 0"


def described(frame: pd.DataFrame, table: Table, rows: int) -> Predictions:
    """Return rows, or what was counted of them, with what the table's file says about its models.

    Raises:
        OptionsError: what it says cannot be read.
    """
    metadata = _metadata(table)
    return Predictions(
        frame=frame,
        candidate=_stored(ModelIdentity, metadata.get("candidate"), table.name),
        production=_stored(ModelIdentity, metadata.get("production"), table.name),
        digest=table.digest("predictions", rows),
        test_data=_stored(InputDigest, metadata.get("test_data"), table.name),
    )


def _needed(found: Sequence[str], table: str, columns: Mapping[str, str], others: Collection[str]) -> list[str]:
    """Return the standard columns of a table, by its own names, and the others that are needed."""
    standard = standard_names(found, table, columns)
    known = [standard.get(name, name) for name in found]
    missing = [n for n in others if n not in (*known, EVERY)]
    if missing:
        raise lacking_columns(missing, known, table)
    wanted = set(known if EVERY in others else others)
    return [name for name, called in zip(found, known, strict=True) if called in wanted or is_standard(called)]


def lacking_columns(missing: Sequence[str], found: Sequence[str], table: str) -> OptionsError:
    """Return the error for columns of one's own that are not in the table, and say which are."""
    own = [f"`{name}`" for name in found if not is_standard(name)]
    more = f" and {len(own) - _MOST_NAMES} more" if len(own) > _MOST_NAMES else ""
    there = f"Beside the standard columns it has {', '.join(own[:_MOST_NAMES])}{more}. " if own else ""
    return OptionsError(
        [f"{table} has no column `{name}`{nearest(name, found)}" for name in missing],
        advice=f"{there}Write the column into the table; score-model does it for those that its option `keep` lists.",
    )


def is_standard(name: str) -> bool:
    """Whether a column is one of the table's own, and no slice or sensitive feature."""
    return name in COLUMNS or is_score(name)


def is_score(name: str) -> bool:
    """Whether a column holds the score of one of several classes, by the candidate or by production."""
    return name.startswith((CLASS_SCORE, f"{PRODUCTION}{CLASS_SCORE}"))


def standard_names(found: Sequence[str], table: str, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the standard name of each column that has a name of its own.

    Raises:
        OptionsError: a name is not the table's, or no standard one.
    """
    problems = []
    for standard, own in columns.items():
        if standard not in COLUMNS:
            problems.append(f"columns: unknown standard column `{standard}`{nearest(standard, COLUMNS)}")
        elif own not in found:
            problems.append(f"columns: {table} has no column `{own}`{nearest(own, found)}")
        elif standard in found and own != standard:
            problems.append(f"columns: {table} has both `{own}` and `{standard}`")
    if problems:
        raise OptionsError(problems)
    return {own: standard for standard, own in columns.items()}


def _problems(frame: pd.DataFrame, table: str, *, labels: bool = True) -> list[str]:
    """Return what keeps the table from being judged."""
    import numpy as np
    import pandas as pd

    needed = ("y_true", "y_pred") if labels else ("y_pred",)
    found = list(map(str, frame.columns))
    problems = [no_column(name, found, table) for name in needed if name not in found]
    if frame.empty:  # without any column that is read, the number of rows is unknown
        return problems or [f"{table}: the table has no rows"]
    for name in [name for name in map(str, frame.columns) if is_standard(name)]:
        nulls = int(frame[name].isna().sum())
        if nulls:
            problems.append(f"{table}: column `{name}` has {nulls} rows without a value")
        elif isinstance(frame[name].iloc[0], list | dict | np.ndarray):
            problems.append(
                f"{table}: column `{name}` has a list or a structure in each row; write a set of labels as one text, "
                f"`a{SEPARATOR}b`"
            )
        elif pd.api.types.is_float_dtype(frame[name]) and not np.isfinite(frame[name]).all():
            problems.append(f"{table}: column `{name}` has infinite values")
    repeated = 0 if problems or "row_id" not in frame.columns else _repeated(frame["row_id"])
    if repeated:
        problems.append(f"{table}: {repeated} row ids occur more than once")
    return sorted(problems)


def _repeated(ids: pd.Series[Any]) -> int:
    """Return how many row ids occurred before."""
    return repeated_numbers(ids.to_numpy()) if ids.dtype.kind in "iu" else int(ids.duplicated().sum())


def repeated_numbers(ids: npt.NDArray[np.integer[Any]]) -> int:
    """Return how many whole numbers occurred before; they are sorted, which takes no hash table of all rows."""
    import numpy as np

    if not (ids[1:] > ids[:-1]).all():
        ids = np.sort(ids)
    return int(np.count_nonzero(ids[1:] == ids[:-1]))


def no_column(name: str, found: Sequence[str], table: str) -> str:
    """Say that a column is missing, and how to name it."""
    return f"{table}: no column `{name}`{nearest(name, found)}; map it with columns: {name}=<its name>"


def write_predictions(
    frame: pd.DataFrame,
    path: Path,
    *,
    candidate: ModelIdentity,
    production: ModelIdentity | None,
    test_data: InputDigest | None = None,
) -> None:
    """Write a predictions table that says which models made it, on which rows; the same input gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = metadata_of(candidate=candidate, production=production, test_data=test_data)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    # In one move: a half-written table would be one of fewer rows to whoever reads it next.
    scratch = path.with_name(f".cd4ml-{secrets.token_hex(8)}")
    with unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata}), scratch)
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)


def metadata_of(**origins: ModelIdentity | InputDigest | Mapping[str, Any] | None) -> dict[str, str]:
    """Return the metadata of a predictions table: which models made it, on which rows, and what else is told."""
    return {
        f"{_METADATA}{name}": json.dumps(origin if isinstance(origin, Mapping) else asdict(origin), sort_keys=True)
        for name, origin in origins.items()
        if origin is not None
    }


def is_predictions(path: Path) -> bool:
    """Whether a file is a predictions table that score-model wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return f"{_METADATA}candidate".encode() in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def _metadata(table: Table) -> dict[str, Any]:
    """Return what the table's file says about its models."""
    import pyarrow.parquet as pq

    if not isinstance(table, ParquetTable) or table.path.is_dir():
        return {}
    stored = pq.read_schema(table.path).metadata or {}
    try:
        texts = {key.decode(): value.decode() for key, value in stored.items() if key.startswith(_METADATA.encode())}
        return {key.removeprefix(_METADATA): json.loads(value) for key, value in texts.items()}
    except ValueError as error:
        raise OptionsError(f"{table.name}: the table's metadata about its models cannot be read: {error}") from error


def _stored(kind: type[Origin], value: Any, table: str) -> Origin | None:
    """Return the model or the data that the metadata name."""
    if value is None:
        return None
    try:
        origin = kind(**value)
    except TypeError as error:
        raise OptionsError(f"{table}: the table's metadata about its models cannot be read: {error}") from error
    if not re.fullmatch(r"[0-9a-f]{64}", str(origin.sha256)):
        raise OptionsError(f"{table}: the table's metadata about its models holds no SHA-256")
    return origin


def class_columns(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Return the column that holds the score of each class, by the class: `y_score_<class>`."""
    start = f"{prefix}{CLASS_SCORE}"
    return {label_text(name.removeprefix(start)): name for name in names if name.startswith(start)}
