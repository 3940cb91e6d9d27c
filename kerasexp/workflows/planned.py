"""From the words of a command to a planned run: what is to be run, before anything is."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasexp.config.loading import load_experiment, variant_flags
from kerasexp.config.schema import Experiment
from kerasexp.data.catalog import CATALOG
from kerasexp.errors import UsageError


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run that is to be made.

    Attributes:
        experiment: the resolved configuration, its seed included.
        command: the command line that repeats the run.
    """

    experiment: Experiment
    command: str

    def __str__(self) -> str:
        one = self.experiment
        return " ".join([one.name, one.recipe, *one.variants, f"seed {one.seed}"])

    @property
    def identity(self) -> tuple[str, int]:
        """Digest of the settings, and seed: what two planned runs share that are the same run."""
        return self.experiment.digest(), self.experiment.seed


def plan_run(
    experiment: str,
    *,
    recipe: str | None = None,
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    data: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    precision: str | None = None,
    weights: str | Path | None = None,
    set: str | Sequence[str] = (),
) -> PlannedRun:
    """Resolves the words of a command; arguments as for `kerasexp.train`.

    Raises:
        UsageError: for unknown names or values of the wrong kind.
    """
    variants = [variant] if isinstance(variant, str) else variant
    set = [set] if isinstance(set, str) else set
    config = load_experiment(experiment, recipe, variants, augment, set, _changes(data, epochs, seed, precision))
    if weights is not None:
        config = _with_weights(config, weights)
    return PlannedRun(config, _command(experiment, config, set, data, epochs, precision, weights))


def _changes(data: str | Path | None, epochs: int | None, seed: int | None, precision: str | None) -> dict[str, Any]:
    """The named flags as changes of the configuration."""
    changes: dict[str, Any] = {}
    if data is not None:
        # a path is kept absolute, so that the run can be resumed from anywhere
        is_path = str(data) not in CATALOG and Path(data).exists()
        changes["data"] = {"name": str(Path(data).resolve() if is_path else data)}
    if epochs is not None:
        changes.update(epochs=epochs, passes=None, passes_per_image=None)
    if seed is not None:
        changes["seed"] = seed
    if precision is not None:
        changes["precision"] = precision
    return changes


def _with_weights(config: Experiment, weights: str | Path) -> Experiment:
    """The experiment with other pretrained weights."""
    if not config.pretrained:
        raise UsageError(f"--weights: {config.name} starts from random weights and takes none.")
    source = str(weights) if str(weights) in ("imagenet", "random") else str(Path(weights).expanduser().resolve())
    if len(config.pretrained) > 1 and source not in ("imagenet", "random"):
        parts = " ".join(f"--set pretrained.{backbone}=FILE" for backbone in config.pretrained)
        raise UsageError(f"--weights: {config.name} has several pretrained parts. Name a file for each: {parts}")
    return config.model_copy(update={"pretrained": dict.fromkeys(config.pretrained, source)})


def _command(
    experiment: str,
    config: Experiment,
    overrides: Sequence[str],
    data: str | Path | None,
    epochs: int | None,
    precision: str | None,
    weights: str | Path | None,
) -> str:
    """The command line that repeats a run; where the data lies and how long it may take are the user's own."""
    words = ["kerasexp", "train", experiment, "--recipe", config.recipe, *variant_flags(config.variants)]
    words += ["--data", str(data)] if data is not None else []
    words += ["--epochs", str(epochs)] if epochs is not None else []
    words += ["--precision", precision] if precision is not None else []
    words += ["--weights", str(weights)] if weights is not None else []
    for override in overrides:
        words += ["--set", override]
    return shlex.join([*words, "--seed", str(config.seed)])
