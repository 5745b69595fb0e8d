"""Where cd4ml is published: the addresses of its pages and schemas."""

from __future__ import annotations

from typing import Final

REPOSITORY: Final = "OWNER/cd4ml"
# The tag that actions are used by: it moves with every release that breaks nothing.
RELEASE: Final = "v1"

# Editors fetch this one, so it is the text itself and no page around it.
CONFIG_SCHEMA: Final = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/cd4ml.schema.json"
BEHAVIOUR_SCHEMA: Final = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/behaviour.schema.json"
REPORT_SCHEMA: Final = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/report.v1.schema.json"
MODEL_CARD_SCHEMA: Final = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/model-card.v1.schema.json"
TRACE_SCHEMA: Final = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/trace.v1.schema.json"
DIAGNOSIS_SCHEMA: Final = f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/diagnosis.v1.schema.json"
PREDICTION_EVENT_SCHEMA: Final = (
    f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/prediction-event.v1.schema.json"
)
# The first line of a cd4ml.yaml: editors with the YAML language server complete and check the file by it.
EDITOR_HEADER: Final = f"# yaml-language-server: $schema={CONFIG_SCHEMA}"


def page(path: str) -> str:
    """Return the address of a page, by its path in `docs/`."""
    return f"https://github.com/{REPOSITORY}/blob/{RELEASE}/docs/{path}"
