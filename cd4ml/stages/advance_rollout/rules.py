"""The options of a rollout as rules; those that could not be meant are refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cd4ml.errors import OptionsError
from cd4ml.stages.advance_rollout.decision import ALL, Rules
from cd4ml.stages.advance_rollout.options import OnTimeout, Options


def rules(options: Options) -> Rules:
    """Return the rules.

    Raises:
        OptionsError: all that is wrong with them.
    """
    steps, problems = _steps(options.steps)
    if not options.minimum_minutes >= 0:
        problems.append(f"minimum-minutes must not be negative, got {options.minimum_minutes:g}")
    if not options.maximum_minutes > options.minimum_minutes:
        problems.append(
            f"maximum-minutes ({options.maximum_minutes:g}) must be above minimum-minutes "
            f"({options.minimum_minutes:g}): no step could pass in time"
        )
    if not options.report_minutes > 0:
        problems.append(f"report-minutes must be above 0, got {options.report_minutes:g}")
    if problems:
        raise OptionsError(problems)
    return Rules(
        steps=steps,
        minimum=options.minimum_minutes,
        maximum=options.maximum_minutes,
        age=options.report_minutes,
        rollback_on_timeout=options.on_timeout is OnTimeout.ROLLBACK,
        resume=options.resume,
    )


def _steps(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the weights in percent, and what is wrong with them."""
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and 1 <= int(word[:4]) <= ALL)]
    if wrong or not words:
        return [], [f"steps must be whole numbers from 1 to {ALL}, got {', '.join(words) or 'none'}"]
    steps = [int(word) for word in words]
    if any(later <= earlier for earlier, later in pairwise(steps)):
        return [], [f"steps must ascend, got {', '.join(words)}"]
    return steps, []
