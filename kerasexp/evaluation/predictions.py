"""What a model's layers give for images."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from kerasexp.data.dataset import Images
from kerasexp.models import prediction_batch


def predict_probabilities(model: keras.Model, x: Images) -> np.ndarray:
    """The model's output for every image.

    Args:
        model: from images with values 0 to 255 to probabilities.
        x: uint8 `[n, height, width, channels]`; images in a file are read batch by batch.

    Returns:
        float32 array `[n, classes]`.
    """
    return model_outputs(model, x)[0]


@dataclasses.dataclass(frozen=True)
class Clustered:
    """What a Deep k-Means says of images.

    Attributes:
        embedding: float32 `[n, size]`.
        assignment: float32 `[n, clusters]`, the share of each cluster in an image.
        clusters: int64 `[n]`, the cluster whose representative is nearest.
        reconstruction_loss: squared error, summed over an image's pixels (0 to 1), the mean over the images.
        clustering_loss: squared distances to the representatives weighted by the assignment, the mean over the images.
    """

    embedding: np.ndarray
    assignment: np.ndarray
    clusters: np.ndarray
    reconstruction_loss: float
    clustering_loss: float


def cluster_images(model: keras.Model, x: Images) -> Clustered:
    """Embeds images and finds their clusters, batch by batch: no reconstruction is kept.

    Args:
        model: a `DeepKMeans`, or any that gives the same dictionary.
        x: uint8 `[n, height, width, channels]`, n at least 1; images in a file are read batch by batch.
    """
    batch = prediction_batch(model)
    embedding, assignment, clusters = [], [], []
    squares = spread = 0.0
    for first in range(0, len(x), batch):
        images = np.ascontiguousarray(x[first : first + batch])
        outputs: Any = model.predict_on_batch(images)
        pixels = images.reshape(len(images), -1) / 255
        squares += float(((pixels - outputs["reconstruction"]) ** 2).sum())
        spread += float((outputs["distances"] * outputs["assignment"]).sum(dtype=np.float64))
        embedding.append(outputs["embedding"])
        assignment.append(outputs["assignment"])
        clusters.append(outputs["distances"].argmin(axis=1))
    return Clustered(
        np.concatenate(embedding).astype(np.float32, copy=False),
        np.concatenate(assignment).astype(np.float32, copy=False),
        np.concatenate(clusters).astype(np.int64),
        squares / len(x),
        spread / len(x),
    )


def model_outputs(model: keras.Model, x: Images) -> list[np.ndarray]:
    """All outputs of a model for every image, batch by batch: `Model.predict` would copy all images first.

    Args:
        model: from images with values 0 to 255.
        x: uint8 `[n, height, width, channels]`, n at least 1; images in a file are read batch by batch.

    Returns:
        A float32 array `[n, ...]` for each output.
    """
    batch = prediction_batch(model)
    parts: list[list[np.ndarray]] = []
    for first in range(0, len(x), batch):
        outputs: Any = model.predict_on_batch(np.ascontiguousarray(x[first : first + batch]))
        parts.append(outputs if isinstance(outputs, list) else [outputs])
    return [np.concatenate(of_one).astype(np.float32, copy=False) for of_one in zip(*parts, strict=True)]
