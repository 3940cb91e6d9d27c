"""t-SNE maps of what a network's layers say of images, and how far such a map can be trusted."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from kerasexp.errors import KerasexpError, did_you_mean
from kerasexp.evaluation.predictions import model_outputs

NEIGHBORS = 10
PERPLEXITY = 30
ITERATIONS = 500  # measured: twice as many change trustworthiness by less than 0.001, and take twice as long
COMPONENTS = 50  # principal components of a layer that is wider
FEWEST = 20  # images; fewer make no map

METHOD = {
    "method": "t-SNE",
    "perplexity": PERPLEXITY,
    "iterations": ITERATIONS,
    "start": "the first two principal components",
    "seed": 0,
}


@dataclasses.dataclass(frozen=True)
class LayerMap:
    """A layer's output for some images, drawn in the plane.

    Attributes:
        points: float32 `[n, 2]`, or None if there is no map.
        numbers: `layer`, `width` (values per image), `components` (principal components that t-SNE was given, or null)
            and, with a map, `knn_purity` (`features` and `map`), `trustworthiness` and `line` (see `separating_line`);
            without one `reason`.
    """

    points: np.ndarray | None
    numbers: dict[str, Any]


def layer_maps(
    model: keras.Model, x: np.ndarray, labels: np.ndarray, intermediate: str, line: bool = False
) -> dict[str, LayerMap]:
    """Maps of an intermediate layer and of the last dense one.

    Args:
        model: from images with values 0 to 255 to probabilities, with a dense layer before them.
        x: uint8 `[n, height, width, channels]`.
        labels: int64 `[n]`.
        intermediate: name of a layer.
        line: whether two classes get a separating line on each map.

    Returns:
        `intermediate` and `final`.

    Raises:
        KerasexpError: if there is no such layer, or no dense one.
    """
    outputs = layer_outputs(model, x, intermediate)
    names = {"intermediate": intermediate, "final": _last_dense(model).name}
    return {which: layer_map(features, labels, names[which], line) for which, features in outputs.items()}


def layer_outputs(model: keras.Model, x: np.ndarray, intermediate: str) -> dict[str, np.ndarray]:
    """What two layers say of images: the intermediate one, and the last dense one before its activation (the logits).

    Returns:
        `intermediate` and `final`, float32 arrays `[n, values]`.

    Raises:
        KerasexpError: if there is no such layer, or no dense one.
    """
    last = _last_dense(model)
    layers = {layer.name: layer for layer in model.layers}
    if intermediate not in layers:
        raise KerasexpError(
            f'embedding.intermediate: the network has no layer "{intermediate}". {did_you_mean(intermediate, layers)}'
        )
    inner = keras.Model(model.input, [layers[intermediate].output, last.input])
    between, before = (output.reshape(len(output), -1) for output in model_outputs(inner, x))
    # the softmax is undone by computing the layer again without it: logarithms of probabilities have lost the sum
    logits = before @ np.asarray(last.kernel, np.float32)
    return {"intermediate": between, "final": logits if last.bias is None else logits + np.asarray(last.bias)}


def _last_dense(model: keras.Model) -> keras.layers.Dense:
    for layer in reversed(model.layers):
        if isinstance(layer, keras.layers.Dense):
            return layer
    raise KerasexpError(
        f"The logits are those of the last dense layer, but {model.name} has none. Leave the maps out: embedding: null."
    )


def layer_map(features: np.ndarray, labels: np.ndarray, layer: str, line: bool = False) -> LayerMap:
    """The t-SNE map of one layer's output, with what it keeps of the neighborhoods.

    Args:
        features: float32 `[n, values]`.
        labels: int64 `[n]`.
        layer: its name.
        line: whether two classes get a separating line.

    References:
        van der Maaten and Hinton, Journal of Machine Learning Research 9 (2008) 2579-2605.
    """
    from sklearn.manifold import trustworthiness

    numbers: dict[str, Any] = {"layer": layer, "width": features.shape[1], "components": components_of(features)}
    reason = no_map(features)
    if reason:
        return LayerMap(None, {**numbers, "reason": reason})
    points = tsne(features)
    neighbors = min(NEIGHBORS, (len(features) - 1) // 2)
    numbers |= {
        "knn_purity": {
            "neighbors": neighbors,
            "features": knn_purity(features, labels, neighbors),
            "map": knn_purity(points, labels, neighbors),
        },
        "trustworthiness": float(trustworthiness(features, points, n_neighbors=neighbors)),
        "line": separating_line(points, labels) if line and len(np.unique(labels)) == 2 else None,
    }
    return LayerMap(points, numbers)


def tsne(features: np.ndarray) -> np.ndarray:
    """A t-SNE map, of the first principal components where there are many values.

    Args:
        features: float `[n, values]`, for which `no_map` has no objection.

    Returns:
        float32 `[n, 2]`.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    components = components_of(features)
    given = PCA(components, random_state=0).fit_transform(features) if components else features
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    method = TSNE(2, perplexity=perplexity, init="pca", max_iter=ITERATIONS, random_state=0)
    with threadpool_limits(1):  # its threads wait for each other at every step: beside other work two took five times
        return method.fit_transform(given).astype(np.float32)


def components_of(features: np.ndarray) -> int | None:
    """How many principal components `tsne` takes, or None where it takes the values as they are."""
    return COMPONENTS if min(features.shape) > COMPONENTS else None


def knn_purity(features: np.ndarray, labels: np.ndarray, neighbors: int = NEIGHBORS) -> float:
    """The mean share of an image's nearest neighbors that are of its class.

    Args:
        features: float `[n, values]`, compared by Euclidean distance.
        labels: int64 `[n]`.
        neighbors: how many, the image itself not among them; 10 by default.
    """
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=neighbors, algorithm="auto").fit(features).kneighbors(return_distance=False)
    return float((labels[nearest] == labels[:, None]).mean())


def separating_line(points: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """The straight line that a linear SVM (C = 1, hinge loss) draws between two classes on a map.

    Args:
        points: float `[n, 2]`.
        labels: int64 `[n]` of exactly two values.

    Returns:
        `weights` (two) and `bias`, so that the line is where `weights @ point + bias` is 0, positive on the side of the
        larger label, and `errors`, the points on the wrong side.
    """
    from sklearn.svm import SVC

    centre, scale = points.mean(axis=0), points.std()
    svm = SVC(kernel="linear", C=1.0).fit((points - centre) / scale, labels)
    weights = svm.coef_[0] / scale
    errors = int(np.count_nonzero(svm.predict((points - centre) / scale) != labels))
    return {"weights": weights.tolist(), "bias": float(svm.intercept_[0] - weights @ centre), "errors": errors}


def first_images(labels: np.ndarray, images: int) -> np.ndarray:
    """Positions of the first images; of data in the order of its classes, of as many spread over all of it.

    Args:
        labels: int64 `[n]`.
        images: how many at the most.

    Returns:
        int64 array, ascending.
    """
    images = min(images, len(labels))
    in_order = len(labels) > 1 and bool((np.diff(labels) >= 0).all())
    return np.linspace(0, len(labels) - 1, images).astype(np.int64) if in_order else np.arange(images)


def no_map(features: np.ndarray) -> str:
    """Why t-SNE has nothing to draw; empty if it has."""
    if len(features) < FEWEST:
        return f"{len(features)} images are too few for a map"
    if features.shape[1] < 2:
        return "the layer gives a single number"
    if not np.ptp(features, axis=0).any():
        return "the layer says the same of every image"
    return ""
