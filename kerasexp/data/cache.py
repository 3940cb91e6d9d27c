"""Decoded images that are too many for the memory: kept in files, and used again while the pictures are the same."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kerasexp.errors import DataError
from kerasexp.files import DISK_FULL, cache_bound, cached_files, digest, replacing, user_cache

BLOCK_BYTES = 64 * 2**20  # decoded in memory before they are written


def image_cache() -> Path:
    """The folder of decoded images: `kerasexp/images` in the user's cache."""
    return user_cache() / "images"


def kept_images(
    pictures: Sequence[Path | bytes],
    shape: tuple[int, ...],
    antialias: bool,
    decode: Callable[[range, np.ndarray], None],
) -> np.memmap:
    """Decoded pictures, memory-mapped from a file that is written once.

    The file's name depends on the path, size and time of every picture, their order, and the size they are brought to;
    so a changed picture makes a new file. It is written beside and renamed, and its last use is its time; the least
    recently used ones make room for it where all together would take more than the cache's bound.

    Args:
        pictures: files, or their contents.
        shape: of all images, uint8 `[n, height, width, channels]`; no more than the bound.
        antialias: how they are resized.
        decode: decodes a range of the pictures into an array of their length.

    Returns:
        A read-only array of `shape`.

    Raises:
        DataError: if the disk has no room for it, or the folder cannot be written to.
    """
    key = digest([1, shape, antialias, *map(_fingerprint, pictures)])
    path = image_cache() / f"{key}.npy"
    images = _opened(path, shape)
    if images is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_room(path.parent, math.prod(shape))
            _require_room(path.parent, math.prod(shape))
            with replacing(path) as beside:
                _write(beside, shape, decode)
        except OSError as error:
            reason = "the disk is full" if error.errno in DISK_FULL else error.strerror or str(error)
            raise DataError(_no_room(path.parent, math.prod(shape), reason)) from None
        images = _opened(path, shape)
        if images is None:
            raise DataError(f"{path} was written and cannot be read. Remove it and try again.")
    else:
        with contextlib.suppress(OSError):  # a read-only cache serves as well
            os.utime(path)
    return images


def _fingerprint(picture: Path | bytes) -> tuple[str, ...]:
    if isinstance(picture, bytes):
        return (hashlib.sha256(picture).hexdigest(),)
    found = picture.stat()
    return str(picture.absolute()), str(found.st_size), str(found.st_mtime_ns)


def _opened(path: Path, shape: tuple[int, ...]) -> np.memmap | None:
    """The images of a file, or None if it is missing, damaged or of another shape."""
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError):
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _write(path: Path, shape: tuple[int, ...], decode: Callable[[range, np.ndarray], None]) -> None:
    """Writes a `.npy` file block by block: written, not mapped, since a full disk would kill a process that maps."""
    block = max(1, BLOCK_BYTES // math.prod(shape[1:]))
    images = np.empty((min(block, shape[0]), *shape[1:]), np.uint8)
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, shape[0], block):
            rows = range(start, min(start + block, shape[0]))
            decode(rows, images[: len(rows)])
            file.write(images[: len(rows)].data)


def _make_room(folder: Path, size: int) -> None:
    """Removes what would go beyond the bound; who has a file open keeps it until it is closed."""
    described = cached_files(folder)
    total = size + sum(about.st_size for _, about in described)
    for path, about in sorted(described, key=lambda kept: kept[1].st_mtime):
        if total <= cache_bound():
            return
        path.unlink(missing_ok=True)
        total -= about.st_size


def _require_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_room(folder: Path, size: int, reason: str) -> str:
    return (
        f"The decoded images take {size / 1e9:,.1f} GB and cannot be kept in {folder}: {reason}. Make room there, set "
        "XDG_CACHE_HOME to a folder on another disk, or choose smaller images, e.g. --set data.image_size=64"
    )
