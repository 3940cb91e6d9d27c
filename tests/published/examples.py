"""A claim and a manifest to test with."""

from __future__ import annotations

from typing import Any

from kerasexp.published import Claim, claims_for

CLASSES = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


def published_claim(metric: str, experiment: str = "kmnist_cnn", *variants: str) -> Claim:
    (found,) = [claim for claim in claims_for(experiment, variants) if claim.metric == metric]
    return found


def whole_manifest(**changes: Any) -> dict[str, Any]:
    """A complete published run on the complete data."""
    data = {
        "name": "kmnist",
        "remarks": [],
        "notes": [],
        "class_names": CLASSES,
        "image_shape": [28, 28, 1],
        "counts": {"train": [6000] * 10, "test": [1000] * 10},
    }
    manifest = {
        "status": "complete",
        "stop_reason": "early stopping",
        "epochs_run": 596,
        "best_epoch": 586,
        "precision": "float32",
        "parameters": {"total": 1_199_882},
        "data": data | changes.pop("data", {}),
    }
    return manifest | changes


def accuracy_claim(value: float, margin: float, **changes: Any) -> Claim:
    """A made-up claim about the accuracy of a training."""
    content = {
        "study": "kmnist",
        "metric": "test.accuracy",
        "value": value,
        "margin": margin,
        "unit": "share",
        "kind": "band",
        "source": "test",
        "provenance": "S",
        "scope": "training",
    }
    return Claim(**(content | changes))
