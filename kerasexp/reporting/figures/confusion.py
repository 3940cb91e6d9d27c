"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kerasexp.reporting.figures.style import BLUE, INK, ON_BLUE, WIDTH, axes, drawn, labels

MOST_CLASSES_WITH_COUNTS = 20


@drawn
def confusion_matrix(
    matrix: Sequence[Sequence[int]] | np.ndarray, class_names: Sequence[str], by_row: bool = False
) -> Figure:
    """Counts or shares, each cell as dark as the square root of its share of the row: rare confusions stay visible.

    Args:
        matrix: counts `[classes, classes]`, a row for each true class.
        class_names: one per class.
        by_row: write each cell's share of its row in percent instead of its count.
    """
    counts = np.asarray(matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shade = np.sqrt(share)
    classes = len(counts)
    figure, ax = axes(height=WIDTH * 0.98)
    cells = [
        Rectangle(
            (column - 0.47, row - 0.47), 0.94, 0.94, facecolor=BLUE, linewidth=0, alpha=0.04 + 0.96 * shade[row, column]
        )
        for row in range(classes)
        for column in range(classes)
    ]
    ax.add_collection(PatchCollection(cells, match_original=True))
    if classes <= MOST_CLASSES_WITH_COUNTS:
        long = by_row or counts.max() >= 1000
        size = 11 if classes <= 4 else 8.5 if classes <= 10 and not long else 7.5 if classes <= 12 else 5.5
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = ON_BLUE if shade[row, column] > 0.6 else INK
            weight = "bold" if row == column else "normal"
            text = _percent(share[row, column]) if by_row else str(counts[row, column])
            cell = ax.text(column, row, text, ha="center", va="center_baseline")
            cell.set(color=colour, fontsize=size, fontweight=weight)
    names = labels(class_names, longest=19)
    ax.set_xticks(range(classes), names, rotation=0 if classes * max(map(len, names)) <= 50 else 60)
    ax.set_yticks(range(classes), names)
    if classes > MOST_CLASSES_WITH_COUNTS:
        ax.tick_params(labelsize=4.5)
    ax.tick_params(length=0)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.set_xlim(-0.5, classes - 0.5)
    ax.set_ylim(classes - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return figure


def _percent(share: float) -> str:
    """As many digits as a cell holds: `0.4`, `12.3`, `100`."""
    return f"{100 * share:.1f}" if share < 0.9995 else "100"
