"""What every reader returns and every pipeline takes: checked images in memory, by split."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        x: uint8 array `[n, height, width, channels]`, values 0 to 255; may be memory-mapped.
        y: int64 array `[n]`, labels from 0.
        index: int64 array `[n]`, the position of each image in the data set's own training or test set. It stays with
            the image through every split, so that augmented copy k of image i is the same wherever i is used.
    """

    x: np.ndarray
    y: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, positions: np.ndarray) -> Split:
        """The images at `positions`, in that order."""
        return Split(self.x[positions], self.y[positions], self.index[positions])


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
                for index, label, image in zip(split.index.tolist(), split.y.tolist(), split.x, strict=True):
                    row = hashlib.sha256(f"{part} {index} {label} {image.shape}".encode())
                    row.update(np.ascontiguousarray(image).data)
                    rows.append(row.digest())
        return hashlib.sha256(b"".join(sorted(rows))).hexdigest()[:16]
