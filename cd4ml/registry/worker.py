"""MLflow look-ups in a process of their own: a request on standard input, answers as JSON lines on standard output.

Not part of the importable surface: `cd4ml.registry` starts it. MLflow stays out of the main process because it decides
for itself how long it waits for a server (over four minutes by default), and a process can be ended.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> int:
    """Carry out the operations of the request in order; stop at the first that fails.

    An operation may refer to the version that an earlier one found, by leaving `version` out.
    """
    request = json.load(sys.stdin)
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(request["tracking_uri"])
    mlflow.set_registry_uri(request["tracking_uri"])
    client = mlflow.MlflowClient()
    print(json.dumps({"ready": True}), flush=True)
    answer: dict[str, Any] = {}
    for operation in request["operations"]:
        try:
            answer = _OPERATIONS[operation["operation"]](client, {**answer, **operation})
        except MlflowException as error:
            missing = error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
            # MLflow answers a look-up of an alias that nobody set with INVALID_PARAMETER_VALUE.
            missing = missing or "alias" in str(error).lower() and "not found" in str(error).lower()
            answer = {"error": "missing" if missing else "unavailable", "message": str(error)}
        except OSError as error:
            answer = {"error": "unavailable", "message": str(error)}
        print(json.dumps(answer), flush=True)
        if "error" in answer:
            return 1
    return 0


def _version(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Look up a version by number or by alias."""
    if "alias" in operation:
        found = client.get_model_version_by_alias(operation["name"], operation["alias"])
    else:
        found = client.get_model_version(operation["name"], operation["version"])
    return {"version": str(found.version)}


def _download(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Download the files of a version."""
    from mlflow.artifacts import download_artifacts

    uri = f"models:/{operation['name']}/{operation['version']}"
    return {"path": download_artifacts(artifact_uri=uri, dst_path=operation["directory"])}


def _set_alias(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Point an alias at a version and read it back."""
    client.set_registered_model_alias(operation["name"], operation["alias"], operation["version"])
    return _version(client, {"name": operation["name"], "alias": operation["alias"]})


_OPERATIONS = {"version": _version, "download": _download, "set-alias": _set_alias}

if __name__ == "__main__":
    sys.exit(main())
