"""The page of a group: several runs that answer one question, in one HTML file without network or JavaScript."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.reporting.figures.group import scores_of_seeds, spread_of_curves
from kerasexp.reporting.page import Pictures, templates
from kerasexp.runs import Run


def write_group(runs: Sequence[Run], content: Mapping[str, Any], folder: Path) -> Path:
    """Draws `figures/*.png` and writes `group.html`.

    Args:
        runs: the evaluated runs: those that have values in `content["runs"]`, in that order.
        content: what `kerasexp.train_group` found out about them.
        folder: takes the page; made if it is not there.

    Returns:
        The path of `group.html`.

    Raises:
        DataError: if a file of a run is damaged, or the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}. Choose another folder with --out.") from None
    pictures = Pictures(folder / "figures")
    evaluated = [row for row in content["runs"] if row["values"]]
    _draw_scores(pictures, content, evaluated)
    _draw_curves(pictures, content, runs, evaluated)
    template = templates().get_template("group.html")
    page = template.render(**content, pictures=pictures.svg, link=lambda path: _link(path, folder))
    path = folder / "group.html"
    files.write_text(path, page.encode("utf-8", "replace").decode())
    return path


def _draw_scores(pictures: Pictures, content: Mapping[str, Any], evaluated: Sequence[Mapping[str, Any]]) -> None:
    settings = content["settings"]
    for path in [one for one in ("test.accuracy", "test.macro.f1") if one in content["measures"]]:
        seeds = {
            setting["label"]: [
                row["values"][path]["value"]
                for row in evaluated
                if row["variants"] == setting["variants"] and row["status"] == "complete"
            ]
            for setting in settings
        }
        if any(seeds.values()):
            intervals = [setting["measures"][path]["interval"] for setting in settings]
            words = content["measures"][path]
            text = f"{words} of every seed, the mean, and where one more seed would lie. The numbers are in the table."
            pictures.add(path.replace(".", "_"), scores_of_seeds(seeds, intervals, words), text)


def _draw_curves(
    pictures: Pictures, content: Mapping[str, Any], runs: Sequence[Run], evaluated: Sequence[Mapping[str, Any]]
) -> None:
    histories: dict[str, list[dict[str, list[float]]]] = {setting["label"]: [] for setting in content["settings"]}
    labels = {tuple(setting["variants"]): setting["label"] for setting in content["settings"]}
    for run, row in zip(runs, evaluated, strict=True):
        rows = run.history
        if rows:
            columns = {name: [row.get(name, float("nan")) for row in rows] for name in rows[0]}
            histories[labels[tuple(row["variants"])]].append(columns)
    histories = {label: of_setting for label, of_setting in histories.items() if of_setting}
    for column, words in (
        ("val_loss", "Validation loss"),
        ("val_accuracy", "Validation accuracy"),
        ("loss", "Training loss"),
        ("accuracy", "Training accuracy"),
    ):
        if any(column in history for of_setting in histories.values() for history in of_setting):
            text = f"{words} over the epochs: every run, and the range and mean of all seeds."
            pictures.add(f"curves_{column}", spread_of_curves(histories, column), text)


def _link(path: str, folder: Path) -> str:
    """A relative address, so that runs and page can be moved together."""
    return quote(os.path.relpath(path, folder))
