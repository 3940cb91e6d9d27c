"""What may be held against a claim, and the reasons where it may not."""

from __future__ import annotations

import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.published import claims, claims_for, comparable
from tests.published.examples import CLASSES, published_claim, whole_manifest


def test_the_published_run_is_comparable_with_all_its_claims() -> None:
    experiment = load_experiment("kmnist_cnn")
    for claim in claims_for("kmnist_cnn"):
        assert comparable(experiment, whole_manifest(), claim) == ()


def test_the_seed_and_how_often_is_saved_do_not_matter() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"seed": 7, "save_seconds": 5.0})
    assert comparable(experiment, whole_manifest(), published_claim("test.accuracy")) == ()


@pytest.mark.parametrize(
    ("arguments", "changes", "reasons"),
    [
        ({"recipe": "fast"}, {"precision": "bfloat16"}, ("the recipe fast instead of published",)),
        ({"recipe": "sound"}, {}, ("the recipe sound instead of published",)),
        (
            {"overrides": ["optimizer.learning_rate=0.01"]},
            {},
            ("optimizer.learning_rate 0.01 instead of 0.001",),
        ),
        (
            {"changes": {"early_stopping": None, "batch_size": 64}},
            {},
            ("batch_size 64 instead of 128", "early_stopping not set instead of set"),
        ),
        (
            {
                "changes": {
                    "optimizer": {
                        "name": "adam",
                        "learning_rate": 1e-3,
                        "weight_decay": 0.0,
                        "beta_1": 0.9,
                        "beta_2": 0.99,
                        "epsilon": 1e-7,
                    }
                }
            },
            {},
            ("optimizer adam instead of adadelta",),
        ),
        ({"overrides": ["model.dense=64"]}, {}, ("model.dense 64 instead of 128",)),
        ({"variants": ["augment5"]}, {}, ("augmentation.copies 5 instead of 0",)),
        ({"overrides": ["weights=best"]}, {}, ("weights best instead of last",)),
        ({"changes": {"precision": "bfloat16"}}, {"precision": "bfloat16"}, ("precision bfloat16 instead of float32",)),
        (
            {"changes": {"data": {"name": "mnist"}}},
            {"data": {"name": "mnist"}},
            ("other data: mnist instead of kmnist",),
        ),
        ({}, {"data": {"remarks": ["7,011 of 60,000"]}}, ("7,011 of 60,000",)),
        (
            {},
            {"data": {"counts": {"train": [701] * 10, "test": [1000] * 10}}},
            ("not the complete data set: 7,010 training images instead of 60,000",),
        ),
        (
            {"changes": {"epochs": 12}},
            {"epochs_run": 12, "stop_reason": "all epochs"},
            ("fewer epochs: 12, the study allowed 10000",),
        ),
        (
            {},
            {"epochs_run": 40, "status": "stopped", "stop_reason": "the time limit"},
            ("fewer epochs: 40, ended by the time limit",),
        ),
        ({}, {"epochs_run": 40, "status": "running", "stop_reason": ""}, ("fewer epochs: 40, ended by running",)),
    ],
)
def test_each_difference_is_a_reason(arguments: dict, changes: dict, reasons: tuple[str, ...]) -> None:
    experiment = load_experiment("kmnist_cnn", **arguments)
    assert comparable(experiment, whole_manifest(**changes), published_claim("test.accuracy")) == reasons


def test_several_reasons_are_all_named() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"data": {"name": "mnist5k"}, "epochs": 3, "batch_size": 32})
    manifest = whole_manifest(epochs_run=3, data={"name": "mnist5k", "remarks": ["bundled subset"]})
    assert comparable(experiment, manifest, published_claim("test.accuracy")) == (
        "batch_size 32 instead of 128",
        "other data: mnist5k instead of kmnist",
        "bundled subset",
        "fewer epochs: 3, the study allowed 10000",
    )


def test_precision_auto_that_was_float32_is_float32() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"precision": "auto"})
    assert comparable(experiment, whole_manifest(precision="float32"), published_claim("test.accuracy")) == ()


def test_a_smaller_limit_that_early_stopping_never_met_is_no_difference() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"epochs": 700})
    assert comparable(experiment, whole_manifest(), published_claim("test.accuracy")) == ()


def test_a_claim_about_an_epoch_needs_that_epoch_alone() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"epochs": 12})
    manifest = whole_manifest(epochs_run=12, stop_reason="all epochs")
    assert comparable(experiment, manifest, published_claim("history.val_accuracy@12")) == ()
    reasons = comparable(experiment, manifest, published_claim("history.val_accuracy@25"))
    assert reasons == ("fewer epochs: 12, the claim needs 25",)
    # first at 7, margin 1.4: decided after epoch 9; first at 52, margin 10.4: not yet
    assert comparable(experiment, manifest, published_claim("history.reaches.val_accuracy@0.5")) == ()
    assert comparable(experiment, manifest, published_claim("history.reaches.val_accuracy@0.7")) != ()
    stopped = whole_manifest(epochs_run=12, status="stopped", stop_reason="the time limit")
    assert comparable(load_experiment("kmnist_cnn"), stopped, published_claim("history.val_accuracy@12")) == ()
    # still only with the study's settings
    other = load_experiment("kmnist_cnn", changes={"epochs": 12}, overrides=["batch_size=64"])
    assert comparable(other, manifest, published_claim("history.val_accuracy@12")) == ("batch_size 64 instead of 128",)


def test_a_whole_run_that_ended_earlier_answers_milestones_but_not_points_of_the_curve() -> None:
    experiment, manifest = load_experiment("kmnist_cnn"), whole_manifest(epochs_run=300)
    assert comparable(experiment, manifest, published_claim("history.reaches.val_accuracy@0.88")) == ()
    assert comparable(experiment, manifest, published_claim("epochs_run")) == ()
    assert comparable(experiment, manifest, published_claim("history.val_accuracy@500")) != ()


def test_fixed_epochs_are_a_setting() -> None:
    claim = published_claim("test.accuracy", "kmnist_cnn", "bench12")
    manifest = whole_manifest(epochs_run=12, stop_reason="all epochs")
    assert comparable(load_experiment("kmnist_cnn", variants=["bench12"]), manifest, claim) == ()
    longer = load_experiment("kmnist_cnn", variants=["bench12"], changes={"epochs": 20})
    assert comparable(longer, whole_manifest(epochs_run=20), claim) == ("more epochs: 20, the study allowed 12",)


def test_parameters_are_comparable_whatever_the_training() -> None:
    claim = published_claim("parameters.total")
    subset = whole_manifest(status="stopped", epochs_run=0, precision="bfloat16", data={"remarks": ["7,011 of 60,000"]})
    for arguments in [{"recipe": "fast"}, {"changes": {"data": {"name": "mnist"}}}, {"overrides": ["batch_size=8"]}]:
        assert comparable(load_experiment("kmnist_cnn", **arguments), subset, claim) == ()
    wider = load_experiment("kmnist_cnn", overrides=["model.dense=64"])
    assert comparable(wider, whole_manifest(), claim) == ("model.dense 64 instead of 128",)
    colour = whole_manifest(data={"image_shape": [32, 32, 3], "class_names": CLASSES[:4]})
    assert comparable(load_experiment("kmnist_cnn"), colour, claim) == (
        "images of 32x32x3 instead of 28x28x1",
        "4 classes instead of 10",
    )


def test_data_claims_need_the_whole_training_set() -> None:
    claim = published_claim("data.train.images")
    assert comparable(load_experiment("kmnist_cnn", recipe="fast"), whole_manifest(), claim) == ()
    counts = {"train": [5400] * 10, "validation": [600] * 10, "test": [1000] * 10}
    held_out = comparable(load_experiment("kmnist_cnn", recipe="sound"), whole_manifest(data={"counts": counts}), claim)
    assert held_out == ("6,000 training images held out for validation",)


def test_an_altered_copy_keeps_its_verdict() -> None:
    manifest = whole_manifest(data={"notes": ["altered copy: re-encoded images"]})
    assert comparable(load_experiment("kmnist_cnn"), manifest, published_claim("test.accuracy")) == ()


def test_statements_about_several_runs_are_never_comparable_with_one() -> None:
    several = [claim for claim in claims("kmnist") if claim.scope == "several"]
    assert several
    assert all(comparable(load_experiment("kmnist_cnn"), whole_manifest(), claim) for claim in several)
