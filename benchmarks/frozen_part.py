"""What it saves that frozen layers are computed once: against plain Keras with `trainable=False`, side by side.

    python benchmarks/frozen_part.py beans_vgg16_features [--variant NAME] [--images 96] [--rounds 3] [--data-dir DIR]

Both train the same network on the same images with the same optimizer. Plain Keras runs the whole network in every
epoch; kerasexp computes what the frozen layers make of the images, keeps it, and trains the rest on it. Printed are the
seconds per epoch of both (best of the rounds, median), how many times faster our epochs after the first are, and how
many times faster a run of 50 epochs is, the computation of the features counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasexp import environment
from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.data.pipeline import TrainingImages
from kerasexp.training.cache import FeatureCache
from kerasexp.training.compiled import compile_model, compiled_steps
from kerasexp.training.features import FrozenPart
from kerasexp.training.stages import freeze
from kerasexp.training.state import build_seeded
from kerasexp.workflows.prepare import prepare_data
from kerasexp.workflows.pretrained import load_all, prepare_network

EPOCHS = 50


def plain_keras(experiment: Experiment, dataset: Dataset, network: keras.Model) -> keras.Model:
    """The same network in plain Keras: frozen layers, `compile`, `fit`."""
    model = keras.models.clone_model(network)
    model.set_weights(network.get_weights())
    frozen = {layer.name for layer in network.layers if not layer.trainable}
    for layer in model.layers:
        layer.trainable = layer.name not in frozen
    rate = experiment.optimizer.learning_rate
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def seconds(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment")
    parser.add_argument("--variant", action="append", default=[])
    parser.add_argument("--recipe", default="sound")
    parser.add_argument("--images", type=int, default=96, help="of the training set; time grows in proportion")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    environment.start_tensorflow("float32")
    # on the originals: augmented copies would cost both sides the same
    experiment = load_experiment(arguments.experiment, arguments.recipe, arguments.variant, augment=0)
    dataset = prepare_data(experiment, arguments.data_dir, offline=True)
    few = np.linspace(0, len(dataset.train) - 1, arguments.images).astype(int)
    train = dataset.train.take(few)
    dataset = dataclasses.replace(dataset, train=train, validation=None, test=train)
    pretrained = prepare_network(experiment, dataset, arguments.data_dir, offline=True)
    classes = len(dataset.class_names)
    network = build_seeded(experiment, dataset.image_shape, classes)
    load_all(network, pretrained)
    stage = experiment.training_stages[-1]
    freeze(network, stage, [layer.name for layer in network.layers if not layer.trainable])
    plain = plain_keras(experiment, dataset, network)

    with tempfile.TemporaryDirectory() as folder:
        part = FrozenPart.of(network, stage, experiment.augmentation, experiment.seed, FeatureCache(Path(folder)))
        once = seconds(lambda: part.features_of(dataclasses.replace(dataset, test=train.take(np.arange(1))), print))
        features = part.features_of(dataset, lambda text: None)
        images = TrainingImages(features.train, classes, stage.batch_size, experiment.seed, experiment.augmentation)
        compile_model(part.tail, stage, images, epochs=1)
        run_steps = compiled_steps(part.tail.train_step, images)
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(arguments.rounds + 1):  # the first round of both compiles and is left out
            our = seconds(lambda: run_steps(iter(images.epoch(0)), images.steps_per_epoch))
            their = seconds(lambda: plain.fit(train.x, train.y, stage.batch_size, verbose=0))
            if number:
                ours.append(our)
                theirs.append(their)
    our, their = min(ours), min(theirs)
    print(f"{arguments.experiment} {' '.join(arguments.variant)}, {len(train)} images, cut after {part.cut}")
    print(f"  plain Keras     {their:8.3f} s per epoch (median {np.median(theirs):.3f})")
    print(f"  kerasexp        {our:8.3f} s per epoch (median {np.median(ours):.3f}), features once {once:.3f} s")
    print(
        f"  epochs after the first: {their / our:.1f} times faster (median {np.median(theirs) / np.median(ours):.1f})"
    )
    print(f"  a run of {EPOCHS} epochs:    {EPOCHS * their / (once + EPOCHS * our):.1f} times faster")


if __name__ == "__main__":
    main()
