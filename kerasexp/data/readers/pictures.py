"""Many pictures, already sorted by part and class, to arrays: decoded in parallel, large sets into a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from kerasexp.data.cache import kept_images
from kerasexp.data.checks import SMALLER_IMAGES, Arrays, require_memory
from kerasexp.data.images import read_header, read_image
from kerasexp.data.splits import stratified
from kerasexp.environment import cores
from kerasexp.errors import DataError, UsageError
from kerasexp.files import cache_bound

TEST_SHARE = 0.2
SPLIT_SEED = 0
IN_MEMORY = 10**9  # bytes; a larger set is kept in a file

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pictures(NamedTuple):
    """What a folder or archive of pictures holds.

    Attributes:
        arrays: images and labels of `train`, `test` and, if there are three parts, `validation`.
        positions: for each part the position of its images in the publisher's own part, or in the whole set if it had
            no parts.
        class_names: one per label.
        published_test: whether the publisher says which images are for testing.
        size: height and width of all pictures before they were resized, or None if they differ.
        notes: what was decided on the way.
    """

    arrays: Arrays
    positions: dict[str, np.ndarray]
    class_names: tuple[str, ...]
    published_test: bool
    size: tuple[int, int] | None
    notes: tuple[str, ...]


class MixedSizes(DataError):
    """Pictures of different sizes, and no size asked for."""


class Form(NamedTuple):
    """What all images shall have in common, and the size that the pictures had (None if they differ)."""

    channels: int
    size: tuple[int, int]
    size_before: tuple[int, int] | None


def read(
    pictures: Mapping[str, Sequence[Path | bytes]],
    labels: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    where: Path,
    image_size: int | None = None,
    antialias: bool = True,
) -> Pictures:
    """Decodes pictures; draws a fifth of every class for testing if they have no parts.

    Images stay grey if all of them are, else they become RGB. A set of more than 1 GB is decoded into a file once
    (`kerasexp.data.cache`) and read from there, unless it is larger than the cache may be.

    Args:
        pictures: for each part files or their contents; the one part `all` where a test set must be drawn.
        labels: for each part the class numbers.
        class_names: one per label.
        where: the folder, for messages.
        image_size: side in pixels to resize to; None keeps the pictures' own size, which must then be one.
        antialias: how they are made smaller; see `kerasexp.data.images.read_image`.

    Raises:
        DataError: for files that are no pictures, mixed sizes, too few images to draw a test set, too little memory,
            and a full disk.
    """
    notes = []
    positions = {part: np.arange(len(found)) for part, found in pictures.items()}
    published_test = "all" not in pictures
    if not published_test:
        positions = _drawn_test(where, labels["all"])
        pictures = {part: [pictures["all"][row] for row in rows.tolist()] for part, rows in positions.items()}
        labels = {part: labels["all"][rows] for part, rows in positions.items()}
        drawn = len(pictures["test"])
        notes.append(f"no train and test folders: {drawn:,} images drawn for testing (stratified, seed 0)")
    everything = [picture for part in pictures.values() for picture in part]
    form = _common_form(everything, image_size)
    if form.size_before != form.size:
        notes.append(f"images resized to {image_size}x{image_size}")
    images = _decoded(everything, form, antialias)
    arrays: Arrays = {}
    first = 0
    for part, found in pictures.items():
        arrays[part] = (images[first : first + len(found)], labels[part])
        first += len(found)
    return Pictures(arrays, positions, tuple(class_names), published_test, form.size_before, tuple(notes))


def _drawn_test(where: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
    try:
        remedy = "Add images, or make the folders train and test."
        kept, drawn = stratified(labels, TEST_SHARE, SPLIT_SEED, remedy)
    except UsageError as error:
        raise DataError(f"{where} has no test folder, and too few images to draw a test set. {error}") from None
    return {"train": kept, "test": drawn}


def _common_form(pictures: Sequence[Path | bytes], image_size: int | None) -> Form:
    headers = _parallel(read_header, pictures)
    channels = 1 if all(header.grey for header in headers) else 3
    first = headers[0]
    other = next((row for row, header in enumerate(headers) if header[:2] != first[:2]), None)
    size = None if other is not None else (first.height, first.width)
    if image_size is not None:
        return Form(channels, (image_size, image_size), size)
    if size is None:
        assert other is not None
        raise MixedSizes(
            f"The images have different sizes: {_named(pictures[0])} is {first.width}x{first.height}, "
            f"{_named(pictures[other])} is {headers[other].width}x{headers[other].height}. "
            "Give them one size, e.g. --set data.image_size=64"
        )
    return Form(channels, size, size)


def _decoded(pictures: Sequence[Path | bytes], form: Form, antialias: bool) -> np.ndarray:
    """All images, in memory or in a file, each decoded straight into its place."""
    shape = (len(pictures), *form.size, form.channels)

    def decode(rows: range, images: np.ndarray) -> None:
        def place(row: int) -> None:
            images[row - rows.start] = read_image(pictures[row], form.channels, form.size, antialias)

        _parallel(place, rows)

    size = math.prod(shape)
    if IN_MEMORY < size <= cache_bound():
        return kept_images(pictures, shape, antialias, decode)
    require_memory(size, "The decoded images", f"{SMALLER_IMAGES}, or give the cache more room: KERASEXP_CACHE_GB.")
    images = np.empty(shape, np.uint8)
    decode(range(len(pictures)), images)
    return images


def _parallel(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`function` of every item, in order; the first error ends the work."""
    pool = ThreadPoolExecutor(cores())
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def _named(picture: Path | bytes) -> str:
    return "a picture" if isinstance(picture, bytes) else str(picture)
