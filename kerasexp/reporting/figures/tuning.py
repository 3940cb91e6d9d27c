"""Figures of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kerasexp.reporting.figures.style import BLUE, GREY, INK, ORANGE, PAPER, axes, drawn, label

SHOWN = 10  # of the best trials, in colour


@drawn
def scores_over_trials(numbers: Sequence[int], scores: Sequence[float]) -> Figure:
    """The score of each trial in the order of the search, and the best so far.

    Args:
        numbers: of the complete trials, ascending.
        scores: validation accuracies from 0 to 1.
    """
    figure, ax = axes(height=2.7)
    ax.step(numbers, np.maximum.accumulate(scores), where="post", color=ORANGE, label="best so far")
    ax.plot(numbers, scores, "o", color=BLUE, markersize=4, label="trial")
    ax.set_xlabel("trial")
    ax.set_ylabel("validation accuracy")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@drawn
def importance_of_settings(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """A bar for each setting, the most important at the top; shares add up to 1."""
    figure, ax = axes(height=0.7 + 0.24 * len(names))
    ax.barh(range(len(names)), shares, height=0.62, color=BLUE)
    ax.set_yticks(range(len(names)), [label(name, 28) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("share of what a random forest learned")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    return figure


@drawn
def parallel_coordinates(dimensions: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> Figure:
    """A line for each trial through its values, from setting to setting downwards; the last row is the score.

    Args:
        dimensions: for each setting its `name`, the `places` of all trials from 0 to 1, and `ticks`: pairs of a place
            and what stands there.
        scores: validation accuracies from 0 to 1.
    """
    low, high = min(scores), max(scores)
    spread = (high - low) or 1.0
    last = {
        "name": "validation accuracy",
        "places": [(score - low) / spread if high > low else 0.5 for score in scores],
        "ticks": [(0.0, f"{low:.2%}"), (1.0, f"{high:.2%}")] if high > low else [(0.5, f"{high:.2%}")],
    }
    rows = [*dimensions, last]
    step = 0.62
    figure, ax = axes(height=step * len(rows) + 0.1)
    heights = np.arange(len(rows), dtype=float)
    order = np.argsort(scores, kind="stable")
    for rank, trial in enumerate(reversed(order)):
        places = [row["places"][trial] for row in rows]
        among_best = rank < min(SHOWN, -(-len(scores) // 4))
        colour = ORANGE if rank == 0 else BLUE if among_best else GREY
        width, alpha = (2.2, 1.0) if rank == 0 else (1.1, 0.75) if among_best else (0.7, 0.35)
        ax.plot(
            places,
            heights,
            color=colour,
            linewidth=width,
            alpha=alpha,
            zorder=3.5 if rank == 0 else 3 if among_best else 2,
        )
    box = {"facecolor": PAPER, "edgecolor": "none", "boxstyle": "square,pad=0.12"}  # letters on lines cannot be read
    for height, row in zip(heights, rows, strict=True):
        ax.axhline(height, color=INK, linewidth=0.6, alpha=0.4, zorder=1)
        name = label(row["name"], 40)
        ax.text(0, height - 0.3, name, fontsize=8.5, fontweight="bold", va="center", bbox=box, zorder=4)
        for place, words in _apart(row["ticks"]):
            ax.plot([place], [height], marker="|", color=INK, markersize=5, zorder=1)
            side = "left" if place < 0.08 else "right" if place > 0.92 else "center"
            words = label(words, 16)
            ax.text(place, height + 0.2, words, fontsize=7.5, ha=side, va="center", bbox=box, zorder=4)
    ax.set_ylim(len(rows) - 0.6, -0.5)
    ax.set_xlim(-0.03, 1.03)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([])
    return figure


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """As many of the ticks as fit side by side, the first and the last always."""
    wanted = 0.02 + max(min(16, len(words)) for _, words in ticks) * 0.0155
    kept = [ticks[0]]
    for tick in ticks[1:-1]:
        if tick[0] - kept[-1][0] >= wanted and ticks[-1][0] - tick[0] >= wanted:
            kept.append(tick)
    return [*kept, ticks[-1]] if len(ticks) > 1 else kept
