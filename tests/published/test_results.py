"""Paths of metrics that the studies with several data sets and weights need."""

from __future__ import annotations

from typing import Any

import pytest

from kerasexp.evaluation.statistics import wilson
from kerasexp.published.results import Results
from tests.published.runs import made_run

CONFUSION = [[30, 8, 2], [5, 35, 0], [0, 2, 18]]  # 40, 40 and 20 images, 17 wrong
HISTORY = [
    {"epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 0.9, "val_accuracy": 0.60, "seconds": 9.0},
    {"epoch": 2, "loss": 0.7, "accuracy": 0.7, "val_loss": 0.6, "val_accuracy": 0.80, "seconds": 6.0},
    {"epoch": 3, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.7, "val_accuracy": 0.80, "seconds": 6.0},
]
MANIFEST: dict[str, Any] = {
    "best_epoch": 2,
    "seconds": 21.5,
    "parameters": {"total": 200, "trainable": 120},
    "data": {
        "class_names": ["a", "b", "c"],
        "counts": {"train": [60, 60, 30], "validation": [5, 10, 5], "test": [40, 40, 20]},
        "channel_statistics": {
            "mean": [0.4914, 0.4823, 0.4466],
            "std": [0.25, 0.24, 0.26],
            "image_std": [0.2, 0.2, 0.2],
        },
    },
}


@pytest.fixture
def results() -> Results:
    test = {
        "n": 100,
        "loss": 0.41,
        "accuracy": {"value": 0.83, "interval": list(wilson(83, 100))},
        "weighted": {"precision": 0.84, "recall": 0.83, "f1": {"value": 0.83, "interval": [0.7, 0.9]}},
        "confusion_matrix": CONFUSION,
        "per_class": [{"precision": value} for value in (0.9, 0.8, 0.6)],
    }
    validation = {"loss": 0.6, "accuracy": {"value": 0.8, "interval": list(wilson(16, 20))}}
    return Results(
        MANIFEST, {"table_weights": "best", "weights": {"best": {"test": test, "validation": validation}}}, HISTORY
    )


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("test.loss", 0.41),
        ("validation.accuracy", 0.8),
        ("validation.loss", 0.6),
        ("test.weighted.precision", 0.84),
        ("test.errors", 17),
        ("test.confusion.0.1", 8 / 40),
        ("test.confusion.2.2", 18 / 20),
        ("test.confusion.3.0", None),
        ("test.confused.1.0", 13),
        ("test.lead.precision.0.1", 0.85 - 0.6),
        ("test.lead.precision.0.1.2", None),  # there are no others
        ("test.lead.precision.3", None),
        ("test.lead.recall.0", None),
        ("validation.errors", None),
        ("train.errors", None),
        ("history.val_accuracy@max", 0.8),
        ("history.epoch.val_accuracy@max", 2),  # the first of two
        ("history.val_loss@min", 0.6),
        ("history.epoch.val_loss@min", 2),
        ("history.epoch.gap@max", 3),
        ("history.gap@max", 0.2),
        ("history.accuracy_gap@final", 0.0),
        ("history.gain.accuracy@2", 0.1),
        ("history.gain.accuracy@3", None),
        ("history.accuracy@best", 0.7),
        ("history.val_loss@0", None),
        ("history.seconds@sum", 21.0),
        ("history.seconds@mean", 7.0),
        ("history.lost@max", None),
        ("history.epoch.lost@max", None),
        ("seconds", 21.5),
        ("parameters.trainable", 120),
        ("data.validation.images", 20),
        ("data.train+validation.images.1", 70),
        ("data.train+validation+test.images", 270),
        ("data.train.imbalance", 2.0),
        ("data.train+test.share.2", 0.2),
        ("data.test.images.3", None),
        ("data.train.channel_mean.1", 0.4823),
        ("data.train.channel_image_std.2", 0.2),
    ],
)
def test_value(results: Results, metric: str, value: float | None) -> None:
    found = results.value(metric)
    assert found is None if value is None else found == pytest.approx(value)


def test_the_best_epoch_is_that_of_the_runs_own_rule() -> None:
    """By validation accuracy the first of two, though the loss is lowest elsewhere."""
    manifest = {"best_epoch": 3}
    assert Results(manifest, {}, HISTORY).value("history.val_loss@best") == 0.7
    assert Results({}, {}, HISTORY).value("history.val_loss@best") == 0.6
    assert Results({"best_epoch": 9}, {}, HISTORY).value("history.val_loss@best") is None


def test_without_history_there_is_no_extreme(results: Results) -> None:
    empty = Results(MANIFEST)
    for metric in ("history.val_accuracy@max", "history.epoch.val_accuracy@max", "history.seconds@mean"):
        assert empty.value(metric) is None


def test_every_epoch(results: Results) -> None:
    assert results.values("history.gap@*") == pytest.approx([-0.1, -0.1, 0.2])


def test_intervals(results: Results) -> None:
    assert results.interval("validation.accuracy") == pytest.approx(wilson(16, 20))
    assert results.interval("test.weighted.recall") == pytest.approx(wilson(83, 100))
    assert results.interval("test.confusion.0.1") == pytest.approx(wilson(8, 40))
    assert results.interval("test.confused.0.1") == pytest.approx([100 * bound for bound in wilson(13, 100)])
    assert results.interval("test.errors") == pytest.approx([100 * bound for bound in wilson(17, 100)])
    # an average over classes of different sizes is no proportion: known if the evaluation drew the images again
    assert results.interval("test.macro.precision") is None
    drawn = {"macro": {"precision": 0.77}, "intervals": {"macro.precision": [0.7, 0.8]}}
    newer = Results(MANIFEST, {"table_weights": "best", "weights": {"best": {"test": drawn}}})
    assert newer.interval("test.macro.precision") == (0.7, 0.8)
    # 20 images validate, 150 train
    assert results.interval("history.val_accuracy@max") == pytest.approx(wilson(16, 20))
    assert results.interval("history.accuracy@best") == pytest.approx(wilson(105, 150))
    for metric in ("test.loss", "history.epoch.val_accuracy@max", "history.seconds@mean", "history.accuracy_gap@final"):
        assert results.interval(metric) is None


def test_test_images_that_validate_are_those_of_the_interval(tmp_path):
    """Though the data set has validation images of its own."""
    for validation, images in (("split", 20), ("test", 100)):
        results = Results(MANIFEST, {}, HISTORY, validation=validation)
        assert results.interval("history.val_accuracy@final") == wilson(0.8 * images, images)
    assert Results.of(made_run(tmp_path, "kmnist_cnn", 0.9)).validation == "test"
    assert (
        Results.of(made_run(tmp_path, "kmnist_cnn", 0.9, changes={"data": {"validation": "split"}})).validation
        == "split"
    )
