"""Paired intervals against the exact variance of a paired difference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kerasexp import files
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.published.pairing import paired_interval
from kerasexp.published.results import Results
from kerasexp.published.several import difference

N = 2000


def _manifest(digest: str = "d") -> dict[str, Any]:
    return {"data": {"digest": digest, "class_names": list("abcd")}}


def _run(folder: Path, predicted: np.ndarray, order: np.ndarray | None = None, digest: str = "d") -> Results:
    order = np.arange(N) if order is None else order
    folder.mkdir()
    files.write_npz(
        folder / "predictions.npz",
        test_probabilities=np.eye(4, dtype=np.float32)[predicted][order],
        test_labels=(np.arange(N) % 4)[order],
        test_index=order,
    )
    return Results(_manifest(digest), folder=folder)


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray]:
    """The second repeats most mistakes of the first and adds some."""
    generator = np.random.default_rng(0)
    labels = np.arange(N) % 4
    first = np.where(generator.random(N) < 0.8, labels, (labels + 1) % 4)
    second = np.where((first == labels) & (generator.random(N) < 0.05), (labels + 2) % 4, first)
    return first, second


def test_the_interval_of_an_accuracy_is_that_of_the_discordant_images(
    tmp_path: Path, predictions: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = predictions
    found = paired_interval("test.accuracy", _run(tmp_path / "a", first), _run(tmp_path / "b", second))
    assert found is not None
    labels = np.arange(N) % 4
    share = np.mean((first == labels) != (second == labels))
    value = np.mean(first == labels) - np.mean(second == labels)
    half = 1.96 * math.sqrt((share - value**2) / N)
    assert found[0] == pytest.approx(value)
    assert found[1] == pytest.approx((value - half, value + half), abs=0.1 * half)


@pytest.mark.parametrize(("only_first", "significant"), [(0, False), (4, False), (6, True)])
def test_few_images_apart_are_no_sure_difference(tmp_path: Path, only_first: int, significant: bool) -> None:
    """McNemar's p is 1 of none, 0.125 of four, and 0.031 of six."""
    first = np.arange(N) % 4
    first[:50] += 1  # wrong in both
    first %= 4
    second = first.copy()
    second[100 : 100 + only_first] = (second[100 : 100 + only_first] + 1) % 4
    found = paired_interval("test.accuracy", _run(tmp_path / "a", first), _run(tmp_path / "b", second))
    assert found is not None
    assert found[0] == pytest.approx(only_first / N)
    assert (found[1][0] > 0) == significant
    assert found[1][1] > only_first / N


def test_equal_predictions_say_nothing_of_a_difference_in_f1(
    tmp_path: Path, predictions: tuple[np.ndarray, np.ndarray]
) -> None:
    runs = {name: [_run(tmp_path / name, predictions[0])] for name in "ab"}
    metric, labels = "test.macro.f1", np.arange(N) % 4
    scores = {"macro": {"f1": {"value": f1_score(labels, predictions[0], average="macro"), "interval": [0.7, 0.9]}}}
    content = {"table_weights": "last", "weights": {"last": {"test": scores}}}
    runs = {name: [Results(run.manifest, content, folder=run.folder)] for name, (run,) in runs.items()}
    assert paired_interval(metric, *runs["a"], *runs["b"]) == (0.0, (0.0, 0.0))
    found = difference(metric, "a", "b", runs)
    assert found is not None
    assert (found.interval, found.missing) == (None, "needs 3 seeds")


def test_macro_f1_and_images_in_another_order(tmp_path: Path, predictions: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = predictions
    order = np.random.default_rng(1).permutation(N)
    found = paired_interval("test.macro.f1", _run(tmp_path / "a", first), _run(tmp_path / "b", second, order))
    assert found is not None
    labels = np.arange(N) % 4
    expected = f1_score(labels, first, average="macro") - f1_score(labels, second, average="macro")
    assert found[0] == pytest.approx(expected)
    assert found[1][0] < expected < found[1][1]


def test_a_class_without_images_counts_in_macro_f1_as_in_the_tables(tmp_path: Path) -> None:
    """Neither run has images of the fourth class nor takes one for it: its F1 is 0."""
    labels = np.arange(N) % 3
    runs = []
    for name, wrong in (("a", 100), ("b", 300)):
        predicted = np.where(np.arange(N) < wrong, (labels + 1) % 3, labels)
        (tmp_path / name).mkdir()
        probabilities = np.eye(4, dtype=np.float32)[predicted]
        files.write_npz(
            tmp_path / name / "predictions.npz",
            test_probabilities=probabilities,
            test_labels=labels,
            test_index=np.arange(N),
        )
        scores = evaluate_predictions(probabilities, labels, list("abcd"))
        runs.append((scores["macro"]["f1"]["value"], Results(_manifest(), folder=tmp_path / name)))
    (value, first), (other, second) = runs
    found = paired_interval("test.macro.f1", first, second)
    assert found is not None
    assert found[0] == pytest.approx(value - other)


def test_what_cannot_be_paired(tmp_path: Path, predictions: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (_run(tmp_path / name, made) for name, made in zip("ab", predictions, strict=True))
    other = _run(tmp_path / "c", predictions[0], digest="other data")
    assert paired_interval("test.loss", first, second) is None
    assert paired_interval("test.accuracy", first, other) is None
    assert paired_interval("test.accuracy", first, Results({"data": {"digest": "d"}})) is None


def test_a_clustering_is_judged_by_its_mapped_labels(
    tmp_path: Path, predictions: tuple[np.ndarray, np.ndarray]
) -> None:
    runs = []
    for name, mapped in zip("ab", predictions, strict=True):
        (tmp_path / name).mkdir()
        files.write_npz(
            tmp_path / name / "predictions.npz",
            test_probabilities=np.eye(7, dtype=np.float32)[mapped + 3],
            test_labels=np.arange(N) % 4,
            test_index=np.arange(N),
            clusters=mapped + 3,
            mapped=mapped,
        )
        runs.append(Results({"data": {"digest": "d"}}, folder=tmp_path / name))
    found = paired_interval("test.accuracy", *runs)
    assert found is not None
    labels = np.arange(N) % 4
    assert found[0] == pytest.approx(np.mean(predictions[0] == labels) - np.mean(predictions[1] == labels))
