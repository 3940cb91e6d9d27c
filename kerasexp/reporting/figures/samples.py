"""The images themselves."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from kerasexp.reporting.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    WIDTH,
    axes,
    bare,
    canvas,
    drawn,
    label,
    labels,
)

LARGEST = 64  # pixels of a side in a grid: photographs are made smaller, digits stay as they are
SINGLE = 160  # pixels of a side of a photograph that stands alone
MOST_ROWS = 20
FEW_CLASSES = 4
NO_BREAK = "\N{NO-BREAK SPACE}"


@drawn
def class_distribution(counts: Mapping[str, Sequence[int]], class_names: Sequence[str]) -> Figure:
    """Images per class, one bar for each split.

    Args:
        counts: images of each class by name of the split, e.g. `{"train": [6000, ...], "test": [1000, ...]}`.
        class_names: one per class.
    """
    figure, ax = axes(height=0.9 + (0.14 + 0.08 * len(counts)) * len(class_names))
    rows = np.arange(len(class_names))
    height = 0.8 / len(counts)
    colours = {"train": BLUE, "validation": ORANGE, "test": GREEN}
    for number, (split, of_class) in enumerate(counts.items()):
        centre = rows + (number - (len(counts) - 1) / 2) * height
        name = f"{split}, {sum(of_class):,}"
        ax.barh(centre, of_class, height=0.86 * height, color=colours.get(split, BLUE), alpha=0.8, label=name)
    ax.set_yticks(rows, labels(class_names))
    ax.set_xlabel("images")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=3)
    return figure


@drawn
def sample_grid(images: np.ndarray, sample_labels: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Training images class by class: a row for each, or of few classes of photographs rows of five.

    Args:
        images: uint8 `[n, height, width, channels]`, ordered by class.
        sample_labels: int64 `[n]`.
        class_names: one per class; only the first twenty classes with images are drawn.
    """
    present = np.unique(sample_labels)[:MOST_ROWS]
    most = max(int(np.count_nonzero(sample_labels == one)) for one in present)
    large = max(images.shape[1:3]) > LARGEST and len(present) <= FEW_CLASSES
    columns = min(5, most) if large else most
    rows = -(-most // columns)  # of each class
    tiles = [tile(image, SINGLE if large else LARGEST) for image in images]
    height, width = tiles[0].shape[:2]
    grid: list[np.ndarray | None] = []
    for one in present:
        of_class = [tiles[number] for number in np.flatnonzero(sample_labels == one)]
        grid += of_class
        grid += [None] * (columns * rows - len(of_class))
    pixels = mosaic(grid, columns)
    figure, ax = axes(height=0.1 + (WIDTH - 0.9) * pixels.shape[0] / pixels.shape[1])
    ax.imshow(pixels)
    bare(ax)
    gap = _gap(height)
    names = labels([class_names[one] for one in present], longest=16)
    ax.set_yticks((height + gap) * rows * (np.arange(len(present)) + 0.5) - gap / 2, names)
    ax.tick_params(length=0)
    return figure


@drawn
def mistakes(images: np.ndarray, captions: Sequence[tuple[str, str, float]]) -> Figure:
    """Wrongly classified images with what they are and what they were taken for.

    Args:
        images: uint8 `[n, height, width, channels]`.
        captions: true class, predicted class and its probability, one for each image.
    """
    return _gallery(
        images, [f"{label(true, 9)} → {label(predicted, 9)}\n{percent(p)}" for true, predicted, p in captions], 5
    )


@drawn
def augmented(images: np.ndarray) -> Figure:
    """Augmented training images as the network saw them: float or uint8 `[n, height, width, channels]`, 0 to 255."""
    tiles = [tile(np.clip(np.rint(image), 0, 255).astype(np.uint8)) for image in images]
    return picture(mosaic(tiles, 10))


def percent(probability: float) -> str:
    """A probability that never claims certainty: `99.97 %`, and `> 99.99 %` beyond; its spaces do not break."""
    return f">{NO_BREAK}99.99{NO_BREAK}%" if probability > 0.99995 else f"{100 * probability:.2f}{NO_BREAK}%"


def tile(image: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """An RGB picture of at most `largest` pixels a side, 64 by default: uint8 `[height, width, 3]`."""
    colour = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
    side = max(colour.shape[:2])
    if side <= largest:
        return np.ascontiguousarray(colour)
    size = (max(1, colour.shape[1] * largest // side), max(1, colour.shape[0] * largest // side))
    return np.asarray(Image.fromarray(np.ascontiguousarray(colour)).resize(size, Image.Resampling.LANCZOS))


def mosaic(tiles: Sequence[np.ndarray | None], columns: int) -> np.ndarray:
    """Tiles of one size side by side with transparent gaps: uint8 `[height, width, 4]`; None leaves a place empty."""
    height, width = next(one for one in tiles if one is not None).shape[:2]
    gap = _gap(height)
    rows = -(-len(tiles) // columns)
    picture = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for number, one in enumerate(tiles):
        if one is not None:
            top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
            picture[top : top + height, left : left + width, :3] = one
            picture[top : top + height, left : left + width, 3] = 255
    return picture


def data_uri(image: np.ndarray) -> str:
    """An image as an address that holds it: exact as PNG, or of a photograph a smaller JPEG."""
    buffer = io.BytesIO()
    photograph = max(image.shape[:2]) > LARGEST
    kind = "jpeg" if photograph else "png"
    small = Image.fromarray(tile(image, SINGLE))
    small.save(buffer, format=kind, optimize=True, **({"quality": 88} if photograph else {}))
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def _gap(height: int) -> int:
    return max(1, round(height / 12))


def picture(pixels: np.ndarray) -> Figure:
    """Pixels over the whole width, nothing around them."""
    height = WIDTH * pixels.shape[0] / pixels.shape[1]
    figure, ax = canvas(height)
    ax.imshow(pixels, extent=(0, WIDTH, height, 0))
    return figure


def _gallery(images: np.ndarray, captions: Sequence[str], columns: int) -> Figure:
    """Images in rows, each in a square with its caption of two lines above."""
    gap, text = 0.1, 0.34  # inches
    side = (WIDTH + gap) / columns - gap
    rows = -(-len(images) // columns)
    figure, ax = canvas(height=rows * (side + gap + text))
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = (number % columns) * (side + gap), (number // columns) * (side + gap + text)
        ax.text(left + side / 2, top + text - 0.04, caption, fontsize=7, ha="center", va="bottom")
        pixels = tile(image, SINGLE)
        scale = side / max(pixels.shape[:2])
        height, width = scale * pixels.shape[0], scale * pixels.shape[1]
        x, y = left + (side - width) / 2, top + text + (side - height) / 2
        ax.imshow(pixels, extent=(x, x + width, y + height, y), aspect="auto")
    return figure
