"""The evaluation of a clustering: what a run's clusters are worth, and plain ways to cluster beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasexp import files
from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset, Split
from kerasexp.runs import Run
from kerasexp.training.progress import duration

if TYPE_CHECKING:
    from kerasexp.evaluation.predictions import Clustered

PIXELS = "k-means on the pixels"
TRAINED = "k-means on the trained embedding"
UMAP = "autoencoder, UMAP to 10 dimensions, mixture of Gaussians"
THOROUGH = ("sound", "paper")  # recipes whose evaluation may take minutes longer
MAP_IMAGES = 2500
MEMBERS = 5  # images of each cluster in the grid, as the study drew it
MOST_CLUSTERS = 20  # in the grid
RECONSTRUCTIONS = 10
SAMPLES = 10  # images of each class
MOST_PIXELS = 2**29  # of all images together, for k-means on them: 2 GB
# seconds for each image, measured on MNIST on one core
MAP_SECONDS = 0.004
PIXELS_SECONDS = 0.0004
EMBEDDING_SECONDS = 0.0002
UMAP_SECONDS = 0.0025


def evaluate_clusters_run(
    run: Run, experiment: Experiment, dataset: Dataset, say: Callable[[str], None]
) -> dict[str, Any]:
    """Evaluates a run that clusters; the caller holds the run's lock.

    Writes `metrics.json`, `predictions.npz` and `clusters.npz`. In `metrics.json` the table's test part has the form of
    a classification's, for the labels that the one-to-one map gives the clusters. `clustering` has the map itself, the
    same numbers of the clusters before the joint training and of k-means on the pixels, and all baselines in short.

    Args:
        run: its folder takes the results.
        experiment: the run's configuration.
        dataset: the run's data; without class names it has no labels, and what needs some is left out.
        say: is told what takes long.

    Returns:
        The content of `metrics.json`.
    """
    from kerasexp.evaluation.clustering import evaluate_clusters, silhouette
    from kerasexp.evaluation.predictions import cluster_images
    from kerasexp.models.saved import load_model

    test, seed = dataset.test, experiment.seed
    labels = test.y if dataset.class_names else None
    model, card = load_model(run.path("model.keras"))
    say(f"Encoding {len(test):,} images")
    ours = cluster_images(model, test.x)
    total = ours.assignment.shape[1]

    def measure(clusters: np.ndarray, embedding: np.ndarray | None = None) -> dict[str, Any]:
        numbers, _ = evaluate_clusters(clusters, labels, dataset.class_names, total, seed)
        return numbers if embedding is None else {**numbers, "silhouette": silhouette(embedding, clusters, seed)}

    numbers, mapping = evaluate_clusters(ours.clusters, labels, dataset.class_names, total, seed)
    weight = getattr(experiment.training_stages[-1].loss, "clustering_weight", 0.0)
    numbers |= {
        "silhouette": silhouette(ours.embedding, ours.clusters, seed),
        "loss": ours.reconstruction_loss + weight * ours.clustering_loss,
        "reconstruction_loss": ours.reconstruction_loss,
        "clustering_loss": ours.clustering_loss,
    }
    clustering: dict[str, Any] = {
        "clusters": total,
        "sizes": np.bincount(ours.clusters, minlength=total).tolist(),
        "labelled": labels is not None,
        "mapping": None if mapping is None else list(mapping.labels),
        "counts": None if mapping is None else mapping.counts.tolist(),
    }
    before = _before_joint(run, experiment, test)
    if before is not None:
        clustering["before_joint"] = measure(before[1], before[0])
    autoencoded = None if before is None else before[0]
    found, left_out = _baselines(test, ours.embedding, autoencoded, total, experiment, say)
    rows = []
    for name, clusters, seconds in found:
        of_baseline = measure(clusters)
        if name == PIXELS:
            clustering["pixels"] = of_baseline
        kept = ("accuracy", "nmi", "ari", "purity", "majority_accuracy", "intervals", "clusters_used")
        rows.append({"name": name, **{key: of_baseline[key] for key in kept if key in of_baseline}, "seconds": seconds})
    pictures, clustering["map"] = clustering_pictures(model, test, ours, seed, say)
    if labels is not None:
        pictures |= _samples(test, len(dataset.class_names))
    metrics: dict[str, Any] = {
        "table_weights": experiment.weights,
        "weights": {experiment.weights: {"epoch": card["epoch"], "test": numbers}},
        "clustering": {**clustering, "baselines": rows, "left_out": left_out},
    }
    files.write_json(run.path("metrics.json"), metrics)
    files.write_npz(
        run.path("predictions.npz"),
        test_probabilities=ours.assignment,
        test_labels=test.y,
        test_index=test.index,
        clusters=ours.clusters,
        **({} if mapping is None else {"mapped": mapping.label_of(ours.clusters)}),
    )
    files.write_npz(run.path("clusters.npz"), **pictures)
    return metrics


def _before_joint(run: Run, experiment: Experiment, test: Split) -> tuple[np.ndarray, np.ndarray] | None:
    """Embedding and clusters of the test images after autoencoder and k-means; None where the run has no such stage."""
    from scipy.spatial.distance import cdist

    path = run.path("before_joint.npz")
    if not experiment.data.joined or not path.exists():
        return None
    arrays = files.read_npz(path)
    embedding = arrays["embedding"][test.index]  # of all images, in the order of their places
    nearest = cdist(embedding, arrays["representatives"], "sqeuclidean").argmin(axis=1)
    return embedding, nearest.astype(np.int64)


def _baselines(
    test: Split,
    trained: np.ndarray,
    autoencoded: np.ndarray | None,
    clusters: int,
    experiment: Experiment,
    say: Callable[[str], None],
) -> tuple[list[tuple[str, np.ndarray, float]], list[str]]:
    """Name, clusters and seconds of each plain way to cluster the same images; and what was left out, and why."""
    from kerasexp.evaluation.baselines import has_umap, kmeans_on_embedding, kmeans_on_pixels, umap_mixture

    found, left_out = [], []
    seed = experiment.seed

    def add(name: str, seconds_each: float, cluster: Callable[[], np.ndarray]) -> None:
        say(f"{name}: about {duration(seconds_each * len(test))}")
        began = time.monotonic()
        assigned = cluster()
        found.append((name, assigned, round(time.monotonic() - began, 3)))

    if np.prod(test.x.shape) <= MOST_PIXELS:
        add(PIXELS, PIXELS_SECONDS, lambda: kmeans_on_pixels(test.x[:], clusters, seed))
    else:
        left_out.append(f"{PIXELS}: together they have more than {MOST_PIXELS:,} values")
    add(TRAINED, EMBEDDING_SECONDS, lambda: kmeans_on_embedding(trained, clusters, seed))
    if autoencoded is None:
        left_out.append(f"{UMAP}: the run has no autoencoder that was trained alone")
    elif experiment.recipe not in THOROUGH:
        left_out.append(f"{UMAP}: it takes minutes, so only the recipes {' and '.join(THOROUGH)} do it")
    elif not has_umap():
        left_out.append(f"{UMAP}: umap-learn is not installed (pip install 'kerasexp[clustering]')")
    else:
        embedding = autoencoded
        add(UMAP, UMAP_SECONDS, lambda: umap_mixture(embedding, clusters, seed))
    return found, left_out


def clustering_pictures(
    model: Any, test: Split, clustered: Clustered, seed: int, say: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What the report draws of a clustering, as arrays for `clusters.npz`.

    Args:
        model: a `DeepKMeans`.
        test: the images.
        clustered: what it says of them.
        seed: of the samples.
        say: is told what takes long.

    Returns:
        * `member_images` (uint8) and `member_position` (places among the test images) of up to five random images of
          each of the first twenty clusters, cluster by cluster;
        * `original_images` and `reconstructed_images` of ten random images, and `representative_images`, the decoded
          representatives: uint8 `[n, height, width, channels]`;
        * `map_points` and `map_position` of a sample of the test images, and `map_representatives`: float32 `[n, 2]`;
          none of them where there is nothing to map;

        and the map's numbers: `images`, how it was made, and `trustworthiness`, or `reason` why there is none.
    """
    generator = np.random.default_rng(seed)
    members = []
    for cluster in range(min(MOST_CLUSTERS, clustered.assignment.shape[1])):
        inside = np.flatnonzero(clustered.clusters == cluster)
        members.append(generator.permutation(inside)[:MEMBERS])
    shown = np.concatenate(members)
    drawn = generator.permutation(len(test))[:RECONSTRUCTIONS]
    representatives = np.asarray(model.representatives, np.float32)
    outputs = model.predict_on_batch(test.x[drawn])
    points, numbers = _map(clustered.embedding, representatives, seed, say)
    return {
        "member_images": test.x[shown],
        "member_position": shown,
        "original_images": test.x[drawn],
        "reconstructed_images": _as_images(outputs["reconstruction"], test),
        "representative_images": _as_images(model.decoder.predict_on_batch(representatives), test),
        **points,
    }, numbers


def _as_images(pixels: np.ndarray, test: Split) -> np.ndarray:
    """Pixels from about 0 to 1, in rows, as uint8 images."""
    return np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8).reshape(-1, *test.x.shape[1:])


def _map(
    embedding: np.ndarray, representatives: np.ndarray, seed: int, say: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The t-SNE map of a sample of the images and of all representatives among them."""
    from sklearn.manifold import trustworthiness

    from kerasexp.evaluation.clustering import sample_of
    from kerasexp.evaluation.embedding import METHOD, NEIGHBORS, no_map, tsne

    positions = sample_of(len(embedding), MAP_IMAGES, seed)
    features = np.concatenate([embedding[positions], representatives])
    numbers: dict[str, Any] = {"images": len(positions), **METHOD}
    reason = no_map(embedding[positions])
    if reason:
        return {}, {**numbers, "reason": reason}
    say(f"t-SNE of {len(positions):,} embedded images: about {duration(MAP_SECONDS * len(positions))}")
    points = tsne(features)
    neighbors = min(NEIGHBORS, (len(features) - 1) // 2)
    numbers["trustworthiness"] = float(trustworthiness(features, points, n_neighbors=neighbors))
    images = len(positions)
    return {"map_points": points[:images], "map_position": positions, "map_representatives": points[images:]}, numbers


def _samples(test: Split, classes: int) -> dict[str, np.ndarray]:
    """The first images of each class, class by class."""
    positions = np.concatenate([np.flatnonzero(test.y == label)[:SAMPLES] for label in range(classes)])
    return {"sample_images": test.x[positions], "sample_labels": test.y[positions]}
