"""Seeded parts of a data set."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from kerasexp.data.dataset import Dataset, Split
from kerasexp.errors import UsageError


def stratified(
    labels: np.ndarray, fraction: float, seed: int, remedy: str = "Choose another fraction."
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a share of every class.

    `fraction` of all images, rounded, is spread over the classes by largest remainder. Every class has at least one
    image on both sides, which in tiny classes goes before the exact share.

    Args:
        labels: int array `[n]`.
        fraction: share to draw, between 0 and 1.
        seed: what the draw depends on, with the labels.
        remedy: what to do if it cannot be drawn.

    Returns:
        The positions kept and the positions drawn, both ascending.

    Raises:
        UsageError: if the fraction leaves a class without images on one side.
    """
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    total = round(fraction * len(labels)) if 0 < fraction < 1 else 0
    if counts.min() < 2 or not len(counts) <= total <= len(labels) - len(counts):
        raise UsageError(
            f"A share of {fraction:g} cannot be held out of {len(labels):,} images in {len(counts)} classes, the "
            f"smallest of {counts.min():,}: each class needs an image on both sides. {remedy}"
        )
    exact = counts * (total / len(labels))
    sizes = np.clip(np.floor(exact).astype(int), 1, counts - 1)
    for c in np.argsort(np.floor(exact) - exact, kind="stable"):  # largest remainder first
        if sizes.sum() < total and sizes[c] < counts[c] - 1:
            sizes[c] += 1
    # Ranks of uniform numbers: the shuffles of NumPy may change between its versions, these draws do not.
    draws = np.random.Generator(np.random.PCG64(seed)).random(len(labels))
    drawn = np.zeros(len(labels), bool)
    for c, size in enumerate(sizes):
        members = np.flatnonzero(labels == c)
        drawn[members[np.argsort(draws[members], kind="stable")[:size]]] = True
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)


def shuffled(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws a share of all images, whatever their classes: the parts of scikit-learn's `train_test_split`.

    The same images as `train_test_split(range(count), test_size=fraction, random_state=seed)` gives, but in ascending
    order: the order within a part changes nothing, since that of an epoch depends on seed and epoch alone.

    Args:
        count: of the images.
        fraction: share to draw, between 0 and 1; rounded up to whole images.
        seed: what the draw depends on, with the count.

    Returns:
        The positions kept and the positions drawn, both ascending.

    Raises:
        UsageError: if the fraction leaves no images on one side.
    """
    drawn = math.ceil(fraction * count) if 0 < fraction < 1 else 0
    if not 0 < drawn < count:
        raise UsageError(f"A share of {fraction:g} cannot be held out of {count:,} images. Choose another fraction.")
    order = np.random.RandomState(seed).permutation(count)  # NumPy promises to keep this generator's numbers for ever
    return np.sort(order[drawn:]), np.sort(order[:drawn])


def hold_out(dataset: Dataset, fraction: float, seed: int, draw: str = "stratified") -> Dataset:
    """Takes a validation set off the training set.

    A data set that brings its own validation part keeps that one.

    Args:
        dataset: any data set.
        fraction: share of the training images, between 0 and 1.
        seed: what the draw depends on.
        draw: `stratified` (the same share of every class) or `shuffled` (as scikit-learn's `train_test_split`).

    Returns:
        The data set with `validation`; the images keep their `index`.

    Raises:
        UsageError: if the fraction is too small or too large for the data.
    """
    if dataset.validation is not None:
        return dataset
    if draw == "shuffled":
        kept, drawn = shuffled(len(dataset.train), fraction, seed)
    else:
        kept, drawn = stratified(dataset.train.y, fraction, seed)
    return dataclasses.replace(dataset, train=dataset.train.take(kept), validation=dataset.train.take(drawn))


def thin_out(split: Split, images_per_class: int | None, imbalance: float, seed: int) -> Split:
    """Leaves images of each class out, to see what little or unbalanced data does.

    Args:
        split: training images.
        images_per_class: at most so many of each class; None for all.
        imbalance: the last class keeps 1 of `imbalance` of its images, the first all, the classes between go down by
            equal factors. Every class keeps one at least.
        seed: of the draw.

    References:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019, for the long tail.
    """
    if images_per_class is None and imbalance == 1:
        return split
    draws = np.random.Generator(np.random.PCG64([seed, 1])).random(
        len(split)
    )  # other numbers than those of `stratified`
    labels = np.unique(split.y)
    kept = []
    for place, label in enumerate(labels):
        members = np.flatnonzero(split.y == label)
        most = min(len(members), images_per_class or len(members))
        share = imbalance ** (-place / max(1, len(labels) - 1))
        kept.append(members[np.argsort(draws[members], kind="stable")[: max(1, round(most * share))]])
    return split.take(np.sort(np.concatenate(kept)))


def join(dataset: Dataset, fraction: float | None = None, seed: int = 0, draw: str = "stratified") -> Dataset:
    """All images together, for a clustering: every one is trained on, and every one is tested.

    Args:
        dataset: any data set.
        fraction: share of the images that validate instead of being tested; None for none.
        seed: what its draw depends on.
        draw: `stratified` or `shuffled`; see `hold_out`.

    Returns:
        The data set with training images first, then validation images, then test images; the places in this order are
        their `index`.

    Raises:
        UsageError: if the fraction is too small or too large for the data.
    """
    parts = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    labels = np.concatenate([part.y for part in parts])
    every = Split(np.concatenate([part.x[:] for part in parts]), labels, np.arange(len(labels)))
    joined = dataclasses.replace(dataset, train=every, validation=None, test=every)
    if fraction is None:
        return joined
    divided = hold_out(joined, fraction, seed, draw)
    return dataclasses.replace(divided, train=every, test=divided.train)
