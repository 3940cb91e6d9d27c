"""Small networks, stages that train them, and runs, for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

from kerasexp import environment
from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Experiment, Stage
from kerasexp.data.dataset import Dataset, Split
from kerasexp.runs import Run, create_run
from kerasexp.training.progress import Progress
from kerasexp.training.trainer import Outcome, train


def branched_network() -> keras.Model:
    """Two branches that meet, a pooling, dropout and two dense layers."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(image)
    left = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="left")(x)
    right = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="right")(x)
    right = keras.layers.BatchNormalization(momentum=0.9, name="bn")(right)
    x = keras.layers.Concatenate(name="joined")([left, right])
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(6, activation="relu", name="dense")(x)
    logits = keras.layers.Dense(3, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(logits))


def stage(**changes) -> Stage:
    base = load_experiment("mnist_simplecnn")
    return Stage.model_validate({**{key: getattr(base, key) for key in Stage.model_fields}, **changes})


def images(count: int, seed: int = 0, first: int = 0) -> Split:
    """Noise in three brightnesses, one for each class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = np.clip(rng.normal(60 + 60 * y[:, None, None, None], 40, (count, 8, 8, 1)), 0, 255).astype("uint8")
    return Split(x, y.astype("int64"), np.arange(first, first + count))


def small_dataset() -> Dataset:
    return Dataset("small", images(40, 0), images(12, 1), ("a", "b", "c"), "made", validation=images(10, 2, first=40))


CLUSTERING = "mnist_deep_kmeans_pretrained"
SMALL_NETWORK = {"model": {"clusters": 4, "hidden": [16], "embedding": 3}, "batch_size": 32}


def digits(count: int = 160) -> Dataset:
    """The first of the 8x8 digits that scikit-learn brings, all together as a clustering has them."""
    x, y = load_digits(return_X_y=True)
    # brightness 0 to 16, here 0 to 255
    pixels = np.round(x[:count] * 255 / 16).astype("uint8").reshape(-1, 8, 8, 1)
    split = Split(pixels, y[:count].astype("int64"), np.arange(count))
    return Dataset("digits", split, split, tuple(map(str, range(10))), "scikit-learn")


def clustering(epochs: tuple[int, int] = (3, 2), shared: bool = False, **changes) -> Experiment:
    """A small Deep k-Means in three stages."""
    base = load_experiment(CLUSTERING)
    autoencoder, kmeans, joint = base.stages
    common = {**base.model_dump(exclude={"stages"}), **SMALL_NETWORK, **changes}
    settings = {key: common[key] for key in ("batch_size", "optimizer", "alpha")}
    stages = [
        {**autoencoder.model_dump(), **settings, "epochs": epochs[0], "shared": shared},
        {**kmeans.model_dump(), "batch_size": common["batch_size"], "alpha": common["alpha"]},
        {**joint.model_dump(), **settings, "epochs": epochs[1]},
    ]
    return Experiment.model_validate({**common, "stages": stages})


def made_run(experiment: Experiment, dataset: Dataset, out: Path) -> Run:
    """A new run folder, as `kerasexp train` makes it."""
    return create_run(
        experiment,
        out,
        precision="float32",
        data={"digest": dataset.digest()},
        versions=environment.versions(),
        hardware=environment.hardware(),
    )


def train_run(run: Run, dataset: Dataset, max_seconds: float | None = None) -> Outcome:
    """Trains a run, or goes on with it."""
    return train(run, run.experiment, dataset, Progress(), max_seconds)
