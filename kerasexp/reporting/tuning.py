"""The page of a search: its trials, what mattered, and the best settings, in one HTML file without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.config.space import Dimension, Space
from kerasexp.reporting.figures.tuning import importance_of_settings, parallel_coordinates, scores_over_trials
from kerasexp.reporting.page import Pictures, templates


def write_tuning(content: Mapping[str, Any], space: Space, folder: Path) -> Path:
    """Draws `figures/*.png` and writes `tune.html`.

    Args:
        content: what `kerasexp.tune` found out.
        space: what was varied.
        folder: of the search.

    Returns:
        The path of `tune.html`.

    Raises:
        DataError: if the folder cannot be written to.
    """
    pictures = Pictures(folder / "figures")
    complete = [row for row in content["trials"] if row["status"] == "complete"]
    if complete:
        in_order = sorted(complete, key=lambda row: row["trial"])
        numbers, scores = [row["trial"] for row in in_order], [row["score"] for row in in_order]
        pictures.add(
            "scores", scores_over_trials(numbers, scores), "Validation accuracy of each trial, and the best so far."
        )
        rows = [
            {
                "name": one.name,
                "places": [one.place(row["values"][one.name]) for row in in_order],
                "ticks": _ticks(one),
            }
            for one in space.dimensions
        ]
        text = "A line for each trial through the values of its settings. The numbers are in the table of trials."
        pictures.add("parallel", parallel_coordinates(rows, scores), text)
    if content["importance"]:
        settings = content["importance"]["settings"]
        names, shares = [row["setting"] for row in settings], [row["share"] for row in settings]
        text = "Share of each setting in what a random forest learned of the scores."
        pictures.add("importance", importance_of_settings(names, shares), text)
    source = Path(content["recipe"]).read_text(encoding="utf-8") if content["recipe"] else None
    template = templates().get_template("tune.html")
    path = folder / "tune.html"
    page = template.render(**content, complete=complete, source=source, pictures=pictures.svg, names=_names(space))
    files.write_text(path, page.encode("utf-8", "replace").decode())
    return path


def _names(space: Space) -> dict[str, str]:
    """The heads of the columns: the last part of each path, where that tells them apart."""
    short = {one.name: one.name.rpartition(".")[2] for one in space.dimensions}
    return {name: last if list(short.values()).count(last) == 1 else name for name, last in short.items()}


def _ticks(one: Dimension) -> list[tuple[float, str]]:
    return [(one.place(value), f"{value:g}" if isinstance(value, float) else str(value)) for value in one.examples()]
