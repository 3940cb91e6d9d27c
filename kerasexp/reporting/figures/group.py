"""How far runs lie apart that differ in nothing but their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kerasexp.reporting.figures.style import INK, MANY, axes, drawn, label, labels

History = Mapping[str, Sequence[float]]


@drawn
def spread_of_curves(histories: Mapping[str, Sequence[History]], column: str) -> Figure:
    """One column over epochs: each run a thin line, the range of the seeds shaded, their mean a thick line.

    The mean goes as far as all runs of a setting do: beyond, it would jump whenever one ends.

    Args:
        histories: for each setting the columns of each run's `history.csv` by name; a run without the column is left
            out.
        column: e.g. `val_loss`.
    """
    several = len(histories) > 1
    figure, ax = axes(height=2.7 + (0.19 * -(-len(histories) // 2) if several else 0))
    longest = 0
    for number, (name, runs) in enumerate(histories.items()):
        curves = [(np.asarray(run["epoch"]), np.asarray(run[column], float)) for run in runs if column in run]
        if not curves:
            continue
        colour = MANY[number % len(MANY)]
        few = max(len(epochs) for epochs, _ in curves)
        longest = max(longest, few)
        marker = "o" if few <= 15 else None
        shared = min(len(epochs) for epochs, _ in curves)
        stacked = np.array([values[:shared] for _, values in curves])
        epochs = curves[0][0][:shared]
        if len(curves) > 1:
            for of_run, values in curves:
                ax.plot(of_run, values, color=colour, linewidth=0.6, alpha=0.55)
            ax.fill_between(epochs, stacked.min(axis=0), stacked.max(axis=0), color=colour, alpha=0.18, linewidth=0)
        ax.plot(epochs, stacked.mean(axis=0), color=colour, marker=marker, markersize=3, label=label(name, 30))
    ax.set_ylabel(f"{'validation' if column.startswith('val_') else 'training'} {column.removeprefix('val_')}")
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if longest == 1:
        ax.set_xlim(0, 2)
    if "accuracy" in column:
        ax.set_ylim(top=min(1.0, ax.get_ylim()[1]))
        ax.yaxis.set_major_formatter(FuncFormatter(_percent))
    else:
        ax.set_ylim(bottom=0)
    if several:
        widest = max(len(label(name, 30)) for name in histories)
        figure.legend(loc="outside lower center", ncols=1 if widest > 24 else 2, columnspacing=1.2)
    return figure


@drawn
def scores_of_seeds(
    seeds: Mapping[str, Sequence[float]], intervals: Sequence[Sequence[float] | None], name: str
) -> Figure:
    """A score of every seed as a small point, the mean as a stroke, and where one more seed would lie as a line.

    Args:
        seeds: for each setting the score of each seed, 0 to 1.
        intervals: for each setting where one more seed would lie, None where that is not known.
        name: what the score is called.
    """
    figure, ax = axes(height=0.75 + 0.34 * len(seeds))
    for number, (values, interval) in enumerate(zip(seeds.values(), intervals, strict=True)):
        colour = MANY[number % len(MANY)]
        if interval is not None:
            ax.plot(interval, [number, number], color=colour, linewidth=1.1, solid_capstyle="butt", alpha=0.8)
            ax.plot([np.mean(values)] * 2, [number - 0.22, number + 0.22], color=INK, linewidth=1.6)
        ax.plot(values, [number] * len(values), "o", color=colour, markersize=4, alpha=0.75, linestyle="none")
    ax.set_yticks(range(len(seeds)), labels(list(seeds)))
    ax.set_ylim(len(seeds) - 0.5, -0.5)
    ax.set_xlabel(name)
    ax.set_xlim(right=min(1.005, ax.get_xlim()[1]))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6))
    ax.xaxis.set_major_formatter(FuncFormatter(_percent))
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    return figure


def _percent(value: float, position: int | None) -> str:
    return f"{100 * value:.4g} %"
