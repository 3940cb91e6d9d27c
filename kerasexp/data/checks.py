"""What every data set must pass before anything is trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasexp import environment
from kerasexp.data.catalog import Entry, OriginalFile
from kerasexp.data.dataset import Split
from kerasexp.errors import DataError
from kerasexp.files import file_digest

SMALLER_IMAGES = "Choose smaller images: --set data.image_size=64"
Arrays = dict[str, tuple[np.ndarray, np.ndarray]]  # part (train, validation, test) -> images, labels


def verify_original(path: Path, original: OriginalFile) -> None:
    """Checks a local file against the published size and SHA-256, where they are known.

    Raises:
        DataError: if it is not the original.
    """
    remedy = f"Remove it and fetch the original: {original.url}"
    found = path.stat().st_size
    if original.size is not None and found != original.size:
        how = "truncated" if found < original.size else "altered"
        raise DataError(f"{path} is {how}: expected {original.size:,} bytes, found {found:,}. {remedy}")
    if original.sha256 is not None:
        digest = file_digest(path)
        if digest != original.sha256:
            raise DataError(f"{path} is altered: expected SHA-256 {original.sha256}, found {digest}. {remedy}")


def require_memory(size: int, what: str, remedy: str) -> None:
    """Refuses `size` bytes that exceed the memory that this process may use, before anything is allocated.

    Raises:
        DataError: with `what` needs the memory and the `remedy`.
    """
    memory = environment.memory()
    if memory is not None and size > memory:
        needed, there = (f"{amount / 1e9:,.1f} GB" for amount in (size, memory))
        raise DataError(f"{what} would take {needed} in memory; there is {there} here. {remedy}")


def checked_splits(arrays: Arrays, class_names: Sequence[str], where: str) -> dict[str, Split]:
    """Turns what a reader found into splits.

    Args:
        arrays: for each part images and labels, of any numeric dtype.
        class_names: one per label.
        where: the file or folder, for messages.

    Returns:
        Splits of uint8 images `[n, height, width, channels]` and int64 labels, numbered in the reader's order.

    Raises:
        DataError: for wrong shapes, dtypes, values or labels, or a class without images.
    """
    if len(class_names) < 2:
        found = f"one class only ({class_names[0]})" if class_names else "no labels"
        raise DataError(f"{where} has {found}. Classification needs at least two classes.")
    images = _as_uint8({part: _shaped(x, f"{part} images of {where}") for part, (x, _) in arrays.items()}, where)
    shapes = {part: x.shape[1:] for part, x in images.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{part} {'x'.join(map(str, shape))}" for part, shape in shapes.items())
        raise DataError(f"{where}: the images of all parts must have one shape, found {listed}.")
    splits = {}
    for part, (_, labels) in arrays.items():
        y = _as_labels(labels, len(images[part]), len(class_names), f"{part} labels of {where}")
        splits[part] = Split(images[part], y, np.arange(len(y)))
        counts = np.bincount(y, minlength=len(class_names))
        empty = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
        if empty:
            raise DataError(f"{where}: the {part} part has no image of class {', '.join(empty)}.")
    return splits


def checked_images(x: np.ndarray, where: str) -> np.ndarray:
    """Turns images of any numeric dtype into uint8 `[n, height, width, channels]`.

    Raises:
        DataError: for wrong shapes, dtypes or values.
    """
    return _as_uint8({"all": _shaped(x, f"images of {where}")}, where)["all"]


def differences(entry: Entry, splits: Mapping[str, Split]) -> list[str]:
    """How shape and class counts differ from the catalog's, in words; empty if they do not."""
    found = count_differences(entry, splits)
    shape = splits["train"].x.shape[1:]
    if entry.image_shape is not None and shape != entry.image_shape:
        found.append(f"images of {'x'.join(map(str, shape))} instead of {'x'.join(map(str, entry.image_shape))}")
    return found


def count_differences(entry: Entry, splits: Mapping[str, Split]) -> list[str]:
    """How the class counts differ from the catalog's, in words; empty if they do not."""
    found = []
    for part, expected in entry.counts.items():
        labels = splits[part].y if part in splits else np.empty(0, np.int64)
        counts = tuple(np.bincount(labels, minlength=len(expected)).tolist())
        if sum(counts) != sum(expected):
            found.append(f"{sum(counts):,} instead of {sum(expected):,} {part} images")
        elif counts != tuple(expected):
            found.append(f"{part} images per class {list(counts)} instead of {list(expected)}")
    return found


def _shaped(images: np.ndarray, what: str) -> np.ndarray:
    """`images` as `[n, height, width, channels]`."""
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"The {what} have shape {list(images.shape)}. Expected [n, height, width], or [n, height, width, channels] "
            "with 1 or 3 channels."
        )
    if 0 in images.shape:
        raise DataError(f"The {what} are empty (shape {list(images.shape)}).")
    return images


def _as_uint8(parts: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Pixels as uint8. Floats may run from 0 to 1 or from 0 to 255, but must stand for whole grey levels."""
    if all(x.dtype == np.uint8 for x in parts.values()):
        return parts
    for x in parts.values():
        if not np.issubdtype(x.dtype, np.integer) and not np.issubdtype(x.dtype, np.floating):
            raise DataError(f"{where}: images of dtype {x.dtype}. Expected uint8, or numbers from 0 to 255 or 0 to 1.")
    lowest = min(float(x.min()) for x in parts.values())
    highest = max(float(x.max()) for x in parts.values())
    if not 0 <= lowest <= highest <= 255:  # NaN fails too
        raise DataError(f"{where}: pixels run from {lowest:g} to {highest:g}. Expected 0..255, or floats in 0..1.")
    floats = all(np.issubdtype(x.dtype, np.floating) for x in parts.values())
    scale = 255 if floats and highest <= 1 else 1
    return {part: _whole_levels(x, scale, where) for part, x in parts.items()}


def _whole_levels(images: np.ndarray, scale: int, where: str) -> np.ndarray:
    result = np.empty(images.shape, np.uint8)
    tolerance = 0.15 if images.dtype == np.float16 else 0.01  # float16 cannot hold n / 255 any nearer
    block = 1 + 2**18 // images[0].size
    for start in range(0, len(images), block):  # so that no float copy of all images exists
        levels = images[start : start + block].astype(np.float64) * scale
        whole = np.rint(levels)
        if np.abs(levels - whole).max() > tolerance:
            raise DataError(
                f"{where}: pixels are no whole grey levels of 0 to 255 (or n/255 from 0 to 1), so uint8 cannot hold "
                "them. Expected the original pixels, not normalised or resized ones."
            )
        result[start : start + block] = whole
    return result


def _as_labels(labels: np.ndarray, images: int, classes: int, what: str) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        remedy = " One-hot labels: give argmax(axis=1)." if labels.ndim == 2 else ""
        raise DataError(f"The {what} have shape {list(labels.shape)}. Expected one integer per image.{remedy}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"The {what} have dtype {labels.dtype}. Expected one integer per image.")
    if len(labels) != images:
        raise DataError(f"{len(labels):,} {what} for {images:,} images. Expected one label for each image.")
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)]
        raise DataError(f"The {what} hold {wrong[0]} ({len(wrong):,} such labels). Expected 0 to {classes - 1}.")
    return labels.astype(np.int64)
