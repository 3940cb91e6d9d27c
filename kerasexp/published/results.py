"""The numbers of one run, by the paths that claims use."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kerasexp import files
from kerasexp.evaluation.statistics import Interval, wilson
from kerasexp.runs import Run


@dataclasses.dataclass(frozen=True)
class Results:
    """What a run has measured so far; a number that it does not have is None.

    Attributes:
        manifest: of the run.
        metrics: content of `metrics.json`, empty before the evaluation.
        history: the rows of `history.csv`.
    """

    manifest: Mapping[str, Any]
    metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()

    @classmethod
    def of(cls, run: Run) -> Results:
        """The results in a run folder.

        Raises:
            DataError: if a file of it is damaged.
        """
        from kerasexp.training.callbacks import read_history  # imports TensorFlow

        metrics = run.path("metrics.json")
        return cls(
            run.manifest, files.read_json(metrics) if metrics.exists() else {}, read_history(run.path("history.csv"))
        )

    def value(self, metric: str) -> float | None:
        """One number.

        Args:
            metric: `test.…` or `train.…` for a path in the table's part of `metrics.json` (`test.macro.f1`,
                `test.per_class.3.recall`), `history.<column>@<epoch, final or best>` (the column `gap` is validation
                minus training loss), `history.reaches.<column>@<level>` for the first epoch at that level,
                `history.lr_drops` for the number of drops and `history.lr_drops@<k>` for the first epoch after drop k,
                `data.<split>.images`, `data.<split>.share.<class>`, `parameters.total`, `epochs_run`, `best_epoch`.
        """
        head, _, rest = metric.partition(".")
        if head in ("test", "train"):
            return _number(self._part(head, *rest.split(".")))
        if head == "history":
            return self._from_history(rest)
        if head == "data":
            return self._of_data(*rest.split("."))
        return _number(_walk(self.manifest, metric.split(".")))

    def values(self, pattern: str) -> list[float]:
        """All numbers of a path in which `*` stands for every class, or for training and test set."""
        if "*" not in pattern:
            value = self.value(pattern)
            return [] if value is None else [value]
        start, _, rest = pattern.partition("*")
        choices = (
            ("train", "test") if start == "data." else range(len(_walk(self.manifest, ["data", "class_names"]) or ()))
        )
        return [value for choice in choices for value in self.values(f"{start}{choice}{rest}")]

    def interval(self, metric: str) -> Interval | None:
        """The 95 % interval that this one run gives: sampling error of its images, where it can be had."""
        head, _, rest = metric.partition(".")
        if head in ("test", "train"):
            kept = self._part(head, *rest.split("."))
            if isinstance(kept, Mapping):
                low, high = kept["interval"]
                return low, high
            return self._binomial(head, rest)
        value = self.value(metric)
        column = re.fullmatch(r"history\.((?:val_)?accuracy)@\w+", metric)
        if value is None or column is None:
            return None
        images = self._validation_images() if column[1] == "val_accuracy" else self._images("train")
        return wilson(value * images, images) if images else None

    def _part(self, split: str, *path: str) -> Any:
        table = self.metrics.get("table_weights", "")
        return _walk(self.metrics, ["weights", table, split, *path])

    def _binomial(self, split: str, path: str) -> Interval | None:
        """Recall is a proportion of a class's images, precision of the images put into it."""
        value = self.value(f"{split}.{path}")
        if value is None:
            return None
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
        row = self._row(place)
        if row is None:
            return None
        if name == "gap":
            return row["val_loss"] - row["loss"] if "val_loss" in row else None
        return row.get(name)

    def _row(self, place: str) -> Mapping[str, float] | None:
        if place == "final":
            return self.history[-1] if self.history else None
        if place == "best":
            validated = [row for row in self.history if "val_loss" in row]
            return min(validated, key=lambda row: row["val_loss"], default=None)
        return next((row for row in self.history if row["epoch"] == int(place)), None)

    def _of_data(self, split: str, *path: str) -> float | None:
        counts = _walk(self.manifest, ["data", "counts", split])
        if not counts:
            return None
        if path[0] == "images":
            return self._images(split)
        return counts[int(path[1])] / sum(counts)

    def _images(self, split: str) -> int:
        return sum(_walk(self.manifest, ["data", "counts", split]) or ())

    def _validation_images(self) -> int:
        """Where no images were held out, the test images validated."""
        return self._images("validation") or self._images("test")


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


def _number(found: Any) -> float | None:
    return found.get("value") if isinstance(found, Mapping) else found
