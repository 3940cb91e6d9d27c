"""Folders of pictures, one folder for each class: `DIR/{train,test}/<class>/*` or `DIR/<class>/*`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasexp.data.readers import pictures
from kerasexp.errors import DataError

PARTS = ("train", "validation", "test")
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")  # what operating systems leave behind, besides hidden files


def read(
    folder: Path, image_size: int | None = None, class_names: Sequence[str] | None = None, antialias: bool = True
) -> pictures.Pictures:
    """Reads a folder of class folders.

    With `DIR/train` the images of `DIR/test` are for testing, or those of `DIR/validation` if there is no test folder.
    Without, a fifth of every class is. Hidden files are passed over; anything else that is no picture is an error.

    Args:
        folder: the folder.
        image_size: side in pixels to resize to; None keeps the images' own size, which must then be one.
        class_names: the classes expected, in the order of their labels; by default those found, numbers in numeric
            order, else in alphabetic order.
        antialias: how images are made smaller; see `kerasexp.data.images.read_image`.

    Raises:
        DataError: for missing, different or empty class folders, files that are no pictures, and mixed sizes.
    """
    folders, notes = _parts(folder)
    names = _class_names(folders, class_names)
    files = {part: [path for name in names for path in _files(place / name)] for part, place in folders.items()}
    labels = {part: np.array([names.index(path.parent.name) for path in paths]) for part, paths in files.items()}
    found = pictures.read(files, labels, names, folder, image_size, antialias)
    return found._replace(notes=(*notes, *found.notes))


def looks_like(folder: Path, class_names: Sequence[str]) -> bool:
    """Whether `folder` holds class folders of these classes, in parts or not; nothing is read."""
    places = [folder, folder / "train"]
    return any((place / name).is_dir() for place in places for name in class_names)


def holds_pictures_only(folder: Path) -> bool:
    """Whether `folder` holds files and no folders: pictures without labels."""
    entries = visible(folder)
    return bool(entries) and not any(entry.is_dir() for entry in entries)


def visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without hidden files and what operating systems leave behind."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in LITTER)


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.is_dir()]


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
        unknown = sorted(names - set(expected)) if expected else []
        if unknown:
            valid = ", ".join(expected or ())
            raise DataError(f"{folders[part]} has the unknown class folders {_few(unknown)}. Expected {valid}.")
    for part, names in found.items():
        missing = sorted((union | set(expected or ())) - names)
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
    files = visible(folder)
    nested = next((path for path in files if path.is_dir()), None)
    if nested is not None:
        raise DataError(f"{nested} is a folder inside the class folder {folder}. Expected pictures only.")
    if not files:
        raise DataError(f"The class folder {folder} is empty. Every class needs images.")
    return files


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
