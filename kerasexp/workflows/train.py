"""`kerasexp train`: from the name of an experiment to a run with an honest report."""

from __future__ import annotations

import importlib.metadata
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasexp import environment
from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Experiment
from kerasexp.data.catalog import CATALOG
from kerasexp.errors import UsageError
from kerasexp.runs import Run, create_run
from kerasexp.training.progress import console_progress


def train(
    experiment: str,
    *,
    recipe: str | None = None,
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    epochs: int | None = None,
    max_time: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    weights: str | Path | None = None,
    set: Sequence[str] = (),
    out: str | Path | None = None,
) -> Run:
    """Trains an experiment, evaluates it and writes its report.

    Args:
        experiment: its name (`kerasexp list`), or the path of a YAML file.
        recipe: `published` (as the study did it; the default where there is one), `sound` (its mistakes repaired) or
            `fast`.
        variant: one or more of its variants.
        augment: augmented copies of every training image in an epoch, the originals not among them.
        data: another catalog entry, a `.npz` with `x_train, y_train, x_test, y_test`, or a folder of class folders.
        data_dir: folder of the data; `KERASEXP_DATA_DIR`, else a per-user cache by default.
        offline: never use the network.
        epochs: at the most, instead of the recipe's.
        max_time: seconds of training after which the run is saved, evaluated and ended as `stopped`.
        seed: instead of the experiment's own.
        precision: `float32`, `bfloat16` or `auto`, instead of the recipe's.
        weights: of the pretrained part, instead of the recipe's: `imagenet`, `random` or the path of a file.
        set: further settings, as `path=value`.
        out: folder of all runs, `runs` by default.

    Returns:
        The run, complete or stopped.

    Raises:
        UsageError: for unknown names or values of the wrong kind.
        DataError: if the data is missing, damaged or not as expected.
        Interrupted: after Ctrl-C or SIGTERM, with the state saved.

    Example:

    >>> run = kerasexp.train("kmnist_cnn", augment=10, recipe="fast", data="mnist5k")
    >>> run.path("report.html")
    """
    if max_time is not None and not (0 < max_time < math.inf):
        raise UsageError(f"--max-time: expected a positive time, received: {max_time}.")
    variants = [variant] if isinstance(variant, str) else variant
    config = load_experiment(experiment, recipe, variants, augment, set, _changes(data, epochs, seed, precision))
    if weights is not None:
        config = _with_weights(config, weights)
    progress = console_progress()
    progress.note("Starting TensorFlow")
    used_precision = environment.resolve_precision(config.precision)
    environment.start_tensorflow(used_precision)

    from kerasexp.workflows.execution import execute
    from kerasexp.workflows.prepare import describe_data, prepare_data
    from kerasexp.workflows.pretrained import prepare_network

    dataset = prepare_data(config, data_dir, offline)
    pretrained = prepare_network(config, dataset, data_dir, offline)
    run = create_run(
        config,
        Path(out) if out else None,
        command=_command(experiment, config, set, data, epochs, precision, weights),
        precision=used_precision,
        data=describe_data(dataset, data_dir),
        pretrained=pretrained,
        kerasexp=importlib.metadata.version("kerasexp"),
        versions=environment.versions(),
        hardware=environment.hardware(),
        git=environment.git_state(),
    )
    with run.locked():
        execute(run, config, dataset, progress, max_time)
    return run


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
    words = ["kerasexp", "train", experiment, "--recipe", config.recipe]
    for variant in config.variants:
        words += ["--augment", variant[7:]] if variant.startswith("augment") else ["--variant", variant]
    words += ["--data", str(data)] if data is not None else []
    words += ["--epochs", str(epochs)] if epochs is not None else []
    words += ["--precision", precision] if precision is not None else []
    words += ["--weights", str(weights)] if weights is not None else []
    for override in overrides:
        words += ["--set", override]
    return shlex.join([*words, "--seed", str(config.seed)])
