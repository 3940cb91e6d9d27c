"""t-SNE maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from kerasexp.reporting.figures.style import GREY, INK, MANY, PAPER, WIDTH, axes, bare, drawn, label, labels

MOST_NAMED = 20  # classes with a legend
MARGIN = 0.04


@drawn
def embedding(
    points: np.ndarray,
    true: np.ndarray,
    class_names: Sequence[str],
    line: Mapping[str, Any] | None = None,
    marks: np.ndarray | None = None,
    mark_names: Sequence[str] = (),
) -> Figure:
    """A map of images, a point for each in the colour of its class, and each class's name in its middle.

    Args:
        points: float `[n, 2]`.
        true: int64 `[n]`, labels.
        class_names: one per label.
        line: `weights` and `bias` of a separating line, if there is one.
        marks: float `[m, 2]`, cluster representatives; the classes are then named in the legend only.
        mark_names: one per mark.
    """
    named = len(class_names) <= MOST_NAMED
    columns = 2 if max(map(len, labels(class_names, 20))) > 12 else 3 if len(class_names) < 9 else 5
    rows = -(-len(class_names) // columns) if named else 0
    figure, ax = axes(height=WIDTH * 0.9 + 0.19 * rows)
    size = 4.0 if len(points) <= 600 else 2.8 if len(points) <= 2000 else 1.7
    for number, name in enumerate(class_names):
        members = points[true == number]
        if len(members):
            colour = MANY[number % len(MANY)] if named else GREY
            _dots(ax, members, colour, size)
            ax.plot([], [], "o", color=colour, markersize=5, label=label(name, 20))
    everything = points if marks is None else np.concatenate([points, marks])
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = MARGIN * (high - low).max()
    ax.set_xlim(low[0] - room, high[0] + room)
    ax.set_ylim(low[1] - room, high[1] + room)
    bare(ax)
    ax.spines[:].set(visible=True, alpha=0.25)
    if line is not None:
        _line(ax, line)
    if marks is not None:
        _marks(ax, marks, mark_names)
    elif 2 < len(class_names) <= MOST_NAMED:
        _names(ax, points, true, class_names)
    if named:
        figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.1, columnspacing=1.0)
    return figure


def _dots(ax: Axes, points: np.ndarray, colour: str, size: float) -> None:
    """Round points as one path of lines without length: a page with thousands of them stays small."""
    vertices = np.repeat(points.astype(float), 2, axis=0)
    vertices[1::2, 0] += 1e-3 * np.ptp(points[:, 0]) / 100 + 1e-9  # a renderer drops what has no length at all
    path = Path(vertices, np.tile([Path.MOVETO, Path.LINETO], len(points)))
    path.should_simplify = False
    dots = PathPatch(path, facecolor="none", edgecolor=colour, linewidth=size, capstyle="round", alpha=0.75)
    dots.set_snap(False)  # to whole pixels: both ends of a line would meet
    ax.add_patch(dots)


def _names(ax: Axes, points: np.ndarray, true: np.ndarray, class_names: Sequence[str]) -> None:
    """Each class's name at the member that is nearest to the median: a mean may lie where no image is."""
    halo = [matplotlib.patheffects.withStroke(linewidth=2.5, foreground=PAPER)]
    for number, name in enumerate(class_names):
        members = points[true == number]
        if len(members):
            middle = members[np.linalg.norm(members - np.median(members, axis=0), axis=1).argmin()]
            text = ax.text(
                middle[0], middle[1], label(name, 12), ha="center", va="center", fontsize=8, fontweight="bold"
            )
            text.set(color=INK, path_effects=halo)


def _marks(ax: Axes, marks: np.ndarray, names: Sequence[str]) -> None:
    """Names in round frames."""
    frame = {"boxstyle": "round,pad=0.25,rounding_size=0.8", "facecolor": PAPER, "edgecolor": INK, "linewidth": 1.1}
    for (x, y), name in zip(marks, names, strict=True):
        text = ax.text(x, y, label(name, 12), ha="center", va="center_baseline", fontsize=7.5, fontweight="bold")
        text.set(color=INK, bbox=frame, zorder=6)


def _line(ax: Axes, line: Mapping[str, Any]) -> None:
    (a, b), c = line["weights"], line["bias"]
    x, y = ax.get_xlim(), ax.get_ylim()
    flat = abs(b) > abs(a)
    across = x if flat else [-(b * one + c) / a for one in y]
    up = [-(a * one + c) / b for one in x] if flat else y
    ax.plot(across, up, color=INK, linewidth=1.1, linestyle=(0, (4, 2.5)), label="SVM's line")
    ax.set_xlim(x)
    ax.set_ylim(y)
