"""What may be held against a claim, and the reasons where it may not."""

from __future__ import annotations

import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Experiment
from kerasexp.published import Claim, claims, claims_for, comparable, comparison
from kerasexp.published.comparison import remarks
from tests.published.examples import CLASSES, accuracy_claim, published_claim, whole_manifest


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


def test_a_time_is_never_comparable() -> None:
    claim = accuracy_claim(699, 30, metric="history.seconds@sum", unit="seconds", scope="machine", data="kmnist")
    assert comparable(load_experiment("kmnist_cnn"), whole_manifest(), claim) == ("a time on another machine",)


def _data_claim(metric: str, study: str = "cifar_eurosat", data: str = "cifar10") -> Claim:
    (found,) = [
        claim for claim in claims(study) if (claim.metric, claim.data, claim.experiment) == (metric, data, None)
    ]
    return found


def test_a_validation_part_that_the_study_held_out_itself_is_part_of_the_data() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"data": {"name": "cifar10", "validation": "split"}})
    counts = {"train": [4000] * 10, "validation": [1000] * 10, "test": [1000] * 10}
    manifest = whole_manifest(data={"name": "cifar10", "counts": counts})
    assert comparable(experiment, manifest, _data_claim("data.train.images")) == ()
    other = whole_manifest(
        data={"name": "cifar10", "counts": {"train": [4500] * 10, "validation": [500] * 10, "test": [1000] * 10}}
    )
    reasons = ("5,000 training images held out for validation instead of 10,000",)
    assert comparable(experiment, other, _data_claim("data.train.images")) == reasons
    # what both parts hold together does not depend on how they were divided
    assert comparable(experiment, other, _data_claim("data.train+validation.images.3")) == ()
    assert comparable(experiment, other, _data_claim("data.test.images.3")) == ()
    subset = whole_manifest(data={"name": "cifar10", "counts": {"train": [400] * 10, "test": [1000] * 10}})
    assert comparable(experiment, subset, _data_claim("data.test.images.3")) == (
        "not the complete data set: 4,000 training and validation images instead of 50,000",
    )


def test_data_with_a_validation_part_of_its_own() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"data": {"name": "beans", "validation": "split"}})
    counts = {"train": [345, 348, 341], "validation": [44, 45, 44], "test": [43, 43, 42]}
    manifest = whole_manifest(data={"name": "beans", "counts": counts})
    for metric in ("data.train.images", "data.validation.images.1", "data.test.images"):
        assert comparable(experiment, manifest, _data_claim(metric, "vgg16_beans", "beans")) == ()


class _Pretrained(Experiment):
    """An experiment that starts from published weights."""

    pretrained: dict[str, str] = {}


def _pretrained(**pretrained: str) -> _Pretrained:
    settings = load_experiment("kmnist_cnn").model_dump() | {"pretrained": pretrained}
    return _Pretrained.model_validate(settings)


@pytest.mark.parametrize(
    ("ours", "theirs", "found", "reasons"),
    [
        ({}, {}, {}, ()),
        ({"vgg16": "imagenet"}, {"vgg16": "imagenet"}, {}, ()),
        ({"vgg16": "random"}, {"vgg16": "imagenet"}, {}, ("random weights instead of ImageNet",)),
        ({}, {"vgg16": "imagenet"}, {}, ("random weights instead of ImageNet",)),
        ({"alexnet": "imagenet"}, {"vgg16": "imagenet"}, {}, ("weights of alexnet instead of vgg16",)),
        ({"vgg16": "random"}, {}, {}, ()),
        ({"vgg16": "imagenet"}, {"vgg16": "random"}, {}, ("ImageNet weights instead of random weights",)),
        ({"vgg16": "mine.h5"}, {"vgg16": "imagenet"}, {}, ("mine.h5 weights instead of ImageNet",)),
        ({"vgg16": "mine.h5"}, {"vgg16": "imagenet"}, {"official": False}, ("mine.h5 weights instead of ImageNet",)),
        ({"vgg16": "vgg16.h5"}, {"vgg16": "imagenet"}, {"official": True}, ()),
        ({"vgg16": "vgg16.h5"}, {"vgg16": "imagenet"}, {"official": False, "origin": "rounded"}, ()),
        ({"vgg16": "imagenet"}, {"vgg16": "imagenet"}, {"official": False, "origin": "rounded"}, ()),
        ({"vgg16": "imagenet"}, {"vgg16": "imagenet"}, {"official": False, "origin": "unverified"}, ()),
        (
            {"vgg16": "imagenet"},
            {"vgg16": "imagenet"},
            {"official": False, "origin": "unknown"},
            ("weights of unknown origin instead of ImageNet",),
        ),
        (
            {"vgg16": "random", "alexnet": "random"},
            {"vgg16": "imagenet", "alexnet": "imagenet"},
            {},
            ("random weights instead of ImageNet",),
        ),
    ],
)
def test_the_training_must_start_from_the_studys_weights(
    monkeypatch: pytest.MonkeyPatch, ours: dict, theirs: dict, found: dict, reasons: tuple[str, ...]
) -> None:
    monkeypatch.setattr(comparison, "_published", lambda experiment, variants: _pretrained(**theirs))
    manifest = whole_manifest(pretrained={"vgg16": found} if found else {})
    assert comparable(_pretrained(**ours), manifest, published_claim("test.accuracy")) == reasons
    # the number of parameters is the same whatever they are
    assert comparable(_pretrained(**ours), manifest, published_claim("parameters.total")) == ()


@pytest.mark.parametrize(
    ("overrides", "origin", "reason"),
    [
        (["pretrained.vgg16=random"], {}, "random weights instead of ImageNet"),
        ([], {"origin": "unknown"}, "weights of unknown origin instead of ImageNet"),
    ],
)
def test_other_weights_are_a_reason_in_another_recipe_too(overrides: list[str], origin: dict, reason: str) -> None:
    experiment = load_experiment("avp_svm", "fast", overrides=overrides)
    counts = {"train": [347, 347], "test": [100, 100]}
    manifest = whole_manifest(data={"name": "alien_vs_predator", "counts": counts}, pretrained={"vgg16": origin})
    reasons = comparable(experiment, manifest, published_claim("test.accuracy", "avp_svm"))
    assert reasons == ("the recipe fast instead of published", reason)


def test_only_claims_about_maps_need_the_same_maps() -> None:
    experiment = load_experiment("mnist_simplecnn")
    assert experiment.embedding is not None
    other = experiment.model_copy(update={"embedding": experiment.embedding.model_copy(update={"images": 100})})
    reasons = {}
    for claim in claims_for("mnist_simplecnn"):
        reasons[claim.check.metric if claim.check else claim.metric] = {*comparable(other, whole_manifest(), claim)} - {
            *comparable(experiment, whole_manifest(), claim)
        }
    changed = {f"embedding.images 100 instead of {experiment.embedding.images}"}
    assert {metric for metric, found in reasons.items() if found} == {"embedding.maps.final.knn_purity.map"}
    assert reasons["embedding.maps.final.knn_purity.map"] == changed


def test_trained_parameters_need_the_same_trained_part(monkeypatch: pytest.MonkeyPatch) -> None:
    class Partly(Experiment):
        trainable_from: str | None = None

    def partly(layer: str | None) -> Partly:
        return Partly.model_validate(load_experiment("kmnist_cnn").model_dump() | {"trainable_from": layer})

    monkeypatch.setattr(comparison, "_published", lambda experiment, variants: partly("dense"))
    claim = published_claim("parameters.total").model_copy(update={"metric": "parameters.trainable"})
    assert comparable(partly("dense"), whole_manifest(), claim) == ()
    assert comparable(partly(None), whole_manifest(), claim) == ("trainable_from not set instead of dense",)
    assert comparable(partly(None), whole_manifest(), published_claim("parameters.total")) == ()


def test_remarks_on_data_and_weights() -> None:
    weights = {
        "vgg16": {"source": "imagenet", "official": True, "altered": ""},
        "mobilenet_v2": {"source": "imagenet", "official": False, "altered": "BatchNorm folded"},
        "alexnet": {"source": "imagenet", "official": False, "altered": ""},
        "other": {"source": "random", "official": False, "altered": ""},
        "resnet50": {"source": "imagenet", "official": False, "origin": "unverified", "altered": ""},
        "mine": {"source": "imagenet", "official": False, "origin": "unknown", "altered": ""},
    }
    assert remarks({"data": {"notes": ["altered copy: re-encoded images"]}, "pretrained": weights}) == (
        "altered copy: re-encoded images",
        "altered copy of the mobilenet_v2 weights: BatchNorm folded",
        "altered copy of the alexnet weights: not the official file",
        "origin of the resnet50 weights not verified: their publisher gives no checksum",
        "mine weights of unknown origin",
    )
    assert remarks({}) == ()
