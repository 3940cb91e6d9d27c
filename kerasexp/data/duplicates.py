"""Images that a data set holds twice, or nearly so: in training and test set they make a score too good."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from kerasexp.data.dataset import Dataset, Images, Split

GREY_SIDE = 16  # of the small grey pictures that are all compared with one another
COLOUR_SIDE = 32  # of the colour pictures that confirm
CORRELATION = 0.92  # of the grey pictures, from which a pair is looked at
MAX_DISTANCE = 0.4  # on CIFAR-10, all of 40 pairs looked at were the same photograph; from 0.4 to 0.5 most were
ROWS = 256
BLOCK_BYTES = 4 * 2**20  # of images that are made small at once
CONFIRMED_AT_ONCE = 4096
LIMIT = 20_000  # pairs; a set with more has one image very often, which a list would not show any better


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image is.

    Attributes:
        split: `train`, `validation` or `test`.
        row: its position in the split.
        index: its position in the data set's own part, as `Split.index`.
        label: its class.
    """

    split: str
    row: int
    index: int
    label: int


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two images that are nearly the same.

    Attributes:
        first: one of them.
        second: the other.
        distance: root mean square difference of their pixels, divided by their contrast (the standard deviation within
            an image): 0 for equal images, about 1.4 for images that have nothing in common.
    """

    first: Place
    second: Place
    distance: float


def near_duplicates(dataset: Dataset, max_distance: float = MAX_DISTANCE, across_only: bool = False) -> list[Pair]:
    """Finds images that are nearly equal, across the splits and within them.

    All pairs are compared by the correlation of their 16x16 grey pictures, and those that correlate by the difference
    of their 32x32 colour pictures. That finds copies, re-encoded, slightly shifted, brightened or cropped ones; not
    mirrored or turned ones. Images of one colour are passed over.

    Args:
        dataset: any data set.
        max_distance: the largest `Pair.distance`.
        across_only: leave out pairs within one split.

    Returns:
        Pairs in the order of their distance, at most the 20,000 first found. In a pair, `first` comes from the split
        that is named first here: train, validation, test.
    """
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    splits = [(name, split) for name, split in parts.items() if split is not None]
    grey = {name: _grey(split.x) for name, split in splits}
    found: list[Pair] = []
    # the few pairs across splits first: they matter most, should there be too many
    order = [(a, b) for a in range(len(splits)) for b in range(a + 1, len(splits))]
    order += [] if across_only else [(a, a) for a in range(len(splits))]
    for a, b in order:
        (name, split), (other_name, other) = splits[a], splits[b]
        for rows, other_rows in _alike(grey[name], grey[other_name], within=a == b):
            distances = _distances(split.x, rows, other.x, other_rows)
            for row, other_row, distance in zip(rows, other_rows, distances, strict=True):
                if distance <= max_distance:
                    pair = _place(name, split, row), _place(other_name, other, other_row)
                    found.append(Pair(*pair, round(float(distance), 4)))
            if len(found) >= LIMIT:
                return sorted(found[:LIMIT], key=lambda pair: pair.distance)
    return sorted(found, key=lambda pair: pair.distance)


def duplicates_across(dataset: Dataset) -> list[Pair]:
    """Images of one split that are nearly equal to an image of another; see `near_duplicates`."""
    return near_duplicates(dataset, across_only=True)


def _place(name: str, split: Split, row: int) -> Place:
    return Place(name, int(row), int(split.index[row]), int(split.y[row]))


def _alike(first: np.ndarray, second: np.ndarray, within: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of pairs whose grey pictures correlate, block by block; each pair once if both are the same set."""
    for start in range(0, len(first), ROWS):
        begin = start if within else 0
        correlations = first[start : start + ROWS] @ second[begin:].T
        rows, other_rows = divmod(np.flatnonzero(correlations >= CORRELATION), correlations.shape[1])
        rows, other_rows = rows + start, other_rows + begin
        if within:
            rows, other_rows = rows[rows < other_rows], other_rows[rows < other_rows]
        for few in range(0, len(rows), CONFIRMED_AT_ONCE):
            yield rows[few : few + CONFIRMED_AT_ONCE], other_rows[few : few + CONFIRMED_AT_ONCE]


def _distances(x: Images, rows: np.ndarray, other: Images, other_rows: np.ndarray) -> np.ndarray:
    """`Pair.distance` of pairs of images, float32 `[n]`."""
    first, second = _shrunk(x, rows, COLOUR_SIDE), _shrunk(other, other_rows, COLOUR_SIDE)
    contrast = (first.var(axis=(2, 3)) + second.var(axis=(2, 3))).mean(axis=1) / 2
    difference = np.square(first - second).mean(axis=(1, 2, 3))
    return np.sqrt(difference / np.maximum(contrast, 1e-6))


def _grey(images: Images) -> np.ndarray:
    """Small grey pictures, each with mean 0 and length 1, float32 `[n, 256]`; zeros for images of one colour."""
    pictures = _shrunk(images, np.arange(len(images)), GREY_SIDE).mean(axis=1).reshape(len(images), -1)
    pictures -= pictures.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(pictures, axis=1, keepdims=True)
    return np.where(lengths > 1e-3, pictures / np.maximum(lengths, 1e-3), 0)


def _shrunk(images: Images, rows: np.ndarray, side: int) -> np.ndarray:
    """Some images made small, each pixel the mean of the area it covers, float32 `[n, channels, side, side]`."""
    height, width, channels = images.shape[1:]
    unique, back = np.unique(rows, return_inverse=True)
    small = np.empty((len(unique), channels, side, side), np.float32)
    block = max(1, BLOCK_BYTES // (height * width * channels))
    for start in range(0, len(unique), block):
        x = np.asarray(images[unique[start : start + block]]).astype(np.float32)
        for length in (height, width):  # each turn shrinks the axis behind the first and puts it last
            x = np.tensordot(x, _areas(length, side), (1, 1))
        small[start : start + block] = x
    return small[back]


def _areas(length: int, side: int) -> np.ndarray:
    """Which share of each of `side` stretches every one of `length` pixels fills, float32 `[side, length]`."""
    edges = np.arange(side + 1) * length / side
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) * side / length).astype(np.float32)
