"""Refuses what cannot be searched before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kerasexp.config.schema import Experiment
from kerasexp.config.space import Dimension, Space
from kerasexp.errors import UsageError

# what no trial may change: they would not be judged on the same images, by the same measure, or in the same precision
FIXED = ("data", "seed", "precision", "weights", "monitor", "save_seconds", "title", "study", "faults", "measured")
FREE = ("data.image_size", "data.images_per_class", "data.imbalance")  # they leave the validation images as they are
LENGTHS = ("epochs", "passes", "passes_per_image")

Configure = Callable[[Sequence[str]], Experiment]


def check_search(base: Experiment, space: Space, tuner: str, configure: Configure) -> None:
    """Checks that a space fits an experiment, and a tuner both.

    Args:
        base: the experiment whose settings are varied.
        space: how.
        tuner: `random`, `bayesian`, `hyperband` or `grid`.
        configure: the experiment with further overrides.

    Raises:
        UsageError: if a trial would be judged on test images, or could not be configured or compared.
    """
    if base.task == "clustering":
        raise UsageError(f"{base.name} clusters images: it has no validation accuracy that a search could go by.")
    if base.data.validation != "split":
        what = {"test": "validates on its test images", "none": "has no validation images"}[base.data.validation]
        raise UsageError(
            f"The recipe {base.recipe} of {base.name} {what}, and a search must not choose by test images. Use "
            "--recipe sound, or --set data.validation=split."
        )
    for one in space.dimensions:
        _check_dimension(one, configure)
    if tuner == "hyperband":
        _check_hyperband(base, space, configure)


def _check_dimension(one: Dimension, configure: Configure) -> None:
    for value in one.examples():
        for path in _paths(one, value):
            if path.partition(".")[0] in FIXED and path not in FREE:
                raise UsageError(f"{one.name}: no search may vary {path}: its trials could not be compared.")
        configure(one.overrides(value))


def _check_hyperband(base: Experiment, space: Space, configure: Configure) -> None:
    """A promoted trial must be the beginning of a longer one, so nothing may depend on the length."""
    if base.stages:
        raise UsageError(
            f"hyperband trains one stage for longer; {base.name} has {len(base.stages)}. Use another tuner."
        )
    if base.epochs is None or base.epochs < 2:
        raise UsageError("hyperband needs the epochs of its longest trials: --epochs N, two or more.")
    experiments = [base]
    for one in space.dimensions:
        for value in one.examples():
            if any(path in LENGTHS for path in _paths(one, value)):
                raise UsageError(
                    f"{one.name}: hyperband chooses how long a trial is trained. Take it out of the space."
                )
            experiments.append(configure(one.overrides(value)))
    if any(experiment.schedule for experiment in experiments):
        raise UsageError(
            "hyperband cannot train with a schedule: it depends on the length of the whole training, so a promoted "
            "trial could not start from its parent's state. Use --set schedule=null or another tuner."
        )


def _paths(one: Dimension, value: str | int | float) -> list[str]:
    return [override.partition("=")[0] for override in one.overrides(value)]
