"""`kerasexp data list|get|check`: what there is, where it lies, and whether it is whole."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from kerasexp.data.catalog import CATALOG, find_entry
from kerasexp.data.dataset import Dataset
from kerasexp.data.duplicates import Pair, near_duplicates
from kerasexp.data.load import begun, data_folder, find, load_dataset
from kerasexp.data.readers.pictures import MixedSizes
from kerasexp.data.statistics import channel_statistics, class_counts, imbalance

SIDE = 224  # to which a data set is brought for a check if its images have different sizes


def list_data(data_dir: str | Path | None = None) -> list[dict[str, Any]]:
    """The catalog.

    Returns:
        One dictionary for each data set: `name`, `title`, `images` (by part), `image_shape` (None where sizes differ),
        `classes`, `glyphs`, `licence`, `citation`, `home`, `present` (where it lies whole, or None) and `incomplete`
        (whether some of its files lie there, but not all; only the names of files are looked at).
    """
    folder = data_folder(data_dir)
    rows = []
    for entry in CATALOG.values():
        found = find(entry, folder)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "images": entry.images,
                "image_shape": list(entry.image_shape) if entry.image_shape else None,
                "classes": list(entry.class_names),
                "glyphs": list(entry.glyphs),
                "licence": entry.licence,
                "citation": entry.citation,
                "home": entry.home,
                "present": None if found is None else str(found.place or found.how),
                "incomplete": found is None and begun(entry, folder),
            }
        )
    return rows


def get_data(name: str, data_dir: str | Path | None = None, offline: bool = False) -> dict[str, Any]:
    """Finds a data set of the catalog, or fetches it into the data folder, and checks it.

    Returns:
        The summary of `check_data`, with the `folder` it lies in (None for bundled data).

    Raises:
        UsageError: for an unknown name.
        DataError: if it is damaged, or missing and cannot be fetched.
    """
    entry = find_entry(name)
    summary = _summary(load_dataset(name, data_dir, offline, _check_size(name)))
    found = find(entry, data_folder(data_dir))
    return {**summary, "folder": str(found.place) if found and found.place else None}


def check_data(
    name_or_path: str | Path, data_dir: str | Path | None = None, duplicates: bool = False
) -> dict[str, Any]:
    """Reads a data set whole and runs every check on it; never uses the network.

    Args:
        name_or_path: a name of the catalog, an `.npz` file or a folder of class folders.
        data_dir: the data folder.
        duplicates: whether to look for images that are nearly equal; takes up to a minute.

    Returns:
        `name`, `source`, `class_names`, `image_shape`, `counts` (per part and class), `imbalance` (of the training
        images: largest class over smallest), `channel_statistics` (of the training images; brightness from 0 to 1),
        `digest`, `remarks` (why numbers on it are not comparable with published ones) and `notes`. With `duplicates`
        also `duplicates`: pairs of `first` and `second` (each `split`, `index`, `row`, `label`) and their `distance`
        (see `kerasexp.data.duplicates.Pair`), those across splits first.

    Raises:
        UsageError: for an unknown name.
        DataError: for what is wrong with it.
    """
    name = os.fspath(name_or_path)
    notes = []
    try:
        dataset = load_dataset(name, data_dir, offline=True, image_size=_check_size(name))
    except MixedSizes:
        dataset = load_dataset(name, data_dir, offline=True, image_size=SIDE)
        notes.append("the images have different sizes; to train on them give them one, e.g. --set data.image_size=64")
    summary = _summary(dataset)
    summary["notes"] += notes
    if duplicates:
        pairs = sorted(near_duplicates(dataset), key=_within_split)
        summary["duplicates"] = [dataclasses.asdict(pair) for pair in pairs]
    return summary


def _check_size(name: str) -> int | None:
    """The side to resize to for a check, where images have no common size."""
    return SIDE if name in CATALOG and CATALOG[name].image_shape is None else None


def _within_split(pair: Pair) -> bool:
    return pair.first.split == pair.second.split


def _summary(dataset: Dataset) -> dict[str, Any]:
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    classes = len(dataset.class_names)
    return {
        "name": dataset.name,
        "source": dataset.source,
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "counts": {part: class_counts(split, classes) for part, split in parts.items() if split},
        "imbalance": imbalance(class_counts(dataset.train, classes)),
        "channel_statistics": channel_statistics(dataset.train).as_lists(),
        "digest": dataset.digest(),
        "remarks": list(dataset.remarks),
        "notes": list(dataset.notes),
    }
