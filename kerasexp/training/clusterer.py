"""Deep k-Means as a scikit-learn estimator."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasexp import environment
from kerasexp.config import schema
from kerasexp.data.dataset import Split
from kerasexp.data.pipeline import TrainingImages, resident_device
from kerasexp.errors import KerasexpError, did_you_mean
from kerasexp.models.deep_kmeans import DeepKMeans, deep_kmeans
from kerasexp.training.alpha import Growth
from kerasexp.training.callbacks import keras_callbacks
from kerasexp.training.compiled import compile_model, compiled_steps
from kerasexp.training.kmeans import place_representatives

_AS_THEY_ARE = schema.Augmentation(copies=0, static=False, rotation=0, shift=0, shear=0, zoom=0.0, fill="black")
_ABOVE_0 = ("alpha", "learning_rate")
_KMEANS = schema.KMeans(name="kmeans", restarts=10, max_iterations=300)


class DeepKMeansClusterer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Groups samples in the embedding of an autoencoder that learns to make the groups compact.

    What `kerasexp train mnist_deep_kmeans_pretrained` does, for any matrix of numbers: an autoencoder, k-means on its
    embedding, then both trained together. On the images of a run, with its settings and its seed, the weights are those
    of the run, bit for bit.

    The values are shifted and stretched, all by the same two numbers, so that those of `fit` reach from 0 to 1; images
    with values 0 to 1 stay as they are, and values 0 to 255 need no preparation. Features of different units should be
    brought to one scale before, as for k-means.

    Args:
        n_clusters: how many groups, at least 2 and at most the number of samples; 10 by default.
        hidden: widths of the encoder's hidden layers, (500, 500, 2000) by default; the decoder has them in reverse.
        embedding: size of the embedding, 10 by default.
        clustering_weight: of the clustering loss beside that of the reconstruction, 1 by default.
        alpha: how sharply samples are assigned to clusters, 300 by default; that of the first epoch if it grows.
        growth: `constant` (the default) or `annealing`: alpha grows from epoch to epoch.
        autoencoder_epochs: of the autoencoder alone, 50 by default. 0 leaves it and k-means out: the clusters start
            from random representatives, as in `mnist_deep_kmeans_annealing` (`alpha=0.1, growth="annealing",
            joint_epochs=40`).
        joint_epochs: of autoencoder and clusters together, 20 by default.
        batch_size: samples per training step, 256 by default.
        learning_rate: of Adam, 0.001 by default.
        random_state: decides everything that is drawn; 0 by default. As in scikit-learn, a `RandomState` is drawn from
            and None makes every fit another one.

    Attributes:
        labels_: int array `[n]`, the cluster of each sample of `fit`.
        cluster_centers_: float32 array `[n_clusters, embedding]`, the representatives in the embedding.
        model_: the trained `DeepKMeans` of Keras; it takes the scaled samples times 255, as images
            `[n, features, 1, 1]`.
        data_range_: the smallest and the largest value of `fit`.
        n_features_in_: number of features.

    Example:

    >>> digits = sklearn.datasets.load_digits()
    >>> clusterer = DeepKMeansClusterer(hidden=(500, 500), joint_epochs=10)
    >>> clusters = clusterer.fit_predict(digits.data)

    References:
        Moradi Fard, Thonet and Gaussier, Deep k-Means, Pattern Recognition Letters 138 (2020) 185-192.
    """

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        hidden: Sequence[int] = (500, 500, 2000),
        embedding: int = 10,
        clustering_weight: float = 1.0,
        alpha: float = 300.0,
        growth: Growth = "constant",
        autoencoder_epochs: int = 50,
        joint_epochs: int = 20,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        random_state: int | np.random.RandomState | None = 0,
    ):
        self.n_clusters = n_clusters
        self.hidden = hidden
        self.embedding = embedding
        self.clustering_weight = clustering_weight
        self.alpha = alpha
        self.growth = growth
        self.autoencoder_epochs = autoencoder_epochs
        self.joint_epochs = joint_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: Any = None) -> DeepKMeansClusterer:
        """Learns embedding and clusters.

        Args:
            X: numbers `[n, features]`, finite.
            y: ignored.

        Raises:
            ValueError: for a setting or data that make no clustering.
            KerasexpError: if the training diverges.

        Warns:
            ConvergenceWarning: if some clusters end without samples.
        """
        environment.ensure_tensorflow()
        self._check_settings()
        samples: np.ndarray = validate_data(self, X, dtype=[np.float64, np.float32])
        if len(samples) < self.n_clusters:
            raise ValueError(f"n_samples={len(samples)} should be >= n_clusters={self.n_clusters}.")
        seed = self._seed()
        self.data_range_ = (float(samples.min()), float(samples.max()))
        images = self._images(samples)
        split = Split(images, np.zeros(len(images), np.int64), np.arange(len(images)))
        model = self._network(seed)
        if self.autoencoder_epochs:
            self._train(model, split, seed, "autoencoder", 0.0, self.autoencoder_epochs)
            place_representatives(model, split, _KMEANS, seed)
        self._train(model, split, seed, "joint training", self.clustering_weight, self.joint_epochs)
        self.model_ = self._network(seed)  # a copy without optimizer: the network alone is kept
        self.model_.set_weights(model.get_weights())
        self.cluster_centers_ = model.representatives.numpy()
        self.labels_ = self._computed("distances", images).argmin(axis=1)
        used = len(np.unique(self.labels_))
        if used < self.n_clusters:
            warnings.warn(f"Only {used} of {self.n_clusters} clusters have samples.", ConvergenceWarning, stacklevel=2)
        return self

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """The cluster with the nearest representative, int64 `[n]`, of samples `[n, features]`."""
        return self._of_samples("distances", X).argmin(axis=1)

    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """The distances to the representatives, float32 `[n, n_clusters]`, as `sklearn.cluster.KMeans` gives them."""
        return np.sqrt(self._of_samples("distances", X))

    def embed(self, X: npt.ArrayLike) -> np.ndarray:
        """The embedding, float32 `[n, embedding]`, of samples `[n, features]`."""
        return self._of_samples("embedding", X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # always float32, as the network computes
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def _check_settings(self) -> None:
        counts = {"n_clusters": 2, "embedding": 1, "autoencoder_epochs": 0, "joint_epochs": 1, "batch_size": 1}
        for name, least in counts.items():
            value = getattr(self, name)
            if not _is_count(value, least):
                raise ValueError(f"{name} must be a whole number of at least {least}, received: {value!r}.")
        widths = self.hidden if isinstance(self.hidden, Sequence | np.ndarray) else ()
        if not len(widths) or not all(_is_count(width, 1) for width in widths):
            raise ValueError(f"hidden must be widths of at least 1, as (500, 500, 2000), received: {self.hidden!r}.")
        for name in ("clustering_weight", "alpha", "learning_rate"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= float(value) < math.inf or (value == 0 and name in _ABOVE_0):
                above = "above 0" if name in _ABOVE_0 else "of at least 0"
                raise ValueError(f"{name} must be a number {above}, received: {value!r}.")
        if self.growth not in ("constant", "annealing"):
            choices = did_you_mean(self.growth, ("constant", "annealing"))
            raise ValueError(f"growth: unknown {self.growth!r}. {choices}")

    def _seed(self) -> int:
        """A whole number is the seed itself, as `--seed` is; from a generator one is drawn."""
        generator = check_random_state(self.random_state)
        return int(self.random_state if isinstance(self.random_state, Integral) else generator.randint(2**31 - 1))

    def _network(self, seed: int) -> DeepKMeans:
        # Keras draws the seeds of its initialisers from Python's generator, which goes on afterwards as if we had not
        before = random.getstate()
        random.seed(seed)
        try:
            return deep_kmeans(
                (self.n_features_in_, 1, 1),
                clusters=int(self.n_clusters),
                hidden=[int(width) for width in self.hidden],
                embedding=int(self.embedding),
            )
        finally:
            random.setstate(before)

    def _train(
        self, model: DeepKMeans, split: Split, seed: int, name: str, clustering_weight: float, epochs: int
    ) -> None:
        """One stage, as the trainer trains it."""
        optimizer = {"learning_rate": self.learning_rate, "weight_decay": 0, "beta_1": 0.9, "beta_2": 0.999}
        stage = schema.Stage(
            loss=schema.DeepKMeansLoss(name="deep_kmeans", clustering_weight=clustering_weight),
            optimizer=schema.Adam(name="adam", epsilon=1e-7, **optimizer),
            batch_size=int(self.batch_size),
            epochs=int(epochs),
            alpha=schema.Alpha(first=self.alpha, growth=self.growth, epochs_each=1),
        )
        images = TrainingImages(
            split, 1, stage.batch_size, seed, _AS_THEY_ARE, device=resident_device(split, _AS_THEY_ARE)
        )
        compile_model(model, stage, images, epochs)
        run_steps = compiled_steps(model.train_step, images)
        watchers = keras.callbacks.CallbackList(keras_callbacks(stage), model=model)
        for epoch in range(epochs):
            model.reset_metrics()
            watchers.on_epoch_begin(epoch)
            run_steps(iter(images.epoch(epoch)), tf.constant(images.steps_per_epoch))
            loss = float(model.get_metrics_result()["loss"])
            if not math.isfinite(loss):
                raise KerasexpError(
                    f"The loss became {loss} in epoch {epoch + 1} of the {name}. "
                    f"The training diverged: try a lower learning_rate, e.g. {self.learning_rate / 10:g}."
                )

    def _images(self, samples: np.ndarray) -> np.ndarray:
        """Samples as the network takes them: images of one column, values 0 to 255."""
        low, high = self.data_range_
        scaled = (samples - low) * (255 / ((high - low) or 1.0))  # samples that are all alike become 0
        return scaled.astype(np.float32).reshape(*samples.shape, 1, 1)

    def _of_samples(self, layer: str, X: npt.ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return self._computed(layer, self._images(validate_data(self, X, dtype=[np.float64, np.float32], reset=False)))

    def _computed(self, layer: str, images: np.ndarray) -> np.ndarray:
        part = keras.Model(self.model_.input, self.model_.get_layer(layer).output)
        batches = np.split(images, range(1000, len(images), 1000))
        return np.concatenate([part(batch, training=False).numpy() for batch in batches])


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
