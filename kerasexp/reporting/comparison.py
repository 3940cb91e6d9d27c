"""The page of a comparison: runs side by side in one HTML file that opens without network or JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.reporting.figures import embedding, samples
from kerasexp.reporting.figures.runs import curves_of_runs, f1_of_runs
from kerasexp.reporting.page import Pictures, templates
from kerasexp.runs import Run


def write_comparison(
    groups: Sequence[Sequence[Run]], content: Mapping[str, Any], images: Mapping[int, np.ndarray], folder: Path
) -> Path:
    """Draws `figures/*.png` and writes `compare.html`.

    Args:
        groups: evaluated runs, those of each entry together.
        content: what `kerasexp.compare` found out about them, in the same order.
        images: the changed test images by row, uint8 `[height, width, channels]`, as far as they are at hand.
        folder: takes the page; it exists.

    Returns:
        The path of `compare.html`.

    Raises:
        DataError: if a file of a run is missing or damaged, or the folder cannot be written to.
    """
    pictures = Pictures(folder / "figures")
    entries = content["entries"]
    names = [entry["label"] for entry in entries]
    _draw_curves(pictures, groups, entries)
    classes = [row["name"] for row in entries[0]["test"]["per_class"]]
    if all([row["name"] for row in entry["test"]["per_class"]] == classes for entry in entries):
        scores = [[row["f1"] for row in entry["test"]["per_class"]] for entry in entries]
        text = "F1 of each class, a point for each run or group. The numbers are in the table."
        pictures.add("f1", f1_of_runs(scores, classes, names), text)
    else:
        classes = []
    template = templates().get_template("compare.html")
    page = template.render(
        **content,
        classes=classes,
        maps=_draw_maps(pictures, groups, entries),
        galleries=[{**change, "images": _shown(change, images)} for change in content["changes"]],
        pictures=pictures.svg,
    )
    path = folder / "compare.html"
    files.write_text(path, page.encode("utf-8", "replace").decode())
    return path


def _shown(change: Mapping[str, Any], images: Mapping[int, np.ndarray]) -> list[dict[str, Any]]:
    """Those changed images that are at hand, each as an address that holds it."""
    return [
        {
            **image,
            "image": samples.data_uri(images[image["row"]]),
            "pixels": max(images[image["row"]].shape[:2]) <= samples.LARGEST,
        }
        for image in change["images"]
        if image["row"] in images
    ]


def _draw_curves(pictures: Pictures, groups: Sequence[Sequence[Run]], entries: Sequence[Mapping[str, Any]]) -> None:
    histories, group_of = {}, {}
    for group, entry in zip(groups, entries, strict=True):
        for run, name in zip(group, entry["runs"], strict=True):
            rows = run.history
            histories[name] = {column: [row[column] for row in rows] for column in rows[0]} if rows else {}
            group_of[name] = entry["label"]
    for metric in ("loss", "accuracy"):
        if any(f"val_{metric}" in history for history in histories.values()):
            text = f"Validation {metric} of every run over its epochs."
            pictures.add(f"val_{metric}", curves_of_runs(histories, f"val_{metric}", group_of), text)
        if any(metric in history for history in histories.values()):
            text = f"Training {metric} of every run over its epochs."
            pictures.add(f"train_{metric}", curves_of_runs(histories, metric, group_of), text)


def _draw_maps(
    pictures: Pictures, groups: Sequence[Sequence[Run]], entries: Sequence[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """The t-SNE maps by layer (`final`, `intermediate`) of those entries that have some, of a group its first run's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for number, (group, entry) in enumerate(zip(groups, entries, strict=True), start=1):
        run, name = group[0], entry["runs"][0]
        mapped = run.metrics.get("embedding")
        if mapped is None:
            continue
        arrays = files.read_npz(run.path("embedding.npz"))
        classes = run.manifest["data"]["class_names"]
        for layer, numbers in mapped["maps"].items():
            if layer in arrays:
                figure = embedding.embedding(arrays[layer], arrays["labels"], classes, numbers["line"])
                text = f"{name}: map of {mapped['images']:,} test images by the output of the layer {numbers['layer']}."
                key = f"map_{layer}_{number}"
                pictures.add(key, figure, text)
                found.setdefault(layer, []).append(
                    {"figure": key, "label": name, "images": mapped["images"], **numbers}
                )
    return dict(sorted(found.items()))
