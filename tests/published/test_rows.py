"""A run's numbers, and its rows beside the published ones."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasexp import files
from kerasexp.config.loading import load_experiment
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.published import claims_for, rows
from kerasexp.published.results import Results
from kerasexp.runs import Run, create_run
from tests.published.examples import CLASSES, whole_manifest

HISTORY = """epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
1,2.28,0.13,2.263,0.2417,0.001,5.0
2,2.22,0.24,2.209,0.3417,0.001,5.0
3,1.90,0.40,1.905,0.5100,0.001,5.0
4,1.80,0.44,1.906,0.5050,0.0001,5.0
5,1.79,0.45,1.907,0.5040,1e-05,5.0
"""


def _evaluated(n: int, seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    probabilities = generator.dirichlet(np.ones(10), size=n).astype(np.float32)
    right = generator.random(n) < 0.88
    probabilities[right] = np.eye(10, dtype=np.float32)[labels[right]]
    return evaluate_predictions(probabilities, labels, CLASSES)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return {
        "table_weights": "last",
        "weights": {"last": {"epoch": 5, "test": _evaluated(10_000, 0), "train": _evaluated(6_000, 1)}},
    }


def _run(
    folder: Path, metrics: dict[str, Any] | None, manifest: dict[str, Any], *variants: str, **arguments: Any
) -> Run:
    run = create_run(load_experiment("kmnist_cnn", variants=variants, **arguments), out=folder, **manifest)
    files.write_text(run.path("history.csv"), HISTORY)
    if metrics is not None:
        files.write_json(run.path("metrics.json"), metrics)
    return run


def test_paths_of_metrics(tmp_path: Path, measured: dict[str, Any]) -> None:
    results = Results.of(_run(tmp_path, measured, whole_manifest(epochs_run=5, best_epoch=3)))
    test = measured["weights"]["last"]["test"]
    expected = {
        "test.accuracy": test["accuracy"]["value"],
        "test.macro.f1": test["macro"]["f1"]["value"],
        "test.per_class.3.f1": test["per_class"][3]["f1"]["value"],
        "test.per_class.3.recall": test["per_class"][3]["recall"],
        "test.auc_micro": test["auc_micro"],
        "train.accuracy": measured["weights"]["last"]["train"]["accuracy"]["value"],
        "epochs_run": 5,
        "best_epoch": 3,
        "parameters.total": 1_199_882,
        "history.val_accuracy@2": 0.3417,
        "history.val_accuracy@12": None,
        "history.loss@final": 1.79,
        "history.val_loss@best": 1.905,
        "history.val_accuracy@best": 0.51,
        "history.gap@final": 1.907 - 1.79,
        "history.reaches.val_accuracy@0.5": 3,
        "history.reaches.val_accuracy@0.7": None,
        "history.fall.val_accuracy": 0.005,
        "history.lr_drops": 2,
        "history.lr_drops@1": 4,
        "history.lr_drops@2": 5,
        "history.lr_drops@3": None,
        "data.train.images": 60_000,
        "data.test.share.4": 0.1,
        "test.per_class.10.f1": None,
    }
    for metric, value in expected.items():
        assert results.value(metric) == pytest.approx(value), metric


def test_intervals_of_one_run(tmp_path: Path, measured: dict[str, Any]) -> None:
    results = Results.of(_run(tmp_path, measured, whole_manifest(epochs_run=5)))
    test = measured["weights"]["last"]["test"]
    assert results.interval("test.macro.f1") == tuple(test["macro"]["f1"]["interval"])
    assert results.interval("test.macro.recall") == tuple(test["intervals"]["macro.recall"])
    assert results.interval("test.macro.precision") == tuple(test["intervals"]["macro.precision"])
    # runs that were evaluated before there were such intervals: with equally large classes recall is the accuracy
    older = {key: value for key, value in test.items() if key != "intervals"}
    before = Results(results.manifest, {"table_weights": "last", "weights": {"last": {"test": older}}})
    assert before.interval("test.macro.recall") == tuple(test["accuracy"]["interval"])
    assert before.interval("test.macro.precision") is None
    assert results.interval("history.val_loss@2") is None
    assert results.interval("epochs_run") is None
    # 3,417 of 10,000 test images
    assert results.interval("history.val_accuracy@2") == pytest.approx((0.33247, 0.35106), abs=5e-5)
    low, high = results.interval("test.per_class.2.precision") or (0.0, 0.0)
    assert low < test["per_class"][2]["precision"] < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.88 * 0.12 / 1000), rel=0.2)


def test_rows_of_a_comparable_run(tmp_path: Path, measured: dict[str, Any]) -> None:
    manifest = whole_manifest(epochs_run=5, best_epoch=3, data={"notes": ["altered copy: re-encoded images"]})
    found = rows(_run(tmp_path, measured, manifest))
    assert [row.claim for row in found] == list(claims_for("kmnist_cnn"))
    by_metric = {row.claim.metric: row for row in found}
    accuracy = by_metric["test.accuracy"]
    assert (accuracy.published, accuracy.reasons) == (0.8872, ())
    assert accuracy.ours == measured["weights"]["last"]["test"]["accuracy"]["value"]
    assert accuracy.published_interval == pytest.approx((0.88085, 0.89325), abs=5e-5)
    assert accuracy.ours_interval is not None
    assert accuracy.verdict is not None
    assert accuracy.verdict.provisional == "provisional: one seed"
    assert accuracy.remarks == ("altered copy: re-encoded images",)
    assert by_metric["parameters.total"].verdict.status == "reproduced"
    assert by_metric["epochs_run"].verdict.status == "cannot tell"
    assert by_metric["history.val_accuracy@1"].verdict.status == "reproduced"
    assert by_metric["history.val_accuracy@12"].verdict is None
    assert by_metric["history.val_accuracy@12"].ours is None
    # every row is judged or says why not
    assert all((row.verdict is None) == bool(row.reasons) for row in found)


def test_rows_of_a_run_that_is_not_comparable(tmp_path: Path, measured: dict[str, Any]) -> None:
    manifest = whole_manifest(epochs_run=5, data={"name": "mnist5k", "remarks": ["bundled subset"]})
    run = _run(tmp_path, measured, manifest, recipe="fast", changes={"data": {"name": "mnist5k"}})
    found = rows(run)
    assert len(found) == len(claims_for("kmnist_cnn"))
    judged = [row.claim.metric for row in found if row.verdict is not None]
    assert judged == ["parameters.total"]
    accuracy = next(row for row in found if row.claim.metric == "test.accuracy")
    assert accuracy.ours is not None
    assert accuracy.ours_interval is not None
    assert accuracy.reasons == (
        "the recipe fast instead of published",
        "other data: mnist5k instead of kmnist",
        "bundled subset",
    )


def test_rows_of_an_unpublished_variant_stand_beside_the_bare_experiment(tmp_path: Path) -> None:
    found = rows(_run(tmp_path, None, whole_manifest(epochs_run=5), "augment5"))
    assert [row.claim for row in found] == list(claims_for("kmnist_cnn"))
    reasons = next(row.reasons for row in found if row.claim.metric == "test.macro.f1")
    assert "augmentation.copies 5 instead of 0" in reasons


def test_rows_of_a_published_and_an_unpublished_variant_stand_beside_the_published_one(tmp_path: Path) -> None:
    found = rows(_run(tmp_path, None, whole_manifest(epochs_run=5), "bench12", "augment5"))
    assert [row.claim for row in found] == list(claims_for("kmnist_cnn", ["bench12"]))


def test_rows_of_altered_weights_say_so(tmp_path: Path) -> None:
    weights = {"vgg16": {"source": "imagenet", "official": False, "altered": "rounded to 16 bits"}}
    found = rows(_run(tmp_path, None, whole_manifest(epochs_run=5, pretrained=weights)))
    assert {row.remarks for row in found} == {("altered copy of the vgg16 weights: rounded to 16 bits",)}


def test_rows_before_the_evaluation(tmp_path: Path) -> None:
    manifest = whole_manifest(status="interrupted", stop_reason="a signal", epochs_run=5, best_epoch=None)
    run = _run(tmp_path, None, manifest)
    found = rows(run)
    accuracy = next(row for row in found if row.claim.metric == "test.accuracy")
    assert accuracy.ours is None
    assert accuracy.reasons == ("fewer epochs: 5, ended by a signal",)


def test_rows_of_an_experiment_that_nobody_published(tmp_path: Path) -> None:
    experiment = load_experiment("kmnist_cnn").model_copy(update={"name": "mine"})
    assert rows(create_run(experiment, out=tmp_path, **copy.deepcopy(whole_manifest(epochs_run=0)))) == []


def test_rows_of_a_control_that_the_study_did_not_run(tmp_path: Path) -> None:
    experiment = load_experiment("beans_vgg16_svm", "sound")  # there is no recipe `published`
    assert rows(create_run(experiment, out=tmp_path, **copy.deepcopy(whole_manifest(epochs_run=0)))) == []
