"""`kerasexp export`: a run's model as a file for other programs, checked against the run's own predictions."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import environment, files
from kerasexp.data.catalog import antialias_of
from kerasexp.data.dataset import Split
from kerasexp.errors import DataError, KerasexpError, UsageError, did_you_mean
from kerasexp.runs import Run, open_run
from kerasexp.training.progress import console_progress
from kerasexp.workflows.clusters import cluster_names

CHECKED = 256  # test images, at the most
TOLERANCE = 1e-4  # from the run's model in float32; the formats sum in other orders, which gives about 1e-6
RUN_TOLERANCE = 1e-2  # from what the run predicted in float32, on whatever machine that was


def export(
    run: str | Path | Run,
    format: str,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
) -> dict[str, Any]:
    """Writes the model of the recipe's table for other programs, with its preprocessing and class names inside.

    It takes float32 images `[n, height, width, channels]` with values 0 to 255. Its own runtime opens it before it gets
    its final name, and what it says of up to 256 test images must agree with the run.

    Args:
        run: a run folder.
        format: `keras`, `litert`, `onnx` or `savedmodel`.
        out: where to; the experiment's name in `export/` of the run by default. An earlier export of the same run is
            replaced, anything else is not.
        data_dir: folder of the data, that of the run by default.
        offline: never use the network.

    Returns:
        The card that lies inside the export, and beside a file as `<file>.json`: where the model comes from,
        `class_names`, `input` and `parity`, which says how far from the run's predictions it is; and its `path`.

    Raises:
        UsageError: for an unknown format, or if something else is in the way.
        DataError: if the run has no model or predictions, its data is missing, or the export cannot be written.
        KerasexpError: if a package of the extra `export` is missing, or the export does not agree with the run.
    """
    from kerasexp.models.exported import FORMATS, INPUT, needs, runtime

    if format not in FORMATS:
        raise UsageError(f'--format: unknown format "{format}". {did_you_mean(format, FORMATS)}')
    form = FORMATS[format]
    run = run if isinstance(run, Run) else open_run(run)
    needs((*form.opens, *form.writes), f"--format {format}")
    experiment, manifest = run.experiment, run.manifest
    path = Path(out) if out else run.path("export", experiment.name + form.suffix)
    if form.suffix and path.suffix != form.suffix:
        raise UsageError(f"--out: expected a file ending in {form.suffix} for {form.title}, received: {path}")
    progress = console_progress()
    progress.note("Starting TensorFlow")
    environment.start_tensorflow("float32")
    name = run.folder.resolve().name
    _refuse_to_overwrite(path, name)

    from kerasexp.models.exporting import add_card, write_model
    from kerasexp.models.saved import load_model
    from kerasexp.workflows.prepare import prepare_data, same_data

    model, saved = load_model(run.path("model.keras"))
    class_names = saved["class_names"]
    if experiment.task == "clustering":
        model, class_names = model.assigner, cluster_names(run)
    dataset = prepare_data(experiment, data_dir or manifest["data"]["folder"], offline)
    same_data(dataset, manifest)
    predicted = _predictions(run, dataset.test)
    card: dict[str, Any] = {
        "kerasexp": importlib.metadata.version("kerasexp"),
        "format": format,
        "run": name,
        "experiment": experiment.name,
        "recipe": experiment.recipe,
        "variants": list(experiment.variants),
        "seed": experiment.seed,
        "epoch": saved["epoch"],
        "class_names": class_names,
        "input": {
            "name": INPUT,
            "dtype": "float32",
            "shape": [None, *dataset.image_shape],
            "values": "0 to 255",
            "antialias": antialias_of(manifest["data"]["name"]),
        },
    }
    with _writing(path), (files.replacing if form.suffix else files.replacing_folder)(path) as beside:
        progress.note(f"Writing {form.title}")
        write_model(model, format, beside, class_names)
        progress.note(f"Checking it with {runtime(form)}")
        card["parity"] = _check(beside, format, model, dataset.test, predicted, manifest["precision"])
        add_card(beside, format, card)
        if form.suffix:
            files.write_json(path.with_name(f"{path.name}.json"), card)
    return {"path": str(path), **card}


def _refuse_to_overwrite(path: Path, run: str) -> None:
    """Only an export of the same run is replaced."""
    from kerasexp.models.exported import open_exported

    if not path.exists():
        return
    with contextlib.suppress(DataError):
        if open_exported(path).card["run"] == run:
            return
    raise UsageError(f"{path} exists and is no export of this run. Remove it, or choose another path with --out.")


def _predictions(run: Run, test: Split) -> dict[str, np.ndarray]:
    """What the run predicted of its test images, by the name of the output."""
    path = run.path("predictions.npz")
    if not path.exists():
        raise DataError(f"{run} has no predictions to check an export against. Make them: kerasexp evaluate {run}")
    arrays = files.read_npz(path)
    if not np.array_equal(arrays["test_index"], test.index):
        raise DataError(f"{path} is of other test images. Make it again: kerasexp evaluate {run}")
    return {name.removeprefix("test_"): array for name, array in arrays.items()}


def _check(
    path: Path, format: str, model: Any, test: Split, predicted: dict[str, np.ndarray], precision: str
) -> dict[str, Any]:
    """How near the written file is to the run's model and predictions, by its own runtime.

    Args:
        path: the file or folder.
        format: its format.
        model: what it was made of.
        test: the run's test images.
        predicted: the outputs that the run recorded for them.
        precision: that the run computed them in.

    Returns:
        The card's entry `parity`. Its differences are the largest over all images and outputs, relative for values
        above 1.

    Raises:
        KerasexpError: if the file does not agree.
    """
    from kerasexp.models import prediction_batch
    from kerasexp.models.exported import FORMATS, in_batches, load, model_outputs, runtime

    rows = np.unique(np.linspace(0, len(test) - 1, min(CHECKED, len(test))).astype(int))  # from all classes
    images, batch = test.x[rows], prediction_batch(model)
    outputs = in_batches(load(path, format).outputs, images, batch)
    expected = in_batches(model_outputs(model), images, batch)
    recorded = {name: predicted[name][rows] for name in outputs if name in predicted}
    from_model, from_run = _difference(outputs, expected), _difference(outputs, recorded)
    title, of_images = FORMATS[format].title, f"on {len(rows)} test images"
    if not from_model <= TOLERANCE:  # also where a value is no number
        raise KerasexpError(
            f"The {title} export does not give what the run's model gives: the largest difference {of_images} is "
            f"{from_model:.1e}, expected at most {TOLERANCE:.0e}. It was not kept. Choose another format."
        )
    if precision == "float32" and not from_run <= RUN_TOLERANCE:
        raise KerasexpError(
            f"The run's model does not give what predictions.npz says: the largest difference {of_images} is "
            f"{from_run:.1e}, expected at most {RUN_TOLERANCE:.0e}. Nothing was exported. Evaluate the run again."
        )
    parity: dict[str, Any] = {
        "runtime": runtime(FORMATS[format]),
        "images": len(rows),
        "largest_difference": from_run,
        "largest_difference_from_model": from_model,
        "precision_of_run": precision,
    }
    if "probabilities" in recorded:
        same = outputs["probabilities"].argmax(axis=1) == recorded["probabilities"].argmax(axis=1)
        parity["same_class"] = int(same.sum())
    return parity


def _difference(outputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    """The largest difference, relative for values above 1; NaN if a value is none."""
    largest = [
        np.max(np.abs(outputs[name] - values) / np.maximum(1, np.abs(values))) for name, values in expected.items()
    ]
    return float(np.max(largest))


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """One clear message where there is no room, or no permission."""
    import tensorflow as tf

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, tf.errors.OpError) as error:
        errno = getattr(error, "errno", None)
        reason = "the disk is full" if errno in files.DISK_FULL else getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path} cannot be written: {' '.join(reason.split())[:200]}. Make room, or choose another place with "
            "--out."
        ) from None
