"""What the pixels and classes of a data set are like."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasexp.data.dataset import Split
from kerasexp.environment import cores

BLOCK_BYTES = 2**18  # small enough for the processor's cache


@dataclasses.dataclass(frozen=True)
class ChannelStatistics:
    """Brightness of each channel, from 0 (black) to 1.

    Attributes:
        mean: over all pixels.
        std: standard deviation over all pixels.
        image_std: the mean over all images of the standard deviation within the image (n - 1 in the denominator, as
            PyTorch computes it). It is smaller than `std`, since images also differ from each other.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_std: tuple[float, ...]

    def as_lists(self) -> dict[str, list[float]]:
        """The content for JSON, six digits each."""
        return {name: [round(value, 6) for value in values] for name, values in dataclasses.asdict(self).items()}


def channel_statistics(split: Split) -> ChannelStatistics:
    """Mean and standard deviation of each channel, over every pixel.

    Args:
        split: the images; those in a file are read block by block.
    """
    pixels = int(np.prod(split.x.shape[1:3]))
    block = max(1, BLOCK_BYTES // int(np.prod(split.x.shape[1:])))

    def sums(start: int) -> np.ndarray:
        """Of the means, mean squares and standard deviations of the block's images, `[3, channels]`."""
        x = np.asarray(split.x[start : start + block])
        x = x.reshape(len(x), pixels, -1).transpose(2, 0, 1).astype(np.float32, order="C")
        mean = x.mean(axis=2)
        # squares of differences from the image's mean: squares of the pixels themselves would lose digits
        x -= mean[..., None]
        variance = np.einsum("cnp,cnp->cn", x, x).astype(np.float64) / pixels
        image_std = np.sqrt(variance * (pixels / max(1, pixels - 1)))
        square = variance + mean.astype(np.float64) ** 2
        return np.stack([values.sum(axis=1) for values in (mean.astype(np.float64), square, image_std)])

    with ThreadPoolExecutor(cores()) as pool:
        totals = np.sum(list(pool.map(sums, range(0, len(split), block))), axis=0)
    mean, square, image_std = totals / len(split)
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return ChannelStatistics(*(tuple((values / 255).tolist()) for values in (mean, std, image_std)))


def class_counts(split: Split, classes: int) -> list[int]:
    """The number of images of each class."""
    return np.bincount(split.y, minlength=classes).tolist()


def imbalance(counts: list[int]) -> float | None:
    """How many times the largest class is as large as the smallest; None if a class has no image."""
    return max(counts) / min(counts) if min(counts) else None
