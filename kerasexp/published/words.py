"""The paths of metrics in words."""

from __future__ import annotations

_SPLITS = {"test": "test", "train": "training images", "data.train": "training images", "data.test": "test images"}
_SCORES = {"f1": "F1", "auc_micro": "area under the ROC curve"}
_CURVES = {
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "loss": "training loss",
    "accuracy": "training accuracy",
    "gap": "validation minus training loss",
}
_PLACES = {"final": "in the last epoch", "best": "in the best epoch"}


def metric_words(metric: str) -> str:
    """A metric's path in words.

    Example:

    >>> metric_words("test.per_class.3.f1")
    'F1 of class 3, test'
    >>> metric_words("history.val_accuracy@12")
    'validation accuracy after epoch 12'
    """
    head, _, rest = metric.partition(".")
    if head in ("test", "train"):
        *average, score = rest.split(".")
        score = _SCORES.get(score, score)
        if average[:1] == ["per_class"]:
            score = f"{score} of class {average[1]}"
        elif average:
            score = f"{average[0]} {score}"
        return f"{score}, {_SPLITS[head]}"
    if metric.startswith("history.reaches."):
        curve, _, level = rest.removeprefix("reaches.").partition("@")
        return f"first epoch with {_CURVES[curve]} of {level}"
    if head == "history":
        curve, _, place = rest.partition("@")
        if curve == "lr_drops":
            return f"first epoch after learning rate drop {place}" if place else "learning rate drops"
        return f"{_CURVES[curve]} {_PLACES.get(place, f'after epoch {place}')}"
    words = {"epochs_run": "epochs", "best_epoch": "best epoch", "parameters.total": "parameters"}
    return words.get(metric) or _SPLITS.get(metric.removesuffix(".images"), metric)
