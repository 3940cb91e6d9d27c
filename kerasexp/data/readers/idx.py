"""The IDX files of MNIST and its successors, gzipped.

References:
    The format: http://yann.lecun.com/exdb/mnist/ (two zero bytes, a type, the number of dimensions, each dimension as a
    big-endian 32-bit number, then the values row by row).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasexp import files
from kerasexp.data.checks import Arrays
from kerasexp.errors import DataError

UNSIGNED_BYTES = 0x08


def read(paths: Sequence[Path]) -> Arrays:
    """Reads training images, training labels, test images and test labels, in this order."""
    x_train, y_train, x_test, y_test = map(read_idx, paths)
    return {"train": (x_train, y_train), "test": (x_test, y_test)}


def read_idx(path: Path) -> np.ndarray:
    """Reads one gzipped IDX file of unsigned bytes.

    Args:
        path: a file such as `train-images-idx3-ubyte.gz`.

    Returns:
        uint8 array of the file's shape, not writeable.

    Raises:
        DataError: if the file is damaged or of another format.
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except PermissionError:
        raise files.denied(path) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}. Fetch it again.") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTES:
        raise DataError(f"{path} is no IDX file of unsigned bytes: it begins with {content[:4].hex(' ') or 'nothing'}.")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise DataError(f"{path} is damaged: it ends within its header. Fetch it again.")
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist())
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise DataError(
            f"{path} is damaged: its header says {'x'.join(map(str, shape))}, so {expected:,} bytes unpacked, "
            f"found {len(content):,}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
