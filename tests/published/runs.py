"""Run folders to test with: real configurations and files, numbers made up from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.config.loading import load_experiment
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.runs import Run, create_run
from tests.published.examples import CLASSES, whole_manifest

TEST_IMAGES = 10_000


def made_predictions(accuracy: float, seed: int, n: int = TEST_IMAGES) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with this accuracy, and labels that are the same for every seed."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    order = generator.permutation(n)
    predicted = labels.copy()
    wrong = order[: round(n * (1 - accuracy))]
    predicted[wrong] = (labels[wrong] + generator.integers(1, 10, len(wrong))) % 10
    return np.eye(10, dtype=np.float32)[predicted] * 0.9 + 0.01, labels


def made_run(
    folder: Path, experiment: str, accuracy: float, *variants: str, seed: int = 0, manifest: Any = None, **load: Any
) -> Run:
    """A finished run of the published recipe on the whole data."""
    config = load_experiment(experiment, variants=variants, changes={"seed": seed, **load.pop("changes", {})}, **load)
    content = whole_manifest(**{"epochs_run": 12, "best_epoch": 12, "seconds": 60.0, **(manifest or {})})
    content["data"].setdefault("digest", "d")
    run = create_run(config, folder, **content)
    probabilities, labels = made_predictions(accuracy, seed)
    scores = evaluate_predictions(probabilities, labels, CLASSES)
    weights = {"epoch": 12, "test": scores, "train": scores}
    files.write_json(run.path("metrics.json"), {"table_weights": "last", "weights": {"last": weights}})
    files.write_npz(
        run.path("predictions.npz"),
        test_probabilities=probabilities,
        test_labels=labels,
        test_index=np.arange(len(labels)),
    )
    rows = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"]
    rows += [
        f"{epoch},{2 - epoch / 10},{accuracy},{2.1 - epoch / 10},{accuracy - 0.01 * (epoch == 3)},1.0,5.0"
        for epoch in range(1, content["epochs_run"] + 1)
    ]
    files.write_text(run.path("history.csv"), "\n".join(rows) + "\n")
    return run
