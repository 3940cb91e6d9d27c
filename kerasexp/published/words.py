"""The paths of metrics in words."""

from __future__ import annotations

_SPLITS = {"test": "test", "validation": "validation", "train": "training images"}
_PARTS = {"train": "training", "validation": "validation", "test": "test"}
_SCORES = {
    "f1": "F1",
    "auc_micro": "area under the ROC curve",
    "errors": "wrong images",
    "nmi_mapped": "NMI of the mapped labels",
    "nmi": "NMI of the clusters",
    "ari": "ARI of the clusters",
    "purity": "purity of the clusters",
    "majority_accuracy": "accuracy by majority vote",
    "clusters_used": "clusters with images",
}
_CLUSTERINGS = {
    "before_joint": "before the joint training",
    "pixels": "k-means on the pixels",
    "gain": "gained by the joint training",
}
_CURVES = {
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "loss": "training loss",
    "accuracy": "training accuracy",
    "gap": "validation minus training loss",
    "accuracy_gap": "validation minus training accuracy",
    "reconstruction_loss": "reconstruction loss",
    "clustering_loss": "clustering loss",
    "alpha": "alpha",
}
_PLACES = {"final": "in the last epoch", "best": "in the best epoch", "0": "before the training"}
_EXTREMES = {"max": "highest", "min": "lowest"}
_CHANNELS = {"0": "first", "1": "second", "2": "third"}
_WHOLE = {
    "epochs_run": "epochs",
    "best_epoch": "best epoch",
    "parameters.total": "parameters",
    "parameters.trainable": "trained parameters",
    "seconds": "seconds of training",
    "history.seconds@sum": "seconds of all epochs",
    "history.seconds@mean": "seconds per epoch",
}


def metric_words(metric: str) -> str:
    """A metric's path in words.

    Example:

    >>> metric_words("test.per_class.3.f1")
    'F1 of class 3, test'
    >>> metric_words("history.val_accuracy@12")
    'validation accuracy after epoch 12'
    >>> metric_words("history.epoch.val_accuracy@max")
    'epoch of the highest validation accuracy'
    >>> metric_words("test.confusion.5.3")
    'class 5 taken for class 3, test'
    """
    if metric in _WHOLE:
        return _WHOLE[metric]
    head, _, rest = metric.partition(".")
    if head == "stages":
        return f"epochs of stage {int(rest.partition('.')[0]) + 1}"
    if head in _SPLITS:
        return f"{_score(*rest.split('.'))}, {_SPLITS[head]}"
    if head == "history":
        return _course(rest)
    if head == "embedding":
        return _map(*rest.split(".")[1:])
    if head == "clustering":
        what, _, score = rest.partition(".")
        return f"{_SCORES.get(score, score)}, {_CLUSTERINGS.get(what, what)}"
    return _images(*rest.split(".")) if head == "data" else metric


def _score(*path: str) -> str:
    if path[0] == "confusion":
        return f"class {path[1]} taken for class {path[2]}"
    if path[0] == "confused":
        return f"classes {path[1]} and {path[2]} taken for each other"
    if path[0] == "lead":
        return f"{_SCORES.get(path[1], path[1])} of the classes {', '.join(path[2:])} above that of the others"
    score = _SCORES.get(path[-1], path[-1])
    if path[0] == "per_class":
        return f"{score} of class {path[1]}"
    return " ".join([*path[:-1], score])


def _course(path: str) -> str:
    curve, _, place = path.partition("@")
    if curve.startswith("reaches."):
        return f"first epoch with {_CURVES[curve.removeprefix('reaches.')]} of {place}"
    if curve.startswith("fall."):
        return f"largest fall of the {_CURVES[curve.removeprefix('fall.')]} between epochs"
    if curve.startswith("gain."):
        return f"{_CURVES[curve.removeprefix('gain.')]} gained after epoch {place}"
    if curve.startswith("epoch."):
        return f"epoch of the {_EXTREMES[place]} {_CURVES[curve.removeprefix('epoch.')]}"
    if curve == "lr_drops":
        return f"first epoch after learning rate drop {place}" if place else "learning rate drops"
    if place in _EXTREMES:
        return f"{_EXTREMES[place]} {_CURVES[curve]}"
    return f"{_CURVES[curve]} {_PLACES.get(place, f'after epoch {place}')}"


def _map(layer: str, *path: str) -> str:
    """Of a t-SNE map; `embedding.maps.final.knn_purity.features` is of the layer that it draws."""
    where = {"final": "last layer", "intermediate": "intermediate layer"}[layer]
    if path[0] == "line":
        return f"images on the wrong side of the line, map of the {where}"
    place = f"map of the {where}" if path[-1] == "map" else where
    return f"neighbours of the same class, {place}"


def _images(splits: str, what: str, *number: str) -> str:
    names = [_PARTS[split] for split in splits.split("+")]
    images = "images" if len(names) == len(_PARTS) else f"{' and '.join(names)} images"
    if what == "channel_mean":
        return f"mean of the {_CHANNELS[number[0]]} channel, {images}"
    if what == "channel_std":
        return f"standard deviation of the {_CHANNELS[number[0]]} channel over all pixels, {images}"
    if what == "channel_image_std":
        return f"mean of every image's standard deviation of the {_CHANNELS[number[0]]} channel, {images}"
    if what == "imbalance":
        return f"largest class to smallest, {images}"
    if what == "share":
        return f"share of class {number[0]}, {images}"
    return f"{images} of class {number[0]}" if number else images
