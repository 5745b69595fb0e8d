"""The circuit breaker, by a clock of the test's own."""

from __future__ import annotations

import pytest

from cd4ml.serving.stores.breaker import Breaker


def test_breaker__opens_after_five_late_answers_of_twenty() -> None:
    """Four late answers among twenty leave it closed, a fifth opens it; those before the last twenty do not count."""
    breaker = Breaker()
    for _ in range(10):
        assert not any(breaker.late() for _ in range(4))
        for _ in range(20):
            breaker.good()

    assert breaker.state == "closed"
    assert [breaker.late() for _ in range(6)] == [False, False, False, False, True, False]
    assert (str(breaker.state), breaker.reason, breaker.opened) == ("open", "slow answers", 1)


def test_breaker__opens_at_once_without_an_answer() -> None:
    """One lookup without an answer is enough."""
    breaker = Breaker()

    assert breaker.failed("no answer in time") and breaker.state == "open"


@pytest.mark.parametrize("late", [True, False])
def test_half_open__one_bad_answer_opens_again(late: bool) -> None:
    """After a good probe one late answer, or none, is enough, until twenty good ones have closed the breaker."""
    breaker = Breaker()
    breaker.failed("gone")
    breaker.probed()
    assert str(breaker.state) == "half-open"
    assert breaker.late() if late else breaker.failed("gone")
    assert str(breaker.state) == "open"

    breaker.probed()
    for _ in range(20):
        breaker.good()
    assert str(breaker.state) == "closed" and not breaker.late()


def test_pause__doubles_while_it_keeps_opening() -> None:
    """The pause before a probe doubles up to 16 seconds, and is short again after a quiet minute."""
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    pauses = []
    for _ in range(8):
        breaker.probed()
        assert breaker.late()
        pauses.append(breaker.pause)
        now[0] += 1
    now[0] += 60
    breaker.probed()
    breaker.late()

    assert pauses == [0.5, 1, 2, 4, 8, 16, 16, 16] and breaker.pause == 0.5
