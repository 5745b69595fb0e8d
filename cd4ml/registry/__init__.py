"""The MLflow model registry: fetching a model by version or alias, and moving an alias.

Every look-up ends within 15 seconds, whatever the server does. MLflow runs in a child process (`worker.py`).
"""

from cd4ml.registry.client import MissingModelError, alias_version, fetch, named, set_alias, version_exists

__all__ = ["MissingModelError", "alias_version", "fetch", "named", "set_alias", "version_exists"]
