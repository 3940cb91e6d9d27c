"""Augmented images per second: our pipeline against `ImageDataGenerator`, as the KMNIST study augmented.

    python benchmarks/augmentation.py [--data-dir FOLDER] [--rounds 10]

Both make batches of 128 images of 28x28 with the study's transforms, in alternating rounds. Ours includes the start of
an epoch (its order, its iterator). `ImageDataGenerator` works image by image in one thread; ours takes all processors.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from kerasexp.config.loading import load_experiment
from kerasexp.data.dataset import Split
from kerasexp.data.load import load_dataset
from kerasexp.data.pipeline import TrainingImages

BATCH_SIZE = 128
COPIES = 10


def training_split(data_dir: str | None, images: int) -> Split:
    """The first training images of KMNIST, or random ones of the same shape."""
    if data_dir:
        return load_dataset("kmnist", data_dir, offline=True).train.take(np.arange(images))
    x = np.random.default_rng(0).integers(0, 256, (images, 28, 28, 1), dtype=np.uint8)
    return Split(x, np.arange(images) % 10, np.arange(images))


def image_data_generator(split: Split, batches: int) -> Callable[[], int]:
    """A function that makes `batches` batches and returns their number of images."""
    generator = ImageDataGenerator(
        rotation_range=10,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=0.1,
        zoom_range=0.1,
        fill_mode="nearest",
    )
    flow = generator.flow((split.x / 255).astype(np.float32), np.eye(10)[split.y], batch_size=BATCH_SIZE, seed=1)
    return lambda: sum(len(x) for x, _ in itertools.islice(flow, batches))


def our_pipeline(split: Split) -> Callable[[], int]:
    """A function that makes the batches of one epoch and returns their number of images."""
    augmentation = load_experiment("kmnist_cnn", overrides=[f"augmentation.copies={COPIES}"]).augmentation
    images = TrainingImages(split, 10, BATCH_SIZE, 1, augmentation)
    epochs = itertools.count()
    return lambda: sum(len(x) for x, _ in images.epoch(next(epochs)))


def rate(work: Callable[[], int]) -> float:
    """Images per second."""
    start = time.perf_counter()
    images = work()
    return images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="data folder with KMNIST; without it, random images")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()

    split = training_split(arguments.data_dir, images=6000)
    work = {"ImageDataGenerator": image_data_generator(split, batches=20), "kerasexp": our_pipeline(split)}
    rates: dict[str, list[float]] = {name: [] for name in work}
    for run in work.values():
        run()
    for _ in range(arguments.rounds):
        for name, run in work.items():
            rates[name].append(rate(run))

    print(f"{arguments.rounds} alternating rounds, {os.cpu_count()} processors")
    print(f"{'':20}{'best':>14}{'median':>14}  images/s")
    for name, measured in rates.items():
        print(f"{name:20}{max(measured):14,.0f}{statistics.median(measured):14,.0f}")
    ours, theirs = rates["kerasexp"], rates["ImageDataGenerator"]
    print(f"{'ratio':20}{max(ours) / max(theirs):14.1f}{statistics.median(ours) / statistics.median(theirs):14.1f}")


if __name__ == "__main__":
    main()
