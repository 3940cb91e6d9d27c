"""Numbers of a classifier against scikit-learn, Keras and counting by hand."""

from __future__ import annotations

import json
import time
import warnings

import keras
import numpy as np
import pytest
from sklearn import metrics

from kerasexp.errors import KerasexpError
from kerasexp.evaluation.classification import evaluate_predictions, most_confident_mistakes

NAMES = [str(k) for k in range(10)]


def _predictions(n: int, classes: int = 10, skill: float = 4.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=n)
    scores = generator.normal(size=(n, classes))
    scores[np.arange(n), labels] += skill / 2
    exponentials = np.exp(scores)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int64)


def _all_numbers(part: object) -> list[float]:
    if isinstance(part, dict):
        return [number for value in part.values() for number in _all_numbers(value)]
    if isinstance(part, list):
        return [number for value in part for number in _all_numbers(value)]
    return [float(part)] if isinstance(part, int | float) else []


def test_numbers_are_scikit_learns() -> None:
    probabilities, labels = _predictions(2000)
    result = evaluate_predictions(probabilities, labels, NAMES)
    predicted = probabilities.argmax(axis=1)
    report = metrics.classification_report(labels, predicted, output_dict=True)
    assert result["n"] == 2000
    assert result["accuracy"]["value"] == pytest.approx(report["accuracy"])
    for part, expected in [("macro", "macro avg"), ("weighted", "weighted avg")]:
        assert result[part]["precision"] == pytest.approx(report[expected]["precision"])
        assert result[part]["recall"] == pytest.approx(report[expected]["recall"])
        assert result[part]["f1"]["value"] == pytest.approx(report[expected]["f1-score"])
    for row in result["per_class"]:
        expected = report[row["name"]]
        assert (row["precision"], row["recall"]) == pytest.approx((expected["precision"], expected["recall"]))
        assert row["f1"]["value"] == pytest.approx(expected["f1-score"])
        assert row["support"] == expected["support"]
        assert row["f1"]["interval"][0] < row["f1"]["value"] < row["f1"]["interval"][1]
    np.testing.assert_array_equal(result["confusion_matrix"], metrics.confusion_matrix(labels, predicted))
    json.dumps(result, allow_nan=False)


def test_loss_and_auc_are_those_of_keras() -> None:
    probabilities, labels = _predictions(3000)
    probabilities[0] = 0.0
    probabilities[0, (labels[0] + 1) % 10] = 1.0  # surely wrong: the clipping decides
    one_hot = keras.utils.to_categorical(labels, 10)
    result = evaluate_predictions(probabilities, labels, NAMES)
    expected = keras.losses.CategoricalCrossentropy()(one_hot, probabilities)
    assert result["loss"] == pytest.approx(float(expected), rel=1e-5)
    auc = keras.metrics.AUC(num_thresholds=2000)
    auc.update_state(one_hot, probabilities)
    assert result["auc_micro"] == pytest.approx(float(auc.result()), abs=1e-3)


def test_numbers_of_the_published_confusion_matrix() -> None:
    # the KMNIST study's CNN: its matrix must give its printed scores
    confusion = np.array(
        [
            [900, 7, 1, 2, 21, 21, 2, 23, 20, 3],
            [3, 851, 13, 1, 18, 5, 69, 3, 13, 24],
            [9, 6, 861, 35, 12, 7, 26, 10, 21, 13],
            [3, 4, 28, 950, 1, 2, 2, 2, 5, 3],
            [27, 8, 4, 17, 869, 6, 21, 4, 39, 5],
            [4, 7, 63, 10, 13, 863, 19, 1, 18, 2],
            [4, 17, 23, 7, 16, 2, 919, 3, 5, 4],
            [12, 10, 9, 0, 24, 4, 11, 869, 35, 26],
            [5, 31, 8, 34, 0, 4, 11, 0, 902, 5],
            [8, 9, 20, 4, 28, 1, 17, 8, 17, 888],
        ]
    )
    true, predicted = np.divmod(np.repeat(np.arange(100), confusion.ravel()), 10)
    result = evaluate_predictions(np.eye(10, dtype=np.float32)[predicted], true, NAMES)
    assert round(result["macro"]["f1"]["value"], 4) == 0.8874
    assert result["accuracy"]["value"] == 0.8872
    assert round(result["per_class"][3]["f1"]["value"], 4) == 0.9223
    assert result["accuracy"]["interval"] == pytest.approx([0.88085, 0.89325], abs=5e-5)
    # on balanced classes macro F1 is about as sure as accuracy: half a width of 0.6 points
    low, high = result["macro"]["f1"]["interval"]
    assert high - low == pytest.approx(0.0124, abs=0.0012)
    for average in ("macro.precision", "macro.recall", "weighted.precision"):
        low, high = result["intervals"][average]
        part, score = average.split(".")
        assert low < result[part][score] < high
        assert high - low == pytest.approx(0.0124, abs=0.0015)
    assert result["most_confused"][:3] == [
        {"true": "1", "predicted": "6", "count": 69},
        {"true": "5", "predicted": "2", "count": 63},
        {"true": "4", "predicted": "8", "count": 39},
    ]
    assert result["most_confused_pairs"][:2] == [
        {"classes": ["1", "6"], "count": 86},
        {"classes": ["2", "5"], "count": 70},
    ]
    assert len(result["most_confused"]) == len(result["most_confused_pairs"]) == 10


def test_one_seed_one_interval() -> None:
    probabilities, labels = _predictions(300)
    first = evaluate_predictions(probabilities, labels, NAMES)
    assert first == evaluate_predictions(probabilities, labels, NAMES)
    other = evaluate_predictions(probabilities, labels, NAMES, seed=1)
    assert other["macro"]["f1"]["value"] == first["macro"]["f1"]["value"]
    assert other["macro"]["f1"]["interval"] != first["macro"]["f1"]["interval"]


@pytest.mark.parametrize(
    ("labels", "predicted", "classes"),
    [
        ([0], [0], 10),  # one image
        ([0], [1], 10),  # one image, wrong
        ([3, 3, 3], [3, 3, 3], 10),  # a single class
        ([0, 1, 2], [1, 2, 0], 3),  # all wrong
        ([0, 0, 2], [0, 2, 2], 3),  # class 1 absent and never predicted
        ([0, 0, 2], [1, 1, 1], 3),  # class 1 absent and always predicted
        ([0, 0], [0, 0], 1),  # a data set of one class
    ],
)
def test_odd_splits_neither_crash_nor_warn(labels: list[int], predicted: list[int], classes: int) -> None:
    probabilities = np.eye(classes, dtype=np.float32)[predicted]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate_predictions(probabilities, np.array(labels), NAMES[:classes])
    json.dumps(result, allow_nan=False)
    right = float(np.mean(np.array(labels) == predicted))
    assert result["accuracy"]["value"] == right
    assert len(result["per_class"]) == classes
    assert sum(entry["count"] for entry in result["most_confused"]) == round((1 - right) * len(labels))
    assert all(np.isfinite(number) for number in _all_numbers(result))


def test_what_cannot_be_evaluated_is_said() -> None:
    with pytest.raises(KerasexpError, match="no images"):
        evaluate_predictions(np.zeros((0, 10), np.float32), np.zeros(0, np.int64), NAMES)
    with pytest.raises(KerasexpError, match="not finite"):
        evaluate_predictions(np.full((2, 10), np.nan, np.float32), np.zeros(2, np.int64), NAMES)


def test_ten_thousand_images_take_under_two_seconds() -> None:
    probabilities, labels = _predictions(10_000)
    start = time.process_time()
    evaluate_predictions(probabilities, labels, NAMES)
    assert time.process_time() - start < 2


def test_most_confident_mistakes_first() -> None:
    labels = np.array([0, 1, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.95, 0.05], [0.2, 0.8]], np.float32)
    rows = most_confident_mistakes(probabilities, labels)
    assert rows.tolist() == [3, 1, 2]
    assert rows.dtype == np.int64
    assert most_confident_mistakes(probabilities, labels, count=1).tolist() == [3]
    assert most_confident_mistakes(probabilities, probabilities.argmax(axis=1)).tolist() == []
