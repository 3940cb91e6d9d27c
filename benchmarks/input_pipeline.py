"""What share of a training step's time the input pipeline takes, with `--augment 10` and batches of 128.

    python benchmarks/input_pipeline.py [kmnist_cnn kmnist_fcnn] [--data-dir FOLDER] [--rounds 10]

The same compiled step, in alternating rounds: fed by the pipeline, and fed with one batch that never changes. The share
is what the step is slower by. A round begins with an empty pipeline, so that nothing comes for free.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from kerasexp.config.loading import load_experiment
from kerasexp.data.dataset import Split
from kerasexp.data.load import load_dataset
from kerasexp.data.pipeline import TrainingImages
from kerasexp.training.compiled import compile_model, compiled_steps
from kerasexp.training.state import build_seeded

COPIES = 10
# Per round: a second or two on two processors. Of longer rounds, none is undisturbed on a busy machine.
STEPS = {"kmnist_cnn": 50, "kmnist_cnn_nopool": 30, "kmnist_fcnn": 150}


def training_split(data_dir: str | None) -> Split:
    """The training images of KMNIST, or random ones of the same shape."""
    if data_dir:
        return load_dataset("kmnist", data_dir, offline=True).train
    x = np.random.default_rng(0).integers(0, 256, (60_000, 28, 28, 1), dtype=np.uint8)
    return Split(x, np.arange(60_000) % 10, np.arange(60_000))


def rounds_of(name: str, split: Split, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds per step `[rounds, 2]`, by the clock and of processors: with the pipeline, and with one batch."""
    experiment = load_experiment(name, overrides=[f"augmentation.copies={COPIES}"])
    images = TrainingImages(split, 10, experiment.batch_size, experiment.seed, experiment.augmentation)
    batch = next(iter(images.epoch(0)))
    model = build_seeded(experiment, (28, 28, 1), 10)
    compile_model(model, experiment, images, epochs=1)
    with_pipeline = compiled_steps(model.train_step, images)
    steps = STEPS[name]

    @tf.function
    def with_one_batch() -> None:
        for _ in tf.range(steps):
            model.train_step(batch)

    def milliseconds(run: Callable[..., None], *arguments: object) -> tuple[float, float]:
        clock, processors = time.perf_counter(), time.process_time()
        run(*arguments)
        return 1000 * (time.perf_counter() - clock) / steps, 1000 * (time.process_time() - processors) / steps

    with_pipeline(iter(images.epoch(0)), tf.constant(steps))
    with_one_batch()
    fed, cached = [], []
    for number in range(rounds):
        iterator = iter(images.epoch(number))
        fed.append(milliseconds(with_pipeline, iterator, tf.constant(steps)))
        del iterator  # its threads stop here, not in the other round
        cached.append(milliseconds(with_one_batch))
    return np.array(fed), np.array(cached)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", metavar="NAME", help=", ".join(STEPS))
    parser.add_argument("--data-dir", help="data folder with KMNIST; without it, random images")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()

    split = training_split(arguments.data_dir)
    print(f"{arguments.rounds} alternating rounds, {os.cpu_count()} processors; ms per step, best (median)")
    print(f"{'':28}{'with the pipeline':>20}{'with one batch':>20}{'share of the pipeline':>24}")
    for name in arguments.experiments or ["kmnist_cnn", "kmnist_fcnn"]:
        fed, cached = rounds_of(name, split, arguments.rounds)
        for column, kind in enumerate(("time", "processor time")):
            with_pipeline, with_one_batch = fed[:, column], cached[:, column]
            best = 1 - with_one_batch.min() / with_pipeline.min()
            median = 1 - np.median(with_one_batch) / np.median(with_pipeline)
            cells = [f"{times.min():.2f} ({np.median(times):.2f})" for times in (with_pipeline, with_one_batch)]
            share = f"{best:.1%} ({median:.1%})"
            print(f"{name + ', ' + kind:28}{cells[0]:>20}{cells[1]:>20}{share:>24}", flush=True)


if __name__ == "__main__":
    main()
