"""Deep k-Means: an autoencoder and cluster representatives in its embedding, trained together.

References:
    Moradi Fard, Thonet and Gaussier, Deep k-Means, Pattern Recognition Letters 138 (2020) 185-192, arXiv 1806.10069.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("kerasexp")
class ClusterDistances(layers.Layer):
    """Squared Euclidean distances of embedded images to trainable cluster representatives.

    Args:
        clusters: how many.
    """

    def __init__(self, clusters: int, **arguments: Any):
        super().__init__(**arguments)
        self.clusters = clusters

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.representatives = self.add_weight(
            name="representatives",
            shape=(self.clusters, input_shape[-1]),
            initializer=keras.initializers.RandomUniform(-1.0, 1.0),
        )

    def call(self, embedding: Any) -> Any:
        # not |h|^2 - 2hr + |r|^2: the difference of large squares loses what a sharp assignment depends on
        return ops.sum(ops.square(ops.expand_dims(embedding, 1) - self.representatives), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters}


@keras.saving.register_keras_serializable("kerasexp")
class SoftAssignment(layers.Layer):
    """The share of each cluster in an image: softmax of `-alpha` times the squared distances.

    `alpha` is a weight that no gradient moves: `kerasexp.training.alpha.AlphaSchedule` does. The smallest distance is
    taken off first, so that no alpha overflows.
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.alpha = self.add_weight(name="alpha", shape=(), initializer="ones", trainable=False)

    def call(self, distances: Any) -> Any:
        nearest = ops.stop_gradient(ops.min(distances, axis=-1, keepdims=True))  # a shift changes no softmax
        return ops.softmax(-self.alpha * (distances - nearest), axis=-1)


@keras.saving.register_keras_serializable("kerasexp")
class DeepKMeans(keras.Model):
    """An autoencoder with cluster representatives.

    The loss is that of the reconstruction plus `clustering_weight` times that of the clustering. Both are sums per
    image and means over images: the squared error over all pixels, and the squared distances to the representatives
    weighted by the soft assignment. Labels are not looked at.

    A functional model like every other one here; calling it gives a dictionary of float32 tensors: `pixels` (the flat
    image, 0 to 1), `embedding` `[n, size]`, `reconstruction` (of the pixels), `distances` and `assignment`
    `[n, clusters]`. Works with plain `compile` and `fit` too.

    Args:
        inputs, outputs: of the graph, as `deep_kmeans` builds them.

    Example:

    >>> model = deep_kmeans((28, 28, 1), clusters=10)
    >>> model.compile("adam", clustering_weight=1.0)
    >>> model.fit(images, epochs=40, batch_size=256, callbacks=[AlphaSchedule(0.1, "annealing")])
    >>> clusters = model.predict(images)["distances"].argmin(axis=1)
    """

    # the arguments of a functional model, so that Keras saves and loads it as one
    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **arguments: Any):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **arguments)
        self.clustering_weight = 1.0
        names = ("loss", "reconstruction_loss", "clustering_loss", "alpha")
        self._measured = {name: keras.metrics.Mean(name) for name in names}

    def compile(self, optimizer: Any = "adam", clustering_weight: float = 1.0, **arguments: Any) -> None:
        """Sets how the model is trained.

        Args:
            optimizer: of Keras.
            clustering_weight: of the clustering loss beside that of the reconstruction (lambda in the paper), 1 by
                default; 0 trains the autoencoder alone.
            **arguments: of `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, **arguments)
        self.clustering_weight = clustering_weight

    @property
    def representatives(self) -> Any:
        """The weights `[clusters, size of the embedding]`."""
        return self.get_layer("distances").representatives

    @property
    def alpha(self) -> Any:
        """The weight that sharpens the assignment."""
        return self.get_layer("assignment").alpha

    @property
    def encoder(self) -> keras.Model:
        """From images to embeddings; shares its weights with this model."""
        return keras.Model(self.input, self.get_layer("embedding").output, name="encoder")

    @property
    def decoder(self) -> keras.Model:
        """From embeddings to flat images; shares its weights with this model."""
        return keras.Model(self.get_layer("embedding").output, self.get_layer("reconstruction").output, name="decoder")

    @property
    def assigner(self) -> keras.Model:
        """From images to the shares of the clusters; shares its weights with this model."""
        return keras.Model(self.input, self.get_layer("assignment").output, name="assigner")

    @property
    def autoencoder_weights(self) -> list[Any]:
        """All weights but those of the clusters."""
        clusters = (ClusterDistances, SoftAssignment)
        return [weight for layer in self.layers if not isinstance(layer, clusters) for weight in layer.weights]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running means of the losses and of alpha."""
        return list(self._measured.values())

    def losses_of(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The losses of a batch: `loss`, `reconstruction_loss`, `clustering_loss`, each a scalar."""
        wrong = ops.sum(ops.square(outputs["pixels"] - outputs["reconstruction"]), axis=-1)
        spread = ops.sum(outputs["distances"] * outputs["assignment"], axis=-1)
        reconstruction, clustering = ops.mean(wrong), ops.mean(spread)
        loss = reconstruction + self.clustering_weight * clustering
        return {"loss": loss, "reconstruction_loss": reconstruction, "clustering_loss": clustering}

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of gradient descent on a batch of images; labels beside them are ignored."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            losses = self.losses_of(self(x, training=True))
            # the optimizer sums over the replicas of a tf.distribute strategy; without one this divides by 1
            objective = losses["loss"] / tf.distribute.get_strategy().num_replicas_in_sync
        gradients = tape.gradient(objective, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.measure(losses, ops.cast(ops.shape(x)[0], "float32"))
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        """The losses of a batch of images."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.measure(self.losses_of(self(x, training=False)), ops.cast(ops.shape(x)[0], "float32"))
        return self.get_metrics_result()

    def measure(self, losses: dict[str, Any], images: Any) -> None:
        """Adds the losses of a batch, as `losses_of` gives them, to the running means.

        Args:
            losses: means over the images.
            images: how many there are, float32.
        """
        for name, value in {**losses, "alpha": ops.convert_to_tensor(self.alpha)}.items():
            self._measured[name].update_state(value, sample_weight=images)


def deep_kmeans(
    image_shape: tuple[int, int, int],
    classes: int = 0,
    *,
    clusters: int = 10,
    hidden: Sequence[int] = (500, 500, 2000),
    embedding: int = 10,
) -> DeepKMeans:
    """The network of Deep k-Means: encoder, mirrored decoder, cluster representatives.

    Dense layers with ReLU, linear embedding and linear reconstruction, Keras' own initialisation, representatives from
    U(-1, 1). With the defaults and 28x28 images the autoencoder has 3,330,794 parameters.

    Args:
        image_shape: height, width, channels; pixels 0 to 255 are scaled to 0 to 1 inside.
        classes: of the data; a clustering has no use for it.
        clusters: how many, at least 2.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        embedding: size of the embedding; it does not follow the number of clusters.

    Raises:
        ValueError: for fewer than 2 clusters, or a width below 1.

    References:
        Erthal and Lamarca, Deep k-Means, FGV EMAp, 2023; Moradi Fard et al., 2020.
    """
    if clusters < 2:
        raise ValueError(f"clusters must be at least 2, received: {clusters}")
    if not hidden or min(*hidden, embedding) < 1:
        raise ValueError(f"hidden and embedding must be widths of at least 1, received: {list(hidden)} and {embedding}")
    image = keras.Input(image_shape, name="image")
    pixels = layers.Flatten(name="pixels")(layers.Rescaling(1 / 255, name="rescaling")(image))
    x = pixels
    for number, width in enumerate(hidden):
        x = layers.Dense(width, activation="relu", name=f"encoder_{number}")(x)
    code = layers.Dense(embedding, name="embedding")(x)
    x = code
    for number, width in reversed(list(enumerate(hidden))):
        x = layers.Dense(width, activation="relu", name=f"decoder_{number}")(x)
    reconstruction = layers.Dense(pixels.shape[-1], name="reconstruction")(x)
    # last, so that the autoencoder starts from the same weights whatever the number of clusters
    distances = ClusterDistances(clusters, name="distances")(code)
    outputs = {
        "pixels": pixels,
        "embedding": code,
        "reconstruction": reconstruction,
        "distances": distances,
        "assignment": SoftAssignment(name="assignment")(distances),
    }
    return DeepKMeans(image, outputs, name="deep_kmeans")
