"""The page of a comparison: runs side by side in one HTML file that opens without network or JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.reporting.figures import embedding
from kerasexp.reporting.figures.runs import curves_of_runs, f1_of_runs
from kerasexp.reporting.page import Pictures, templates
from kerasexp.runs import Run


def write_comparison(runs: Sequence[Run], content: Mapping[str, Any], folder: Path) -> Path:
    """Draws `figures/*.png` and writes `compare.html`.

    Args:
        runs: evaluated runs.
        content: what `kerasexp.compare` found out about them, in the same order.
        folder: takes the page; it exists.

    Returns:
        The path of `compare.html`.

    Raises:
        DataError: if a file of a run is missing or damaged, or the folder cannot be written to.
    """
    pictures = Pictures(folder / "figures")
    rows = content["runs"]
    names = [row["label"] for row in rows]
    _draw_curves(pictures, runs, names)
    classes = [row["name"] for row in rows[0]["test"]["per_class"]]
    if all([entry["name"] for entry in row["test"]["per_class"]] == classes for row in rows):
        scores = [[entry["f1"] for entry in row["test"]["per_class"]] for row in rows]
        text = "F1 of each class, a point for each run. The numbers are in the table."
        pictures.add("f1", f1_of_runs(scores, classes, names), text)
    else:
        classes = []
    maps = _draw_maps(pictures, runs, names)
    template = templates().get_template("compare.html")
    page = template.render(**content, classes=classes, maps=maps, pictures=pictures.svg)
    path = folder / "compare.html"
    files.write_text(path, page.encode("utf-8", "replace").decode())
    return path


def _draw_curves(pictures: Pictures, runs: Sequence[Run], names: Sequence[str]) -> None:
    from kerasexp.training.callbacks import read_history

    histories = {}
    for name, run in zip(names, runs, strict=True):
        rows = read_history(run.path("history.csv"))
        histories[name] = {column: [row[column] for row in rows] for column in rows[0]} if rows else {}
    for metric in ("loss", "accuracy"):
        if any(f"val_{metric}" in history for history in histories.values()):
            text = f"Validation {metric} of every run over its epochs."
            pictures.add(f"val_{metric}", curves_of_runs(histories, f"val_{metric}"), text)
        if any(metric in history for history in histories.values()):
            text = f"Training {metric} of every run over its epochs."
            pictures.add(f"train_{metric}", curves_of_runs(histories, metric), text)


def _draw_maps(pictures: Pictures, runs: Sequence[Run], names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The t-SNE maps of those runs that have some, by layer: `final` and `intermediate`."""
    found: dict[str, list[dict[str, Any]]] = {"final": [], "intermediate": []}
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        drawn = files.read_json(run.path("metrics.json")).get("embedding")
        if drawn is None:
            continue
        arrays = files.read_npz(run.path("embedding.npz"))
        classes = run.manifest["data"]["class_names"]
        for layer, numbers in drawn["maps"].items():
            if layer in arrays:
                figure = embedding.embedding(arrays[layer], arrays["labels"], classes, numbers["line"])
                text = f"{name}: map of {drawn['images']:,} test images by the output of the layer {numbers['layer']}."
                key = f"map_{layer}_{number + 1}"
                pictures.add(key, figure, text)
                found[layer].append({"figure": key, "label": name, "images": drawn["images"], **numbers})
    return {layer: maps for layer, maps in found.items() if maps}
