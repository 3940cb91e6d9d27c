"""The numbers of one run, by the paths that claims use."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.evaluation.statistics import Interval, difference_interval, wilson
from kerasexp.runs import Run

_SPLITS = ("test", "train", "validation")
_MILESTONES = ("history.reaches.", "history.lr_drops@")
_COUNTED = ("errors", "confusion.", "confused.")
_OVER_ALL: dict[str, Callable[[Sequence[float]], float]] = {
    "max": max,
    "min": min,
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
}


@dataclasses.dataclass(frozen=True)
class Results:
    """What a run has measured so far; a number that it does not have is None.

    Attributes:
        manifest: of the run.
        metrics: content of `metrics.json`, empty before the evaluation.
        history: the rows of `history.csv`.
        folder: of the run; None for numbers without one.
        validation: what validated each epoch, as `data.validation` says it: `test`, `split` or `none`.
    """

    manifest: Mapping[str, Any]
    metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    folder: Path | None = None
    validation: str = "split"

    @classmethod
    def of(cls, run: Run) -> Results:
        """The results in a run folder.

        Raises:
            DataError: if a file of it is damaged.
        """
        return cls(
            run.manifest,
            run.metrics if run.path("metrics.json").exists() else {},
            run.history,
            run.folder,
            run.experiment.data.validation,
        )

    @property
    def class_names(self) -> Sequence[str]:
        """One per label; empty while the data is unknown."""
        return _walk(self.manifest, ["data", "class_names"]) or ()

    def value(self, metric: str) -> float | None:
        """One number.

        Args:
            metric: one of these paths:

                * `test.…`, `train.…` and `validation.…`: a path in that part of `metrics.json` that belongs to the
                  weights of the recipe's table (`test.macro.f1`, `test.per_class.3.recall`, `validation.loss`);
                * `test.errors`: wrong images; `test.confusion.<true>.<predicted>`: share of the true class that was
                  taken for the other; `test.confused.<a>.<b>`: images of either class taken for the other;
                  `test.lead.<score>.<class>.<class>…`: the mean of these classes' score minus that of all others;
                * `history.<column>@<place>`: the place is an epoch, `final`, `best` (the run's best epoch), or `max`,
                  `min`, `mean` and `sum` over all epochs. The columns `gap` and `accuracy_gap` are validation minus
                  training loss and accuracy. `history.epoch.<column>@<max or min>` is the first epoch with that value,
                  `history.fall.<column>` the largest fall from one epoch to the next,
                  `history.gain.<column>@<epoch>` the highest value after the epoch minus the highest until it,
                  `history.reaches.<column>@<level>` the first at that level, `history.lr_drops` the number of drops
                  and `history.lr_drops@<k>` the first epoch after drop k;
                * `data.<splits>.images`, `data.<splits>.images.<class>`, `data.<splits>.share.<class>` and
                  `data.<splits>.imbalance` (largest to smallest class), where splits may be joined
                  (`train+validation`); `data.train.channel_mean.<k>`, `data.train.channel_std.<k>` (all pixels) and
                  `data.train.channel_image_std.<k>` (mean over images) of pixels from 0 to 1;
                * `clustering.…`: a path in that part of `metrics.json` (`clustering.before_joint.accuracy`);
                  `clustering.gain.<score>` is what the joint training added to the score of the test images;
                * `embedding.…`: a path in that part of `metrics.json` (`embedding.maps.final.line.errors`);
                * everything else as it stands in the manifest: `parameters.total`, `parameters.trainable`,
                  `epochs_run`, `best_epoch`, `seconds`, `stages.<number from 0>.epochs`.
        """
        head, _, rest = metric.partition(".")
        if head in _SPLITS:
            if rest.startswith("lead."):
                return self._lead(head, *rest.split(".")[1:])
            return self._counted(head, *rest.split(".")) if rest.startswith(_COUNTED) else self._score(head, rest)
        if head == "history":
            return self._from_history(rest)
        if head == "data":
            return self._of_data(*rest.split("."))
        if head == "clustering":
            return self._clustering(rest)
        if head == "embedding":
            return _number(_walk(self.metrics, metric.split(".")))
        return _number(_walk(self.manifest, metric.split(".")))

    def never(self, metric: str) -> bool:
        """Whether the metric is an epoch at which something happens first, and it never happened in this run."""
        return bool(self.history) and metric.startswith(_MILESTONES) and self.value(metric) is None

    def values(self, pattern: str) -> list[float]:
        """All numbers of a path in which `*` stands for every class, every epoch, or for training and test set."""
        if "*" not in pattern:
            value = self.value(pattern)
            return [] if value is None else [value]
        start, _, rest = pattern.partition("*")
        choices: Sequence[Any] = range(len(self.class_names))
        if start == "data.":
            choices = ("train", "test")
        elif start.endswith("@"):
            choices = [int(row["epoch"]) for row in self.history]
        return [value for choice in choices for value in self.values(f"{start}{choice}{rest}")]

    def interval(self, metric: str) -> Interval | None:
        """The 95 % interval that this one run gives: sampling error of its images, where it can be had."""
        head, _, rest = metric.partition(".")
        if head in _SPLITS:
            kept = self._part(head, *rest.split("."))
            known = kept.get("interval") if isinstance(kept, Mapping) else self._part(head, "intervals", rest)
            if known is not None:
                low, high = known
                return low, high
            return self._binomial(head, rest)
        if metric.startswith("history.gain."):
            return self._interval_of_gain(*metric.removeprefix("history.gain.").split("@"))
        value = self.value(metric)
        column = re.fullmatch(r"history\.((?:val_)?accuracy)@\w+", metric)
        if value is None or column is None:
            return None
        images = self._validation_images() if column[1] == "val_accuracy" else self._images("train")
        return wilson(value * images, images) if images else None

    def test_labels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Of the test images, in the order of their index: index, true class, predicted class; each int64 `[n]`.

        None for a run without predictions of classes.
        """
        path = self.folder / "predictions.npz" if self.folder else None
        if path is None or not path.exists():
            return None
        arrays = files.read_npz(path)
        order = np.argsort(arrays["test_index"], kind="stable")
        if "clusters" not in arrays:
            predicted = arrays["test_probabilities"].argmax(axis=1)
        elif "mapped" in arrays:
            predicted = arrays["mapped"]  # the classes that its clusters are taken for
        else:
            return None
        return arrays["test_index"][order], arrays["test_labels"][order], predicted[order]

    def _part(self, split: str, *path: str) -> Any:
        table = self.metrics.get("table_weights", "")
        return _walk(self.metrics, ["weights", table, split, *path])

    def _score(self, split: str, path: str) -> float | None:
        return _number(self._part(split, *path.split(".")))

    def _counted(self, split: str, what: str, *classes: str) -> float | None:
        """Numbers that are counted from the confusion matrix."""
        confusion = self._part(split, "confusion_matrix")
        if confusion is None:
            return None
        if what == "errors":
            return sum(map(sum, confusion)) - sum(row[number] for number, row in enumerate(confusion))
        first, second = map(int, classes)
        if max(first, second) >= len(confusion):
            return None
        if what == "confused":
            return confusion[first][second] + confusion[second][first]
        return confusion[first][second] / sum(confusion[first]) if sum(confusion[first]) else None

    def _lead(self, split: str, score: str, *classes: str) -> float | None:
        found = [self._score(split, f"per_class.{number}.{score}") for number in range(len(self.class_names))]
        known = [value for value in found if value is not None]
        inside = {int(number) for number in classes}
        if not known or len(known) < len(found) or max(inside) >= len(found):
            return None
        some = [value for number, value in enumerate(known) if number in inside]
        others = [value for number, value in enumerate(known) if number not in inside]
        return math.fsum(some) / len(some) - math.fsum(others) / len(others) if others else None

    def _binomial(self, split: str, path: str) -> Interval | None:
        """Recall is a proportion of a class's images, precision of the images put into it."""
        value = self.value(f"{split}.{path}")
        if value is None:
            return None
        if path.startswith(_COUNTED):
            what, *classes = path.split(".")
            confusion = self._part(split, "confusion_matrix")
            if what == "confusion":
                images = sum(confusion[int(classes[0])])
                return wilson(value * images, images)
            images = sum(map(sum, confusion))
            low, high = wilson(value, images)
            return low * images, high * images
        if path == "weighted.recall":  # the accuracy by another name
            return self.interval(f"{split}.accuracy")
        if path == "macro.recall":  # with equally large classes it is the accuracy
            supports = {row["support"] for row in self._part(split, "per_class")}
            return self.interval(f"{split}.accuracy") if len(supports) == 1 else None
        per_class = re.fullmatch(r"per_class\.(\d+)\.(recall|precision)", path)
        if per_class is None:
            return None
        position = int(per_class[1])
        confusion = self._part(split, "confusion_matrix")
        images = sum(confusion[position]) if per_class[2] == "recall" else sum(row[position] for row in confusion)
        return wilson(value * images, images) if images else None

    def _clustering(self, path: str) -> float | None:
        kept = self.metrics.get("clustering")
        if not path.startswith("gain."):
            return _number(_walk(kept, path.split(".")))
        score = path.removeprefix("gain.")
        before = _number(_walk(kept, ["before_joint", *score.split(".")]))
        after = self._score("test", score)
        return None if before is None or after is None else after - before

    def _from_history(self, path: str) -> float | None:
        name, _, place = path.partition("@")
        if name.startswith("reaches."):
            column = name.removeprefix("reaches.")
            return next((int(row["epoch"]) for row in self.history if row.get(column, 0) >= float(place)), None)
        if name == "lr_drops":
            pairs = zip(self.history, self.history[1:], strict=False)
            drops = [int(now["epoch"]) for before, now in pairs if now["learning_rate"] < before["learning_rate"]]
            if not place:
                return len(drops) if self.history else None
            return drops[int(place) - 1] if int(place) <= len(drops) else None
        if name.startswith("fall."):
            column = name.removeprefix("fall.")
            values = [value for row in self.history if (value := _column(row, column)) is not None]
            falls = [before - now for before, now in zip(values, values[1:], strict=False)]
            return max(0.0, *falls) if falls else None
        if name.startswith("gain."):
            best = self._best_until_and_after(name.removeprefix("gain."), int(place))
            return best[1][0] - best[0][0] if best else None
        if name.startswith("epoch."):
            column = name.removeprefix("epoch.")
            extreme = self._from_history(f"{column}@{place}")
            if extreme is None:
                return None
            return next(int(row["epoch"]) for row in self.history if _column(row, column) == extreme)
        if place in _OVER_ALL:
            values = [value for row in self.history if (value := _column(row, name)) is not None]
            return _OVER_ALL[place](values) if values else None
        row = self._row(place)
        return None if row is None else _column(row, name)

    def _best_until_and_after(self, column: str, epoch: int) -> list[tuple[float, int]] | None:
        """The highest value until an epoch and after it, each with its own epoch."""
        known = [(value, int(row["epoch"])) for row in self.history if (value := _column(row, column)) is not None]
        parts = [[one for one in known if one[1] <= epoch], [one for one in known if one[1] > epoch]]
        return [max(part) for part in parts] if all(parts) else None

    def _interval_of_gain(self, column: str, place: str) -> Interval | None:
        best = self._best_until_and_after(column, int(place))
        if best is None:
            return None
        (before, epoch), (after, later) = best
        known = [self.interval(f"history.{column}@{one}") for one in (later, epoch)]
        return None if known[0] is None or known[1] is None else difference_interval(after, known[0], before, known[1])

    def _row(self, place: str) -> Mapping[str, float] | None:
        if place == "final":
            return self.history[-1] if self.history else None
        if place == "best":
            best = self.manifest.get("best_epoch")
            if best is not None:
                return next((row for row in self.history if row["epoch"] == best), None)
            validated = [row for row in self.history if "val_loss" in row]
            return min(validated, key=lambda row: row["val_loss"], default=None)
        return next((row for row in self.history if row["epoch"] == int(place)), None)

    def _of_data(self, splits: str, what: str, *number: str) -> float | None:
        if what.startswith("channel_"):
            return _walk(self.manifest, ["data", "channel_statistics", what.removeprefix("channel_"), *number])
        parts = [_walk(self.manifest, ["data", "counts", split]) or () for split in splits.split("+")]
        counts = [sum(of_class) for of_class in zip(*(part for part in parts if part), strict=True)]
        if not sum(counts):
            return None
        if what == "imbalance":
            return max(counts) / min(counts) if min(counts) else None
        if not number:
            return sum(counts)
        position = int(number[0])
        if position >= len(counts):
            return None
        return counts[position] if what == "images" else counts[position] / sum(counts)

    def _images(self, split: str) -> int:
        return sum(_walk(self.manifest, ["data", "counts", split]) or ())

    def _validation_images(self) -> int:
        """Where no images were held out the test images validated; or they did though the data has others for it."""
        held_out = 0 if self.validation == "test" else self._images("validation")
        return held_out or self._images("test")


def _walk(content: Any, path: Sequence[str]) -> Any:
    """The part of nested mappings and lists at `path`, or None."""
    for step in path:
        if isinstance(content, Mapping):
            content = content.get(step)
        elif isinstance(content, list) and step.isdigit() and int(step) < len(content):
            content = content[int(step)]
        else:
            return None
    return content


def _column(row: Mapping[str, float], name: str) -> float | None:
    """A value of one epoch, None where it was not measured; the gaps are validation minus training."""
    pairs = {"gap": ("val_loss", "loss"), "accuracy_gap": ("val_accuracy", "accuracy")}
    if name not in pairs:
        value = row.get(name)
        return None if value is None or math.isnan(value) else value
    validation, training = (row.get(column) for column in pairs[name])
    return None if validation is None or training is None else validation - training


def _number(found: Any) -> float | None:
    return found.get("value") if isinstance(found, Mapping) else found
