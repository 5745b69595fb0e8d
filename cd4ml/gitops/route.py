"""How a change reaches the branch: pushed or asked for in a pull request, committed by git or by the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cd4ml.errors import OptionsError
from cd4ml.github.client import Client
from cd4ml.gitops.messages import check_template
from cd4ml.gitops.platform import connected, demand_messages


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a change reaches the branch.

    Attributes:
        client: the platform's API, where something is asked of it.
        pull_request: whether a pull request asks for the change.
        by_platform: whether the platform makes the commit, and signs it.
        template: of the commit's message; None for the suite's own words.
        sign_off: whether the commit is signed off.
    """

    client: Client | None = None
    pull_request: bool = False
    by_platform: bool = False
    template: str | None = None
    sign_off: bool = False

    @property
    def plan(self) -> str:
        """What is done with the commit."""
        return "Commit, and ask for it in a pull request." if self.pull_request else "Commit and push."


class Told(Protocol):
    """The options of a stage that say it."""

    @property
    def repository(self) -> str:
        """Address of the GitOps repository."""

    @property
    def write_back(self) -> StrEnum:
        """`push` or `pull-request`."""

    @property
    def commit_with(self) -> StrEnum:
        """`git` or `api`."""

    @property
    def commit_message(self) -> str | None:
        """The template of the commit's message."""

    @property
    def sign_off(self) -> bool:
        """Whether the commit is signed off."""


def check_route(options: Told) -> None:
    """Refuse a template that cannot be filled, and a sign-off in another name than the commit's.

    Raises:
        OptionsError: it cannot, or the platform would commit in the name of the token's account.
    """
    if options.sign_off and options.commit_with == "api":
        raise OptionsError(
            "sign-off adds the name of git's committer; with commit-with: api GitHub commits for the token's account",
            advice="Leave one of them out.",
        )
    if options.commit_message is not None:
        check_template(options.commit_message)


def route(options: Told, environ: Mapping[str, str]) -> Route:
    """Return how a change reaches the branch, once it is known that the platform takes part.

    Raises:
        OptionsError: there is no token, the repository is not on GitHub, or its settings drop commit messages.
        UnavailableError: the platform cannot be reached, or refuses the token.
    """
    check_route(options)
    asks, by_platform = options.write_back == "pull-request", options.commit_with == "api"
    client = None
    if asks or by_platform:
        option = "write-back: pull-request" if asks else "commit-with: api"
        client = connected(options.repository, environ, option=option)
        demand_messages(client, merged=asks)
    return Route(
        client=client,
        pull_request=asks,
        by_platform=by_platform,
        template=options.commit_message,
        sign_off=options.sign_off,
    )


def api(route: Route) -> Client:
    """Return the API of a route that needs it.

    Raises:
        OptionsError: it has none.
    """
    if route.client is None:
        raise OptionsError("the GitOps repository's API is not known")
    return route.client
