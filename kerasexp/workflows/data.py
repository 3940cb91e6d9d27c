"""`kerasexp data list|get|check`: what there is, where it lies, and whether it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp.data.catalog import CATALOG, find_entry
from kerasexp.data.dataset import Dataset
from kerasexp.data.load import data_folder, find, load_dataset


def list_data(data_dir: str | Path | None = None) -> list[dict[str, Any]]:
    """The catalog.

    Returns:
        One dictionary for each data set: `name`, `title`, `images` (train, test), `image_shape`, `classes`, `glyphs`,
        `licence`, `citation`, `home` and `present` (where it lies, or None; only the names of files are looked at).
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
                "image_shape": list(entry.image_shape),
                "classes": list(entry.class_names),
                "glyphs": list(entry.glyphs),
                "licence": entry.licence,
                "citation": entry.citation,
                "home": entry.home,
                "present": None if found is None else str(found.place or found.how),
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
    summary = _summary(load_dataset(name, data_dir, offline))
    found = find(entry, data_folder(data_dir))
    return {**summary, "folder": str(found.place) if found and found.place else None}


def check_data(name_or_path: str | Path, data_dir: str | Path | None = None) -> dict[str, Any]:
    """Reads a data set whole and runs every check on it; never uses the network.

    Returns:
        `name`, `source`, `class_names`, `image_shape`, `counts` (per part and class), `digest`, `remarks` (why numbers
        on it are not comparable with published ones) and `notes`.

    Raises:
        UsageError: for an unknown name.
        DataError: for what is wrong with it.
    """
    return _summary(load_dataset(os.fspath(name_or_path), data_dir, offline=True))


def _summary(dataset: Dataset) -> dict[str, Any]:
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    classes = len(dataset.class_names)
    return {
        "name": dataset.name,
        "source": dataset.source,
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "counts": {part: np.bincount(split.y, minlength=classes).tolist() for part, split in parts.items() if split},
        "digest": dataset.digest(),
        "remarks": list(dataset.remarks),
        "notes": list(dataset.notes),
    }
