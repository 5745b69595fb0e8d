"""What a model card says and no report can know: the section `model-card` of cd4ml.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.inputs.options import Options, option

SECTION: Final = "model-card"


@dataclass(frozen=True, kw_only=True)
class ModelCardFields(Options):
    """The fields of a model card that people fill. Which are required, `render.model_card.structure` says."""

    name: str | None = option("Name of the model (default: as the registry calls the candidate).")
    version: str | None = option("Version of the model (default: that of the candidate in the registry).")
    summary: str | None = option("What the model does, in a sentence or two.")
    owner: str | None = option("Who answers for the model: a person or a team.")
    provider: str | None = option("Who develops the system and places it on the market or puts it into service.")
    contact: str | None = option("Where questions about the model go.")
    license: str | None = option("Licence, as Hugging Face's list names it.", example="apache-2.0")
    license_name: str | None = option("Name of a licence that is `other`.")
    license_link: str | None = option("Where a licence that is `other` stands.")
    high_risk: bool | None = option("Whether the EU AI Act classes the system as high-risk (Article 6).")
    pipeline_tag: str | None = option("Task, as Hugging Face's hub names it.", example="tabular-classification")
    language: tuple[str, ...] = option("Languages of the data, as ISO 639-1 codes.", example="en")
    tags: tuple[str, ...] = option("Tags by which the model is found.")
    datasets: tuple[str, ...] = option("Hugging Face ids of the training datasets.")
    library_name: str | None = option("Library that loads the model.", example="sklearn")
    base_model: str | None = option("Hugging Face id of the model that this one was fine-tuned from.")
    intended_use: str | None = option("What the model is for, by whom and on whom it is used.")
    out_of_scope_use: str | None = option("Uses that the model is not meant for, foreseeable misuse included.")
    people_affected: str | None = option("Persons and groups on whom the system is meant to be used.")
    instructions_for_use: str | None = option("Instructions for the deployer, or where they stand.")
    limitations: str | None = option("Where the model fails or is weak, and what it was not tested on.")
    risks: str | None = option(
        "Foreseeable unintended outcomes: risks to health, safety, fundamental rights, equality."
    )
    recommendations: str | None = option("What users should do about limitations and risks.")
    human_oversight: str | None = option("Who watches, corrects and stops the model, and by which means.")
    training_data: str | None = option("Where the training data come from, how they were selected, labelled, cleaned.")
    development: str | None = option("Methods and steps of development; pre-trained models and third parties' tools.")
    design: str | None = option("General logic, key design choices and their reasons, what the system optimises.")
    metric_choice: str | None = option("Why these metrics and limits suit the intended use.")
    architecture: str | None = option("Components of the system and how they work together.")
    input_data: str | None = option("What input data must be like.")
    interactions: str | None = option("Hardware, software and other AI systems that the system works with.")
    software_requirements: str | None = option("Versions of software and firmware, and what updates demand.")
    forms: str | None = option("Forms in which the system is put into service, such as an image, a package, an API.")
    hardware: str | None = option("Hardware that the system is meant to run on.")
    user_interface: str | None = option("What the deployer sees and operates.")
    product_illustrations: str | None = option("Where pictures and markings of the product stand that it is part of.")
    computational_resources: str | None = option("Resources that developed, trained, tested and validated the system.")
    cybersecurity: str | None = option("Measures against attacks on the system, its model and its data.")
    environmental_impact: str | None = option("Energy used and carbon emitted, and how they were estimated.")
    planned_changes: str | None = option("Changes that are decided beforehand, and how compliance outlasts them.")
    changes: str | None = option("Relevant changes through the lifecycle, and where they are recorded.")
    risk_management: str | None = option("The risk management system (Article 9).")
    standards: tuple[str, ...] = option("Harmonised standards and other specifications that are applied.")
    declaration_of_conformity: str | None = option("Where the EU declaration of conformity stands (Article 47).")
    post_market_monitoring: str | None = option(
        "How performance in use is evaluated, and the plan for it (Article 72)."
    )
    citation: str | None = option("How to cite the model.")
