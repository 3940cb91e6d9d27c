"""Augmented images per second: our pipeline against what a study augmented with, in alternating rounds.

    python benchmarks/augmentation.py [kmnist | beans] [--data-dir FOLDER] [--rounds 10]

kmnist: `ImageDataGenerator` and batches of 128 images of 28x28. It works image by image in one thread; ours takes all
processors. beans: Keras' layers RandomFlip, RandomRotation and RandomZoom on batches of 32 images of 224x224x3, which
take all processors too. Ours includes the start of an epoch (its order, its iterator).
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Augmentation
from kerasexp.data.dataset import Split
from kerasexp.data.load import load_dataset
from kerasexp.data.pipeline import TrainingImages

KMNIST_BATCH, BEANS_BATCH = 128, 32
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
    flow = generator.flow((split.x / 255).astype(np.float32), np.eye(10)[split.y], batch_size=KMNIST_BATCH, seed=1)
    return lambda: sum(len(x) for x, _ in itertools.islice(flow, batches))


def keras_layers(split: Split) -> Callable[[], int]:
    """A function that makes the batches of one epoch with Keras' layers and returns their number of images."""
    layers = [
        keras.layers.RandomFlip("horizontal_and_vertical", seed=1),
        keras.layers.RandomRotation(0.2, seed=2),
        keras.layers.RandomZoom((-0.15, -0.05), (-0.15, -0.05), seed=3),
    ]

    @tf.function
    def changed(images: tf.Tensor) -> tf.Tensor:
        for layer in layers:
            images = layer(images, training=True)
        return images

    images = tf.data.Dataset.from_tensor_slices(split.x.astype(np.float32)).batch(BEANS_BATCH)
    return lambda: sum(len(changed(x)) for x in images)


def our_pipeline(split: Split, batch_size: int, augmentation: Augmentation) -> Callable[[], int]:
    """A function that makes the batches of one epoch and returns their number of images."""
    images = TrainingImages(split, 10, batch_size, 1, augmentation)
    epochs = itertools.count()
    return lambda: sum(len(x) for x, _ in images.epoch(next(epochs)))


def kmnist(data_dir: str | None) -> dict[str, Callable[[], int]]:
    split = training_split(data_dir, images=6000)
    augmentation = load_experiment("kmnist_cnn", overrides=[f"augmentation.copies={COPIES}"]).augmentation
    ours = our_pipeline(split, KMNIST_BATCH, augmentation)
    return {"ImageDataGenerator": image_data_generator(split, batches=20), "kerasexp": ours}


def beans() -> dict[str, Callable[[], int]]:
    x = np.random.default_rng(0).integers(0, 256, (256, 224, 224, 3), dtype=np.uint8)
    split = Split(x, np.arange(256) % 3, np.arange(256))
    augmentation = Augmentation(
        copies=1, static=False, rotation=72, shift=0, shear=0, zoom=(0.85, 0.95), fill="reflect", flip="both"
    )
    return {"Keras layers": keras_layers(split), "kerasexp": our_pipeline(split, BEANS_BATCH, augmentation)}


def rate(work: Callable[[], int]) -> float:
    """Images per second."""
    start = time.perf_counter()
    images = work()
    return images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=["kmnist", "beans"], default="kmnist")
    parser.add_argument("--data-dir", help="data folder with KMNIST; without it, random images")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()

    work = beans() if arguments.study == "beans" else kmnist(arguments.data_dir)
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
    theirs, ours = rates.values()
    print(f"{'ratio':20}{max(ours) / max(theirs):14.1f}{statistics.median(ours) / statistics.median(theirs):14.1f}")


if __name__ == "__main__":
    main()
