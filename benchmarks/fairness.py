"""How often each decision of audit-fairness fails a fair model, or passes an unfair one; run by calibration.py.

Groups of equal size draw decisions from a rate. In the fair world all rates are equal; at the limit one group's is 0.80
of the others', just the ratio that is allowed; in the unfair world it is 0.60 of them. With few rows and a low rate
positives are rare; among 30 rows of each group equal rates (ties) are the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from cd4ml.checks.fairness.decision import Decision, Limits
from cd4ml.checks.fairness.groups import fairness_checks
from cd4ml.metrics.fairness.disparity import adjusted, choose, disparities, ratio_tests, with_tests
from cd4ml.metrics.fairness.rates import Group, Proportion, Reference
from cd4ml.report import Status, worst

GROUPS: Final = (2, 5, 10)
BASE_RATES: Final = (0.1, 0.3, 0.5)
# Groups of so few rows have so few different rates that equal ones, ties, are the rule.
TIES: Final = 30
# Ratio of the first group's true rate to that of the others, by world.
WORLDS: Final = {"fair": 1.0, "at the limit": 0.8, "unfair": 0.6}
# A 99 % binomial band of 1,000 audits at 5 % ends here.
CEILING: Final = 0.069
LIMITS: Final = Limits(minimum_ratio=0.8, minimum_group_size=30)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Shares of the audits in which a decision failed, passed, or did neither."""

    world: str
    groups: int
    base_rate: float
    n: int
    decision: Decision
    failed: float
    passed: float

    @property
    def kept(self) -> bool:
        """Whether it holds that `evidence` fails a fair model, and `strict` passes one at the limit, in 5 % at most."""
        if self.decision is Decision.EVIDENCE and self.world != "unfair":
            return self.failed <= (0.05 if self.world == "fair" else CEILING)
        return self.decision is not Decision.STRICT or self.world == "fair" or self.passed <= 0.05


def group(name: str, selected: int, n: int) -> Group:
    """Return a group of which so many rows are selected."""
    rate = Proportion(successes=Fraction(selected), total=Fraction(n), squares=(float(selected), float(n - selected)))
    return Group(name=name, n=n, rates={"selection_rate": rate})


def statuses(groups: Sequence[Group]) -> dict[Decision, Status]:
    """Return what an audit says by each decision, as the stage does for one sensitive feature."""
    reference = choose(groups, Reference.BEST)
    assert reference is not None
    family = adjusted({"": ratio_tests(groups, reference, 0.8, of_all_pairs=True)})[""]
    found = with_tests(disparities(groups, reference, 0.8), family, len(family))
    return {
        decision: worst(check.status for check in fairness_checks("group", found, replace(LIMITS, decision=decision)))
        for decision in Decision
    }


def audits(world: str, groups: int, base_rate: float, n: int, repeats: int) -> list[Outcome]:
    """Simulate audits of one world; n rows in each group."""
    generator = np.random.default_rng([groups, int(base_rate * 10), n, list(WORLDS).index(world)])
    rates = np.full(groups, base_rate)
    rates[0] *= WORLDS[world]
    found = []
    for selected in generator.binomial(n, rates, (repeats, groups)):
        found.append(statuses([group(str(name), int(count), n) for name, count in enumerate(selected)]))
    return [
        Outcome(
            world=world,
            groups=groups,
            base_rate=base_rate,
            n=n,
            decision=decision,
            failed=sum(one[decision] is Status.FAILED for one in found) / repeats,
            passed=sum(one[decision] is Status.PASSED for one in found) / repeats,
        )
        for decision in Decision
    ]


def simulate(repeats: int, rows: Sequence[int]) -> Iterator[list[Outcome]]:
    """Yield the outcomes of every world: those of the three decisions together."""
    for world in WORLDS:
        for groups in GROUPS:
            for base_rate in BASE_RATES:
                for n in (TIES, *rows):
                    yield audits(world, groups, base_rate, n, repeats)


def main(repeats: int, rows: Sequence[int]) -> int:
    """Print a table; end with 1 if a promise is broken."""
    broken = 0
    print(f"Failed / passed of {repeats:,} audits; the rest is inconclusive.\n")
    print(f"| true ratio | groups | base rate | n per group | {' | '.join(Decision)} |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for outcomes in simulate(repeats, rows):
        broken += sum(not one.kept for one in outcomes)
        one = outcomes[0]
        shares = [f"{o.failed:.1%} / {o.passed:.1%}{'' if o.kept else ' **broken**'}" for o in outcomes]
        world = f"{WORLDS[one.world]:.2f} ({one.world})"
        print(f"| {world} | {one.groups} | {one.base_rate:g} | {one.n:,} | {' | '.join(shares)} |", flush=True)
    print(f"\n{broken} promises broken")
    return 1 if broken else 0
