"""A step on several replicas of a network: each takes its part of the batch, and the sums over all are those of one.

Keras' own `train_step` takes the mean over the replicas, which is the mean over the images only where all parts are
equally large. So the step here is ours: it divides sums over the images of a replica by the images of the whole batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasexp.data.sharing import Sharing
from kerasexp.models.deep_kmeans import DeepKMeans
from kerasexp.training.devices import Devices


class Replicas:
    """The steps of a model that was built and compiled in the scope of several devices.

    Args:
        model: its dropout layers draw the mask of the whole batch from now on, and its BatchNorm layers take the
            statistics of the whole batch.
        devices: with a strategy.
    """

    def __init__(self, model: keras.Model, devices: Devices):
        assert devices.sharing is not None
        self.model = model
        self.strategy = devices.strategy
        self.sharing: Sharing = devices.sharing
        self.part: tuple[Any, Any] = (0, 1)  # where the images of the traced replica begin, in a batch of how many
        for layer in model._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
            elif type(layer) is keras.layers.Dropout and layer.rate > 0 and layer.noise_shape is None:
                layer.call = functools.partial(self._drop, layer)

    def compiled_steps(self, train: bool) -> Callable[[Any, Any], None]:
        """A function of (iterator, steps) for batches of `TrainingImages` with a sharing.

        Args:
            train: whether the weights follow the gradients, or the losses are only measured.
        """
        sharing = self.sharing

        @tf.function
        def run_steps(iterator: Any, steps: Any) -> None:
            for _ in tf.range(steps):
                (x, y), size = next(iterator)
                begin = sharing.start(sharing.first, size)
                self.strategy.run(self._step, args=(x, y, begin, size, train))

        return run_steps

    def compiled_validation(self) -> Callable[[Any], None]:
        """A function of whole batches, as `evaluation_batches` gives them, that measures the losses."""

        @tf.function
        def run_validation(batches: Any) -> None:
            for x, y in batches:
                size = tf.shape(y, tf.int64)[0]
                self.strategy.run(self._step, args=(x, y, tf.zeros([], tf.int64), size, False))

        return run_validation

    def _step(self, x: Any, y: Any, begin: Any, size: Any, train: bool) -> None:
        """What one replica does of a step.

        Args:
            x, y: the images and labels read by this process.
            begin: where they begin in the whole batch.
            size: images of the whole batch.
            train: whether to train.
        """
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        first = self.sharing.start(replica, size)
        count = self.sharing.start(replica + 1, size) - first
        # a replica without an image computes one that counts nowhere: not every operation takes an empty batch
        with tf.device("CPU"):
            here = tf.minimum(first - begin, tf.shape(y, tf.int64)[0] - 1)
            x, y = x[here : here + tf.maximum(count, 1)], y[here : here + count]
        self.part = tf.minimum(first, size - 1), size
        if train:
            with tf.GradientTape() as tape:
                outputs, losses = self._losses(x, y, count, training=True)
                objective = losses["loss"] * tf.cast(count, tf.float32) / tf.cast(size, tf.float32)
            gradients = tape.gradient(objective, self.model.trainable_variables)
            self.model.optimizer.apply(gradients, self.model.trainable_variables)  # sums them over the replicas
        else:
            outputs, losses = self._losses(x, y, count, training=False)
        self._measure(losses, y, outputs, count)

    def _losses(self, x: Any, y: Any, count: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        """What the model makes of the images that count, and the mean losses over them."""
        outputs = keras.tree.map_structure(lambda values: values[:count], self.model(x, training=training))
        if isinstance(self.model, DeepKMeans):
            return outputs, self.model.losses_of(outputs)
        return outputs, {"loss": tf.reduce_mean(self.model.loss.call(y, outputs))}

    def _measure(self, losses: dict[str, Any], y: Any, outputs: Any, count: Any) -> None:
        """Adds to the running means of this replica; reading them takes those of all replicas together."""
        weight = tf.cast(count, tf.float32)
        # the mean over no image is no number, and would stay one with a weight of zero
        losses = {name: tf.where(count > 0, value, tf.zeros_like(value)) for name, value in losses.items()}
        if isinstance(self.model, DeepKMeans):
            self.model.measure(losses, weight)
            return
        self.model.metrics[0].update_state(losses["loss"], sample_weight=weight)
        self.model.compute_metrics(None, y, outputs)

    def _drop(self, layer: Any, inputs: Any, training: bool = False) -> Any:
        """`keras.layers.Dropout` with this replica's part of the mask that one device draws for the whole batch."""
        if not training:
            return inputs
        first, size = self.part
        shape = tf.concat([[size], tf.shape(inputs, tf.int64)[1:]], axis=0)
        mask = keras.random.dropout(tf.ones(shape, inputs.dtype), layer.rate, seed=layer.seed_generator)
        return inputs * mask[first : first + tf.shape(inputs, tf.int64)[0]]


def make_metrics(model: keras.Model, classes: int) -> None:
    """Makes the variables of the metrics outside of a replica, where they belong to all of them."""
    labels = tf.zeros([1, classes])
    model._compile_metrics.build(labels, labels)
