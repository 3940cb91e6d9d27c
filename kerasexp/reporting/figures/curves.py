"""What happened in every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from kerasexp.reporting.figures.style import BLUE, GREEN, INK, ORANGE, axes, drawn, label

History = Mapping[str, Sequence[float]]
HEIGHT = 2.9
LONG = 20  # epochs from which the second half is drawn on a scale of its own


@drawn
def loss(
    history: History,
    best_epoch: int | None = None,
    validation: str = "validation",
    stages: Sequence[tuple[int, str]] = (),
) -> Figure:
    """Loss over epochs, training and validation.

    Args:
        history: columns of `history.csv` by name; `val_loss` may lack.
        best_epoch: marked if given.
        validation: what the validation data are called in the legend.
        stages: first epoch and name of each stage, for a training of several.
    """
    figure, ax = axes(HEIGHT)
    _pair(ax, history, "loss", best_epoch, validation)
    mark_stages(ax, stages)
    ax.set_ylabel("loss")
    highest = max(max(history["loss"]), max(history.get("val_loss", [0])))
    ax.set_ylim(0, 1.06 * highest if 0 < highest < np.inf else 1)
    return figure


@drawn
def accuracy(
    history: History,
    best_epoch: int | None = None,
    validation: str = "validation",
    stages: Sequence[tuple[int, str]] = (),
) -> Figure:
    """Accuracy over epochs, training and validation; arguments as for `loss`."""
    figure, ax = axes(HEIGHT)
    _pair(ax, history, "accuracy", best_epoch, validation)
    mark_stages(ax, stages)
    _in_percent(ax)
    ax.set_ylabel("accuracy")
    return figure


@drawn
def second_half(history: History, metric: str, validation: str = "validation") -> Figure:
    """The second half of a long training, on the scale that it needs.

    Args:
        history: columns of `history.csv` by name.
        metric: `loss` or `accuracy`.
        validation: what the validation data are called in the legend.
    """
    half = len(history["epoch"]) // 2
    figure, ax = axes(HEIGHT)
    _pair(ax, {name: values[half:] for name, values in history.items()}, metric, None, validation)
    if metric == "accuracy":
        _in_percent(ax)
    ax.set_ylabel(metric)
    return figure


@drawn
def learning_rate(history: History) -> Figure:
    """Learning rate over epochs, on a logarithmic scale if it spans more than a factor of twenty."""
    figure, ax = axes(HEIGHT)
    rate = np.asarray(history["learning_rate"], float)
    ax.plot(history["epoch"], rate, color=GREEN, **_marks(len(rate)))
    positive = rate[rate > 0]
    if len(positive) and positive.max() > 20 * positive.min():
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(0, 1.1 * rate.max() or 1)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_ylabel("learning rate")
    _epochs(ax, history)
    return figure


def _pair(ax: Axes, history: History, metric: str, best_epoch: int | None, validation: str) -> None:
    epochs = np.asarray(history["epoch"])
    ax.plot(epochs, history[metric], color=BLUE, label="training", **_marks(len(epochs)))
    shown = metric
    if f"val_{metric}" in history:
        shown = f"val_{metric}"
        ax.plot(epochs, history[shown], color=ORANGE, label=validation, **_marks(len(epochs)))
    if best_epoch is not None and best_epoch in epochs:
        value = np.asarray(history[shown], float)[epochs == best_epoch][0]
        ax.axvline(best_epoch, color=INK, alpha=0.45, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
        ax.plot([best_epoch], [value], "o", color=ORANGE if shown != metric else BLUE, markersize=5, zorder=4)
        ax.plot([], [], color=INK, alpha=0.45, linewidth=0.8, linestyle=(0, (3, 3)), label=f"best epoch {best_epoch}")
    ax.legend(loc="best")
    _epochs(ax, history)


def _in_percent(ax: Axes) -> None:
    ax.set_ylim(top=min(1.0, ax.get_ylim()[1]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def mark_stages(ax: Axes, stages: Sequence[tuple[int, str]]) -> None:
    """A line where each stage but the first begins, its name beside it."""
    for first, name in stages[1:]:
        ax.axvline(first - 0.5, color=INK, alpha=0.6, linewidth=0.9, zorder=1)
        place = ax.get_xaxis_transform()
        ax.text(first - 0.5, 1.0, f" {label(name, 16)}", transform=place, fontsize=7.5, alpha=0.8, va="bottom")


def _epochs(ax: Axes, history: History) -> None:
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if len(history["epoch"]) == 1:
        ax.set_xlim(history["epoch"][0] - 1, history["epoch"][0] + 1)


def _marks(epochs: int) -> dict[str, Any]:
    """Points where there are few epochs: one epoch makes no line."""
    return {"marker": "o", "markersize": 3.5} if epochs <= 15 else {}
