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
    recipe: str = "published",
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    epochs: int | None = None,
    max_time: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    set: Sequence[str] = (),
    out: str | Path | None = None,
) -> Run:
    """Trains an experiment, evaluates it and writes its report.

    Args:
        experiment: its name (`kerasexp list`), or the path of a YAML file.
        recipe: `published` (as the study did it), `sound` (its mistakes repaired) or `fast`.
        variant: one or more of its variants.
        augment: augmented copies of every training image in an epoch, the originals not among them.
        data: another catalog entry, a `.npz` with `x_train, y_train, x_test, y_test`, or a folder of class folders.
        data_dir: folder of the data; `KERASEXP_DATA_DIR`, else a per-user cache by default.
        offline: never use the network.
        epochs: at the most, instead of the recipe's.
        max_time: seconds of training after which the run is saved, evaluated and ended as `stopped`.
        seed: instead of the experiment's own.
        precision: `float32`, `bfloat16` or `auto`, instead of the recipe's.
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
    progress = console_progress()
    progress.note("Starting TensorFlow")
    used_precision = environment.resolve_precision(config.precision)
    environment.start_tensorflow(used_precision)

    from kerasexp.workflows.execution import execute
    from kerasexp.workflows.prepare import describe_data, prepare_data

    dataset = prepare_data(config, data_dir, offline)
    run = create_run(
        config,
        Path(out) if out else None,
        command=_command(experiment, config, set, data, epochs, precision),
        precision=used_precision,
        data=describe_data(dataset, data_dir),
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


def _command(
    experiment: str,
    config: Experiment,
    overrides: Sequence[str],
    data: str | Path | None,
    epochs: int | None,
    precision: str | None,
) -> str:
    """The command line that repeats a run; where the data lies and how long it may take are the user's own."""
    words = ["kerasexp", "train", experiment, "--recipe", config.recipe]
    for variant in config.variants:
        words += ["--augment", variant[7:]] if variant.startswith("augment") else ["--variant", variant]
    words += ["--data", str(data)] if data is not None else []
    words += ["--epochs", str(epochs)] if epochs is not None else []
    words += ["--precision", precision] if precision is not None else []
    for override in overrides:
        words += ["--set", override]
    return shlex.join([*words, "--seed", str(config.seed)])
