"""The circuit breaker, by a clock of the test's own."""

from __future__ import annotations

from cd4ml.serving.cache.breaker import Breaker, Circuit


def opened(breaker: Breaker) -> bool:
    """Report bad answers until the breaker opens, and return whether it did."""
    return any(breaker.bad("late") for _ in range(5))


def test_breaker__opens_after_five_bad_answers_of_twenty() -> None:
    """Four bad answers among twenty leave it closed, a fifth opens it; those before the last twenty do not count."""
    breaker = Breaker()
    for _ in range(10):
        for _ in range(4):
            assert not breaker.bad("late")
        for _ in range(20):
            breaker.good()

    assert breaker.state is Circuit.CLOSED
    assert opened(breaker) and str(breaker.state) == "open" and breaker.reason == "late"


def test_half_open__one_bad_answer_opens_again() -> None:
    """After a good probe one bad answer is enough, until twenty good ones have closed the breaker."""
    breaker = Breaker()
    assert opened(breaker)
    breaker.probed()
    assert str(breaker.state) == "half-open"
    assert breaker.bad("late") and str(breaker.state) == "open"

    breaker.probed()
    for _ in range(20):
        breaker.good()
    assert breaker.state is Circuit.CLOSED and not breaker.bad("late")


def test_pause__doubles_while_it_keeps_opening() -> None:
    """The pause before a probe doubles up to 16 seconds, and is short again after a quiet minute."""
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    pauses = []
    for _ in range(8):
        breaker.probed()
        assert breaker.bad("late")
        pauses.append(breaker.pause)
        now[0] += 1
    now[0] += 60
    breaker.probed()
    breaker.bad("late")

    assert pauses == [0.5, 1, 2, 4, 8, 16, 16, 16] and breaker.pause == 0.5
