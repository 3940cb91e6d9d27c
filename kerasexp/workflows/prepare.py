"""The data of an experiment, as its configuration wants it: found, checked, split."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.data.load import data_folder, load_dataset
from kerasexp.data.splits import hold_out, join, thin_out
from kerasexp.data.statistics import channel_statistics, class_counts
from kerasexp.data.unlabelled import load_unlabelled
from kerasexp.errors import DataError, UsageError


def prepare_data(experiment: Experiment, data_dir: str | Path | None = None, offline: bool = False) -> Dataset:
    """Loads and checks the experiment's data; holds out a validation set if the configuration says so.

    Raises:
        UsageError: if a share cannot be held out, images of a class are to be left out where there are no classes, or
            there are more clusters than images.
        DataError: if the data is missing, damaged or not as expected.
    """
    data = experiment.data
    dataset = load_unlabelled(data.name, data.image_size) if experiment.task == "clustering" else None
    if dataset is None:
        dataset = _divided(load_dataset(data.name, data_dir, offline, data.image_size), experiment)
    elif data.thinned:
        raise UsageError(f"{data.thinned} needs classes, but the images of {data.name} have no labels. Leave it out.")
    clusters = experiment.model["clusters"] if experiment.task == "clustering" else 1
    if clusters > len(dataset.train):
        raise UsageError(
            f"model.clusters: {clusters:,} clusters of {len(dataset.train):,} images. Expected at most one per image."
        )
    return dataset


def _divided(dataset: Dataset, experiment: Experiment) -> Dataset:
    """The parts that the configuration asks for."""
    data = experiment.data
    fraction = data.validation_fraction if data.validation == "split" else None
    seed = experiment.seed if data.split_seed is None else data.split_seed
    if data.joined:
        return join(dataset, fraction, seed, data.draw)
    if fraction is not None:
        dataset = hold_out(dataset, fraction, seed, data.draw)
    train = thin_out(dataset.train, data.images_per_class, data.imbalance, seed)
    return dataclasses.replace(dataset, train=train)


def describe_data(dataset: Dataset, data_dir: str | Path | None) -> dict[str, Any]:
    """What a run's manifest says of its data."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {
        "name": dataset.name,
        "digest": dataset.digest(),
        "source": dataset.source,
        "remarks": list(dataset.remarks),
        "notes": list(dataset.notes),
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "counts": {
            name: class_counts(split, len(dataset.class_names)) for name, split in splits.items() if split is not None
        },
        "channel_statistics": channel_statistics(dataset.train).as_lists(),
        "folder": str(data_folder(data_dir).resolve()),
    }


def same_data(dataset: Dataset, manifest: dict[str, Any]) -> None:
    """Checks that these are the images that a run was made with.

    Raises:
        DataError: if they are not.
    """
    if dataset.digest() != manifest["data"]["digest"]:
        raise DataError(
            f"The data {dataset.name} ({dataset.source}) is not what this run was trained on: its digest is "
            f"{dataset.digest()}, expected {manifest['data']['digest']}. Point --data-dir to the original data."
        )
