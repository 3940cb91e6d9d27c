"""`kerasexp predict`: what the model of a run or of an exported file says of any images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasexp import environment
from kerasexp.data.catalog import antialias_of
from kerasexp.data.images import is_picture, read_image
from kerasexp.errors import DataError, UsageError
from kerasexp.runs import Run, open_run
from kerasexp.workflows.clusters import cluster_names


class _Classifier(NamedTuple):
    """What classifies, wherever it comes from.

    Attributes:
        class_names: in the order of the probabilities.
        image_shape: height, width, channels.
        antialias: whether images are resized as `read_image` does it with antialiasing: as the training images were.
        probabilities: from uint8 images `[n, height, width, channels]` to `[n, classes]`.
    """

    class_names: list[str]
    image_shape: tuple[int, int, int]
    antialias: bool
    probabilities: Callable[[np.ndarray], np.ndarray]


def predict(run: str | Path | Run, images: str | Path | Sequence[str | Path]) -> list[dict[str, Any]]:
    """Classifies images with the weights of the recipe's table; a clustering names their clusters.

    Images become grey or RGB and get the size of the run's data. One that cannot be read does not stop the rest.

    Args:
        run: a run folder, or what `export` made of one: a `.keras`, `.onnx` or `.tflite` file or a SavedModel folder.
        images: one or more files, or folders whose pictures (by the endings of their names) are all taken, folders
            inside them included.

    Returns:
        One entry per image: `image` with `class`, `probability` and `probabilities` (by class name), or with `error`.

    Raises:
        UsageError: if no image is given.
        DataError: if the run has no model, the exported model is damaged, or an image or folder does not exist.
    """
    places = [images] if isinstance(images, str | Path) else images
    files = [file for place in places for file in _files(place)]
    if not files:
        raise UsageError("No images to predict. Expected image files or folders with images.")
    classifier = _classifier(run)

    height, width, channels = classifier.image_shape
    results: list[dict[str, Any]] = []
    for first in range(0, len(files), 1000):
        entries: list[dict[str, Any]] = []
        pixels = []
        for file in files[first : first + 1000]:
            try:
                pixels.append(read_image(file, channels, (height, width), classifier.antialias))
                entries.append({"image": str(file)})
            except DataError as error:
                entries.append({"image": str(file), "error": str(error)})
        rows = iter(classifier.probabilities(np.stack(pixels)) if pixels else ())
        for entry in entries:
            if "error" not in entry:
                row = next(rows)
                entry["class"] = classifier.class_names[int(row.argmax())]
                entry["probability"] = float(row.max())
                entry["probabilities"] = dict(zip(classifier.class_names, map(float, row), strict=True))
        results += entries
    return results


def _classifier(run: str | Path | Run) -> _Classifier:
    from kerasexp.models.exported import format_of

    if isinstance(run, Run):
        return _of_run(run)
    path = Path(run)
    return _of_export(path) if path.is_file() or format_of(path) else _of_run(open_run(path))


def _of_run(run: Run) -> _Classifier:
    environment.start_tensorflow("float32")
    from kerasexp.evaluation.predictions import predict_probabilities
    from kerasexp.models.saved import load_model

    model, card = load_model(run.path("model.keras"))
    names = card["class_names"]
    if run.experiment.task == "clustering":
        model, names = model.assigner, cluster_names(run)
    return _Classifier(
        class_names=names,
        image_shape=model.input_shape[1:],
        antialias=antialias_of(run.manifest["data"]["name"]),
        probabilities=lambda images: predict_probabilities(model, images),
    )


def _of_export(path: Path) -> _Classifier:
    from kerasexp.models.exported import format_of, in_batches, open_exported

    if format_of(path) in ("keras", "savedmodel"):  # the others need no TensorFlow
        environment.start_tensorflow("float32")
    card, outputs = open_exported(path)
    _, height, width, channels = card["input"]["shape"]
    return _Classifier(
        class_names=card["class_names"],
        image_shape=(height, width, channels),
        antialias=card["input"]["antialias"],
        probabilities=lambda images: in_batches(outputs, images)["probabilities"],
    )


def _files(place: str | Path) -> list[Path]:
    if not isinstance(place, str | Path):
        raise UsageError(f"Expected the path of an image file or of a folder, received: {type(place).__name__}.")
    path = Path(place)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and is_picture(file))
    if not path.exists():
        raise DataError(f"{path} is missing. Expected an image file or a folder with images.")
    return [path]
