"""How a batch is divided among the replicas of a network: every image once, in the order of the batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Sharing:
    """Which replicas there are, and which of them this process has.

    Of a batch of n images, replica r of R takes those from `r * n // R` to `(r + 1) * n // R`: equal parts where R
    divides n, and parts that differ by one image where it does not.

    Attributes:
        replicas: of all processes together.
        first: number of this process's first replica, from 0.
        here: how many replicas this process has.
    """

    replicas: int
    first: int
    here: int

    def start(self, replica: Any, size: Any) -> Any:
        """Where the images of a replica begin in a batch of `size` images; integers, or arrays or tensors of them."""
        return replica * size // self.replicas

    def part_of(self, order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What this process reads of an epoch.

        A last batch with fewer images than there are replicas may leave nothing for this process; then it reads the
        first image of that batch, which its replicas leave out of every sum.

        Args:
            order: int64 `[n]`, of the whole epoch.
            batch_size: of all replicas together; the last batch may be smaller.

        Returns:
            The part of the order, int64 `[m]`; of each step how many of these it takes, int64 `[steps]`; and how many
            images the whole batch has, int64 `[steps]`.
        """
        begins = np.arange(0, len(order), batch_size)
        sizes = np.minimum(batch_size, len(order) - begins)
        starts = self.start(self.first, sizes)
        counts = self.start(self.first + self.here, sizes) - starts
        starts, counts = np.where(counts > 0, starts, 0), np.maximum(counts, 1)
        part = [order[begin : begin + count] for begin, count in zip(begins + starts, counts, strict=True)]
        return np.concatenate(part), counts, sizes
