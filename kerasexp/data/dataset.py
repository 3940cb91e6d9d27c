"""What every reader returns and every pipeline takes: checked images, by split, in memory or in a file."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np


class ImagesOnDisk:
    """Some rows of a memory-mapped array, read when they are asked for.

    Indexing the first axis gives NumPy arrays, as for an array in memory. Conversion to an array is refused, so that
    none happens unseen; `images[:]` reads them all.

    Args:
        images: the array in the file.
        rows: int array `[n]`, which of its rows, in which order.

    Example:

    >>> few = ImagesOnDisk(np.load("images.npy", mmap_mode="r"), np.array([4, 2]))
    >>> few[0]  # the image in row 4
    """

    def __init__(self, images: np.memmap, rows: np.ndarray) -> None:
        self._images = images
        self._rows = rows
        self.dtype = images.dtype
        self.shape = (len(rows), *images.shape[1:])
        self.ndim = images.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self._images[self._rows[key]])

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Images on disk are not converted to an array unseen. Index them, or read all with [:].")

    def take(self, positions: np.ndarray) -> ImagesOnDisk:
        """The images at `positions`, still in their file."""
        return ImagesOnDisk(self._images, self._rows[positions])


Images = np.ndarray | ImagesOnDisk


def is_in_memory(images: Images) -> bool:
    """Whether the images are in memory, not in a file."""
    return not isinstance(images, np.memmap | ImagesOnDisk)


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        x: uint8 `[n, height, width, channels]`, values 0 to 255: an array in memory, or a `np.memmap` or `ImagesOnDisk`
            for a set that is too large for that.
        y: int64 array `[n]`, labels from 0.
        index: int64 array `[n]`, the position of each image in the data set's own training or test set. It stays with
            the image through every split, so that augmented copy k of image i is the same wherever i is used.
    """

    x: Images
    y: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, positions: np.ndarray) -> Split:
        """The images at `positions`, in that order; those in a file stay there."""
        x: Images
        if isinstance(self.x, np.memmap):
            x = ImagesOnDisk(self.x, positions)
        elif isinstance(self.x, ImagesOnDisk):
            x = self.x.take(positions)
        else:
            x = self.x[positions]
        return Split(x, self.y[positions], self.index[positions])


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set that passed every check.

    Attributes:
        name: catalog name, or the stem of the file or folder.
        train: training images.
        test: test images.
        validation: images held out of the training set, or None.
        class_names: one per label.
        source: where the images came from, in words for the report.
        remarks: why numbers on it are not comparable with published ones; empty for a complete original.
        notes: what a reader should know though it changes no verdict (e.g. "altered copy: re-encoded images").
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    source: str
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    validation: Split | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.train.x.shape[1:]
        return height, width, channels

    def digest(self) -> str:
        """Sixteen hexadecimal digits of all images, labels and indices, however the training set is split."""
        rows = []
        for part, split in (("train", self.train), ("train", self.validation), ("test", self.test)):
            if split is not None:
                for position, (index, label) in enumerate(zip(split.index.tolist(), split.y.tolist(), strict=True)):
                    image = split.x[position]
                    row = hashlib.sha256(f"{part} {index} {label} {image.shape}".encode())
                    row.update(np.ascontiguousarray(image).data)
                    rows.append(row.digest())
        return hashlib.sha256(b"".join(sorted(rows))).hexdigest()[:16]
