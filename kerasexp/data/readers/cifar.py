"""The Python batches of CIFAR-10: pickles, of which nothing is admitted but arrays of bytes, lists, dicts and numbers.

References:
    The format: https://www.cs.toronto.edu/~kriz/cifar.html (each row of `data` is an image: 1,024 red values, row by
    row, then 1,024 green and 1,024 blue ones).
"""

from __future__ import annotations

import io
import math
import pickle
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.data.checks import Arrays, require_memory
from kerasexp.errors import DataError

FOLDER = "cifar-10-batches-py"
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
SIDE, CHANNELS = 32, 3


def read(paths: Sequence[Path]) -> Arrays:
    """Reads the five training batches and the test batch, in this order."""
    return _joined([read_batch(path.read_bytes(), str(path)) for path in paths])


def read_archive(paths: Sequence[Path]) -> Arrays:
    """Reads the six batches from `cifar-10-python.tar.gz`, the only one in `paths`; nothing is unpacked to the disk.

    Raises:
        DataError: if the archive is damaged or incomplete, or holds a link, a device or a path that leads out of it.
    """
    path = paths[0]
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                _require_harmless(member, path)
                place = PurePosixPath(member.name)
                if place.parts[-2:-1] == (FOLDER,) and place.name in BATCHES and member.isfile():
                    require_memory(member.size, f"{member.name} in {path}", "Fetch the archive again.")
                    content = archive.extractfile(member)
                    assert content is not None
                    found[place.name] = content.read()
    except PermissionError:
        raise files.denied(path) from None
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}. Fetch it again.") from None
    missing = [name for name in BATCHES if name not in found]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)} in {FOLDER}. Fetch it again.")
    return _joined([read_batch(found[name], f"{name} in {path}") for name in BATCHES])


def read_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads one batch.

    Args:
        content: of the file.
        where: its name, for messages.

    Returns:
        uint8 images `[n, 32, 32, 3]` and int64 labels `[n]`.

    Raises:
        DataError: if it is damaged, holds something else, or asks for anything that a batch does not need.
    """
    try:
        batch = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises whatever its first wrong byte leads to
        raise DataError(f"{where} is refused: {error or type(error).__name__}. Expected a batch of CIFAR-10.") from None
    pixels = batch.get(b"data") if isinstance(batch, dict) else None
    labels = batch.get(b"labels") if isinstance(batch, dict) else None
    values = pixels.values if isinstance(pixels, _Array) else None
    if values is None or values.ndim != 2 or values.shape[1] != CHANNELS * SIDE * SIDE:
        raise DataError(f"{where} holds no images of CIFAR-10. Expected data, an array [n, 3072] of bytes.")
    if not isinstance(labels, list) or len(labels) != len(values) or not all(type(label) is int for label in labels):
        raise DataError(f"{where} holds no labels of CIFAR-10. Expected labels, a list of one number for each image.")
    images = np.ascontiguousarray(values.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1))
    return images, np.array(labels, np.int64)


class _Array:
    """Stands in for NumPy's array while a pickle is read, so that no function of NumPy is called from a file."""

    def __init__(self, *_: Any) -> None:
        self.values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes) or by_columns:
            raise pickle.UnpicklingError("it holds an array of another kind than rows of bytes")
        if math.prod(shape) != len(content) or min(shape) < 0:
            raise pickle.UnpicklingError(f"it holds {len(content):,} bytes for an array {list(shape)}")
        self.values = np.frombuffer(content, np.uint8).reshape(shape)


class _Dtype:
    """Stands in for NumPy's description of unsigned bytes."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        if name not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"it holds an array of type {name!r} instead of unsigned bytes")

    def __setstate__(self, state: Any) -> None:
        pass  # byte order and the like, which bytes do not have


ADMITTED = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # as NumPy 2 writes it
}


class _BatchUnpickler(pickle.Unpickler):
    """Reads pickles of plain values and byte arrays; whatever else one asks for is refused before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return ADMITTED[module, name]


def _require_harmless(member: tarfile.TarInfo, path: Path) -> None:
    place = PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts:
        raise DataError(f"{path} is refused: {member.name} would lead out of the archive. Fetch the original.")
    if not (member.isfile() or member.isdir()):
        raise DataError(f"{path} is refused: {member.name} is a link or a device. Fetch the original.")


def _joined(batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Arrays:
    *train, test = batches
    images, labels = zip(*train, strict=True)
    return {"train": (np.concatenate(images), np.concatenate(labels)), "test": test}
