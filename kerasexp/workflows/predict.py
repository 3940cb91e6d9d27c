"""`kerasexp predict`: what a run's model says of any images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import environment
from kerasexp.errors import DataError, UsageError
from kerasexp.runs import Run, open_run


def predict(run: str | Path | Run, images: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Classifies images with the weights of the recipe's table.

    Images become grey or RGB and get the size of the run's data. One that cannot be read does not stop the rest.

    Args:
        run: a run folder.
        images: files, or folders whose pictures are all taken, folders inside them included.

    Returns:
        One entry per image: `image` with `class`, `probability` and `probabilities` (by class name), or with `error`.

    Raises:
        UsageError: if no image is given.
        DataError: if the run has no model, or an image or folder does not exist.
    """
    run = run if isinstance(run, Run) else open_run(run)
    files = [file for image in images for file in _files(Path(image))]
    if not files:
        raise UsageError("No images to predict. Expected image files or folders with images.")
    environment.start_tensorflow("float32")

    from kerasexp.data.catalog import CATALOG
    from kerasexp.data.images import read_image
    from kerasexp.evaluation.predictions import predict_probabilities
    from kerasexp.models.saved import load_model

    model, card = load_model(run.path("model.keras"))
    height, width, channels = model.input_shape[1:]
    names = card["class_names"]
    trained_on = CATALOG.get(run.manifest["data"]["name"])
    antialias = trained_on is None or trained_on.antialias  # resized as the training images were
    results: list[dict[str, Any]] = []
    for first in range(0, len(files), 1000):
        entries: list[dict[str, Any]] = []
        pixels = []
        for file in files[first : first + 1000]:
            try:
                pixels.append(read_image(file, channels, (height, width), antialias))
                entries.append({"image": str(file)})
            except DataError as error:
                entries.append({"image": str(file), "error": str(error)})
        rows = iter(predict_probabilities(model, np.stack(pixels)) if pixels else ())
        for entry in entries:
            if "error" not in entry:
                row = next(rows)
                entry["class"] = names[int(row.argmax())]
                entry["probability"] = float(row.max())
                entry["probabilities"] = dict(zip(names, map(float, row), strict=True))
        results += entries
    return results


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not path.exists():
        raise DataError(f"{path} is missing. Expected an image file or a folder with images.")
    return [path]
