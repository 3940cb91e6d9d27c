"""What `train` and `resume` share: train, evaluate, report, and a manifest that always tells how it stands."""

from __future__ import annotations

import contextlib
import datetime
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kerasexp import files
from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.errors import Interrupted, KerasexpError
from kerasexp.models import build, parameter_count
from kerasexp.models.saved import save_model
from kerasexp.reporting.html import write_report
from kerasexp.runs import Run
from kerasexp.training.devices import Devices
from kerasexp.training.interruption import as_keyboard_interrupt
from kerasexp.training.progress import Progress
from kerasexp.training.stages import freeze
from kerasexp.training.trainer import Outcome, train
from kerasexp.workflows.estimate import published_epochs
from kerasexp.workflows.evaluate import evaluate_run
from kerasexp.workflows.pretrained import load_all


def execute(
    run: Run,
    experiment: Experiment,
    dataset: Dataset,
    progress: Progress,
    max_seconds: float | None = None,
    evaluated: bool = True,
    devices: Devices | None = None,
) -> None:
    """Trains a run as far as it goes, then evaluates it and writes its report.

    Args:
        run: its folder; the caller holds its lock.
        experiment: the run's configuration.
        dataset: the run's data.
        progress: is told what happens.
        max_seconds: of training after which it is stopped.
        evaluated: False for a trial of a search, which no test image may touch: it gets neither test scores nor a
            report, until `kerasexp evaluate` and `kerasexp report` make them.
        devices: what it trains on; TensorFlow's own choice by default.

    Raises:
        Interrupted: after a signal, with the state saved.
        KerasexpError: if the training fails; the last saved state survives.
    """
    with progress, _honest_manifest(run):
        run.update_manifest(status="running")
        run.log("training starts or goes on")
        pretrained = run.manifest.get("pretrained", {})
        outcome = train(
            run,
            experiment,
            dataset,
            progress,
            max_seconds,
            published_epochs(experiment),
            lambda model: load_all(model, pretrained),
            devices,
        )
        _record(run, outcome)
        if outcome.status == "interrupted":
            raise Interrupted(f"Interrupted; everything is saved. Go on with: kerasexp resume {run}")
        if outcome.position.all_epochs == outcome.position.step == 0:
            run.update_manifest(status="stopped", finished=_now())
            progress.note("There is nothing to evaluate yet.")
            return
        try:
            with as_keyboard_interrupt():
                progress.finished("Evaluating" if evaluated else "Saving the model")
                _save_models(run, experiment, dataset, outcome)
                if evaluated:
                    evaluate_run(run, experiment, dataset, progress.note)
                    progress.note("Writing the report")
                run.update_manifest(status=outcome.status, finished=_now())
                if evaluated:
                    write_report(run)
        except KeyboardInterrupt:
            run.update_manifest(status="interrupted")
            raise Interrupted(
                f"Interrupted after the training, which is saved. What is missing makes: kerasexp resume {run}"
            ) from None
        run.log(outcome.status)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _honest_manifest(run: Run) -> Iterator[None]:
    """Whatever ends the work, the manifest says so, and the user gets one clear message."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:  # before the training listens to signals, or the second one
        run.update_manifest(status="interrupted", stop_reason="a signal")
        when = "; the last saved state is kept" if run.path("state").exists() else " before the first step was saved"
        raise Interrupted(f"Interrupted{when}. Go on with: kerasexp resume {run}") from None
    except KerasexpError as error:
        _failed(run, str(error))
        raise
    except (MemoryError, tf.errors.ResourceExhaustedError):
        message = "Not enough memory for this network and batch size. Try a smaller one, e.g. --set batch_size=32."
        _failed(run, message)
        raise KerasexpError(message) from None
    except OSError as error:
        if error.errno not in files.DISK_FULL:
            _failed(run, f"{type(error).__name__}: {error}")
            raise
        message = (
            f"The disk is full ({error.strerror}) while writing to {run}. The last saved state is kept. "
            f"Make room, then go on with: kerasexp resume {run}"
        )
        _failed(run, message)
        raise KerasexpError(message) from None
    except Exception as error:
        _failed(run, f"{type(error).__name__}: {error}")
        raise


def _failed(run: Run, reason: str) -> None:
    with contextlib.suppress(OSError):  # a full disk may refuse this as well
        run.update_manifest(status="failed", stop_reason=reason)
        run.log(f"failed: {reason}")


def _record(run: Run, outcome: Outcome) -> None:
    position = outcome.position
    reasons = {"stopped": "the time limit", "interrupted": "a signal"}
    run.update_manifest(
        status="interrupted" if outcome.status == "interrupted" else "running",
        stop_reason=reasons.get(outcome.status, position.stop_reason),
        epochs_run=position.all_epochs,
        best_epoch=position.best_of_all,
        seconds=round(position.seconds, 3),
        images_seen=position.images_seen,
        parameters={
            "total": parameter_count(outcome.model),
            "trainable": parameter_count(outcome.model, trainable=True),
        },
    )
    if any(stage.trainable_from for stage in run.experiment.training_stages) and outcome.stages:
        run.update_manifest(feature_cache=outcome.stages[-1]["feature_cache"])
    if run.experiment.stages:
        run.update_manifest(stages=_stages(run, outcome))
    run.log(f"training ended: {outcome.status}, epoch {position.all_epochs}, step {position.step}")


def _stages(run: Run, outcome: Outcome) -> list[dict[str, Any]]:
    """What is known of all stages: those of this process, and of earlier ones before a resume."""
    known = {stage["first_epoch"]: stage for stage in [*run.manifest.get("stages", ()), *outcome.stages]}
    begins = [*sorted(known), outcome.position.all_epochs + 1]
    return [{**known[first], "epochs": after - first} for first, after in itertools.pairwise(begins)]


def _save_models(run: Run, experiment: Experiment, dataset: Dataset, outcome: Outcome) -> None:
    """`model.keras` with the weights of the recipe's table, `best.keras` where the best epoch is another one."""
    position = outcome.position
    # a copy without optimizer and metrics: what is saved is the network alone
    network = build(experiment, dataset.image_shape, len(dataset.class_names))
    constant = [layer.name for layer in network.layers if not layer.trainable]
    freeze(network, experiment.training_stages[-1], constant)  # the file tells what was trained
    last = (outcome.model.get_weights(), position.all_epochs)
    best = (outcome.best_weights or last[0], position.best_of_all or position.all_epochs)

    def save(name: str, weights: list[np.ndarray], epoch: int) -> None:
        network.set_weights(weights)
        save_model(network, run.path(name), dataset.class_names, experiment=experiment.name, epoch=epoch)

    save("model.keras", *(best if experiment.weights == "best" else last))
    run.path("best.keras").unlink(missing_ok=True)
    if experiment.weights == "last" and best[1] != last[1]:
        save("best.keras", *best)
