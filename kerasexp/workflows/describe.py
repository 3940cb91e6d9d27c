"""`kerasexp list` and `kerasexp show`: what the experiments are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasexp import environment
from kerasexp.config.faults import touched
from kerasexp.config.loading import experiment_names as names
from kerasexp.config.loading import experiment_to_yaml, load_experiment, read_config, variants_of
from kerasexp.config.schema import Experiment
from kerasexp.data.catalog import find_entry
from kerasexp.errors import UsageError


def list_experiments() -> list[dict[str, Any]]:
    """All experiments.

    Returns:
        One dictionary for each: `name`, `title`, `study`, `data`, and `recipes`, a list of `name`, `variants` (those
        that the recipe has; `augmentN` for any N is one of every recipe) and `measured` (its own results).
    """
    return [_describe(name) for name in names()]


def show(
    experiment: str,
    *,
    recipe: str | None = None,
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    set: str | Sequence[str] = (),
) -> dict[str, Any]:
    """One experiment, resolved as `kerasexp train` would, with its network built for its data set of the catalog.

    Args:
        experiment: its name, or the path of a YAML file.
        recipe: how it is trained.
        variant: one or more of its variants.
        augment: augmented copies of every training image in an epoch.
        set: one or more further settings, as `path=value`.

    Returns:
        `name`, `title`, `study`, `configuration` (the resolved settings), `configuration_yaml` (the same as text),
        `image_shape`, `classes`, `layers` (each `name`, `type`, `output_shape`, `parameters`, `trained` in the last
        stage), `parameters` (`total`, `trainable` in the last stage, `stages`), `faults` (each `name`, `explanation`;
        those that a run with these settings has), `recipes`, `variants` and `measured`.

    Raises:
        UsageError: for unknown names or values of the wrong kind.
    """
    variants, settings = ([given] if isinstance(given, str) else given for given in (variant, set))
    config = load_experiment(experiment, recipe, variants, augment, settings)
    image_shape, classes = _shape(config)
    described = _describe(experiment)
    return {
        **{key: described[key] for key in ("name", "title", "study")},
        "configuration": config.model_dump(mode="json"),
        "configuration_yaml": experiment_to_yaml(config),
        "image_shape": list(image_shape),
        "classes": classes,
        **_network(config, image_shape, classes),
        "faults": [{"name": name, "explanation": explanation} for name, explanation in touched(config)],
        "recipes": [entry["name"] for entry in described["recipes"]],
        "variants": next(entry["variants"] for entry in described["recipes"] if entry["name"] == config.recipe),
        "measured": [result.model_dump() for result in config.measured],
    }


def _describe(name: str) -> dict[str, Any]:
    recipes = [load_experiment(name, recipe) for recipe in read_config(name)["recipes"]]
    first = recipes[0]
    return {
        "name": first.name,
        "title": first.title,
        "study": first.study,
        "data": first.data.name,
        "recipes": [
            {
                "name": config.recipe,
                "variants": variants_of(name, config.recipe),
                "measured": [result.model_dump() for result in config.measured],
            }
            for config in recipes
        ],
    }


def _shape(config: Experiment) -> tuple[tuple[int, int, int], int]:
    """Shape of the images and number of classes, as the catalog knows them without reading the data."""
    entry, size = find_entry(config.data.name), config.data.image_size
    shape = entry.image_shape or (size and (size, size, 3))
    if not shape:
        raise UsageError(f"The images of {entry.name} have different sizes. Give them one: --set data.image_size=224")
    height, width, channels = shape
    return (size or height, size or width, channels), len(entry.class_names)


def _network(config: Experiment, image_shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    environment.start_tensorflow("float32")
    from kerasexp.models import build, parameter_count
    from kerasexp.training.stages import freeze

    model = build(config, image_shape, classes)
    constant = [layer.name for layer in model.layers if not layer.trainable]
    stages = []
    for stage in config.training_stages:
        freeze(model, stage, constant)
        stages.append({"name": stage.stage, "trainable": parameter_count(model, trainable=True)})
    layers = [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "trained": layer.trainable,
        }
        for layer in model.layers
    ]
    parameters = {"total": parameter_count(model), "trainable": stages[-1]["trainable"], "stages": stages}
    return {"layers": layers, "parameters": parameters}
