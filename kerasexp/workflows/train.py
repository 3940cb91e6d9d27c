"""`kerasexp train`: from the name of an experiment to a run with an honest report."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from kerasexp import environment
from kerasexp.errors import UsageError
from kerasexp.runs import Run, create_run
from kerasexp.training.devices import parse_devices, read_cluster, start_devices
from kerasexp.training.interruption import interrupted_as
from kerasexp.training.progress import Progress, console_progress
from kerasexp.workflows.code import code_digest
from kerasexp.workflows.planned import PlannedRun, plan_run


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
    set: str | Sequence[str] = (),
    devices: str | None = None,
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
        max_time: seconds of training, from the first steps on, after which the run is saved, evaluated and ended as
            `stopped`.
        seed: instead of the experiment's own.
        precision: `float32`, `bfloat16`, `tensorfloat32` or `auto`, instead of the recipe's.
        weights: of the pretrained part, instead of the recipe's: `imagenet`, `random` or the path of a file.
        set: one or more further settings, as `path=value`.
        devices: `auto` (the default: one GPU where there is one, else the processor), `cpu`, `all`, or a list such as
            `gpu:0,gpu:1`. The machines of a cluster come from TF_CONFIG.
        out: folder of all runs, `runs` by default.

    Returns:
        The run, complete or stopped.

    Raises:
        UsageError: for unknown names or values of the wrong kind.
        DataError: if the data is missing, damaged or not as expected.
        Interrupted: after Ctrl-C or SIGTERM, with the state saved.
        WorkerDone: on every machine of a cluster but the first, once the training is over.

    Example:

    >>> run = kerasexp.train("kmnist_cnn", augment=10, recipe="fast", data="mnist5k")
    >>> run.path("report.html")
    """
    check_time(max_time)
    check_devices(devices)
    planned = plan_run(
        experiment,
        recipe=recipe,
        variant=variant,
        augment=augment,
        data=data,
        epochs=epochs,
        seed=seed,
        precision=precision,
        weights=weights,
        set=set,
    )
    return start(planned, data_dir=data_dir, offline=offline, max_time=max_time, out=out, devices=devices)


@interrupted_as("Interrupted; nothing was trained yet.")
def start(
    planned: PlannedRun,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
    max_time: float | None = None,
    out: str | Path | None = None,
    group: str | None = None,
    progress: Progress | None = None,
    devices: str | None = None,
) -> Run:
    """Makes a planned run: a new folder, trained, evaluated, with its report.

    Args:
        planned: what to run.
        data_dir, offline, max_time, out, devices: as for `train`.
        group: what the run's manifest names as its group; none by default.
        progress: is told how it goes; the console by default.

    Returns:
        The run, complete or stopped.

    Raises:
        DataError: if the data is missing, damaged or not as expected.
        Interrupted: after Ctrl-C or SIGTERM, with the state saved.
    """
    config = planned.experiment
    progress = progress or console_progress()
    announce_tensorflow(progress)
    used = start_devices(devices, progress.note)
    used.check(config)
    used_precision = environment.resolve_precision(config.precision)
    environment.start_tensorflow(used_precision)

    from kerasexp.workflows.assist import assist, facts
    from kerasexp.workflows.execution import execute
    from kerasexp.workflows.prepare import describe_data, prepare_data
    from kerasexp.workflows.pretrained import prepare_network

    dataset = prepare_data(config, data_dir, offline)
    pretrained = prepare_network(config, dataset, data_dir, offline)
    if used.cluster is not None:
        used.agree(facts(config, dataset, used_precision, pretrained))
    if not used.is_chief:
        assist(config, dataset, pretrained, used, progress)
    run = create_run(
        config,
        Path(out) if out else None,
        **({"group": group} if group else {}),
        command=planned.command,
        precision=used_precision,
        data=describe_data(dataset, data_dir),
        pretrained=pretrained,
        kerasexp=importlib.metadata.version("kerasexp"),
        versions=environment.versions(),
        hardware=environment.hardware(),
        code=code_digest(),
        git=environment.git_state(),
        devices=used.describe(),
    )
    with run.locked():
        execute(run, config, dataset, progress, max_time, devices=used)
    return run


def announce_tensorflow(progress: Progress) -> None:
    """Says what is about to take seconds; nothing where TensorFlow is there already."""
    if "tensorflow" not in sys.modules:
        progress.note("Starting TensorFlow")


def check_devices(words: str | None) -> None:
    """Refuses words that name no devices, and a TF_CONFIG that names no cluster, before anything has started.

    Raises:
        UsageError: for either.
    """
    parse_devices(words)
    read_cluster()


def check_time(max_time: float | None) -> None:
    """Refuses a time limit that is none.

    Raises:
        UsageError: for zero, a negative or an infinite time, and what is no number.
    """
    if max_time is not None and not (isinstance(max_time, int | float) and 0 < max_time < math.inf):
        raise UsageError(f"--max-time: expected a positive time (from Python in seconds), received: {max_time!r}.")
