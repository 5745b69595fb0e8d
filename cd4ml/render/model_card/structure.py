"""What stands on a model card: Hugging Face's sections, and the points of Annex IV of the EU AI Act.

The sections are those of Hugging Face's model card template. The points are those of Annex IV of Regulation (EU)
2024/1689, "Technical documentation referred to in Article 11(1)", in short words. A field stands in one section, and
points refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Need(StrEnum):
    """When a card without a field is incomplete."""

    ALWAYS = "always"
    HIGH_RISK = "high-risk"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of the section `model-card`.

    Attributes:
        name: as cd4ml.yaml spells it.
        title: its heading on the card.
        brief: whether it is a line of the section's list, and no text under a heading of its own.
    """

    name: str
    title: str
    need: Need = Need.NEVER
    brief: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the card, as Hugging Face's template has it."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of Annex IV.

    Attributes:
        fields: what people say about it.
        stages: whose reports are evidence for it.
    """

    number: str
    title: str
    fields: tuple[str, ...]
    stages: tuple[str, ...] = ()


EVALUATION: Final = "Evaluation"
DETAILS: Final = "Model details"
HIGH_RISK: Final = "high-risk"
# Stages whose reports are evidence for a card.
MEASURED: Final = "evaluate-model"
_SPLIT: Final = "check-split"
_DATA: Final = "validate-data"
_GROUPS: Final = "audit-fairness"
_IMAGE: Final = "build-image"
_CODE: Final = "check-code"
_SCORES: Final = "score-model"
_DEPLOYED: Final = "deploy-model"
_PROMOTED: Final = "promote-model"
_DRIFT: Final = "detect-drift"
_RETRAINING: Final = "request-retraining"
SECTIONS: Final = (
    Section(
        title=DETAILS,
        fields=(
            Field(name="name", title="Name", need=Need.ALWAYS, brief=True),
            Field(name="version", title="Version", need=Need.ALWAYS, brief=True),
            Field(name="summary", title="Summary", need=Need.ALWAYS, brief=True),
            Field(name="owner", title="Owner", need=Need.ALWAYS, brief=True),
            Field(name="provider", title="Provider", need=Need.HIGH_RISK, brief=True),
            Field(name="contact", title="Contact", brief=True),
            Field(name="license", title="License", need=Need.ALWAYS, brief=True),
            Field(name="license-name", title="License name", brief=True),
            Field(name="license-link", title="License link", brief=True),
            Field(name=HIGH_RISK, title="High-risk under the EU AI Act", need=Need.ALWAYS, brief=True),
            Field(name="pipeline-tag", title="Task", brief=True),
            Field(name="language", title="Languages", brief=True),
            Field(name="tags", title="Tags", brief=True),
            Field(name="datasets", title="Datasets", brief=True),
            Field(name="library-name", title="Library", brief=True),
            Field(name="base-model", title="Fine-tuned from", brief=True),
        ),
    ),
    Section(
        title="Uses",
        fields=(
            Field(name="intended-use", title="Intended use", need=Need.ALWAYS),
            Field(name="out-of-scope-use", title="Out-of-scope use", need=Need.ALWAYS),
            Field(name="people-affected", title="People affected", need=Need.HIGH_RISK),
            Field(name="instructions-for-use", title="Instructions for use", need=Need.HIGH_RISK),
        ),
    ),
    Section(
        title="Bias, risks and limitations",
        fields=(
            Field(name="limitations", title="Limitations", need=Need.ALWAYS),
            Field(name="risks", title="Risks", need=Need.HIGH_RISK),
            Field(name="recommendations", title="Recommendations"),
            Field(name="human-oversight", title="Human oversight", need=Need.ALWAYS),
        ),
    ),
    Section(
        title="Training details",
        fields=(
            Field(name="training-data", title="Training data", need=Need.ALWAYS),
            Field(name="development", title="Development", need=Need.HIGH_RISK),
            Field(name="design", title="Design", need=Need.HIGH_RISK),
        ),
    ),
    Section(title=EVALUATION, fields=(Field(name="metric-choice", title="Choice of metrics", need=Need.HIGH_RISK),)),
    Section(
        title="Technical specifications",
        fields=(
            Field(name="architecture", title="Architecture", need=Need.HIGH_RISK),
            Field(name="input-data", title="Input data", need=Need.HIGH_RISK),
            Field(name="interactions", title="Interactions", need=Need.HIGH_RISK),
            Field(name="software-requirements", title="Software requirements", need=Need.HIGH_RISK),
            Field(name="forms", title="Forms of delivery", need=Need.HIGH_RISK),
            Field(name="hardware", title="Hardware", need=Need.HIGH_RISK),
            Field(name="user-interface", title="User interface", need=Need.HIGH_RISK),
            Field(name="product-illustrations", title="Product illustrations"),
            Field(name="computational-resources", title="Computational resources", need=Need.HIGH_RISK),
            Field(name="cybersecurity", title="Cybersecurity", need=Need.HIGH_RISK),
        ),
    ),
    Section(title="Environmental impact", fields=(Field(name="environmental-impact", title="Energy and carbon"),)),
    Section(
        title="Governance",
        fields=(
            Field(name="planned-changes", title="Planned changes", need=Need.HIGH_RISK),
            Field(name="changes", title="Changes through the lifecycle", need=Need.HIGH_RISK),
            Field(name="risk-management", title="Risk management", need=Need.HIGH_RISK),
            Field(name="standards", title="Standards applied", need=Need.HIGH_RISK),
            Field(name="declaration-of-conformity", title="EU declaration of conformity", need=Need.HIGH_RISK),
            Field(name="post-market-monitoring", title="Post-market monitoring", need=Need.HIGH_RISK),
        ),
    ),
    Section(title="Citation", fields=(Field(name="citation", title="How to cite"),)),
)
FIELDS: Final = {field.name: field for section in SECTIONS for field in section.fields}

ANNEX_IV: Final = (
    Point(
        number="1(a)",
        title="Intended purpose, provider, version and its relation to previous versions",
        fields=("intended-use", "provider", "version"),
    ),
    Point(number="1(b)", title="Interaction with hardware, software and other AI systems", fields=("interactions",)),
    Point(number="1(c)", title="Versions of software and firmware", fields=("software-requirements",)),
    Point(number="1(d)", title="Forms of placing on the market", fields=("forms",), stages=(_IMAGE,)),
    Point(number="1(e)", title="Hardware that it is intended to run on", fields=("hardware",)),
    Point(number="1(f)", title="Illustrations of the product that it is part of", fields=("product-illustrations",)),
    Point(number="1(g)", title="User interface for the deployer", fields=("user-interface",)),
    Point(number="1(h)", title="Instructions for use", fields=("instructions-for-use",)),
    Point(number="2(a)", title="Methods and steps of development", fields=("development",), stages=(_CODE,)),
    Point(number="2(b)", title="Design specifications", fields=("design", "people-affected")),
    Point(
        number="2(c)",
        title="System architecture and computational resources",
        fields=("architecture", "computational-resources"),
    ),
    Point(number="2(d)", title="Data requirements", fields=("training-data",), stages=(_DATA, _SPLIT)),
    Point(number="2(e)", title="Assessment of human oversight measures", fields=("human-oversight",)),
    Point(number="2(f)", title="Predetermined changes", fields=("planned-changes",)),
    Point(
        number="2(g)",
        title="Validation and testing: data, metrics, discriminatory impacts, test reports",
        fields=("metric-choice",),
        stages=(_SPLIT, _SCORES, MEASURED, _GROUPS),
    ),
    Point(number="2(h)", title="Cybersecurity measures", fields=("cybersecurity",), stages=(_IMAGE,)),
    Point(
        number="3",
        title="Monitoring, functioning and control: performance and its limits, risks, oversight, inputs",
        fields=("limitations", "out-of-scope-use", "risks", "human-oversight", "input-data"),
        stages=(MEASURED, _GROUPS),
    ),
    Point(number="4", title="Appropriateness of the performance metrics", fields=("metric-choice",)),
    Point(number="5", title="Risk management system", fields=("risk-management",)),
    Point(
        number="6",
        title="Relevant changes through the lifecycle",
        fields=("changes",),
        stages=(MEASURED, _DEPLOYED, _PROMOTED),
    ),
    Point(number="7", title="Harmonised standards applied", fields=("standards",)),
    Point(number="8", title="EU declaration of conformity", fields=("declaration-of-conformity",)),
    Point(
        number="9",
        title="Post-market monitoring",
        fields=("post-market-monitoring",),
        stages=(_DRIFT, _RETRAINING),
    ),
)
# Stages without whose numbers a card is incomplete.
EVIDENCE: Final = {
    MEASURED: Need.ALWAYS,
    _DATA: Need.HIGH_RISK,
    _GROUPS: Need.HIGH_RISK,
}
