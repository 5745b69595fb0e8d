"""Where a model is run to be scored: each way is a module of this folder, and an entry of `SCORERS`."""

from __future__ import annotations

from typing import Final

from cd4ml.scoring.scorer import Scorer
from cd4ml.scoring.scorers import local

LOCAL: Final = "local"
SCORERS: Final[dict[str, Scorer]] = {LOCAL: local}
