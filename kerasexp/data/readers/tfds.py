"""TensorFlow Datasets: folders that it prepared, and its download."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import environment
from kerasexp.data.catalog import Entry, OriginalFile
from kerasexp.data.checks import Arrays
from kerasexp.errors import DataError

SECONDS = 5.0  # how long to wait for a server's first answer
BLOCK = 1000


def find_prepared(entry: Entry, data_dir: Path) -> Path | None:
    """The newest prepared version of a data set, in the data folder or in TFDS' own; only folders are looked at."""
    if entry.tfds is None:
        return None
    own = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    for folder in (data_dir, own):
        versions = [
            path.parent
            for path in (folder / entry.tfds).glob("*/dataset_info.json")
            if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
        ]
        if versions:
            return max(versions, key=lambda path: tuple(map(int, path.name.split("."))))
    return None


def read(folder: Path, entry: Entry) -> tuple[Arrays, bool]:
    """Reads a prepared data set.

    Returns:
        The arrays, and whether they are in the original order: TFDS stores the images in the order of a hash of their
        number, which is undone and checked where the catalog knows the labels' digest.

    Raises:
        DataError: if the folder is damaged or holds something else.
    """
    with _damage_named(folder) as builder:
        arrays = {part: _read_part(builder, part, entry) for part in entry.counts}
    restored = {part: _original_order(part, x, y, entry.label_digests.get(part)) for part, (x, y) in arrays.items()}
    if any(pair is None for pair in restored.values()):
        return arrays, False
    return {part: pair for part, pair in restored.items() if pair is not None}, True


def read_pictures(folder: Path, entry: Entry) -> tuple[dict[str, list[bytes]], dict[str, np.ndarray], bool]:
    """Reads the picture files that a prepared data set holds, not decoded.

    Returns:
        For each part the files' contents, and their labels; the one part `all` where the publisher names no test
        images. And whether they are in the order of their names, class by class, as in class folders: TFDS shuffles
        them, and keeps the names of some data sets only.

    Raises:
        DataError: if the folder is damaged or holds something else.
    """
    assert entry.folders is not None
    found: dict[str, list[bytes]] = {}
    labels: dict[str, np.ndarray] = {}
    ordered = True
    with _damage_named(folder) as builder:
        for part in entry.counts if entry.folders.parts else ("train",):
            records = _encoded(builder, part, entry)
            ordered &= all(name is not None for _, _, name in records)
            records.sort(key=lambda record: (record[0], record[2] or ""))
            name = part if entry.folders.parts else "all"
            found[name] = [picture for _, picture, _ in records]
            labels[name] = np.array([label for label, _, _ in records], np.int64)
    return found, labels, ordered


def download(entry: Entry, data_dir: Path) -> None:
    """Lets TFDS fetch and prepare a data set in the data folder; files that lie there are not fetched again.

    Raises:
        DataError: within seconds if the network cannot be reached, or if the download fails.
    """
    assert entry.tfds is not None
    local = data_dir / entry.name
    missing = missing_files(entry, data_dir)
    if missing:
        _require_server(missing[0].url)
    _start_tensorflow()
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    retries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, 0  # else an unreachable network takes minutes
    try:
        builder = tfds.builder(entry.tfds, data_dir=data_dir)
        config = tfds.download.DownloadConfig(manual_dir=local if local.is_dir() else None)
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # requests, urllib3, TFDS and the file system each have their own kinds
        raise DataError(f"TensorFlow Datasets could not fetch {entry.name}: {_first_line(error)}") from None
    finally:
        downloader.MAX_RETRIES = retries


def missing_files(entry: Entry, data_dir: Path) -> list[OriginalFile]:
    """The files that TFDS would have to fetch."""
    return [file for file in entry.tfds_files if not (data_dir / entry.name / file.name).is_file()]


@contextlib.contextmanager
def _damage_named(folder: Path) -> Iterator[Any]:
    """The builder of a prepared data set; whatever goes wrong with it becomes a DataError."""
    _start_tensorflow()
    import tensorflow_datasets as tfds

    try:
        yield tfds.builder_from_directory(folder)
    except DataError:
        raise
    except Exception as error:  # TFDS, TensorFlow and protobuf each have their own kinds
        remedy = f"Remove {folder} and fetch the data again."
        raise DataError(f"{folder} is damaged and cannot be read: {_first_line(error)}. {remedy}") from None


def _start_tensorflow() -> None:
    """Sets TensorFlow up before TFDS imports it, unless a run did so already, in its own precision."""
    if "tensorflow" not in sys.modules:
        environment.start_tensorflow()


def _require_server(url: str) -> None:
    """Raises a DataError unless the server of `url` answers: TFDS itself would wait without limit."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        urllib.request.build_opener().open(request, timeout=SECONDS).close()  # urlopen() would keep old proxy settings
    except urllib.error.HTTPError:
        return  # it answers; should the file be gone, TFDS says so at once
    except (OSError, ValueError) as error:
        raise DataError(f"no network: {url} cannot be reached ({getattr(error, 'reason', error)})") from None


def _read_part(builder: Any, part: str, entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one part in TFDS' order, decoded block by block into one uint8 array."""
    info = _require_images(builder, part, entry)
    shape = info.features["image"].shape
    if None in shape or info.features["image"].np_dtype != np.uint8:
        raise DataError(f"{info.full_name} holds images of {shape}, not the uint8 images of one size that are needed.")
    count = info.splits[part].num_examples
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int64)
    records = builder.as_dataset(split=part, shuffle_files=False, read_config=_in_order())
    row = 0
    for block in records.batch(BLOCK).as_numpy_iterator():
        rows = slice(row, row + len(block["label"]))
        images[rows], labels[rows] = block["image"], block["label"]
        row += len(block["label"])
    if row != count:
        raise DataError(f"{info.full_name} holds {row:,} {part} images, but says {count:,}.")
    return images, labels


def _encoded(builder: Any, part: str, entry: Entry) -> list[tuple[int, bytes, str | None]]:
    """Label, picture file and, if it is known, file name of every record of one part, in TFDS' order."""
    import tensorflow_datasets as tfds

    info = _require_images(builder, part, entry)
    classes = tuple(info.features["label"].names)
    if classes != entry.class_names:
        raise DataError(f"{info.full_name} has the classes {', '.join(classes)}, not those of {entry.name}.")
    decoders = {"image": tfds.decode.SkipDecoding()}
    records = builder.as_dataset(split=part, shuffle_files=False, read_config=_in_order(), decoders=decoders)
    named = "filename" in info.features
    return [
        (int(record["label"]), record["image"], record["filename"].decode() if named else None)
        for record in records.as_numpy_iterator()
    ]


def _require_images(builder: Any, part: str, entry: Entry) -> Any:
    """What TFDS says of a data set, if it holds images with labels in this part."""
    info = builder.info
    if part not in info.splits or not {"image", "label"} <= set(info.features or ()):
        raise DataError(f"{info.full_name} holds no {part} images with labels, as {entry.name} must.")
    return info


def _in_order() -> Any:
    """Reading one file after the other."""
    import tensorflow_datasets as tfds

    return tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)


def _original_order(
    part: str, images: np.ndarray, labels: np.ndarray, digest: str | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Undoes the shuffling of TFDS, which sorts by the MD5 of the part's name and the image's number."""
    numbers = sorted(range(len(labels)), key=lambda number: hashlib.md5(f"{part}{number}".encode()).digest())
    back = np.argsort(numbers)
    if digest is None or hashlib.sha256(labels[back].astype(np.uint8).tobytes()).hexdigest() != digest:
        return None
    return images[back], labels[back]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
