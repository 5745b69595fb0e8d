"""What is wrong with deploy-model before the evidence is read or the repository is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from cd4ml.errors import OptionsError
from cd4ml.evidence.options import demanded
from cd4ml.evidence.reports import BUILD
from cd4ml.gitops import address
from cd4ml.gitops.image import image
from cd4ml.gitops.route import check_route
from cd4ml.stages import unknown_required
from cd4ml.stages.deploy_model.options import Options
from cd4ml.stages.preflight import Early, Finding, tried


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(lambda: check_options(options, here=early.here))
    if early.here and "CI" not in early.context.environ:  # whose checkout comes from the remote, a tag's too
        yield from _unpushed(early)


def check_options(options: Options, *, here: bool = True) -> None:
    """Refuse what cannot be carried out.

    Args:
        here: whether a repository that is a local folder must be there.

    Raises:
        OptionsError: all that is wrong.
    """
    problems: list[str] = []
    advice = dict[str, None]()
    forms: list[Callable[[], object]] = [
        lambda: address.branch_name(options.branch),
        lambda: address.manifest_path(options.manifest),
    ]
    forms += [partial(address.repository_address, options.repository)] if here else []
    forms += [partial(image, options.image)] if options.image else []
    forms += [partial(address.manifest_path, options.after_manifest)] if options.after_manifest else []
    forms.append(partial(check_route, options))
    for form in forms:
        try:
            form()
        except OptionsError as error:
            problems += error.problems
            advice |= {error.advice: None} if error.advice else {}
    if not 1 <= options.canary_weight <= 100:
        problems.append(f"canary-weight must lie between 1 and 100, got {options.canary_weight}")
    problems += unknown_required(options.required_stages)
    if BUILD not in options.required_stages:
        problems.append(f"required-stages must include {BUILD}: its report says which model is in the image")
    try:
        demanded(options)
    except OptionsError as error:
        problems += error.problems
    if problems:
        raise OptionsError(problems, advice=" ".join(advice))


def _unpushed(early: Early) -> Iterator[Finding]:
    """Yield that the commit is on no remote: what is deployed could then be found by nobody else."""
    checkout = early.context.checkout
    commit = checkout.head()
    if commit and checkout.pushed(commit) is False:
        yield Finding(
            message=f"the commit {commit[:12]} is on this machine alone: no branch of a remote holds it",
            advice="Push it before you deploy, so that others can find what is in production.",
        )
