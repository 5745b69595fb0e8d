"""The options that every stage takes, and those that several take, each declared once: one word, one meaning.

A stage takes such an option by `here`. It may demand it, set its default, and add what the option means for this stage
alone; what it means everywhere, how it is written and whether it holds values of the data are the same in all stages.
Where no stage's default suits another, the options are two, and so are their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cd4ml.inputs.options import Group, Options, option


@dataclass(frozen=True, kw_only=True)
class Word:
    """An option that several stages take.

    Attributes:
        meaning: one sentence, with which its help begins in every stage.
        of_data: whether its texts are values of the data.
        formerly: its name in an earlier version.
    """

    meaning: str
    group: Group
    example: str = ""
    of_data: bool = False
    formerly: str = ""

    def here(
        self, note: str = "", *, default: Any = None, required: bool = False, in_config: bool = True, last: bool = False
    ) -> Any:
        """Declare the option for a stage.

        Args:
            note: what a user of this stage needs to know beyond the meaning.
        """
        return option(
            f"{self.meaning} {note}".rstrip(),
            default=default,
            required=required,
            example=self.example,
            in_config=in_config,
            last=last,
            of_data=self.of_data,
            formerly=self.formerly,
            group=self.group,
        )


CONFIG: Final = Word(meaning="Configuration file.", group=Group.COMMON)
WORKING_DIRECTORY: Final = Word(
    meaning="Folder that all paths are relative to (the project's root).", group=Group.COMMON
)
ON_INCONCLUSIVE: Final = Word(
    meaning="Whether a verdict for lack of data blocks: `fail` (exit code 4) or `warn` (exit code 0).",
    group=Group.COMMON,
)
JSON: Final = Word(meaning="Print the JSON report on standard output.", group=Group.COMMON)
VERBOSE: Final = Word(meaning="Tell everything, and not only what did not pass.", group=Group.COMMON)
QUIET: Final = Word(meaning="Print the verdict alone, and no progress.", group=Group.COMMON)
# How results are shown to whoever started the run: no inputs of an action and no part of a report's options.
SHOWN: Final = frozenset({"json", "verbose", "quiet"})
REPORTS: Final = Word(meaning="Folder of the stages' JSON reports.", group=Group.INPUT)
OUTPUT: Final = Word(meaning="The file that is written.", group=Group.OUTPUT)
HTML: Final = Word(meaning="Write what was found as an HTML page to this file.", group=Group.OUTPUT)
PLANNED: Final = Word(meaning="Stages that had to run, as `cd4ml plan` names them.", group=Group.INPUT)
REQUIRED_STAGES: Final = Word(meaning="Stages whose reports must have passed.", group=Group.DECISION)

DATA: Final = Word(
    meaning="Tables: CSV, Parquet or Arrow files, folders of Parquet, Delta tables (`folder@3`), `.dvc` files, "
    "addresses.",
    example="data/train.parquet",
    group=Group.INPUT,
)
# The backend that reads the tables itself.
LOCAL: Final = "local"
BACKEND: Final = Word(
    meaning="Where tables lie, and are read: `local` for files; `spark`, or `ibis://backend/address`.",
    example="ibis://duckdb/warehouse.ddb",
    formerly="engine",
    group=Group.INPUT,
)
ISSUE_LABEL: Final = Word(
    meaning="Label of the issues that are requests; each model needs its own.", formerly="label", group=Group.OUTPUT
)
TEST_DATA: Final = Word(
    meaning="The test rows: a file, `folder@3` of a Delta table, a `.dvc` file, an address.",
    example="data/test.parquet",
    group=Group.INPUT,
)
TRAIN_DATA: Final = Word(
    meaning="The rows that the model was trained on, in the same forms as the test rows.",
    example="data/train.parquet",
    group=Group.INPUT,
)
TARGET: Final = Word(meaning="Column that holds the true value.", example="approved", group=Group.INPUT)
EVENTS: Final = Word(meaning="Prediction events.", example="events.jsonl", group=Group.INPUT)
LABELS: Final = Word(
    meaning="True values that came later: `y_true`, and either `id`, or `trace_id` and (of requests with several rows) "
    "`row`.",
    example="labels.jsonl",
    group=Group.INPUT,
)
SINCE: Final = Word(
    meaning="From when on: a time (RFC 3339) with a zone, or how long ago (`90m`, `2h`).",
    example="2027-01-15T08:00:00Z",
    group=Group.INPUT,
)
PROMETHEUS: Final = Word(
    meaning="Prometheus server with the gateways' metrics.", example="http://prometheus:9090", group=Group.INPUT
)
PREDICTIONS: Final = Word(meaning="The predictions table.", example="predictions.parquet", group=Group.INPUT)
TRAIN_PREDICTIONS: Final = Word(meaning="The predictions table of the training rows.", group=Group.INPUT)
COLUMNS: Final = Word(
    meaning="Names of the predictions table's columns where they differ from the standard ones.",
    example="y_pred=decision",
    group=Group.INPUT,
)
FEATURES: Final = Word(
    meaning="Columns that are features (default: every column that can be one).",
    example="age, income, city",
    group=Group.INPUT,
)
EXCLUDE: Final = Word(
    meaning="Columns that are not features, such as identifiers: no model sees them, and drift does not compare them.",
    example="customer_id",
    group=Group.INPUT,
)
KEEP: Final = Word(
    meaning="Columns of the rows to carry into the predictions table.", example="sex, age", group=Group.INPUT
)
INCLUDE_VALUES: Final = Word(
    meaning="Show values of the data in the report; without it, only row numbers and counts.", group=Group.OUTPUT
)
POSITIVE_LABEL: Final = Word(
    meaning="The positive class of a binary task: its probability is y_score, and an audit takes it as the favourable "
    "decision.",
    example="approved",
    of_data=True,
    group=Group.INPUT,
)
ALPHA: Final = Word(meaning="Chance of any false alarm, over all that is tested.", group=Group.DECISION)
TASK: Final = Word(meaning="What the model predicts.", group=Group.INPUT)

MODEL: Final = Word(
    meaning="The model: `models:/<name>/<version>`, `models:/<name>@<alias>` or an MLflow model's folder.",
    example="models:/credit@champion",
    group=Group.MODEL,
)
CANDIDATE: Final = Word(
    meaning="The model to judge: models:/<name>/<version>, models:/<name>@<alias>, or a folder.",
    example="models:/credit@challenger",
    group=Group.MODEL,
)
BOOTSTRAP: Final = Word(
    meaning="Allow a first release: there is no production model to compare with, and the report says so.",
    group=Group.MODEL,
)
ALLOW_CODE: Final = Word(
    meaning="Allow a model that runs code of its own when it is loaded; the report names that code.", group=Group.MODEL
)
TRACKING_URI: Final = Word(
    meaning="MLflow's server (default: MLFLOW_TRACKING_URI); where MLFLOW_REGISTRY_URI is set, it names the registry.",
    group=Group.MODEL,
)
REGISTERED_MODEL: Final = Word(
    meaning="Registered model whose alias is moved.", example="credit", formerly="model", group=Group.MODEL
)
ALIAS: Final = Word(meaning="Alias of the production version.", group=Group.MODEL)

TIMEOUT: Final = Word(meaning="Seconds that a model may take to score one table.", group=Group.ADVANCED)
MEMORY_LIMIT: Final = Word(
    meaning="GiB of address space that a model's process may take (default: no limit).", group=Group.ADVANCED
)


class Isolation(StrEnum):
    """What is asked of the sandbox in which models run."""

    AVAILABLE = "available"
    REQUIRED = "required"


ISOLATION: Final = Word(
    meaning="How far models are isolated: as far as this machine supports (`available`), or not run at all unless "
    "every protection holds (`required`).",
    group=Group.ADVANCED,
)
REPOSITORY: Final = Word(
    meaning="The GitOps repository: an https or ssh address, or a local folder. CD4ML_GIT_TOKEN in the environment is "
    "used for https.",
    example="https://github.com/OWNER/gitops.git",
    group=Group.DELIVERY,
)
BRANCH: Final = Word(meaning="Branch of the GitOps repository to commit to.", group=Group.DELIVERY)
MANIFEST: Final = Word(
    meaning="File in the GitOps repository: Helm values, a kustomization or Kubernetes manifests.",
    example="credit/values.yaml",
    group=Group.DELIVERY,
)
MANIFEST_PATH: Final = Word(
    meaning="Where in the manifest the image stands, if its repository stands there more than once: the key above its "
    "values, or the name of its object.",
    example="credit",
    group=Group.DELIVERY,
)
PUBLIC_KEY: Final = Word(
    meaning="File with the public key (PEM) that must have signed.", example="key.pub", group=Group.DECISION
)
IMAGE: Final = Word(meaning="The serving image.", group=Group.DELIVERY)

COOLDOWN_DAYS: Final = Word(
    meaning="Days after a request or a retraining in which there is no other.", group=Group.LIMITS
)
SEARCH_PLAN: Final = Word(meaning="The plan of the search, which plan-search writes.", group=Group.INPUT)
JOURNALS: Final = Word(meaning="Folder of the search's journals, one of each job.", group=Group.INPUT)
SELECTED: Final = Word(meaning="The parameters that select-trial selected.", group=Group.INPUT)


class WriteBack(StrEnum):
    """How a change reaches the branch of the GitOps repository."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"


class CommitWith(StrEnum):
    """What makes a commit in the GitOps repository."""

    GIT = "git"
    API = "api"


WRITE_BACK: Final = Word(
    meaning="`push` commits to the branch; `pull-request` asks for the change in one pull request on GitHub.",
    group=Group.DELIVERY,
)
COMMIT_WITH: Final = Word(
    meaning="`git` makes the commit here; with `api` GitHub makes it and signs it for the token's account.",
    group=Group.DELIVERY,
)
COMMIT_MESSAGE: Final = Word(
    meaning="Template of the commit's message, before the lines that later runs read; e.g. with `{title}`, `{image}`, "
    "`{digest}`, `{manifest}`.",
    example="chore(credit): {title}",
    group=Group.DELIVERY,
)
SIGN_OFF: Final = Word(meaning="Add `Signed-off-by` with the committer's name.", group=Group.DELIVERY)


class OnInconclusive(StrEnum):
    """What too little data does to the exit code."""

    FAIL = "fail"
    WARN = "warn"


class OnFailed(StrEnum):
    """What a failed check does to the exit code."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """Options that every stage takes."""

    config: str = CONFIG.here("A stage also runs from options alone.", default="cd4ml.yaml", in_config=False)
    working_directory: str = WORKING_DIRECTORY.here(default=".", in_config=False)
    report: str | None = option("Where the JSON report is written (default: reports/<stage>.json).", group=Group.COMMON)
    on_inconclusive: OnInconclusive = ON_INCONCLUSIVE.here(default=OnInconclusive.FAIL)
    on_failed: OnFailed = option(
        "Whether a failed check blocks: `fail` (exit code 1) or, to look first, `warn` (exit code 0, never passed).",
        default=OnFailed.FAIL,
        group=Group.COMMON,
    )
    signing_key: str | None = option(
        "Private key (PEM; ECDSA P-256 or Ed25519) that signs the report as evidence: a file, or `env://NAME` for a "
        "variable that holds it. Its password is in SIGNING_PASSWORD.",
        example="env://SIGNING_KEY",
        secret_place=True,
        group=Group.COMMON,
    )
    keyless: bool = option(
        "Sign as the workflow itself, by Sigstore's public services; the job needs `id-token: write`.",
        default=False,
        group=Group.COMMON,
    )
    json: bool = JSON.here(default=False, in_config=False)
    verbose: bool = VERBOSE.here(default=False, in_config=False)
    quiet: bool = QUIET.here(default=False, in_config=False)
