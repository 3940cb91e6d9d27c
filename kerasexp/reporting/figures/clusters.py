"""What clusters hold, how they came about, and what they are worth beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from kerasexp.reporting.figures.curves import HEIGHT, History, epoch_axis, mark_stages, marks
from kerasexp.reporting.figures.samples import LARGEST, mosaic, picture, tile
from kerasexp.reporting.figures.style import BLUE, GREEN, INK, ORANGE, RED, WIDTH, axes, canvas, drawn, label, labels

WIDE = 20  # the largest value over the smallest, from which an axis is logarithmic


@drawn
def f1_beside(
    per_class: Sequence[Mapping[str, Any]], published: Sequence[float | None], comparable: bool = True
) -> Figure:
    """F1 of each class as a bar with its interval, the published one below it.

    Args:
        per_class: `per_class` of `metrics.json`.
        published: one per class, from 0 to 1; None where there is none.
        comparable: whether ours and theirs come from the same experiment; the legend says so if they do not.
    """
    figure, ax = axes(height=0.9 + 0.42 * len(per_class))
    rows = np.arange(len(per_class))
    values = np.array([row["f1"]["value"] for row in per_class])
    low, high = np.array([row["f1"]["interval"] for row in per_class]).T
    ax.barh(rows - 0.2, values, height=0.36, color=BLUE, alpha=0.85, label="ours, 95 % interval")
    errors = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
    ax.errorbar(values, rows - 0.2, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.1, capsize=2)
    theirs = np.array([np.nan if value is None else value for value in published])
    name = "published" if comparable else "published, not comparable"
    ax.barh(rows + 0.2, theirs, height=0.36, color=ORANGE, alpha=0.55, label=name)
    for row, (ours, other) in enumerate(zip(values, theirs, strict=True)):
        ax.text(1.03, row - 0.2, f"{ours:.3f}", va="center_baseline", fontsize=8)
        if not np.isnan(other):
            ax.text(1.03, row + 0.2, f"{other:.3f}", va="center_baseline", fontsize=8, alpha=0.7)
    ax.set_yticks(rows, labels([row["name"] for row in per_class]))
    ax.set_xlabel("F1")
    ax.set_xlim(0, 1.14)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@drawn
def loss_part(history: History, column: str, stages: Sequence[tuple[int, str]] = ()) -> Figure:
    """One part of the loss over epochs, after training images and, if there is one, validation.

    Args:
        history: columns of `history.csv` by name; where alpha changes it stands above the epochs.
        column: `reconstruction_loss` or `clustering_loss`.
        stages: first epoch and name of each stage, for a training of several.
    """
    figure, ax = axes(HEIGHT)
    epochs = np.asarray(history["epoch"])
    ax.plot(epochs, history[column], color=BLUE, label="mean over the epoch", **marks(len(epochs)))
    if f"val_{column}" in history:
        ax.plot(epochs, history[f"val_{column}"], color=ORANGE, label="all images after it", **marks(len(epochs)))
        ax.legend(loc="best")
    _scale(ax, np.concatenate([history[column], history.get(f"val_{column}", [])]))
    ax.set_ylabel(column.replace("_", " "))
    epoch_axis(ax, history)
    mark_stages(ax, stages)
    if len(set(history["alpha"])) > 1 and len(stages) <= 1:
        _alphas_above(ax, epochs, history["alpha"])
    return figure


@drawn
def alpha(history: History) -> Figure:
    """Alpha over the epochs that cluster, on a logarithmic scale where it spans much."""
    figure, ax = axes(HEIGHT)
    epochs, values = np.asarray(history["epoch"]), np.asarray(history["alpha"], float)
    ax.plot(epochs, values, color=GREEN, marker="o", markersize=3)
    _scale(ax, values)
    ax.set_ylabel("alpha")
    epoch_axis(ax, history)
    return figure


@drawn
def members(
    images: np.ndarray, clusters: Sequence[int], real: Sequence[str] | None, predicted: Sequence[str] | None
) -> Figure:
    """Random members of each cluster, a row for each, green where the cluster's label is theirs and red where not.

    Args:
        images: uint8 `[n, height, width, channels]`, cluster by cluster. Colour images keep their colours, and their
            frame is green or red.
        clusters: of each image.
        real: class of each image; None without labels.
        predicted: label of each image's cluster; None without labels.
    """
    rows = list(dict.fromkeys(clusters))
    columns = max(list(clusters).count(cluster) for cluster in rows)
    left, gap, text = 0.75, 0.08, 0.17 if real is not None else 0.06  # inches
    column = (WIDTH - left) / columns
    side = min(column - gap, 0.62 if len(rows) <= 12 else 0.42)
    figure, ax = canvas(height=len(rows) * (side + text + gap))
    place = dict.fromkeys(rows, 0)
    for number, (image, cluster) in enumerate(zip(images, clusters, strict=True)):
        x = left + place[cluster] * column + (column - side) / 2
        y = rows.index(cluster) * (side + text + gap) + text
        place[cluster] += 1
        right = real is None or predicted is None or real[number] == predicted[number]
        colour = INK if real is None else GREEN if right else RED
        shown = tile(image) if image.shape[-1] == 3 else _tinted(image, colour)
        height, width = (side * length / max(shown.shape[:2]) for length in shown.shape[:2])
        box = (x + (side - width) / 2, x + (side + width) / 2, y + (side + height) / 2, y + (side - height) / 2)
        ax.imshow(shown, extent=box, aspect="auto")
        frame = [box[0], box[1], box[1], box[0], box[0]], [box[2], box[2], box[3], box[3], box[2]]
        ax.plot(*frame, color=colour, linewidth=1.6 if image.shape[-1] == 3 else 0.5, solid_joinstyle="miter")
        if real is not None and predicted is not None:
            words = f"real: {label(real[number], 7)}, pred: {label(predicted[number], 7)}"
            ax.text(x + side / 2, y - 0.03, words, fontsize=5.8, ha="center", va="bottom", color=colour)
    for row, cluster in enumerate(rows):
        y = row * (side + text + gap) + text + side / 2
        ax.text(0.02, y, f"Cluster: {cluster}", fontsize=8, va="center")
    return figure


@drawn
def reconstructions(originals: np.ndarray, reconstructed: np.ndarray) -> Figure:
    """Images in the upper row, what the decoder makes of their embeddings below: uint8 arrays of one shape."""
    tiles = [tile(image) for image in (*originals, *reconstructed)]
    return picture(mosaic(tiles, len(originals)))


@drawn
def representatives(images: np.ndarray, captions: Sequence[str]) -> Figure:
    """The decoded representatives, each with its caption above.

    Args:
        images: uint8 `[clusters, height, width, channels]`.
        captions: one per cluster.
    """
    columns = min(10, len(images)) if len(images) != 12 else 6
    gap, text = 0.08, 0.2
    side = min((WIDTH + gap) / columns - gap, 0.8)
    rows = -(-len(images) // columns)
    figure, ax = canvas(height=rows * (side + gap + text), width=columns * (side + gap) - gap)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = (number % columns) * (side + gap), (number // columns) * (side + gap + text) + text
        ax.text(x + side / 2, y - 0.03, caption, fontsize=7, ha="center", va="bottom")
        ax.imshow(tile(image), extent=(x, x + side, y + side, y), aspect="auto")
    return figure


def _tinted(image: np.ndarray, colour: str) -> np.ndarray:
    """A grey image as ink of one colour on transparent paper: float `[height, width, 4]`, of at most 64 pixels."""
    grey = tile(image, LARGEST)[..., 0] / 255
    return np.dstack([np.broadcast_to(to_rgb(colour), (*grey.shape, 3)), grey])


def _scale(ax: Axes, values: Sequence[float] | np.ndarray) -> None:
    """From zero, or logarithmic where the values span much."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    positive = finite[finite > 0]
    if len(positive) == len(finite) > 0 and positive.max() > WIDE * positive.min():
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        ax.set_ylim(0, 1.06 * finite.max() if len(positive) else 1)


def _alphas_above(ax: Axes, epochs: np.ndarray, alphas: Sequence[float]) -> None:
    """A second axis that tells alpha at a few epochs."""
    chosen = np.unique(np.linspace(0, len(epochs) - 1, 6).round().astype(int))
    above = ax.secondary_xaxis("top")
    above.set_xticks(epochs[chosen], [f"{alphas[place]:.3g}" for place in chosen])
    above.set_xlabel("alpha")
    above.spines[:].set_visible(False)
