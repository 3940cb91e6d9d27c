"""Several runs in one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from kerasexp.reporting.figures.curves import epoch_axis
from kerasexp.reporting.figures.style import INK, MANY, axes, drawn, label, labels

LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))  # after ten colours the next kind of line
LONGEST = 52  # letters of a name
TWO_COLUMNS = 24  # letters up to which two names stand side by side


@drawn
def curves_of_runs(
    histories: Mapping[str, Mapping[str, Sequence[float]]], column: str, groups: Mapping[str, str] | None = None
) -> Figure:
    """One column of every run's history over epochs.

    Args:
        histories: columns of `history.csv` by name, by the label of the run; a run without the column has no line.
        column: e.g. `val_loss`.
        groups: the label of a run's group, by its own label; the runs of a group share a colour and a name. A run that
            is in none is one by itself.
    """
    group_of = {name: (groups or {}).get(name, name) for name in histories}
    names = list(dict.fromkeys(group_of.values()))
    columns = 1 if max(len(label(name, LONGEST)) for name in names) > TWO_COLUMNS else 2
    figure, ax = axes(height=2.7 + 0.19 * -(-len(names) // columns))
    drawn_before: set[str] = set()
    epochs: set[float] = set()
    for run, history in histories.items():
        values, name = history.get(column, []), group_of[run]
        if len(values):
            number, several = names.index(name), list(group_of.values()).count(name) > 1
            (line,) = ax.plot(history["epoch"], values, color=MANY[number % len(MANY)])
            line.set(linestyle=LINES[number // len(MANY) % len(LINES)], alpha=0.65 if several else 1)
            if several:
                line.set_linewidth(1.0)
            if name not in drawn_before:
                line.set_label(label(name, LONGEST))
            if len(values) <= 15:
                line.set(marker="o", markersize=3)
            drawn_before.add(name)
            epochs.update(history["epoch"])
    ax.set_ylabel(f"{'validation' if column.startswith('val_') else 'training'} {column.removeprefix('val_')}")
    epoch_axis(ax, {"epoch": sorted(epochs)})
    if "accuracy" in column:
        ax.set_ylim(top=min(1.0, ax.get_ylim()[1]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    else:
        ax.set_ylim(0, 1.03 * ax.get_ylim()[1])
    figure.legend(loc="outside lower center", ncols=columns, columnspacing=1.2)
    return figure


@drawn
def f1_of_runs(scores: Sequence[Sequence[Mapping[str, Any]]], classes: Sequence[str], names: Sequence[str]) -> Figure:
    """F1 of each class as a point with its interval, the runs below each other.

    Args:
        scores: `f1` of `metrics.json`, for each run a list over the classes.
        classes: their names.
        names: one per run.
    """
    figure, ax = axes(height=0.9 + (0.17 + 0.1 * len(names)) * len(classes) + 0.1 * len(names))
    rows = np.arange(len(classes))
    step = 0.72 / len(names)
    for number, (name, of_run) in enumerate(zip(names, scores, strict=True)):
        values = np.array([one["value"] for one in of_run])
        low, high = np.array([one["interval"] for one in of_run]).T
        place = rows + (number - (len(names) - 1) / 2) * step
        errors = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
        colour = MANY[number % len(MANY)]
        ax.errorbar(
            values,
            place,
            xerr=errors,
            fmt="o",
            color=colour,
            markersize=3.5,
            elinewidth=1.1,
            label=label(name, LONGEST),
        )
    for row in rows[:-1]:
        ax.axhline(row + 0.5, color=INK, alpha=0.13, linewidth=0.6)
    ax.set_yticks(rows, labels(classes))
    ax.set_xlabel("F1 on the test images, 95 % interval")
    ax.set_xlim(right=min(1.005, ax.get_xlim()[1]))
    ax.set_ylim(len(classes) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    columns = 1 if max(len(label(name, LONGEST)) for name in names) > TWO_COLUMNS else 2
    figure.legend(loc="outside upper left", ncols=columns, columnspacing=1.2)
    return figure
