"""What each stage shows beside its checks. A new one is a module here, named after its stage, in `_MODULES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cd4ml.render.html.elements import Html
from cd4ml.render.html.sections import (
    analyze_experiment,
    audit_fairness,
    build_image,
    check_code,
    check_split,
    detect_drift,
    evaluate_model,
    general,
    score_model,
    validate_data,
)
from cd4ml.report import Published

Section = Callable[[Published], Html]
# A module here is named after its stage.
_MODULES: Final = (
    check_code,
    validate_data,
    check_split,
    score_model,
    evaluate_model,
    audit_fairness,
    build_image,
    detect_drift,
    analyze_experiment,
)
SECTIONS: Final[dict[str, Section]] = {
    module.__name__.rpartition(".")[2].replace("_", "-"): module.section for module in _MODULES
}


def section(published: Published) -> Html:
    """Return what a stage shows; one without a section of its own shows its numbers."""
    return SECTIONS.get(published.report.stage, general.section)(published)
