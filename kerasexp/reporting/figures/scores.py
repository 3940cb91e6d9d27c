"""Scores per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kerasexp.reporting.figures.style import BLUE, INK, axes, drawn, labels


@drawn
def f1_bars(per_class: Sequence[Mapping[str, Any]], macro: float) -> Figure:
    """F1 of each class as a bar from zero, with its interval, and the macro mean as a line.

    Args:
        per_class: `per_class` of `metrics.json`.
        macro: macro F1.
    """
    figure, ax = axes(height=0.8 + 0.27 * len(per_class))
    rows = np.arange(len(per_class))
    values = np.array([row["f1"]["value"] for row in per_class])
    low, high = np.array([row["f1"]["interval"] for row in per_class]).T
    ax.barh(rows, values, height=0.66, color=BLUE, alpha=0.8)
    errors = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
    ax.errorbar(values, rows, xerr=errors, fmt="none", color=INK, ecolor=INK, elinewidth=1.1, capsize=2.5)
    ax.axvline(macro, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
    for row, value in enumerate(values):
        ax.text(1.03, row, f"{value:.3f}", va="center_baseline", fontsize=8)
    ax.set_yticks(rows, labels([row["name"] for row in per_class]))
    ax.set_xlabel(f"F1 (dashed: macro mean {macro:.4f})")
    ax.set_xlim(0, 1.14)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    return figure
