"""The report of a run: one HTML file that opens without network or JavaScript, and its figures as PNG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from kerasexp import environment, files, published
from kerasexp.config.faults import touched
from kerasexp.config.schema import Augmentation, Experiment
from kerasexp.data.statistics import imbalance
from kerasexp.errors import DataError
from kerasexp.reporting import beside, clustering
from kerasexp.reporting.figures import confusion, curves, embedding, filters, model, samples, scores
from kerasexp.reporting.page import Pictures, templates
from kerasexp.runs import Run

if TYPE_CHECKING:
    import keras


def write_report(run: Run) -> Path:
    """Draws `figures/*.png` and writes `report.html`, from the run folder alone.

    Args:
        run: a run that was evaluated.

    Returns:
        The path of `report.html`.

    Raises:
        DataError: if a file of the run folder is missing or damaged.
    """
    if not run.path("metrics.json").exists():
        raise DataError(f"{run} has no metrics.json: {run.what_is_left}")
    try:
        page = _page(run)
    except (KeyError, IndexError, jinja2.UndefinedError) as error:
        raise DataError(
            f"{run} is damaged: manifest.json, metrics.json or its pictures (images.npz, clusters.npz) lack {error}."
        ) from error
    path = run.path("report.html")
    files.write_text(path, page.encode("utf-8", "replace").decode())  # folder names may be no valid Unicode
    return path


def _page(run: Run) -> str:
    environment.start_tensorflow()
    from kerasexp.models.saved import load_model

    experiment, manifest = run.experiment, run.manifest
    metrics = run.metrics
    epochs = run.history
    history = {name: [row[name] for row in epochs] for name in epochs[0]} if epochs else {}
    network, _ = load_model(run.path("model.keras"))
    table = metrics["weights"][metrics["table_weights"]]
    rows = published.rows(run)
    pictures = Pictures(run.path("figures"))
    if "clustering" in metrics:
        template, class_names = "clustering.html", list(manifest["data"]["class_names"])
        own = clustering.content(pictures, run, metrics, history, rows)
    else:
        template, class_names = "report.html", [row["name"] for row in table["test"]["per_class"]]
        own = _classification(pictures, run, metrics, history, network, class_names)
    layers = model.layers_of(network)
    blocks = model.blocks_of(layers)
    text = f"The network from its input at the top to its output, {len(blocks)} boxes for {len(layers)} layers."
    pictures.add("network", model.network(blocks), text)
    page = templates().get_template(template)
    return page.render(
        run=run,
        experiment=experiment,
        manifest=manifest,
        metrics=metrics,
        table=table,
        history=history,
        stages=manifest.get("stages", ()),
        beside=beside.beside(rows, class_names),
        faults=touched(experiment),
        pictures=pictures.svg,
        classes=len(class_names),
        layers=layers,
        blocks=blocks,
        settings=_settings(experiment),
        machine=_machine(manifest),
        **own,
    )


def _classification(
    pictures: Pictures,
    run: Run,
    metrics: Mapping[str, Any],
    history: Mapping[str, Sequence[float]],
    network: keras.Model,
    class_names: Sequence[str],
) -> dict[str, Any]:
    """What the page of a classification has of its own: its figures are drawn, the rest is for the template."""
    experiment, manifest = run.experiment, run.manifest
    test = metrics["weights"][metrics["table_weights"]]["test"]
    images = files.read_npz(run.path("images.npz"))
    gallery = _mistakes(images, files.read_npz(run.path("predictions.npz")), class_names)
    solved = all(stage.is_solved for stage in experiment.training_stages)
    if history and not solved:
        _draw_curves(pictures, history, experiment, manifest)
    _draw_scores(pictures, test, class_names)
    _draw_images(pictures, images, manifest["data"], class_names, gallery)
    return {
        "solved": solved,
        "feature_seconds": run.feature_seconds,
        "best": None if solved else _best_validation(history),
        "gallery": gallery,
        "augmented": _augmentation(experiment.augmentation),
        "duplicates": _duplicates(images, metrics),
        "copies_of_each": len(images.get("augmented_copies", ())),
        "weights": _draw_weights(pictures, network),
        "maps": _draw_maps(pictures, run, metrics, class_names),
        "imbalance": {split: imbalance(counts) for split, counts in manifest["data"]["counts"].items()},
        "samples_are": "Training images",
    }


def _draw_curves(
    pictures: Pictures, history: Mapping[str, Sequence[float]], experiment: Experiment, manifest: Mapping[str, Any]
) -> None:
    best = manifest.get("best_epoch")
    validation = "test images as validation" if experiment.data.validation == "test" else "validation"
    last = {name: values[-1] for name, values in history.items()}
    after = f"after {int(last['epoch'])} epochs: training {{0:.4f}}" + (
        ", validation {1:.4f}." if "val_loss" in last else "."
    )
    stages = [(stage["first_epoch"], stage["name"]) for stage in manifest.get("stages", ())]
    text = "Loss over epochs, " + after.format(last["loss"], last.get("val_loss"))
    pictures.add("loss", curves.loss(history, best, validation, stages), text)
    text = "Accuracy over epochs, " + after.format(last["accuracy"], last.get("val_accuracy"))
    pictures.add("accuracy", curves.accuracy(history, best, validation, stages), text)
    if len(history["epoch"]) >= curves.LONG:
        for metric in ("loss", "accuracy"):
            text = f"{metric.capitalize()} over the second half of the epochs, up to epoch {int(last['epoch'])}."
            pictures.add(f"late_{metric}", curves.second_half(history, metric, validation), text)
    text = f"Learning rate over epochs, from {history['learning_rate'][0]:g} to {last['learning_rate']:g}."
    pictures.add("learning_rate", curves.learning_rate(history), text)


def _draw_scores(pictures: Pictures, test: Mapping[str, Any], class_names: Sequence[str]) -> None:
    ranked = sorted(test["per_class"], key=lambda row: row["f1"]["value"])
    worst, best = ranked[0], ranked[-1]
    text = (
        f"F1 of each class, from {worst['f1']['value']:.3f} ({worst['name']}) to {best['f1']['value']:.3f} "
        f"({best['name']}). The numbers are in the table above."
    )
    pictures.add("f1", scores.f1_bars(test["per_class"], test["macro"]["f1"]["value"]), text)
    text = "Confusion matrix: a row for each true class, a column for each predicted one. "
    if test["most_confused"]:
        top = test["most_confused"][0]
        text += f"The most frequent confusion is {top['true']} taken for {top['predicted']}, {top['count']} times."
    pictures.add("confusion", confusion.confusion_matrix(test["confusion_matrix"], class_names), text)
    text = "The same confusion matrix in percent of each row."
    by_row = confusion.confusion_matrix(test["confusion_matrix"], class_names, by_row=True)
    pictures.add("confusion_by_row", by_row, text)


def _draw_images(
    pictures: Pictures,
    images: Mapping[str, np.ndarray],
    data: Mapping[str, Any],
    class_names: Sequence[str],
    gallery: Sequence[Mapping[str, Any]],
) -> None:
    text = "Images of each class in each part of the data."
    pictures.add("classes", samples.class_distribution(data["counts"], class_names), text)
    text = "Training images, one row for each class."
    pictures.add("samples", samples.sample_grid(images["sample_images"], images["sample_labels"], class_names), text)
    if len(images.get("augmented_images", ())):
        pictures.add("augmented", samples.augmented(images["augmented_images"]), "Augmented training images.")
    if gallery:
        captions = [(one["true"], one["predicted"], one["probability"]) for one in gallery]
        pictures.add("mistakes", samples.mistakes(images["mistake_images"], captions), "", in_page=False)


def _draw_weights(pictures: Pictures, network: keras.Model) -> list[dict[str, Any]]:
    """The filters of the first two convolutions with a picture to show, else the weights of a layer on the pixels."""
    from kerasexp.evaluation.filters import convolution_kernels, dense_pictures, filter_pictures

    convolutions = [one for one in convolution_kernels(network) if one[1].shape[0] > 1][:2]
    dense = None if convolutions else dense_pictures(network)
    shown = []
    for number, (layer, kernel) in enumerate(convolutions or ([dense] if dense else []), start=1):
        drawn = filter_pictures(kernel)
        how = "colour" if drawn.ndim == 4 else "grey"
        text = f"{min(filters.MOST, kernel.shape[-1])} filters of the layer {layer}, in {how}."
        pictures.add(f"filters_{number}", filters.filter_grid(drawn), text)
        kind = "convolution" if convolutions else "dense"
        shown.append({"figure": f"filters_{number}", "kind": kind, "layer": layer, "shape": kernel.shape})
    return shown


def _draw_maps(
    pictures: Pictures, run: Run, metrics: Mapping[str, Any], class_names: Sequence[str]
) -> Mapping[str, Any] | None:
    """The t-SNE maps of a run that has some."""
    found = metrics.get("embedding")
    if found is None:
        return None
    arrays = files.read_npz(run.path("embedding.npz"))
    for name, numbers in found["maps"].items():
        if name in arrays:
            figure = embedding.embedding(arrays[name], arrays["labels"], class_names, numbers["line"])
            text = f"Map of {found['images']:,} test images by the output of the layer {numbers['layer']}."
            pictures.add(f"embedding_{name}", figure, text)
    return found


def _best_validation(history: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    """The best validation accuracy and the lowest validation loss, each with its epoch, the first of equals."""
    if "val_accuracy" not in history or "val_loss" not in history:
        return None
    accuracy, loss = int(np.nanargmax(history["val_accuracy"])), int(np.nanargmin(history["val_loss"]))
    return {
        "accuracy": history["val_accuracy"][accuracy],
        "accuracy_epoch": int(history["epoch"][accuracy]),
        "loss": history["val_loss"][loss],
        "loss_epoch": int(history["epoch"][loss]),
    }


def _mistakes(
    images: Mapping[str, np.ndarray], predictions: Mapping[str, np.ndarray], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """The wrongly classified images, the most confident mistake first."""
    gallery = []
    for image, row in zip(images["mistake_images"], images["mistake_index"], strict=True):
        probabilities = predictions["test_probabilities"][row]
        gallery.append(
            {
                "image": samples.data_uri(image),
                "pixels": max(image.shape[:2]) <= samples.LARGEST,
                "index": int(predictions["test_index"][row]),
                "true": class_names[predictions["test_labels"][row]],
                "predicted": class_names[probabilities.argmax()],
                "probability": float(probabilities.max()),
            }
        )
    return gallery


def _duplicates(images: Mapping[str, np.ndarray], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Test images that have a double elsewhere, the first of them as pictures."""
    pairs = metrics.get("duplicates")
    if pairs is None:
        return {"searched": False, "pairs": [], "shown": []}
    pictures = iter(images.get("duplicate_images", ()))
    shown = [
        {**pair, "first": samples.data_uri(first), "second": samples.data_uri(second)}
        for pair, first, second in zip(pairs, pictures, pictures, strict=False)
    ]
    return {"searched": True, "pairs": pairs, "shown": shown}


def _augmentation(augmentation: Augmentation) -> str:
    """What was done to a training image, in words."""
    one = augmentation
    low, high = one.zoom if isinstance(one.zoom, tuple) else (1 - one.zoom, 1 + one.zoom)
    flips = {"none": "", "horizontal": "mirrored at random", "both": "mirrored and turned over at random"}
    colours = [name for name in ("brightness", "contrast", "saturation", "hue") if getattr(one, name)]
    changes = [
        flips[one.flip],
        f"rotated by up to {one.rotation:g}°" if one.rotation else "",
        f"shifted by up to {100 * one.shift:g} % of the side" if one.shift else "",
        f"sheared by up to {one.shear:g}°" if one.shear else "",
        f"{100 * low:g} to {100 * high:g} % of the side shown" if (low, high) != (1, 1) else "",
        f"distorted elastically by {one.elastic:g} pixels" if one.elastic else "",
        f"{', '.join(colours)} changed" if colours else "",
        f"a square of {100 * one.cutout:g} % of the side painted over" if one.cutout else "",
    ]
    copies = f"{one.copies} cop{'ies' if one.copies > 1 else 'y'} of each image in an epoch"
    return f"{', '.join(filter(None, changes))}; {copies}, {'the same' if one.static else 'new ones'} in every epoch"


def _settings(experiment: Experiment) -> dict[str, list[tuple[str, Any]]]:
    """The resolved configuration by part, every argument under the name that `--set` takes."""
    told = {"name", "title", "study", "recipe", "variants", "faults", "measured"}  # elsewhere in the report
    parts: dict[str, list[tuple[str, Any]]] = {"training": []}
    for key, value in experiment.model_dump(mode="json", exclude=told).items():
        if isinstance(value, dict) and value:
            parts[key] = [(f"{key}.{path}", inner) for path, inner in _leaves(value)]
        elif isinstance(value, list) and value and isinstance(value[0], dict):  # stages, one after the other
            for number, one in enumerate(value):
                parts[f"{key} {number + 1}"] = list(_leaves(one))
        else:
            parts["training"].append((key, value))
    return parts


def _machine(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Where the run ran, in words."""
    versions, hardware = manifest["versions"], manifest["hardware"]
    memory = hardware.get("memory")
    return [
        ("processor", hardware["processor"]),
        ("cores, threads", f"{hardware['cores']}, {hardware['threads']}"),
        *([("memory", f"{memory / 2**30:.1f} GiB")] if memory else []),
        ("GPU", hardware["gpu"]),
        ("bfloat16 units", hardware["bfloat16"]),
        ("precision", manifest["precision"]),
        ("Python", versions["python"]),
        ("TensorFlow, Keras, NumPy", f"{versions['tensorflow']}, {versions['keras']}, {versions['numpy']}"),
        ("kerasexp", manifest["kerasexp"]),
        ("code that decides numbers", manifest.get("code")),
        ("git", manifest["git"]),
        ("data", f"{manifest['data']['name']}, digest {manifest['data']['digest']}"),
        ("created, finished", f"{manifest['created']}, {manifest.get('finished') or 'not yet'}"),
    ]


def _leaves(part: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside nested mappings with its dotted path."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
