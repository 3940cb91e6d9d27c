"""TensorFlow Datasets: folders that it prepared, and its download."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from kerasexp import environment
from kerasexp.data.catalog import Entry
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
    _start_tensorflow()
    import tensorflow_datasets as tfds

    remedy = f"Remove {folder} and fetch the data again."
    try:
        builder = tfds.builder_from_directory(folder)
        arrays = {part: _read_part(builder, part, entry) for part in entry.counts}
    except DataError:
        raise
    except Exception as error:  # TFDS, TensorFlow and protobuf each have their own kinds
        raise DataError(f"{folder} is damaged and cannot be read: {_first_line(error)}. {remedy}") from None
    restored = {part: _original_order(part, x, y, entry.label_digests.get(part)) for part, (x, y) in arrays.items()}
    if any(pair is None for pair in restored.values()):
        return arrays, False
    return {part: pair for part, pair in restored.items() if pair is not None}, True


def download(entry: Entry, data_dir: Path) -> None:
    """Lets TFDS fetch and prepare a data set in the data folder; original files that lie there are not fetched again.

    Raises:
        DataError: within seconds if the network cannot be reached, or if the download fails.
    """
    assert entry.tfds is not None
    local = data_dir / entry.name
    missing = [file for file in entry.layouts[0].files if not (local / file.name).is_file()]
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


def _read_part(builder: object, part: str, entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one part in TFDS' order, decoded block by block into one uint8 array."""
    import tensorflow_datasets as tfds

    info = builder.info  # type: ignore[attr-defined]
    if part not in info.splits or not {"image", "label"} <= set(info.features or ()):
        raise DataError(f"{info.full_name} holds no {part} images with labels, as {entry.name} must.")
    shape = info.features["image"].shape
    if None in shape or info.features["image"].np_dtype != np.uint8:
        raise DataError(f"{info.full_name} holds images of {shape}, not the uint8 images of one size that are needed.")
    count = info.splits[part].num_examples
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int64)
    order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)  # one file after the other
    records = builder.as_dataset(split=part, shuffle_files=False, read_config=order)  # type: ignore[attr-defined]
    row = 0
    for block in records.batch(BLOCK).as_numpy_iterator():
        rows = slice(row, row + len(block["label"]))
        images[rows], labels[rows] = block["image"], block["label"]
        row += len(block["label"])
    if row != count:
        raise DataError(f"{info.full_name} holds {row:,} {part} images, but says {count:,}.")
    return images, labels


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
