"""Checks of statements, on numbers counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from kerasexp.published.checks import CHECKS
from kerasexp.published.results import Results

NAMES = ["cat", "dog", "ship"]
# rows true: cat 10 images, dog 10, ship 5
CONFUSION = [[6, 3, 1], [4, 6, 0], [0, 1, 4]]


@pytest.fixture
def numbers() -> Results:
    scores = {
        "accuracy": {"value": 16 / 25, "interval": [0.44, 0.80]},
        "confusion_matrix": CONFUSION,
        "per_class": [{"f1": {"value": value}} for value in (0.59, 0.61, 0.80)],
    }
    history = [
        {"epoch": epoch, "loss": loss, "val_loss": validation}
        for epoch, loss, validation in [(1, 2.0, 1.9), (2, 1.5, 1.3), (3, 1.2, 1.2), (4, 1.1, 1.25)]
    ]
    metrics = {"table_weights": "last", "weights": {"last": {"test": scores}}}
    return Results({"data": {"class_names": NAMES}}, metrics, history)


@pytest.mark.parametrize(
    ("check", "metric", "limit", "holds", "seen"),
    [
        ("between", "test.accuracy", [0.64, 0.7], True, "0.64"),
        ("between", "test.accuracy", [0.65, 0.7], False, "0.64"),
        ("between", "history.epoch.val_loss@min", [3, 4], True, "3"),
        ("all_below", "history.gap@*", 0.16, True, "at most 0.15"),
        ("all_below", "history.gap@*", 0.0, False, "at most 0.15"),
        ("lowest_are", "test.per_class.*.f1", [0], True, "lowest: cat"),
        ("lowest_are", "test.per_class.*.f1", [1, 0], True, "lowest: cat, dog"),
        ("lowest_are", "test.per_class.*.f1", [2, 0], False, "lowest: cat, dog"),
        ("highest_are", "test.per_class.*.f1", [2], True, "highest: ship"),
        ("highest_are", "test.per_class.*.f1", [1], False, "highest: ship"),
        ("below_average", "test.per_class.*.f1", [0, 1], True, "cat 0.5900, dog 0.6100; mean 0.6667"),
        ("below_average", "test.per_class.*.f1", [1, 2], False, "dog 0.6100, ship 0.8000; mean 0.6667"),
        ("above_average", "test.per_class.*.f1", [2], True, "ship 0.8000; mean 0.6667"),
        ("mostly_taken_for", "test.confusion.0", [1], True, "mostly for dog, 0.3000"),
        ("mostly_taken_for", "test.confusion.0", [2], False, "mostly for dog, 0.3000"),
        ("mostly_taken_for", "test.confusion.2", [0, 1], True, "mostly for dog, 0.2000"),
        # cat/dog 7, cat/ship 1, dog/ship 1
        ("pair_among", "test.confused", [1, 0, 1], True, "cat/dog 7"),
        ("pair_among", "test.confused", [1, 2, 1], False, "cat/dog 7"),
        ("pair_among", "test.confused", [1, 2, 3], True, "cat/dog 7, cat/ship 1, dog/ship 1"),
        ("count_above", "test.per_class.*.f1", [0.6, 2, 3], True, "2 of 3 above 0.6"),
        ("count_above", "test.per_class.*.f1", [0.6, 0, 1], False, "2 of 3 above 0.6"),
        ("some_split", "test.confusion", 0.35, True, "dog: 0.6000 and 0.4000"),
        ("some_split", "test.confusion", 0.4, False, "dog: 0.6000 and 0.4000"),
        ("grouped", "test.confusion", [2, 0, 1], False, "cat as cat, dog as dog"),
        ("grouped", "test.confusion", [1, 0, 1], True, "cat as cat, dog as dog"),
    ],
)
def test_checks(numbers: Results, check: str, metric: str, limit: Any, holds: bool, seen: str) -> None:
    assert CHECKS[check](numbers, metric, limit) == (holds, seen)


@pytest.mark.parametrize(
    ("curve", "holds"),
    [
        ((2.0, 1.4, 1.0, 0.95, 0.9), True),  # 0.6 until epoch 2, 0.4 until 3, then 0.1
        ((2.0, 1.0, 0.98, 0.97, 0.96), False),  # flat from epoch 2 on
        ((2.0, 1.8, 1.6, 1.3, 0.9), False),  # never flat
        ((2.0, 1.4, 1.0, 1.1, 1.5), False),  # rises again
        ((2.0, 1.4), None),
    ],
)
def test_a_curve_levels_off_around_an_epoch_neither_before_nor_never(curve: tuple[float, ...], holds: bool) -> None:
    course = Results({}, {}, [{"epoch": k, "val_loss": value} for k, value in enumerate(curve, start=1)])
    assert CHECKS["levels_off"](course, "history.val_loss", 4)[0] is holds


def test_further_epochs_help_only_beyond_the_errors_of_the_images() -> None:
    def gained(*accuracies: float) -> Any:
        history = [{"epoch": k, "val_accuracy": value} for k, value in enumerate(accuracies, start=1)]
        run = Results({"data": {"counts": {"test": [1000] * 10}}}, {}, history)
        return CHECKS["surely_above"](run, "history.gain.val_accuracy@2", 0.0)

    # two plateaus of 10,000 images at 98.94 and 99.10 %: +-0.28 points
    assert gained(0.98, 0.9894, 0.9910, 0.99) == (None, "+0.0016, 95 % interval -0.0011 to +0.0044")
    assert gained(0.98, 0.9894, 0.995)[0] is True
    assert gained(0.98, 0.9894, 0.98)[0] is False
    assert gained(0.98, 0.9894) == (None, "")


def test_everything_in_one_cluster_groups_nothing() -> None:
    one = {"confusion_matrix": [[5, 0, 0], [5, 0, 0], [5, 0, 0]]}
    run = Results({"data": {"class_names": NAMES}}, {"table_weights": "last", "weights": {"last": {"test": one}}})
    assert CHECKS["grouped"](run, "test.confusion", [2, 0, 1, 2])[0] is False


def test_a_class_that_is_never_wrong_is_taken_for_none() -> None:
    scores = {"confusion_matrix": [[5, 0], [0, 5]]}
    perfect = Results(
        {"data": {"class_names": ["a", "b"]}}, {"table_weights": "last", "weights": {"last": {"test": scores}}}
    )
    assert CHECKS["mostly_taken_for"](perfect, "test.confusion.0", [1])[0] is False


@pytest.mark.parametrize(
    ("check", "metric", "limit"),
    [
        ("between", "test.accuracy", [0, 1]),
        ("all_below", "history.gap@*", 0.0),
        ("levels_off", "history.val_loss", 15),
        ("lowest_are", "test.per_class.*.f1", [0]),
        ("highest_are", "test.per_class.*.f1", [0]),
        ("below_average", "test.per_class.*.f1", [0]),
        ("above_average", "test.per_class.*.f1", [0]),
        ("mostly_taken_for", "test.confusion.0", [1]),
        ("pair_among", "test.confused", [0, 1, 1]),
        ("count_above", "test.per_class.*.f1", [0.5, 1, 2]),
        ("some_split", "test.confusion", 0.3),
        ("grouped", "test.confusion", [1, 0, 1]),
        ("surely_above", "history.gain.val_accuracy@10", 0.0),
    ],
)
def test_a_run_without_the_numbers_decides_nothing(check: str, metric: str, limit: Any) -> None:
    assert CHECKS[check](Results({"data": {"class_names": NAMES}}), metric, limit) == (None, "")
