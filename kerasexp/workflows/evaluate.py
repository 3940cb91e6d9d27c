"""`kerasexp evaluate`: a run's saved models against its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import environment, files
from kerasexp.config.schema import Embedding, Experiment
from kerasexp.data.dataset import Dataset, Split
from kerasexp.runs import Run, open_run
from kerasexp.training.progress import console_progress, duration

MOST_PAIRS = 10**9  # of photographs, up to which doubles are looked for: CIFAR-10 has half as many and takes 14 s
DOUBLES_SHOWN = 8  # pairs
MAP_SECONDS = 0.008  # of a map, for each image: 0.004 for t-SNE alone, measured on one core


def evaluate(run: str | Path | Run, *, data_dir: str | Path | None = None, offline: bool = False) -> dict[str, Any]:
    """Evaluates a run again and writes `metrics.json`, `predictions.npz`, `images.npz` and `embedding.npz`.

    Args:
        run: a run folder.
        data_dir: folder of the data; the one the run was trained with by default.
        offline: never use the network.

    Returns:
        The content of `metrics.json`.

    Raises:
        DataError: if the run or its data is missing or damaged.
    """
    run = run if isinstance(run, Run) else open_run(run)
    with run.locked():
        experiment, manifest = run.experiment, run.manifest
        environment.start_tensorflow(manifest["precision"])
        from kerasexp.workflows.prepare import prepare_data, same_data

        dataset = prepare_data(experiment, data_dir or manifest["data"]["folder"], offline)
        same_data(dataset, manifest)
        return evaluate_run(run, experiment, dataset, console_progress().note)


def evaluate_run(run: Run, experiment: Experiment, dataset: Dataset, say: Callable[[str], None]) -> dict[str, Any]:
    """Evaluates the models in a run's folder on every split; the caller holds the run's lock.

    The weights of the recipe's table are evaluated on test, training and validation images, those of the best epoch
    beside them on test and validation images. Maps are drawn of the table's weights.

    Args:
        run: its folder takes the results.
        experiment: the run's configuration.
        dataset: the run's data.
        say: is told what takes long.
    """
    if experiment.task == "clustering":
        from kerasexp.workflows.evaluate_clusters import evaluate_clusters_run

        return evaluate_clusters_run(run, experiment, dataset, say)
    from kerasexp.data.pipeline import augmented_examples
    from kerasexp.evaluation.classification import evaluate_predictions, most_confident_mistakes
    from kerasexp.evaluation.predictions import predict_probabilities
    from kerasexp.models.saved import load_model

    def measure(model: Any, split: Split) -> tuple[dict[str, Any], np.ndarray]:
        probabilities = predict_probabilities(model, split.x)
        return evaluate_predictions(probabilities, split.y, dataset.class_names, seed=experiment.seed), probabilities

    model, card = load_model(run.path("model.keras"))
    trained, shown = _without_frozen_part(model, experiment, dataset, say)
    on_test, probabilities = measure(trained, shown.test)
    table = {"epoch": card["epoch"], "test": on_test, "train": measure(trained, shown.train)[0]}
    weights = {experiment.weights: table}
    if shown.validation is not None:
        table["validation"] = measure(trained, shown.validation)[0]
    if experiment.weights == "last" and experiment.data.validation != "none":
        weights["best"] = table
        if run.path("best.keras").exists():
            best, card = load_model(run.path("best.keras"))
            trained, shown = _without_frozen_part(best, experiment, dataset, say)
            weights["best"] = {"epoch": card["epoch"], "test": measure(trained, shown.test)[0]}
            if shown.validation is not None:
                weights["best"]["validation"] = measure(trained, shown.validation)[0]
    metrics: dict[str, Any] = {"table_weights": experiment.weights, "weights": weights}
    if experiment.embedding is not None:
        metrics["embedding"] = _embedding(run, experiment.embedding, model, dataset.test, probabilities, say)
    if len(dataset.train) * len(dataset.test) <= MOST_PAIRS and dataset.image_shape[2] == 3:
        say("Looking for test images that nearly equal a training image")
        metrics["duplicates"] = _duplicates(dataset)

    files.write_json(run.path("metrics.json"), metrics)
    files.write_npz(
        run.path("predictions.npz"),
        test_probabilities=probabilities,
        test_labels=dataset.test.y,
        test_index=dataset.test.index,
    )
    mistakes = most_confident_mistakes(probabilities, dataset.test.y)
    samples = _sample_positions(dataset.train, len(dataset.class_names))
    pictures = {
        "sample_images": dataset.train.x[samples],
        "sample_labels": dataset.train.y[samples],
        "mistake_images": dataset.test.x[mistakes],
        "mistake_index": mistakes,
    }
    if experiment.augmentation.copies:
        first_of_classes = [np.flatnonzero(dataset.train.y == label)[0] for label in np.unique(dataset.train.y)[:5]]
        copies = np.arange(min(10, experiment.augmentation.copies if experiment.augmentation.static else 10))
        positions, numbers = np.repeat(first_of_classes, len(copies)), np.tile(copies, len(first_of_classes))
        examples = augmented_examples(dataset.train, experiment.seed, experiment.augmentation, positions, numbers)
        pictures["augmented_images"] = np.rint(examples).astype("uint8")
        pictures["augmented_copies"] = copies
    if "duplicates" in metrics:
        pictures["duplicate_images"] = _doubles(dataset, metrics["duplicates"])
    files.write_npz(run.path("images.npz"), **pictures)
    return metrics


def _without_frozen_part(
    model: Any, experiment: Experiment, dataset: Dataset, say: Callable[[str], None]
) -> tuple[Any, Dataset]:
    """The rest of the network and its features, where the training computed the frozen part once."""
    from kerasexp.training.cache import NoRoom
    from kerasexp.training.features import FrozenPart, obstacle

    stage = experiment.training_stages[-1]
    if obstacle(model, stage, experiment.augmentation):
        return model, dataset
    originals = experiment.augmentation.model_copy(update={"copies": 0})
    part = FrozenPart.of(model, stage, originals, experiment.seed)
    try:
        return part.tail, part.features_of(dataset, say)
    except NoRoom:
        return model, dataset


def _duplicates(dataset: Dataset) -> list[dict[str, Any]]:
    """Test images that nearly equal one that was trained or validated on, the nearest first."""
    from kerasexp.data.duplicates import duplicates_across

    pairs: dict[int, Any] = {}
    for pair in duplicates_across(dataset):
        if pair.second.split == "test":
            pairs.setdefault(pair.second.index, pair)
    return [
        {
            "test_index": pair.second.index,
            "test_row": pair.second.row,
            "train_index": pair.first.index,
            "train_row": pair.first.row,
            "split": pair.first.split,
            "distance": pair.distance,
        }
        for pair in pairs.values()
    ]


def _doubles(dataset: Dataset, pairs: list[dict[str, Any]]) -> np.ndarray:
    """Each test image and then its double, for the first pairs."""
    splits = {"train": dataset.train, "validation": dataset.validation}
    pictures = []
    for pair in pairs[:DOUBLES_SHOWN]:
        other = splits[pair["split"]]
        assert other is not None
        pictures += [dataset.test.x[pair["test_row"]], other.x[pair["train_row"]]]
    return np.array(pictures) if pictures else np.zeros((0, *dataset.image_shape), np.uint8)


def _embedding(
    run: Run, wanted: Embedding, model: Any, test: Split, probabilities: np.ndarray, say: Callable[[str], None]
) -> dict[str, Any]:
    """Draws the maps of two layers, writes their points to `embedding.npz`, and returns their numbers."""
    from kerasexp.evaluation.embedding import METHOD, first_images, layer_maps

    shown = first_images(test.y, wanted.images)
    cost = duration(2 * MAP_SECONDS * len(shown))
    say(f"t-SNE of {len(shown):,} test images, {wanted.intermediate} and logits: about {cost}")
    maps = layer_maps(model, test.x[shown], test.y[shown], wanted.intermediate, wanted.separating_line)
    files.write_npz(
        run.path("embedding.npz"),
        labels=test.y[shown],
        predicted=probabilities[shown].argmax(axis=1),
        index=test.index[shown],
        **{name: one.points for name, one in maps.items() if one.points is not None},
    )
    return {"images": len(shown), **METHOD, "maps": {name: one.numbers for name, one in maps.items()}}


def _sample_positions(split: Split, classes: int, each: int = 10) -> np.ndarray:
    """The first images of each class, class by class."""
    return np.concatenate([np.flatnonzero(split.y == label)[:each] for label in range(classes)])
