"""What a machine of a cluster does that is not the first: it takes part in the training and leaves nothing behind."""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from kerasexp import environment
from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.errors import Interrupted, WorkerDone
from kerasexp.runs import Run, create_run
from kerasexp.training.devices import Devices
from kerasexp.training.progress import Progress
from kerasexp.training.trainer import train
from kerasexp.workflows.code import code_digest
from kerasexp.workflows.pretrained import load_all


def facts(
    experiment: Experiment, dataset: Dataset, precision: str, pretrained: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What must be equal on all machines of a run, by its name."""
    return {
        "settings": [experiment.digest(), experiment.seed],
        "data": dataset.digest(),
        "pretrained weights": [about.get("sha256") for about in pretrained.values()],
        "precision": precision,
        "versions": [importlib.metadata.version("kerasexp"), code_digest(), environment.versions()],
    }


def assist(
    experiment: Experiment,
    dataset: Dataset,
    pretrained: Mapping[str, Mapping[str, Any]],
    devices: Devices,
    progress: Progress,
    begun: Run | None = None,
) -> NoReturn:
    """Trains along with the first machine, in a temporary folder that is removed at the end.

    Args:
        experiment, dataset, pretrained: as on the first machine.
        devices: of this one.
        progress: is told what this machine does; the first one shows how the training goes.
        begun: the run that goes on, to be read only; None for a new one.

    Raises:
        WorkerDone: once the training is over.
        WorkerLost: if another machine no longer answers.
        Interrupted: after a signal on any of the machines.
    """
    assert devices.cluster is not None
    chief = devices.cluster.workers[0]
    progress.note(f"Training along with worker 0 ({chief}), which writes the run and shows how it goes")
    with tempfile.TemporaryDirectory(prefix="kerasexp-") as folder:
        run = create_run(experiment, Path(folder))
        if begun is not None and begun.path("state").exists():
            shutil.copytree(begun.path("state"), run.path("state"))
            with contextlib.suppress(FileNotFoundError):  # stopped in the first epoch
                shutil.copy(begun.path("history.csv"), run.path("history.csv"))
        outcome = train(
            run,
            experiment,
            dataset,
            Progress(),
            pretrained=lambda model: load_all(model, pretrained),
            devices=devices,
        )
    if outcome.status == "interrupted":
        raise Interrupted("Interrupted; worker 0 has saved everything. Go on with kerasexp resume on every machine.")
    raise WorkerDone(f"Worker {devices.cluster.number} has done its part; the run is evaluated by worker 0 ({chief}).")
