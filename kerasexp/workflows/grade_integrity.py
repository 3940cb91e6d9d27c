"""Whether a run folder agrees with itself and with an evaluation of its model: what a hand-edited one does not."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasexp import files
from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.errors import DataError, KerasexpError
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.evaluation.predictions import predict_probabilities
from kerasexp.models import build, parameter_count
from kerasexp.models.deep_kmeans import DeepKMeans
from kerasexp.runs import Run, read_history
from kerasexp.training.stages import changing_weights
from kerasexp.training.state import StateFolder
from kerasexp.training.trainer import validation_split
from kerasexp.workflows.prepare import prepare_data

# how far the same weights' accuracy may be from itself on another processor, as a share of the images
SAME_ACCURACY = {"float32": 0.002, "tensorfloat32": 0.005, "bfloat16": 0.01}


def disagreements(run: Run, model: keras.Model, card: dict[str, Any], data: str, data_dir: str | None) -> list[str]:
    """What in a run folder does not agree, one sentence each; empty if all does.

    Args:
        run: the run.
        model: its `model.keras`.
        card: what kerasexp wrote into that file.
        data: catalog entry or path of the data that the run must have been made with.
        data_dir: folder of the data.
    """
    checks: list[Callable[[], Iterable[str]]] = [
        lambda: _configuration(run),
        lambda: _history_and_state(run),
        lambda: _weights(run, model, card),
    ]
    if not isinstance(model, DeepKMeans):  # whose numbers are of clusters, and which no rubric scores
        checks += [
            lambda: _metrics_and_predictions(run),
            lambda: _evaluated_again(run, model, card, data, data_dir),
        ]
    return [said for check in checks for said in _said_by(check)]


def _said_by(check: Callable[[], Iterable[str]]) -> Iterator[str]:
    """What a check says; a file that it cannot read is a disagreement as well."""
    try:
        yield from check()
    except KerasexpError as error:
        yield str(error)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise
    except Exception as error:  # hand-made files of any form, and a network that cannot be evaluated
        yield f"The run folder is damaged: {files.reason(error)}."


def _configuration(run: Run) -> Iterator[str]:
    experiment, manifest = run.experiment, run.manifest
    if manifest["status"] not in ("complete", "stopped"):
        yield f"The run is not finished (status {manifest['status']})."
    labels = {
        "experiment": experiment.name,
        "recipe": experiment.recipe,
        "variants": list(experiment.variants),
        "seed": experiment.seed,
    }
    for key, value in labels.items():
        if manifest[key] != value:
            yield f"manifest.json says {key} {manifest[key]!r}, config.yaml says {value!r}."
    # another version may have other settings, and so another digest of the same ones
    same_version = manifest["kerasexp"] == importlib.metadata.version("kerasexp")
    if same_version and manifest["config_digest"] != experiment.digest():
        yield "config.yaml is not what the run began with: its digest is not the manifest's."


def _history_and_state(run: Run) -> Iterator[str]:
    experiment, manifest = run.experiment, run.manifest
    history = read_history(run.path("history.csv"))
    position = StateFolder(run.path("state")).load_position()
    if position is None:
        yield "state/ is missing, so history.csv cannot be checked."
        return
    if [row["epoch"] for row in history] != list(range(1, position.all_epochs + 1)):
        yield f"history.csv has {len(history)} epochs, the saved state is after epoch {position.all_epochs}."
        return
    recorded = {
        "epochs_run": position.all_epochs,
        "images_seen": position.images_seen,
        "best_epoch": position.best_of_all,
    }
    for key, value in recorded.items():
        if manifest[key] != value and (key, manifest[key]) != ("best_epoch", None):  # a stage that just began has none
            yield f"manifest.json says {key} {manifest[key]}, the saved state {value}."
    if position.best_of_all is not None and position.best_value is not None:
        written = history[position.best_of_all - 1][experiment.monitor]
        if not math.isclose(written, position.best_value, rel_tol=1e-6):
            yield (
                f"history.csv says {experiment.monitor} {written:.6g} for epoch {position.best_of_all}, the saved "
                f"state {position.best_value:.6g}."
            )


def _weights(run: Run, model: keras.Model, card: dict[str, Any]) -> Iterator[str]:
    """The model is the experiment's network, with the weights of the end of the training or of its best epoch."""
    experiment, manifest = run.experiment, run.manifest
    if manifest["parameters"]["total"] != parameter_count(model):
        yield (
            f"manifest.json says {manifest['parameters']['total']:,} parameters, model.keras has "
            f"{parameter_count(model):,}."
        )
    height, width, channels = manifest["data"]["image_shape"]
    network = build(experiment, (height, width, channels), len(manifest["data"]["class_names"]))
    if _layout(model) != _layout(network):
        yield f"model.keras is not the network {experiment.network} that config.yaml describes: its weights differ."
        return
    state = StateFolder(run.path("state"))
    position = state.load_position()
    if position is None:
        return  # said already
    constant = [layer.name for layer in network.layers if not layer.trainable]
    stages = experiment.training_stages[: position.stage + 1]
    changing = [weight.path for weight in changing_weights(network, stages, constant)]
    own = {weight.path: np.array(weight) for weight in model.weights}
    last, best = state.weights()
    trained: dict[int, list[Any]] = {position.all_epochs: [last.get(path) for path in changing]}
    if experiment.weights == "best" and best is not None and position.best_of_all is not None:
        trained[position.best_of_all] = best  # the last epoch's, where that is the best
    if card["epoch"] not in trained:
        epochs = " or ".join(map(str, sorted(trained)))
        yield f"model.keras says that it is of epoch {card['epoch']}, the saved state has epoch {epochs}."
        return
    expected = trained[card["epoch"]]
    same = (np.array_equal(own[path], weight) for path, weight in zip(changing, expected, strict=False))
    if len(expected) != len(changing) or not all(same):
        yield "The weights of model.keras are not those of the saved state."


def _layout(model: keras.Model) -> list[tuple[str, tuple[int, ...]]]:
    return [(weight.path, tuple(weight.shape)) for weight in model.weights]


def _metrics_and_predictions(run: Run) -> Iterator[str]:
    """metrics.json says what predictions.npz gives."""
    experiment = run.experiment
    saved = files.read_npz(run.path("predictions.npz"))
    names = run.manifest["data"]["class_names"]
    again = evaluate_predictions(saved["test_probabilities"], saved["test_labels"], names, seed=experiment.seed)
    test = _table(run)["test"]
    if test["n"] != again["n"] or test["confusion_matrix"] != again["confusion_matrix"]:
        yield "The confusion matrix of metrics.json is not that of predictions.npz."
    for name, said, computed in (
        ("accuracy", test["accuracy"]["value"], again["accuracy"]["value"]),
        ("macro F1", test["macro"]["f1"]["value"], again["macro"]["f1"]["value"]),
    ):
        if not math.isclose(said, computed, abs_tol=1e-9):
            yield f"metrics.json says {name} {said:.4f}, predictions.npz gives {computed:.4f}."


def _evaluated_again(
    run: Run, model: keras.Model, card: dict[str, Any], data: str, data_dir: str | None
) -> Iterator[str]:
    """The model gives on the run's data what the folder says."""
    experiment, manifest = run.experiment, run.manifest
    dataset = _the_graders(experiment, data, data_dir)
    if dataset.digest() != manifest["data"]["digest"]:
        yield f"The run was made with other data than {dataset.name}: {manifest['data']['name']}, of another digest."
        return
    within = SAME_ACCURACY[manifest["precision"]]
    saved, table = files.read_npz(run.path("predictions.npz")), _table(run)
    if not np.array_equal(saved["test_labels"], dataset.test.y):
        yield f"The labels of predictions.npz are not those of {dataset.name}."
        return
    predicted = predict_probabilities(model, dataset.test.x).argmax(axis=1)
    same = float((predicted == saved["test_probabilities"].argmax(axis=1)).mean())
    if same < 1 - within:
        yield f"model.keras agrees with predictions.npz on {same:.2%} of the test images only."
    accuracy = float((predicted == dataset.test.y).mean())
    if abs(accuracy - table["test"]["accuracy"]["value"]) > within:
        yield (
            f"metrics.json says a test accuracy of {table['test']['accuracy']['value']:.2%}, evaluated again it is "
            f"{accuracy:.2%}."
        )
    validation = validation_split(experiment, dataset)
    position = StateFolder(run.path("state")).load_position()
    epoch = card["epoch"]
    in_an_epoch = position is None or (position.step > 0 and epoch == position.all_epochs)
    if validation is None or in_an_epoch:
        return  # a run that was stopped in an epoch was never validated with its last weights
    if experiment.data.validation != "test":
        predicted = predict_probabilities(model, validation.x).argmax(axis=1)
        accuracy = float((predicted == validation.y).mean())
    written = read_history(run.path("history.csv"))[epoch - 1]["val_accuracy"]
    if abs(written - accuracy) > within + 1 / len(validation):
        yield (
            f"history.csv says a validation accuracy of {written:.2%} for epoch {epoch}, evaluated again it is "
            f"{accuracy:.2%}."
        )


def _the_graders(experiment: Experiment, data: str, data_dir: str | None) -> Dataset:
    """The data of the rubric, never a path that the submission names, split as the run's configuration says."""
    own = experiment.data.model_copy(update={"name": data})
    return prepare_data(experiment.model_copy(update={"data": own}), data_dir, offline=True)


def _table(run: Run) -> dict[str, Any]:
    metrics = run.metrics
    if metrics["table_weights"] != run.experiment.weights:
        raise DataError(
            f"metrics.json is of the {metrics['table_weights']} weights, config.yaml says {run.experiment.weights}."
        )
    return metrics["weights"][metrics["table_weights"]]
