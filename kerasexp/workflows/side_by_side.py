"""What the runs of a comparison came to: each alone, and those that differ only in their seed as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.data.catalog import CATALOG
from kerasexp.errors import DataError, UsageError
from kerasexp.evaluation.comparison import Predictions
from kerasexp.evaluation.statistics import mean_interval
from kerasexp.runs import Run

SCORES_OF_CLUSTERS = ("nmi", "ari")
COSTS = ("seconds", "seconds_per_epoch", "feature_seconds")


def row_of(run: Run, label: str) -> dict[str, Any]:
    """What one run came to."""
    manifest, metrics = run.manifest, run.metrics
    table = metrics["weights"][metrics["table_weights"]]
    history = [row for row in run.history if "val_accuracy" in row]
    best = max(history, key=lambda row: row["val_accuracy"], default=None)
    seconds, epochs = manifest["seconds"], manifest["epochs_run"]
    return {
        "label": label,
        "run": str(run),
        **{key: manifest[key] for key in ("experiment", "recipe", "variants", "seed", "status")},
        "data": manifest["data"]["name"],
        "epochs": epochs,
        **{split: _scores(table.get(split)) for split in ("test", "train", "validation")},
        "best_validation": best and {"accuracy": best["val_accuracy"], "epoch": best["epoch"]},
        "validated_by": run.experiment.data.validation,
        "seconds": seconds,
        "seconds_per_epoch": seconds / epochs if epochs else None,
        "feature_seconds": run.feature_seconds,
        "parameters": manifest["parameters"],
    }


def _scores(of_split: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if of_split is None:
        return None
    if "accuracy" not in of_split:
        raise UsageError("Runs on images without labels have no accuracy. Expected runs on labelled images.")
    names = ("n", "accuracy", "loss", "per_class")
    of_clusters = {name: of_split[name] for name in SCORES_OF_CLUSTERS if name in of_split}
    return {**{name: of_split[name] for name in names}, "macro_f1": of_split["macro"]["f1"], **of_clusters}


def entry_of(rows: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """One line of the tables: a run as it is, or the means of a group.

    Args:
        rows: of its runs, as `row_of` gives them.
        label: of the entry.
    """
    first = rows[0]
    around = {"label": label, "runs": [row["label"] for row in rows], "seeds": [row["seed"] for row in rows]}
    kept = ("experiment", "recipe", "variants", "data", "validated_by", "parameters")
    entry = {**around, **{key: first[key] for key in kept}}
    if len(rows) == 1:
        alone = ("test", "train", "validation", "best_validation", "epochs", *COSTS)
        return entry | {key: first[key] for key in alone}
    best = [row["best_validation"] for row in rows]
    return entry | {
        **{split: _mean_scores([row[split] for row in rows]) for split in ("test", "train", "validation")},
        "best_validation": {"accuracy": _plain_mean(best, "accuracy"), "epoch": None} if all(best) else None,
        "epochs": round(_plain_mean(rows, "epochs")),
        "seconds": _plain_mean(rows, "seconds"),
        "seconds_per_epoch": _plain_mean(rows, "seconds_per_epoch") if all(row["epochs"] for row in rows) else None,
        "feature_seconds": _plain_mean(rows, "feature_seconds"),
    }


def _mean_scores(of_runs: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    known = [scores for scores in of_runs if scores is not None]
    if len(known) < len(of_runs):
        return None
    per_class = [
        {"name": name, "support": rows[0]["support"], "f1": over_seeds([row["f1"]["value"] for row in rows])}
        for name, rows in ((rows[0]["name"], rows) for rows in zip(*(one["per_class"] for one in known), strict=True))
    ]
    return {
        "n": known[0]["n"],
        **{name: over_seeds([one[name]["value"] for one in known]) for name in ("accuracy", "macro_f1")},
        **{name: _plain_mean(known, name) for name in ("loss", *SCORES_OF_CLUSTERS) if name in known[0]},
        "per_class": per_class,
    }


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """The mean of a score from 0 to 1 over several seeds with its 95 % interval, and how the seeds spread."""
    low, high = mean_interval(values)
    return {
        "value": float(np.mean(values)),
        "interval": [max(0.0, low), min(1.0, high)],
        "deviation": float(np.std(values, ddof=1)),
        "lowest": min(values),
        "highest": max(values),
    }


def _plain_mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def predictions_of(group: Sequence[Run], rows: Sequence[Mapping[str, Any]]) -> Predictions:
    """What the runs of a group said of the test images.

    Args:
        group: its runs.
        rows: as `row_of` gives them.

    Raises:
        DataError: if a run's predictions do not give the accuracy that it states.
    """
    arrays = [files.read_npz(run.path("predictions.npz")) for run in group]
    predicted = [_labels_predicted(of_run) for of_run in arrays]
    for run, row, of_run, said in zip(group, rows, arrays, predicted, strict=True):
        right, stated = int((said == of_run["test_labels"]).sum()), row["test"]["accuracy"]["value"] * row["test"]["n"]
        if len(said) != row["test"]["n"] or abs(right - stated) > 0.5:
            raise DataError(
                f"{run} is damaged: predictions.npz has {right:,} of {len(said):,} test images right, metrics.json "
                f"{stated:,.0f} of {row['test']['n']:,}. Write both again with: kerasexp evaluate {run}"
            )
    places = [arrays[0][name].tolist() for name in ("test_index", "test_labels")]
    data = group[0].manifest["data"]
    # a name outside the catalog may stand for any images
    name = data["name"] if group[0].experiment.data.name in CATALOG else data["digest"]
    return Predictions(
        images=files.digest([name, *places]),
        labels=arrays[0]["test_labels"],
        predicted=np.array(predicted),
        classes=len(rows[0]["test"]["per_class"]),
    )


def _labels_predicted(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The class of each test image: of a clustering the one that its cluster was mapped to."""
    return arrays["mapped"] if "mapped" in arrays else arrays["test_probabilities"].argmax(axis=1)
