"""Where models run over large tables: each way is a module of this folder, and an entry of `RUNNERS`."""

from __future__ import annotations

from typing import Final

from cd4ml.scoring.batch.job import Runner
from cd4ml.scoring.batch.runners import local, ray, spark

LOCAL: Final = "local"
SPARK: Final = "spark"
RAY: Final = "ray"
RUNNERS: Final[dict[str, Runner]] = {LOCAL: local, SPARK: spark, RAY: ray}
