"""MLflow look-ups in a process of their own: a request on standard input, answers as JSON lines on standard output.

Not part of the importable surface: `cd4ml.registry` starts it. MLflow stays out of the main process because it decides
for itself how long it waits for a server (over four minutes by default), and a process can be ended.
"""

from __future__ import annotations

import difflib
import importlib.machinery
import importlib.util
import json
import re
import socket
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_CONNECT_SECONDS: Final = 4
_DOWNLOAD_REQUEST_SECONDS: Final = 120
_DOWNLOAD_RETRIES: Final = 3
_MOST_NAMED: Final = 10
_MOST_SEARCHED: Final = 1000
# The files that say how a model is loaded, and in which environment.
_ABOUT: Final = frozenset({"MLmodel", "requirements.txt", "python_env.yaml"})
# MLflow answers a look-up of an alias that nobody set with INVALID_PARAMETER_VALUE and this text.
_NO_ALIAS: Final = re.compile(r"Registered model alias .* not found", re.IGNORECASE | re.DOTALL)


def main() -> int:
    """Carry out the operations of the request in order; stop at the first that fails, unless `each` is asked for.

    An operation may refer to the version that an earlier one found, by leaving `version` out.
    """
    request = json.load(sys.stdin)
    # Answers have standard output to themselves: what a library prints goes to standard error.
    answers, sys.stdout = sys.stdout, sys.stderr
    # Importing MLflow takes up to 20 seconds on a cold machine; that a server is down can be said before.
    problem = _unreachable(request["registry_uri"]) or _unreachable(request["tracking_uri"])
    if problem:
        print(json.dumps({"error": "unavailable", "message": problem}), flush=True, file=answers)
        return 1
    if all(urlsplit(request[name]).scheme in ("http", "https") for name in ("registry_uri", "tracking_uri")):
        sys.meta_path.insert(0, _Later())
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(request["tracking_uri"])
    mlflow.set_registry_uri(request["registry_uri"])
    try:
        client = mlflow.MlflowClient()
    except MlflowException as error:
        print(json.dumps({"error": "unavailable", "message": str(error)}), flush=True, file=answers)
        return 1
    print(json.dumps({"ready": True}), flush=True, file=answers)
    answer: dict[str, Any] = {}
    for operation in request["operations"]:
        try:
            answer = _OPERATIONS[operation["operation"]](client, {**answer, **operation})
        except MlflowException as error:
            missing = operation["operation"] != "download" and _is_missing(error)
            answer = {"error": "missing" if missing else "unavailable", "message": str(error)}
            if missing:
                answer["known"] = _known(client, operation["name"])
        except OSError as error:
            answer = {"error": "unavailable", "message": str(error)}
        print(json.dumps(answer), flush=True, file=answers)
        if "error" in answer:
            if not request.get("each"):
                return 1
            answer = {}
    return 0


class _Later(MetaPathFinder):
    """Imports parts of MLflow that no look-up at a server needs once something of them is asked for, and not before.

    They bring a web server with them, and cost as much as all the rest. A database is looked up by the models of all of
    MLflow's tables, which take them in an order of their own.
    """

    _PARTS: Final = ("mlflow.genai", "mlflow.gateway")

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the place of such a part, with a loader that waits."""
        if name not in self._PARTS:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path, target)
        if found and found.loader:
            found.loader = importlib.util.LazyLoader(found.loader)
        return found


def _unreachable(uri: str) -> str | None:
    """Say why a server takes no connection; None if it does, or if only MLflow can tell (a proxy, no HTTP)."""
    address = urlsplit(uri)
    ports = {"http": 80, "https": 443}
    if address.scheme not in ports or not address.hostname:
        return None
    proxies = getproxies()
    if (proxies.get(address.scheme) or proxies.get("all")) and not proxy_bypass(address.hostname):
        return None
    try:
        socket.create_connection((address.hostname, address.port or ports[address.scheme]), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:  # ValueError: no such port
        return str(error)
    return None


def _is_missing(error: Any) -> bool:
    """Whether MLflow itself says that there is no such model, version or alias.

    A proxy's `404 Not Found` does not count: it would turn a wrong address into a first release.
    """
    if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
        return True
    return error.error_code == "INVALID_PARAMETER_VALUE" and bool(_NO_ALIAS.search(str(error)))


def _known(client: Any, name: str) -> str:
    """Return, in words, the aliases that a model has, or the model that may be meant; "" if that cannot be told."""
    from mlflow.exceptions import MlflowException

    try:
        aliases = sorted(client.get_registered_model(name).aliases.items())
    except (MlflowException, OSError):
        return _near(client, name)
    shown = ", ".join(f"{alias} (version {version})" for alias, version in aliases[:_MOST_NAMED])
    return f"{name} has the aliases {shown}" if shown else f"{name} has no aliases"


def _near(client: Any, name: str) -> str:
    """Return, in words, the registered model whose name is nearest; "" if there is none, or none that we may read."""
    from mlflow.exceptions import MlflowException

    try:
        names = [model.name for model in client.search_registered_models(max_results=_MOST_SEARCHED)]
    except (MlflowException, OSError):
        return ""  # this is a hint and no more
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {found[0]}?" if found else ""


def _version(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Look up a version by number or by alias."""
    if "alias" in operation:
        found = client.get_model_version_by_alias(operation["name"], operation["alias"])
    else:
        found = client.get_model_version(operation["name"], operation["version"])
    return {"version": str(found.version)}


def _download(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Download the files of a version; large files may take longer than a look-up."""
    from mlflow import environment_variables
    from mlflow.artifacts import download_artifacts

    environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT.set(_DOWNLOAD_REQUEST_SECONDS)
    environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(_DOWNLOAD_RETRIES)

    uri = f"models:/{operation['name']}/{operation['version']}"
    return {"path": download_artifacts(artifact_uri=uri, dst_path=operation["directory"])}


def _look(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Download of a version what says how it is loaded, and no more."""
    from mlflow.artifacts import download_artifacts, list_artifacts

    found = _version(client, operation)
    uri = f"models:/{operation['name']}/{found['version']}"
    there = {entry.path.rpartition("/")[2] for entry in list_artifacts(artifact_uri=uri)}
    for name in sorted(there & _ABOUT):
        download_artifacts(artifact_uri=f"{uri}/{name}", dst_path=operation["directory"])
    return {**found, "path": operation["directory"]}


def _set_alias(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Point an alias at a version and read it back."""
    client.set_registered_model_alias(operation["name"], operation["alias"], operation["version"])
    return _version(client, {"name": operation["name"], "alias": operation["alias"]})


def _tag(client: Any, operation: dict[str, Any]) -> dict[str, Any]:
    """Write tags on a version, those that differ, and return those that it had.

    One without a value is removed if the tag `about` differs: the others were about that then.
    """
    name, version, wanted = operation["name"], operation["version"], operation["tags"]
    before = dict(client.get_model_version(name, version).tags)
    other = before.get(operation["about"]) != wanted[operation["about"]]
    for key, value in wanted.items():
        if value and before.get(key) != value:
            client.set_model_version_tag(name, version, key, value)
        elif not value and other and key in before:
            client.delete_model_version_tag(name, version, key)
    return {"before": before}


def _describe(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Return the versions of a model that are meant, with their tags and aliases; without a version, all of them."""
    name, version = operation["name"], operation.get("version")
    if "alias" in operation:
        version = str(client.get_model_version_by_alias(name, operation["alias"]).version)
    aliases = client.get_registered_model(name).aliases
    if version:
        found = [client.get_model_version(name, version)]
    else:
        found = client.search_model_versions(f"name='{name}'", max_results=_MOST_SEARCHED)
    described = []
    for one in found:
        own = sorted(alias for alias, of in aliases.items() if str(of) == str(one.version))
        described.append({"version": str(one.version), "tags": dict(one.tags), "aliases": own})
    return {"versions": described}


def _aliases(client: Any, operation: dict[str, str]) -> dict[str, Any]:
    """Look up the aliases of a model and its newest version."""
    name = operation["name"]
    found = client.get_registered_model(name)
    versions = [int(version.version) for version in client.search_model_versions(f"name='{name}'")]
    return {"aliases": dict(found.aliases), "newest": max(versions, default=None)}


def _register(client: Any, operation: dict[str, Any]) -> dict[str, Any]:
    """Register a folder as a new version of a model, which is made if there is none, with the run it comes from."""
    name, tags = operation["name"], operation["tags"]
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    run = client.create_run(number, tags=tags)
    for key, value in operation["parameters"].items():
        client.log_param(run.info.run_id, key, value)
    for key, value in operation["metrics"].items():
        client.log_metric(run.info.run_id, key, value)
    client.log_artifacts(run.info.run_id, operation["folder"], "model")
    client.set_terminated(run.info.run_id)
    source = f"{run.info.artifact_uri}/model"
    made = client.create_model_version(name, source, run.info.run_id, tags=tags)
    return {"version": str(made.version)}


_OPERATIONS = {
    "register": _register,
    "version": _version,
    "aliases": _aliases,
    "download": _download,
    "look": _look,
    "set-alias": _set_alias,
    "tag": _tag,
    "describe": _describe,
}

if __name__ == "__main__":
    sys.exit(main())
