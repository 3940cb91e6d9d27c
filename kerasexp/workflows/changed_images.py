"""Which test images one run gets right and another wrong, and their pictures from where they are at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.evaluation.comparison import Predictions, changed_images
from kerasexp.runs import Run
from kerasexp.training.progress import console_progress

MOST_PAIRS = 3
MOST_SHOWN = 14  # images of each direction of a pair


def changed(
    groups: Sequence[Sequence[Run]],
    entries: Sequence[Mapping[str, Any]],
    results: Sequence[Predictions],
    data_dir: str | Path | None,
) -> tuple[list[dict[str, Any]], dict[int, np.ndarray], str]:
    """What changes between the entry of the highest accuracy and the best others on the same test images.

    Of a group, an image counts as right if more than half of its runs get it right.

    Args:
        groups: the runs of each entry.
        entries: as in `compare.json`.
        results: what they said of the test images.
        data_dir: where the data lies; where the first run found it by default.

    Returns:
        * for both directions of each pair `right` and `wrong` (labels of the entries), `count` and `images`, at most
          `MOST_SHOWN` evenly over the classes, a dictionary each: `row` (in predictions.npz), `index` (in the data
          set), `true` and `predicted` (by the entry that is wrong; of a group its most frequent mistake);
        * their pictures by row, uint8 `[height, width, channels]`, as far as they are at hand;
        * why some are not, empty if all are.
    """
    ranked = sorted(range(len(entries)), key=lambda place: -entries[place]["test"]["accuracy"]["value"])
    highest, *others = [place for place in ranked if results[place].images == results[ranked[0]].images]
    index = files.read_npz(groups[highest][0].path("predictions.npz"))["test_index"]
    names = [row["name"] for row in entries[highest]["test"]["per_class"]]
    changes = []
    for other in others[:MOST_PAIRS]:
        for right, wrong in ((highest, other), (other, highest)):
            rows = changed_images(results[right], results[wrong])
            images = [
                {
                    "row": int(row),
                    "index": int(index[row]),
                    "true": names[results[wrong].labels[row]],
                    "predicted": names[_mistaken_for(results[wrong], row)],
                }
                for row in _over_classes(rows, results[wrong].labels)
            ]
            around = {"right": entries[right]["label"], "wrong": entries[wrong]["label"], "count": len(rows)}
            changes.append({**around, "images": images})
    wanted = np.unique([image["row"] for change in changes for image in change["images"]]).astype(np.int64)
    pictures, missing = _pictures([run for place in (highest, *others) for run in groups[place]], wanted, data_dir)
    return changes, pictures, missing


def _over_classes(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """At most `MOST_SHOWN` of the rows, in their order: the first of every class, then the second, and so on."""
    classes = labels[rows]
    turn = np.zeros(len(rows), np.int64)
    for of_class in (classes == number for number in np.unique(classes)):
        turn[of_class] = np.arange(np.count_nonzero(of_class))
    return rows[np.sort(np.lexsort((classes, turn))[:MOST_SHOWN])]


def _mistaken_for(result: Predictions, row: int) -> int:
    """The most frequent wrong class of an image; half of the runs of a group may have been right."""
    said = result.predicted[:, row]
    return int(np.bincount(said[said != result.labels[row]]).argmax())


def _pictures(
    runs: Sequence[Run], wanted: np.ndarray, data_dir: str | Path | None
) -> tuple[dict[int, np.ndarray], str]:
    """Test images by row: from the run folders if they hold them all, else from the data on this machine."""
    found: dict[int, np.ndarray] = {}
    for run in runs:
        if not run.path("images.npz").exists():  # a clustering keeps no gallery of mistakes
            continue
        kept = files.read_npz(run.path("images.npz"))
        found = dict(zip(kept["mistake_index"].tolist(), kept["mistake_images"], strict=True)) | found
    lacking = np.count_nonzero([row not in found for row in wanted.tolist()])
    if not lacking:
        return found, ""
    try:
        return dict(zip(wanted.tolist(), _test_images(runs[0], wanted, data_dir), strict=True)), ""
    except DataError as error:
        return found, f"{lacking:,} of {len(wanted):,} are in no run folder, and the data cannot be read here. {error}"


def _test_images(run: Run, rows: np.ndarray, data_dir: str | Path | None) -> np.ndarray:
    from kerasexp.workflows.prepare import prepare_data, same_data

    manifest = run.manifest
    console_progress().note(f"reading {manifest['data']['name']} for the pictures of {len(rows)} test images")
    dataset = prepare_data(run.experiment, data_dir or manifest["data"]["folder"], offline=True)
    same_data(dataset, manifest)
    return dataset.test.x[rows]
