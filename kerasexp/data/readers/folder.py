"""Folders of pictures, one folder for each class: `DIR/{train,test}/<class>/*` or `DIR/<class>/*`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from kerasexp.data.checks import Arrays, require_memory
from kerasexp.data.images import read_header, read_image
from kerasexp.data.splits import stratified
from kerasexp.errors import DataError, UsageError

PARTS = ("train", "validation", "test")
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")  # what operating systems leave behind, besides hidden files
TEST_SHARE = 0.2
SPLIT_SEED = 0

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pictures(NamedTuple):
    """What a folder holds.

    Attributes:
        arrays: images and labels of `train`, `test` and, if the folder has all three, `validation`.
        positions: for each part the position of its images in the folder's own part, or in the whole folder if it had
            no parts.
        class_names: the names of the class folders, one per label.
        published_test: whether the folder itself says which images are for testing.
        notes: what was decided on the way.
    """

    arrays: Arrays
    positions: dict[str, np.ndarray]
    class_names: tuple[str, ...]
    published_test: bool
    notes: tuple[str, ...]


def read(folder: Path, image_size: int | None = None, class_names: Sequence[str] | None = None) -> Pictures:
    """Reads a folder of class folders.

    With `DIR/train` the images of `DIR/test` are for testing, or those of `DIR/validation` if there is no test folder.
    Without, a fifth of every class is. Hidden files are passed over; anything else that is no picture is an error.
    Images stay grey if all of them are, else they become RGB.

    Args:
        folder: the folder.
        image_size: side in pixels to resize to; None keeps the images' own size, which must then be one.
        class_names: the classes expected, in the order of their labels; by default those found, numbers in numeric
            order, else in alphabetic order.

    Raises:
        DataError: for missing, different or empty class folders, files that are no pictures, and mixed sizes.
    """
    folders, notes = _parts(folder)
    names = _class_names(folders, class_names)
    files = {part: [path for name in names for path in _files(place / name)] for part, place in folders.items()}
    labels = {part: np.array([names.index(path.parent.name) for path in paths]) for part, paths in files.items()}
    positions = {part: np.arange(len(paths)) for part, paths in files.items()}
    published_test = "all" not in files
    if not published_test:
        positions = _drawn_test(folder, labels["all"])
        files = {part: [files["all"][row] for row in rows] for part, rows in positions.items()}
        labels = {part: labels["all"][rows] for part, rows in positions.items()}
        notes.append(f"no train and test folders: {len(files['test']):,} images drawn for testing (stratified, seed 0)")
    channels, size = _common_form([path for paths in files.values() for path in paths], image_size)
    if image_size is not None:
        notes.append(f"images resized to {image_size}x{image_size}")
    count = sum(map(len, files.values()))
    require_memory(count * size[0] * size[1] * channels, str(folder), "Choose smaller images: --set data.image_size=64")
    arrays = {part: (_decoded(paths, channels, size), labels[part]) for part, paths in files.items()}
    return Pictures(arrays, positions, names, published_test, tuple(notes))


def looks_like(folder: Path, class_names: Sequence[str]) -> bool:
    """Whether `folder` holds class folders of these classes, in parts or not; nothing is read."""
    places = [folder, folder / "train"]
    return any((place / name).is_dir() for place in places for name in class_names)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in LITTER)


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _parts(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The folder of each part, `all` if there are no parts, and what must be said about it."""
    if not folder.is_dir():
        raise DataError(f"{folder} is missing or no folder. Expected a folder of class folders.")
    found = {path.name: path for path in _subfolders(folder)}
    if not found:
        raise DataError(f"{folder} holds no folders. Expected class folders, or train and test folders of them.")
    parts = {part: found[part] for part in PARTS if part in found}
    if not parts:
        return {"all": folder}, []
    others = sorted(set(found) - set(parts))
    if "train" not in parts or len(parts) < 2 or others:
        raise DataError(
            f"{folder} holds the folders {', '.join(sorted(found))}. "
            "Expected train and test (or train and validation, or all three), and nothing else beside them."
        )
    if "test" in parts:
        return parts, []
    note = "no test folder: the validation folder serves as test set"
    return {"train": parts["train"], "test": parts["validation"]}, [note]


def _class_names(folders: dict[str, Path], expected: Sequence[str] | None) -> tuple[str, ...]:
    """The class names, which all parts must share."""
    found = {part: {path.name for path in _subfolders(folder)} for part, folder in folders.items()}
    union = set().union(*found.values())
    for part, names in found.items():
        missing = sorted((union | set(expected or ())) - names)
        unknown = sorted(names - set(expected)) if expected else []
        if unknown:
            valid = ", ".join(expected or ())
            raise DataError(f"{folders[part]} has the unknown class folders {_few(unknown)}. Expected {valid}.")
        if missing:
            raise DataError(f"{folders[part]} lacks the class folders {_few(missing)}. Every part needs every class.")
    if len(union) < 2:
        folder = next(iter(folders.values()))
        raise DataError(
            f"{folder} has one class folder or none ({_few(sorted(union))}). Classification needs two or more."
        )
    if expected:
        return tuple(expected)
    return tuple(sorted(union, key=int) if all(name.isdecimal() for name in union) else sorted(union))


def _files(folder: Path) -> list[Path]:
    """The files of one class."""
    files = _visible(folder)
    nested = next((path for path in files if path.is_dir()), None)
    if nested is not None:
        raise DataError(f"{nested} is a folder inside the class folder {folder}. Expected pictures only.")
    if not files:
        raise DataError(f"The class folder {folder} is empty. Every class needs images.")
    return files


def _drawn_test(folder: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
    try:
        kept, drawn = stratified(labels, TEST_SHARE, SPLIT_SEED)
    except UsageError as error:
        raise DataError(f"{folder} has no test folder, and too few images to draw a test set. {error}") from None
    return {"train": kept, "test": drawn}


def _common_form(files: list[Path], image_size: int | None) -> tuple[int, tuple[int, int]]:
    """Channels and height x width that all images shall have."""
    headers = _parallel(read_header, files)
    channels = 1 if all(header.grey for header in headers) else 3
    if image_size is not None:
        return channels, (image_size, image_size)
    first = headers[0]
    for path, header in zip(files, headers, strict=True):
        if header[:2] != first[:2]:
            raise DataError(
                f"The images have different sizes: {files[0]} is {first.width}x{first.height}, {path} is "
                f"{header.width}x{header.height}. Give them one size, e.g. --set data.image_size=64"
            )
    return channels, (first.height, first.width)


def _decoded(files: list[Path], channels: int, size: tuple[int, int]) -> np.ndarray:
    """All images, each decoded straight into its place."""
    images = np.empty((len(files), *size, channels), np.uint8)

    def decode(row: int) -> None:
        images[row] = read_image(files[row], channels, size)

    _parallel(decode, range(len(files)))
    return images


def _parallel(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`function` of every item, in order; the first error ends the work."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
