"""From a YAML file, a recipe, variants and overrides to one frozen `Experiment`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kerasexp.config.measured import measured_of
from kerasexp.config.mistakes import explain, keys_beside
from kerasexp.config.schema import Augmentation, Data, Experiment, Frozen, Stage
from kerasexp.config.yaml_text import parse_yaml, read_text
from kerasexp.errors import UsageError, did_you_mean

LABELS = ("name", "recipe", "variants", "measured")  # what the loader sets
LENGTHS = ("epochs", "passes", "passes_per_image")  # of a stage
TOLD = ("title", "study", "faults")  # what an experiment is: no setting that a run may change
# settings of a network that are a list with one entry per layer or channel, however many
ANY_LENGTH = ("model.hidden", "model.mean", "model.std")
SOLVED = ("linear_svm", "kmeans")  # optimizers that have no epochs to change
AUGMENT = re.compile(r"augment(0|[1-9]\d{0,3})")  # the variant that every experiment has


def _folder() -> Traversable:
    return resources.files("kerasexp.configs")


def experiment_names() -> list[str]:
    """The names of all experiments, sorted."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def read_config(name: str) -> dict[str, Any]:
    """The raw content of an experiment's file: base settings, `recipes` and `variants`.

    Args:
        name: an experiment, or the path of a YAML file of the same form.

    Raises:
        UsageError: for an unknown name, or a file that is no experiment.
    """
    if not isinstance(name, str):
        raise UsageError(f"Expected the name of an experiment, or the path of a YAML file, received: {name!r}.")
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UsageError(f"{name} is missing. Expected the YAML file of an experiment.")
        text, source = read_text(name), name
    elif name in experiment_names():
        text, source = (_folder() / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
    elif Path(name).is_file():
        raise UsageError(f"{name} is a file, but no experiment. Expected the path of a file that ends in .yaml.")
    else:
        raise UsageError(f'Unknown experiment "{name}". {did_you_mean(name, experiment_names())}')
    content = parse_yaml(text, source)
    recipes = content.get("recipes") if isinstance(content, dict) else None
    if isinstance(content, dict) and "recipe" in content and not recipes:
        raise UsageError(
            f"{source} holds the settings of one run, not an experiment with its recipes. Repeat the run with the "
            "command at the end of its report (in manifest.json: command)."
        )
    if not isinstance(recipes, dict) or not recipes:
        raise UsageError(f"{source} is no experiment: expected a mapping with the key recipes.")
    _check_labels(content, source)
    _check_changes(content, source)
    return content


def _check_labels(settings: Mapping[str, Any], where: str) -> None:
    wrong = [key for key in ("name", "recipe", "measured") if key in settings]
    if wrong:
        raise UsageError(f"{where}: {wrong[0]} is set by kerasexp and must not be in the file.")


def _check_changes(content: Mapping[str, Any], source: str) -> None:
    """Recipes and variants are settings by name; a recipe may have none of its own."""
    variants = content.get("variants") or {}
    if not isinstance(variants, dict):
        raise UsageError(f"{source}: variants: expected a mapping, received: {variants!r}.")
    for name in [*content["recipes"], *variants]:
        if not isinstance(name, str):
            raise UsageError(f'{source}: {name!r} is no name of a recipe or variant. Write it in quotes: "{name}".')
    named = [(f"recipes.{name}", {} if change is None else change) for name, change in content["recipes"].items()]
    named += [(f"variants.{name}", change) for name, change in variants.items()]
    for path, change in named:
        if not isinstance(change, dict):
            raise UsageError(f"{source}: {path}: expected settings, e.g. {{epochs: 3}}, received: {change!r}.")
        _check_labels(change, f"{source}: {path}")
        recipes = change.get("recipes", [])
        if not isinstance(recipes, list) or not all(isinstance(recipe, str) for recipe in recipes):
            raise UsageError(f"{source}: {path}.recipes: expected a list, e.g. [published], received: {recipes!r}.")


def variants_of(name: str, recipe: str) -> list[str]:
    """The variants that an experiment has for a recipe; `augmentN`, which every one has, is not among them.

    Raises:
        UsageError: for an unknown name.
    """
    variants = read_config(name).get("variants") or {}
    return [variant for variant, change in variants.items() if recipe in change.get("recipes", [recipe])]


def variant_flags(variants: Iterable[str]) -> list[str]:
    """The words that ask for these variants on the command line.

    Example:

    >>> variant_flags(["augment10", "bench12"])
    ['--augment', '10', '--variant', 'bench12']
    """
    words: list[str] = []
    for variant in variants:
        augment = AUGMENT.fullmatch(variant)
        words += ["--augment", augment[1]] if augment else ["--variant", variant]
    return words


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, mapping by mapping.

    A part that names another kind (`optimizer: {name: adam, ...}` over adadelta) replaces the old one whole.
    """
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            # other data is still data, but an optimizer of another name has other arguments
            same_kind = key == "data" or value.get("name", old.get("name")) == old.get("name")
            result[key] = merge(old, value) if same_kind else value
        else:
            result[key] = value
    return result


def load_experiment(
    name: str,
    recipe: str | None = None,
    variants: Iterable[str] = (),
    augment: int | None = None,
    overrides: Iterable[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> Experiment:
    """Resolves an experiment.

    Args:
        name: an experiment, or the path of a YAML file.
        recipe: how it is trained; by default `published`, or the file's first where no study published it.
        variants: published rows that differ in one setting; `augmentN` is a variant of every experiment.
        augment: another way to name the variant `augmentN`.
        overrides: `path=value` pairs, e.g. `optimizer.learning_rate=0.01`; values are read as YAML.
        changes: a nested mapping laid over everything else (the named flags of the command line).

    Returns:
        A frozen `Experiment`.

    Raises:
        UsageError: for unknown names, keys and values of the wrong type, for variants that contradict each other, and
            for an override that no stage would take.

    Example:

    >>> load_experiment("kmnist_cnn", augment=10).augmentation.copies
    10
    """
    if augment is not None and not (type(augment) is int and 0 <= augment <= 1000):
        raise UsageError(f"--augment: expected 0 to 1000 copies, received: {augment!r}.")
    content = read_config(name)
    recipes, known = content.pop("recipes"), content.pop("variants", {}) or {}
    if recipe is None:
        recipe = "published" if "published" in recipes else next(iter(recipes))
    if recipe not in recipes:
        raise UsageError(f'{name} has no recipe "{recipe}". {did_you_mean(recipe, recipes)}')
    settings = merge(content, recipes[recipe] or {})
    chosen = sorted({*variants, *([] if augment is None else [f"augment{augment}"])})
    differences = {variant: _variant(name, variant, known, recipe) for variant in chosen}
    _check_variants(name, differences)
    for difference in differences.values():
        settings = merge(settings, difference)
    settings = merge(settings, changes or {})
    if "epochs" in (changes or {}):  # for every stage, whatever length it has of its own
        settings["stages"] = [stage if _is_solved(stage) else _without(stage, LENGTHS) for stage in _stages(settings)]
    complete = _complete(settings)
    paths = [_override(complete, override) for override in overrides]
    for path in paths:
        _check_reached(complete, path)
    complete["stages"] = _laid_out(complete)
    labels = {"name": Path(name).stem, "recipe": recipe, "variants": tuple(chosen)}
    experiment = _validated({**complete, **labels}, name)
    _check_model(experiment, settings["model"])
    return experiment.model_copy(update={"measured": measured_of(experiment)})


def experiment_from_yaml(text: str, source: str) -> Experiment:
    """The experiment of a run folder's resolved `config.yaml`."""
    return _validated(parse_yaml(text, source), source)


def experiment_to_yaml(experiment: Experiment) -> str:
    """The resolved configuration as YAML, complete: what the experiment is, then how it is trained."""
    settings = experiment.model_dump(mode="json")
    ordered = {key: settings[key] for key in [*Experiment.__annotations__, *settings]}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True)


def _variant(experiment: str, variant: str, known: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    augment = AUGMENT.fullmatch(variant)
    if augment:
        return {"augmentation": {"copies": int(augment[1])}}
    if variant not in known:
        raise UsageError(f'{experiment} has no variant "{variant}". {did_you_mean(variant, [*known, "augmentN"])}')
    change = dict(known[variant])
    allowed = change.pop("recipes", None)
    if allowed and recipe not in allowed:
        raise UsageError(
            f'The variant "{variant}" of {experiment} belongs to the recipe {" or ".join(allowed)}, not {recipe}.'
        )
    return change


def _check_variants(experiment: str, differences: Mapping[str, Mapping[str, Any]]) -> None:
    """No two variants may set the same setting to different values: one of them would be lost."""
    for first, second in itertools.combinations(differences, 2):
        path = _contradiction(differences[first], differences[second])
        if path:
            raise UsageError(
                f'The variants "{first}" and "{second}" of {experiment} set {path} to different values. Choose one.'
            )


def _contradiction(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """The path of a setting that the two changes disagree about."""
    for key in first:
        if key not in second or first[key] == second[key]:
            continue
        if not (isinstance(first[key], Mapping) and isinstance(second[key], Mapping)):
            return key
        path = _contradiction(first[key], second[key])
        if path:
            return f"{key}.{path}"
    return None


def _complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the schema's optional keys, so that overrides can name them."""
    parts: dict[str, type[Frozen]] = {"data": Data, "augmentation": Augmentation}
    complete = {**_optional(Experiment), **settings}
    for key, part in parts.items():
        if isinstance(complete.get(key), Mapping):
            complete[key] = {**_optional(part), **complete[key]}
    return complete


def _optional(part: type[Frozen]) -> dict[str, Any]:
    """The optional keys of a part of the schema with their defaults."""
    fields = part.model_fields.items()
    return {key: field.default for key, field in fields if not field.is_required() and key not in LABELS}


def _laid_out(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each of the stages laid over the top level."""
    common = {key: settings[key] for key in Stage.model_fields if key in settings}
    stages = []
    for change in _stages(settings):
        # a stage with a length of its own does not inherit another kind of length
        own_length = {"epochs", "passes"} & set(change)
        stages.append(merge(_without(common, LENGTHS) if own_length else common, change))
    return stages


def _stages(settings: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The stages as the file or an override gives them."""
    stages = settings.get("stages", ())
    if not isinstance(stages, list | tuple) or not all(isinstance(stage, Mapping) for stage in stages):
        raise UsageError(f"stages: expected a list of settings, e.g. [{{epochs: 3}}], received: {stages!r}.")
    return stages


def _without(settings: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in keys}


def _is_solved(stage: Mapping[str, Any]) -> bool:
    optimizer = stage.get("optimizer")
    return isinstance(optimizer, Mapping) and optimizer.get("name") in SOLVED


def _override(settings: dict[str, Any], override: str) -> str:
    """Sets what a `path=value` says, and returns the path."""
    path, equals, text = override.partition("=")
    if not equals:
        raise UsageError(f'"{override}" is no override. Expected PATH=VALUE, e.g. optimizer.learning_rate=0.01.')
    _set(settings, path, parse_yaml(text, f"--set {override}"))
    return path


def _set(settings: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    if path in TOLD:
        raise UsageError(f"{path} says what the experiment is and cannot be set. Write a YAML file of your own.")
    part: Any = settings
    walked: list[str] = []
    for key in [*parents, last]:
        keys = [] if part is not None else [one for one in keys_beside([*walked, key]) if one != "name"]
        if keys:  # it is switched off
            whole = f"{'.'.join(walked)}={{{', '.join(f'{one}: ...' for one in ['name', *keys])}}}"
            raise UsageError(f'"{".".join(walked)}" is off in this recipe. Give it whole: --set "{whole}".')
        if not isinstance(part, dict):
            raise UsageError(f'"{".".join(walked)}" has no settings of its own; "{path}" cannot be set.')
        if key not in part:
            where = f" in {'.'.join(walked)}" if walked else ""
            raise UsageError(f'Unknown setting "{path}": no "{key}"{where}. {did_you_mean(key, part)}')
        walked.append(key)
        if len(walked) <= len(parents):
            # a copy, so that nothing shared is changed
            part[key] = dict(part[key]) if isinstance(part[key], Mapping) else part[key]
            part = part[key]
    part[last] = value


def _check_reached(settings: Mapping[str, Any], path: str) -> None:
    """An override that every trained stage overrules would change nothing but the digest."""
    stages = [stage for stage in _stages(settings) if not _is_solved(stage)]
    if not stages or path.split(".")[0] not in Stage.model_fields:
        return
    now = {**settings, "stages": stages}
    other = dict(now)
    _set(other, path, object())
    if _laid_out(other) == _laid_out(now):
        hint = "Use --epochs." if path == "epochs" else "Override stages instead, as a whole."
        raise UsageError(f'"{path}" is set by each stage itself: at the top level it would change nothing. {hint}')


def _validated(settings: dict[str, Any], source: str) -> Experiment:
    try:
        return Experiment.model_validate(settings)
    except ValidationError as error:
        raise UsageError(f"{source}: {explain(error)}") from None


def _check_model(experiment: Experiment, base: Mapping[str, Any]) -> None:
    """`model.*` must keep the kind of value that the file gives: the builder's arguments are known only to Keras."""
    if not isinstance(base, Mapping) or set(experiment.model) != set(base):
        expected = ", ".join(base) if isinstance(base, Mapping) else "that the file names"
        found = ", ".join(experiment.model) or "none"
        raise UsageError(f"model: expected the settings {expected}, received: {found}.")
    for key, value in experiment.model.items():
        _check_kind(f"model.{key}", value, base[key])


def _check_kind(path: str, value: Any, expected: Any) -> None:
    numbers = isinstance(expected, float) and type(value) is int
    if not numbers and type(value) is not type(expected):
        raise UsageError(f"{path}: expected {type(expected).__name__} as in {expected!r}, received: {value!r}.")
    if isinstance(expected, list):
        if len(value) != len(expected) and (path not in ANY_LENGTH or not value):
            number = "1 value" if len(expected) == 1 else f"{len(expected)} values"
            raise UsageError(f"{path}: expected {number} as in {expected!r}, received: {value!r}.")
        for one, like in zip(value, itertools.cycle(expected), strict=False):
            _check_kind(path, one, like)
