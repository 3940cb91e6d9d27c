"""NumPy archives: `x_train, y_train, x_test, y_test` in one file, or one array (`arr_0`) in each of four files."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp.data.checks import Arrays, require_memory
from kerasexp.errors import DataError
from kerasexp.files import read_npz

KEYS = ("x_train", "y_train", "x_test", "y_test")


def read(paths: Sequence[Path]) -> Arrays:
    """Reads an archive such as Keras' `mnist.npz`, the only one in `paths`."""
    return read_archive(paths[0])[0]


def read_pairs(paths: Sequence[Path]) -> Arrays:
    """Reads training images, training labels, test images and test labels, in this order, one file each."""
    arrays = []
    for path in paths:
        content = load(path)
        if list(content) != ["arr_0"]:
            raise DataError(f"{path} holds {', '.join(content) or 'nothing'}. Expected one array named arr_0.")
        arrays.append(content["arr_0"])
    x_train, y_train, x_test, y_test = arrays
    return {"train": (x_train, y_train), "test": (x_test, y_test)}


def read_archive(path: Path) -> tuple[Arrays, tuple[str, ...]]:
    """Reads `x_train, y_train, x_test, y_test`, and `class_names` if there are any.

    Returns:
        The arrays, and the names of the classes; without `class_names` (a plain array of text) their numbers.

    Raises:
        DataError: if the archive is damaged, incomplete or holds pickled objects.
    """
    content = load(path)
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}; it holds {', '.join(content) or 'nothing'}. "
            f"Expected {', '.join(KEYS)}, and class_names if the classes have names."
        )
    x_train, y_train, x_test, y_test = (content[key] for key in KEYS)
    arrays = {"train": (x_train, y_train), "test": (x_test, y_test)}
    if "class_names" not in content:
        return arrays, _numbers(y_train)
    names = content["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) != len(names) or not len(names):
        found = f"{names.dtype} {list(names.shape)}"
        raise DataError(f"{path}: class_names must be an array of different names, found {found}.")
    return arrays, tuple(names.tolist())


def load(path: Path) -> dict[str, Any]:
    """Every array of an archive.

    Raises:
        DataError: if the archive is damaged, holds pickled objects, or is larger than the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except Exception:  # `read_npz` says what is wrong with the file
        size = 0
    require_memory(size, f"{path} unpacked", "Make a smaller archive.")
    return read_npz(path)


def _numbers(labels: np.ndarray) -> tuple[str, ...]:
    """The names of classes that have none: their numbers. Gaps in the labels are found by the checks."""
    return tuple(map(str, range(len(np.unique(labels)))))
