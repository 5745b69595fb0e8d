"""How the project speaks of its models: MLflow's address, the registered name, aliases, flavours, saved folders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cd4ml.errors import OptionsError
from cd4ml.project.findings import Finding, Registry
from cd4ml.project.python import Module, argument, is_test
from cd4ml.project.tree import Tree
from cd4ml.wording import redacted
from cd4ml.yaml_text import texts

_VARIABLE: Final = "MLFLOW_TRACKING_URI"
_LINE: Final = re.compile(rf"^\s*-?\s*(?:export\s+)?[\"']?{_VARIABLE}[\"']?\s*[:=]\s*[\"']?([^\s\"'#]+)", re.MULTILINE)
_FILES: Final = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|(?:docker-)?compose[\w.-]*\.ya?ml|\.env[\w.-]*|Makefile|.*\.sh|mise\.toml"
)
_MODEL: Final = re.compile(r"models:/(?P<name>[\w. -]+?)(?:@(?P<alias>[\w.-]+)|/(?P<version>\w+))?")
_FILTER: Final = re.compile(r"name\s*=\s*'([\w. -]+)'")
_NAME: Final = re.compile(r"[\w. -]+")
# Calls that name a registered model, each with the place of the name.
_REGISTERS: Final = {
    "register_model": 1,
    "create_registered_model": 0,
    "set_registered_model_alias": 0,
    "get_model_version_by_alias": 0,
    "get_latest_versions": 0,
}
_CONSTANT: Final = re.compile(r"(?i)(?:registered_)?model_name|registered_model(?:_name)?")
_SETTINGS: Final = ("params.yaml", "config.yaml", "config.yml", "conf/config.yaml", "configs/config.yaml")
_FLAVOURS: Final = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "pytorch",
    "torch",
    "tensorflow",
    "keras",
    "statsmodels",
)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - an address that is compared


def find(tree: Tree, modules: Sequence[Module], environ: Mapping[str, str]) -> Registry:
    """Return how the project speaks of its models; nothing is asked."""
    own = [module for module in modules if not is_test(module.name)]
    uri = _uri(tree, own, environ)
    spoken = [found for module in own for found in _spoken(module)]
    names = [*(name for name in spoken if name.value[0]), *_in_settings(tree)]
    model = Finding(value=names[0].value[0], why=names[0].why) if names else None
    suffixes = [found.value[1] for found in spoken if not model or found.value[0] in ("", model.value)]
    return Registry(
        uri=uri,
        local=uri is not None and _is_local(uri.value),
        model=model,
        folder=_folder(tree),
        aliases=tuple(dict.fromkeys(word.removeprefix("@") for word in suffixes if word.startswith("@"))),
        stages=tuple(dict.fromkeys(word for word in suffixes if word.isalpha())),
        flavours=tuple(_flavours(own)),
    )


def _uri(tree: Tree, modules: Sequence[Module], environ: Mapping[str, str]) -> Finding[str] | None:
    """Return MLflow's address without credentials: the environment's, else that of the code or of a settings file."""
    if environ.get(_VARIABLE):
        return Finding(value=_public(environ[_VARIABLE]), why=f"{_VARIABLE} in your environment")
    for module in modules:
        for name, call in module.calls():
            short = name.rpartition(".")[2]
            given = argument(call, 0, "uri", "tracking_uri") if short == "set_tracking_uri" else None
            if short in ("getenv", "get") and call.args and module.text(call.args[0]) == _VARIABLE:
                given = argument(call, 1, "default")
            elif short == "MlflowClient":
                given = argument(call, None, "tracking_uri")
            text = module.text(given)
            if text and text.isprintable():
                return Finding(value=_public(text), why=module.place(call))
    for name in tree.names:
        if _FILES.fullmatch(name):
            for text in _LINE.findall(tree.text(name)):
                if text.isprintable() and "$" not in text:
                    return Finding(value=_public(text), why=name)
    return None


def _public(uri: str) -> str:
    """Return an address without user and password, which no file of the repository may hold."""
    shown = redacted(uri)
    return shown.replace("***@", "").replace("?***", "")


def _is_local(uri: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    try:
        address = urlsplit(uri)
    except ValueError:  # nobody reaches that at all
        return True
    return address.scheme not in ("http", "https") or (address.hostname or "") in _LOOPBACK


def _spoken(module: Module) -> Iterator[Finding[tuple[str, str]]]:
    """Yield the models that code names: the registered name, and `@alias` or a version or stage."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            yield from _in_text(module.text(node), module.place(node))
        elif isinstance(node, ast.Call):
            yield from _in_call(node, module)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [one.id for one in targets if isinstance(one, ast.Name)]
            text = module.text(node.value)
            if text and _NAME.fullmatch(text) and any(map(_CONSTANT.fullmatch, names)):
                yield Finding(value=(text, ""), why=module.place(node))


def _in_text(text: str | None, place: str) -> Iterator[Finding[tuple[str, str]]]:
    """Yield the model of an address such as models:/credit@champion, or of a filter of MLflow's."""
    found = _MODEL.fullmatch(text or "")
    if found:
        suffix = f"@{found['alias']}" if found["alias"] else found["version"] or ""
        yield Finding(value=(found["name"], suffix), why=place)
    for name in _FILTER.findall(text or ""):
        yield Finding(value=(name, ""), why=place)


def _in_call(call: ast.Call, module: Module) -> Iterator[Finding[tuple[str, str]]]:
    """Yield the model that a call registers or looks up."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = module.place(call)
    given = module.text(argument(call, None, "registered_model_name"))
    if name in _REGISTERS:
        given = module.text(argument(call, _REGISTERS[name], "name"))
    if given and _NAME.fullmatch(given):
        alias = module.text(argument(call, 1, "alias")) if "alias" in name else None
        yield Finding(value=(given, f"@{alias}" if alias and re.fullmatch(r"[\w.-]+", alias) else ""), why=place)
    if name == "transition_model_version_stage":
        yield Finding(value=("", module.text(argument(call, 2, "stage")) or ""), why=place)


def _in_settings(tree: Tree) -> Iterator[Finding[tuple[str, str]]]:
    """Yield what the project's own YAML calls its registered model."""
    for name in tree.at_top(*_SETTINGS):
        try:
            written = texts(tree.text(name), Path(name))
        except OptionsError:
            continue
        for value in _values(written, 6):
            yield Finding(value=(value, ""), why=name)


def _values(written: Any, deep: int) -> Iterator[str]:
    """Yield the values of keys that speak of a registered model."""
    for key, value in written.items() if isinstance(written, dict) and deep else ():
        if isinstance(value, str) and _NAME.fullmatch(value) and _CONSTANT.fullmatch(str(key)):
            yield value
        yield from _values(value, deep - 1)


def _folder(tree: Tree) -> Finding[str] | None:
    """Return the one folder with an MLflow model in it."""
    folders = [name.rpartition("/")[0] for name in tree.names if name.rpartition("/")[2] == "MLmodel"]
    return Finding(value=folders[0], why="it holds a file MLmodel") if len(folders) == 1 and folders[0] else None


def _flavours(modules: Sequence[Module]) -> Iterator[str]:
    """Yield the libraries that models are made with."""
    imported = {
        alias
        for module in modules
        for node in ast.walk(module.tree)
        for alias in (
            [name.name for name in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }
    tops = {name.partition(".")[0] for name in imported} | {name.removeprefix("mlflow.") for name in imported}
    yield from (name for name in _FLAVOURS if name in tops)
