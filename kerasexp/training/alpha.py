"""How sharply Deep k-Means assigns images to clusters, epoch by epoch."""

from __future__ import annotations

import math
from typing import Literal

import keras

Growth = Literal["constant", "annealing"]


def alphas(first: float, growth: Growth, count: int) -> list[float]:
    """The values of alpha, one after the other.

    Args:
        first: alpha 1, above 0.
        growth: `constant`, or `annealing`: alpha i+1 is alpha i times 2^(1 / ln(i+1)^2), so that it grows fast at first
            (4.23 times) and ever slower; the 40th is 281.3 times the first.
        count: how many.

    Example:

    >>> alphas(0.1, "annealing", 3)
    [0.1, 0.4232..., 0.7515...]

    References:
        Moradi Fard, Thonet and Gaussier, Deep k-Means, Pattern Recognition Letters 138 (2020) 185-192; the study.
    """
    values = [first]
    for number in range(1, count):
        factor = 2 ** (1 / math.log(number + 1) ** 2) if growth == "annealing" else 1.0
        values.append(values[-1] * factor)
    return values


class AlphaSchedule(keras.callbacks.Callback):
    """Sets the `alpha` of a `DeepKMeans` at the start of every epoch.

    Args:
        first: alpha of the first epochs, above 0.
        growth: `constant` or `annealing`; see `alphas`.
        epochs_each: epochs that one value stays, 1 by default.
    """

    def __init__(self, first: float, growth: Growth = "constant", epochs_each: int = 1):
        super().__init__()
        self.first = first
        self.growth = growth
        self.epochs_each = epochs_each

    def value(self, epoch: int) -> float:
        """Alpha in an epoch, counted from 0."""
        return alphas(self.first, self.growth, epoch // self.epochs_each + 1)[-1]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.model.alpha.assign(self.value(epoch))
