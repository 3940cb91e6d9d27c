"""What the report of a clustering has of its own: its figures, its tables and what to keep in mind."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.config.schema import Experiment
from kerasexp.data.statistics import imbalance
from kerasexp.published import Row
from kerasexp.reporting.figures import clusters, confusion, curves, embedding, samples, scores
from kerasexp.reporting.page import Pictures
from kerasexp.runs import Run

FREQUENT = 0.1  # share of a cluster from which a class is named


def content(
    pictures: Pictures,
    run: Run,
    metrics: Mapping[str, Any],
    history: Mapping[str, Sequence[float]],
    rows: Sequence[Row],
) -> dict[str, Any]:
    """Draws the figures and gives the template the rest.

    Args:
        pictures: takes the figures.
        run: an evaluated run that clusters.
        metrics: content of its `metrics.json`.
        history: columns of its `history.csv` by name; empty if no epoch was finished.
        rows: the published numbers beside its own.
    """
    experiment, manifest = run.experiment, run.manifest
    found = metrics["clustering"]
    test = metrics["weights"][metrics["table_weights"]]["test"]
    class_names = list(manifest["data"]["class_names"])
    arrays = files.read_npz(run.path("clusters.npz"))
    predictions = files.read_npz(run.path("predictions.npz"))
    if history:
        _draw_curves(pictures, history, manifest.get("stages", ()))
    if found["labelled"]:
        _draw_scores(pictures, test, class_names, rows)
    _draw_images(pictures, arrays, predictions, found, class_names)
    _draw_map(pictures, arrays, predictions, found, class_names)
    counts: dict[str, Any] = {}
    if found["labelled"]:
        counts = dict(manifest["data"]["counts"])
        if counts["train"] == counts["test"]:  # one set, trained on and measured
            counts = {"all images": counts["test"]}
        pictures.add("classes", samples.class_distribution(counts, class_names), "Images of each class.")
        text = "Images, one row for each class."
        grid = samples.sample_grid(arrays["sample_images"], arrays["sample_labels"], class_names)
        pictures.add("samples", grid, text)
    return {
        "clusters": cluster_table(found, class_names),
        "methods": _methods(found, test),
        "caveats": caveats(experiment, found, test, class_names),
        "imbalance": {split: imbalance(of_split) for split, of_split in counts.items()},
        "samples_are": "Images",
    }


def cluster_table(found: Mapping[str, Any], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each cluster: `cluster`, `size`, and with labels `label`, `purity` and its most frequent `classes`.

    Args:
        found: `clustering` of `metrics.json`.
        class_names: one per label.
    """
    table = []
    for cluster, size in enumerate(found["sizes"]):
        row: dict[str, Any] = {"cluster": cluster, "size": size}
        if found["labelled"]:
            counts = np.array(found["counts"][cluster])
            label = found["mapping"][cluster]
            frequent = [place for place in np.argsort(-counts, kind="stable") if counts[place] > FREQUENT * size]
            row |= {
                "label": None if label is None else class_names[label],
                "purity": counts.max() / size if size else None,
                "classes": [(class_names[place], float(counts[place] / size)) for place in frequent] if size else [],
            }
        table.append(row)
    return table


def caveats(
    experiment: Experiment, found: Mapping[str, Any], test: Mapping[str, Any], class_names: Sequence[str]
) -> list[str]:
    """What a reader of the numbers must know, where it applies to this run.

    Args:
        experiment: the run's configuration.
        found: `clustering` of `metrics.json`.
        test: the numbers of the table's weights.
        class_names: one per label.
    """
    total, used = found["clusters"], test["clusters_used"]
    told = []
    if used == 1:
        told.append(f"The clustering collapsed: all images are in one of the {total} clusters.")
    elif used < total:
        told.append(f"{total - used} of the {total} clusters hold{'s' * (total - used == 1)} no image.")
    if experiment.data.joined:
        told.append("There is no test set: the clusters were formed from the images that they are measured on.")
    if found["labelled"]:
        told += _about_labels(found, test, class_names)
    else:
        told.append("The images have no labels: whatever needs some is left out.")
    if "before_joint" in found and experiment.study == "deep_kmeans":
        told.append(
            "The study explains what pretraining gains by large-scale pretraining on other data. Here and there it is "
            "an autoencoder on the same images."
        )
    if experiment.study == "deep_kmeans" and "before_joint" in found and total == 10:
        told.append(
            "Two runs of the study with one configuration (alpha 300, 10 clusters) came to 90.13 % and 87.20 %: its "
            "differences between alpha 3, 150 and 300 are no larger."
        )
    return told


def _about_labels(found: Mapping[str, Any], test: Mapping[str, Any], class_names: Sequence[str]) -> list[str]:
    told = []
    used = [cluster for cluster, size in enumerate(found["sizes"]) if size]
    surplus = [cluster for cluster in used if found["mapping"][cluster] is None]
    if surplus:
        images = sum(found["sizes"][cluster] for cluster in surplus)
        told.append(
            f"{len(surplus)} cluster{'s have' if len(surplus) > 1 else ' has'} no class of "
            f"{'their' if len(surplus) > 1 else 'its'} own and {'count' if len(surplus) > 1 else 'counts'} as "
            f"{class_names[0]}, as in the study: {images:,} images. That is a trait of the one-to-one map, not of the "
            "clusters; the majority vote has none of it."
        )
    missing = [name for label, name in enumerate(class_names) if label not in found["mapping"]]
    if missing:
        told.append(
            f"No cluster is taken for {', '.join(missing)}, so {'they are' if len(missing) > 1 else 'it is'} never "
            "predicted and F1 is 0 there."
        )
    if abs(test["nmi_mapped"] - test["nmi"]) > 0.005:
        told.append(
            f"The study took the mutual information of the mapped labels ({test['nmi_mapped']:.4f}); of the clusters "
            f"themselves it is {test['nmi']:.4f}."
        )
    return told


def _methods(found: Mapping[str, Any], test: Mapping[str, Any]) -> list[dict[str, Any]]:
    """This run, what it started from, and the baselines: a row each."""
    ours: list[dict[str, Any]] = [{"name": "this run", "ours": True, "seconds": None, **test}]
    if "before_joint" in found:
        name = "autoencoder, then k-means: before the joint training"
        ours.append({"name": name, "seconds": None, **found["before_joint"]})
    return [*ours, *found["baselines"]]


def _draw_curves(
    pictures: Pictures, history: Mapping[str, Sequence[float]], stages: Sequence[Mapping[str, Any]]
) -> None:
    # k-means has one epoch and no learning rate: its line would lie on that of the stage after it
    begins = [(stage["first_epoch"], stage["name"]) for stage in stages if stage["name"] != "k-means"]
    descents = _rows(history, [rate > 0 for rate in history["learning_rate"]])
    last = {name: values[-1] for name, values in history.items()}
    for column in ("reconstruction_loss", "clustering_loss"):
        # before the representatives are placed, distances to them say nothing
        shown = history if column == "reconstruction_loss" else _joint(history, stages)
        text = f"{column.replace('_', ' ').capitalize()} over epochs, {last[column]:.4f} in the last one."
        pictures.add(column, clusters.loss_part(shown, column, begins if shown is history else ()), text)
    joint = _joint(history, stages)
    text = f"Alpha over the epochs that cluster, from {joint['alpha'][0]:.4g} to {joint['alpha'][-1]:.4g}."
    pictures.add("alpha", clusters.alpha(joint), text)
    if descents["epoch"]:
        pictures.add("learning_rate", curves.learning_rate(descents), "Learning rate over epochs.")


def _joint(
    history: Mapping[str, Sequence[float]], stages: Sequence[Mapping[str, Any]]
) -> Mapping[str, Sequence[float]]:
    """The epochs of the last stage that began: of a training of several, those that cluster."""
    first = stages[-1]["first_epoch"] if stages else 1
    kept = [epoch >= first for epoch in history["epoch"]]
    return _rows(history, kept) if any(kept) else history


def _rows(history: Mapping[str, Sequence[float]], kept: Sequence[bool]) -> dict[str, list[float]]:
    return {name: list(itertools.compress(values, kept)) for name, values in history.items()}


def _draw_scores(pictures: Pictures, test: Mapping[str, Any], class_names: Sequence[str], rows: Sequence[Row]) -> None:
    of_metric = {row.claim.metric: row for row in rows}
    found = [of_metric.get(f"test.per_class.{label}.f1") for label in range(len(class_names))]
    theirs = [row for row in found if row is not None]
    text = "F1 of each class by the mapped labels. The numbers are beside the bars."
    bars = scores.f1_bars(test["per_class"], test["macro"]["f1"]["value"])
    if theirs:
        published = [None if row is None else row.published for row in found]
        bars = clusters.f1_beside(test["per_class"], published, comparable=not any(row.reasons for row in theirs))
    pictures.add("f1", bars, text)
    text = "Confusion matrix of the mapped labels: a row for each true class, a column for each predicted one."
    pictures.add("confusion", confusion.confusion_matrix(test["confusion_matrix"], class_names), text)
    by_row = confusion.confusion_matrix(test["confusion_matrix"], class_names, by_row=True)
    pictures.add("confusion_by_row", by_row, "The same confusion matrix in percent of each row.")


def _draw_images(
    pictures: Pictures,
    arrays: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
    found: Mapping[str, Any],
    class_names: Sequence[str],
) -> None:
    place = arrays["member_position"]
    real = predicted = None
    if found["labelled"]:
        real = [class_names[label] for label in predictions["test_labels"][place]]
        predicted = [class_names[label] for label in predictions["mapped"][place]]
    grid = clusters.members(arrays["member_images"], predictions["clusters"][place].tolist(), real, predicted)
    pictures.add("members", grid, "Random members of each cluster, a row for each.")
    pictures.add(
        "reconstructions",
        clusters.reconstructions(arrays["original_images"], arrays["reconstructed_images"]),
        "Images in the upper row, below them what the decoder makes of their embeddings.",
    )
    text = "What the decoder makes of each cluster's representative."
    captions = _names(found, class_names)
    pictures.add("representatives", clusters.representatives(arrays["representative_images"], captions), text)


def _names(found: Mapping[str, Any], class_names: Sequence[str]) -> list[str]:
    """The number of each cluster, with labels also what it is taken for."""
    if not found["labelled"]:
        return [str(cluster) for cluster in range(found["clusters"])]
    labels = ["–" if label is None else class_names[label] for label in found["mapping"]]
    return [f"{cluster} → {label}" for cluster, label in enumerate(labels)]


def _draw_map(
    pictures: Pictures,
    arrays: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
    found: Mapping[str, Any],
    class_names: Sequence[str],
) -> None:
    if "map_points" not in arrays:
        return
    place = arrays["map_position"]
    if found["labelled"]:
        colours, names = predictions["test_labels"][place], list(class_names)
    else:
        colours = predictions["clusters"][place]
        names = [f"cluster {cluster}" for cluster in range(found["clusters"])]
    marked = _names(found, class_names)
    drawn = embedding.embedding(
        arrays["map_points"], colours, names, marks=arrays["map_representatives"], mark_names=marked
    )
    pictures.add("map", drawn, f"Map of {len(place):,} embedded images with the numbered representatives.")
