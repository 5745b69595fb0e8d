"""All that `cd4ml doctor` looks at, in the order in which it is told."""

from __future__ import annotations

from typing import Final

from cd4ml.diagnosis import machine, programs, project, repository, tokens
from cd4ml.diagnosis.looking import Examination

EXAMINATIONS: Final = (
    Examination(topic="python", look=machine.python),
    Examination(topic="disk", look=machine.disk),
    Examination(topic="reports", look=machine.reports),
    Examination(topic="git", look=repository.repository),
    Examination(topic="token", look=tokens.tokens, seconds=10.0),
    Examination(topic="code tools", look=machine.tools),
    Examination(topic="engine", look=programs.engine),
    Examination(topic="trivy", look=programs.trivy),
    # Importing MLflow takes seconds on a cold machine, and each answer of a registry is waited for.
    Examination(topic="stages", look=project.stages, seconds=40.0),
)
