"""Which models are to be scored: by the aliases that the registry has, those that the code names, or usual ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cd4ml.errors import Cd4mlError
from cd4ml.project.findings import Finding, Models, Registry
from cd4ml.registry import MissingModelError, Versions, is_registered, reference_of, versions
from cd4ml.registry.reference import model_folder

# As they are tried, the one that MLflow's own pages use first.
_PRODUCTION: Final = ("champion", "production", "prod", "live", "main", "stable")
_CANDIDATE: Final = ("challenger", "candidate", "staging", "next", "dev")


def find(registry: Registry, environ: Mapping[str, str], *, ask: bool) -> Models | None:
    """Return the models to score; None if the project names none.

    Args:
        ask: whether to ask the registry what it has.
    """
    if registry.model is None:
        return _of_folder(registry)
    name = registry.model.value
    if not ask:
        return _unasked(registry, "there are no rows to score yet")
    if registry.uri is None:
        return _unasked(registry, "nothing says where the registry is; set MLFLOW_TRACKING_URI, then run this again")
    try:
        found = versions(name, tracking_uri=None, environ=environ)
    except MissingModelError:
        return _unasked(registry, f"the registry at {registry.uri.value} has no model `{name}` yet")
    except Cd4mlError as error:
        return _unasked(registry, str(error).rstrip("."))
    return _asked(registry, found)


def _of_folder(registry: Registry) -> Models | None:
    """Return the model that lies in the repository, as a first release."""
    if registry.folder is None:
        return None
    note = "The model is a folder: name that of the last release as production, to compare with it."
    return Models(candidate=registry.folder, known=True, notes=(note,))


def _unasked(registry: Registry, why: str) -> Models:
    """Return the models by the aliases that the code names, or by MLflow's usual ones."""
    assert registry.model
    name, place = registry.model.value, registry.model.why
    production = _first(registry.aliases, _PRODUCTION) or _PRODUCTION[0]
    candidate = _first(registry.aliases, _CANDIDATE) or _CANDIDATE[0]
    return Models(
        candidate=Finding(value=f"models:/{name}@{candidate}", why=_spoken(registry, candidate, f"{place} names it")),
        production=Finding(value=f"models:/{name}@{production}", why=_spoken(registry, production, "the usual alias")),
        notes=(f"What the registry has is not known: {why}.", *_stages(registry, name)),
    )


def _asked(registry: Registry, found: Versions) -> Models:
    """Return the models that the registry has."""
    assert registry.model and registry.uri
    name, there = registry.model.value, registry.uri.value
    production = _first([*registry.aliases, *_PRODUCTION], _PRODUCTION, found.aliases)
    candidate = _first([*registry.aliases, *_CANDIDATE], _CANDIDATE, found.aliases)
    at = {alias: f"version {version} in the registry at {there}" for alias, version in found.aliases.items()}
    old = found.aliases.get(production) if production else None
    notes = list(_stages(registry, name))
    if candidate and found.aliases[candidate] != old:
        new = Finding(value=f"models:/{name}@{candidate}", why=at[candidate])
    elif found.newest is not None and found.newest != old:
        why = (
            f"the newest version in the registry at {there}; a pull request that changes the model changes this number"
        )
        new = Finding(value=f"models:/{name}/{found.newest}", why=why)
    else:
        new = Finding(value=f"models:/{name}@{_CANDIDATE[0]}", why="where a pull request's model is to be found")
        notes.append(f"Set the alias {_CANDIDATE[0]} of {name} on the version to judge: production is the only one.")
    beaten = Finding(value=f"models:/{name}@{production}", why=at[production]) if production else None
    return Models(candidate=new, production=beaten, known=True, notes=tuple(notes))


def present(models: Models) -> Finding[str] | None:
    """Return the model whose numbers are today's, production if there is one; None if the registry was not asked."""
    return (models.production or models.candidate) if models.known else None


def problem(written: str) -> str | None:
    """Return what is wrong with the name of a model, None if it can be one."""
    try:
        if is_registered(written):
            reference_of(written)
        else:
            model_folder(written)
    except Cd4mlError as error:
        return str(error)
    return None


def _first(names: Sequence[str], known: Sequence[str], there: Mapping[str, str] | None = None) -> str | None:
    """Return the first name that is a known one and, if that is given, is there."""
    return next((name for name in names if name.lower() in known and (there is None or name in there)), None)


def _spoken(registry: Registry, alias: str, otherwise: str) -> str:
    """Say where an alias comes from."""
    return "the code names this alias" if alias in registry.aliases else otherwise


def _stages(registry: Registry, name: str) -> list[str]:
    """Say that MLflow's stages are the thing to leave behind."""
    used = [stage for stage in registry.stages if stage.lower() in ("production", "staging", "archived")]
    if not used:
        return []
    return [
        f"The code uses MLflow's stage {used[0]}, which aliases have replaced: "
        f"MlflowClient().set_registered_model_alias('{name}', 'champion', <version>)."
    ]
