"""The rendered HTTPRoute drives a real Envoy: weights, copies for the shadow, cohorts, filters, hosts and paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.envoy import Envoy, running
from tests.charts.rendering import CHART, of_kind, render

# So many that one point is five standard deviations of a split by chance at 5 %.
REQUESTS = 12_000
TRAFFIC = CHART / "ci" / "traffic-values.yaml"


def route(*settings: str) -> dict[str, Any]:
    """Return the rendered route."""
    (found,) = of_kind(render("--values", TRAFFIC, *(part for one in settings for part in ("--set", one))), "HTTPRoute")
    return found


@pytest.fixture(scope="module")
def envoy() -> Iterator[Envoy]:
    """Run Envoy with the route: 5 % for the canary, half copied to the shadow, cohorts by header and cookie."""
    with running(route("httpRoute.filters=null")) as found:
        yield found


def test_weight__is_the_canarys_share(envoy: Envoy) -> None:
    """Of many requests a canary answers its weight within one point; the shadow is sent its share and answers none."""
    before = envoy.copies("credit-shadow")
    answered = envoy.send(REQUESTS)
    copied = envoy.copies("credit-shadow") - before

    assert set(answered) == {"credit-stable", "credit-canary"} and answered.total() == REQUESTS
    assert abs(answered["credit-canary"] / REQUESTS - 0.05) < 0.01
    assert abs(copied / REQUESTS - 0.50) < 0.02


@pytest.mark.parametrize(
    ("headers", "track"),
    [
        ({"X-Cohort": "beta"}, "canary"),
        ({"Cookie": "cohort=b.1"}, "canary"),
        ({"Cookie": "session=1; cohort=b.1; theme=dark"}, "canary"),
        ({"Cookie": "session=1;cohort=b.1"}, "canary"),
        ({"Cookie": "theme=dark; cohort=a"}, "stable"),
    ],
    ids=str,
)
def test_cohort__keeps_its_users(envoy: Envoy, headers: dict[str, str], track: str) -> None:
    """Every request with the header, or with the cookie among others, gets the cohort's version."""
    assert envoy.send(200, **headers) == {f"credit-{track}": 200}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Cohort": "betamax"},
        {"Cookie": "cohort=bx1"},
        {"Cookie": "cohort=b.10"},
        {"Cookie": "mycohort=b.1"},
        {"Cookie": "note=cohort=b.1"},
        {"Cookie": "cohort=B.1"},
    ],
    ids=str,
)
def test_cohort__takes_nobody_else(envoy: Envoy, headers: dict[str, str]) -> None:
    """What only looks like the header or the cookie is split by weight, as every other request."""
    answered = envoy.send(400, **headers)

    assert set(answered) == {"credit-stable", "credit-canary"} and answered["credit-stable"] > 300


def test_host_and_path__are_the_routes(envoy: Envoy) -> None:
    """Another host, and a path that only begins alike, are not served; a path below is."""
    assert envoy.send(3, host="other.example.com") == {"404": 3}
    assert envoy.send(3, path="/predictions") == {"404": 3}
    assert envoy.send(3, path="/predict/more").total() == 3 and "404" not in envoy.send(3, path="/predict/more")


@pytest.mark.parametrize(
    ("settings", "answering"),
    [
        (["canary.weight=100"], {"credit-canary credit"}),
        (["canary.enabled=false", "shadow.enabled=false"], {"credit-stable credit"}),
    ],
)
def test_ends_of_a_rollout__one_version_answers_all(settings: list[str], answering: set[str]) -> None:
    """At 100 % the canary answers everything, without one the stable version does, cohorts too; filters apply."""
    with running(route(*settings)) as found:
        assert set(found.send(1000)) == answering
        if "canary.enabled=false" in settings:
            assert set(found.send(100, **{"X-Cohort": "beta"})) == answering
