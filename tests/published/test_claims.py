"""The file of claims is complete and says what the study says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from kerasexp.config.loading import experiment_names, load_experiment
from kerasexp.errors import UsageError
from kerasexp.models import build, parameter_count
from kerasexp.published import claims, claims_for, studies
from kerasexp.published.checks import CHECKS
from tests.published.examples import accuracy_claim, published_claim


def test_every_table_is_complete() -> None:
    counts = Counter((claim.table, claim.provenance) for claim in claims("kmnist"))
    assert counts == {
        ("Images", "O"): 2,
        ("Parameters", "S"): 4,
        ("Parameters", "O"): 3,
        ("F1 per class on the test images", "S"): 50,  # Table 1 has 55 numbers
        ("Macro F1 on the test images", "S"): 5,
        ("Accuracy and recall on the test images", "O"): 10,
        ("Recall per class on the test images", "O"): 50,
        ("Precision on the test images", "O"): 55,
        ("Benchmark of twelve epochs", "O"): 2,
        ("Benchmark of twelve epochs", "D"): 2,
        ("The rate that was meant", "D"): 1,
        ("Scores on the training images", "O"): 55,
        ("Accuracy on the training images", "O"): 5,
        ("Epochs", "O"): 14,
        ("Learning rate drops", "O"): 7,
        ("Learning rate drops, first epoch at the new rate", "O"): 16,
        ("First epoch with this validation accuracy", "O"): 30,
        ("Losses", "O"): 21,
        ("Validation loss minus training loss", "D"): 7,
        ("Accuracy in training", "O"): 7,
        ("Validation accuracy at the end", "O"): 7,
        ("Validation accuracy in the best epoch", "D"): 3,
        ("Area under the ROC curve", "O"): 7,
        ("Validation accuracy in the first epochs", "O"): 21,
        ("Validation accuracy on the way", "O"): 30,
        ("Validation loss on the way", "O"): 51,
        ("Statements", "S"): 27,
        ("Statements", "O"): 4,
        ("Statements", "D"): 1,
    }


def test_no_claim_stands_twice_and_each_has_a_check_that_exists() -> None:
    numbers = Counter((c.experiment, c.variants, c.metric) for c in claims("kmnist") if c.kind != "qualitative")
    assert max(numbers.values()) == 1
    statements = [claim for claim in claims("kmnist") if claim.kind == "qualitative"]
    assert all(claim.check.name in CHECKS for claim in statements if claim.check)
    decided = Counter("one run" if claim.check else "several" if claim.contrasts else "none" for claim in statements)
    assert decided == {"one run": 8, "several": 14, "none": 10}
    assert all(claim.compares for claim in statements if claim.scope == "several")


@pytest.mark.parametrize(
    ("experiment", "variants", "metric", "value"),
    [
        # result files and logs of the study, more digits than it prints
        ("kmnist_cnn", (), "test.per_class.3.f1", 0.92233),
        ("kmnist_cnn", (), "test.per_class.2.precision", 0.835922),
        ("kmnist_cnn", (), "test.macro.f1", 0.887409),
        ("kmnist_cnn", (), "train.per_class.6.f1", 0.943607),
        ("kmnist_cnn", (), "epochs_run", 596),
        ("kmnist_cnn", (), "history.lr_drops@2", 589),
        ("kmnist_cnn", (), "history.accuracy@final", 0.9282500147819519),
        ("kmnist_cnn", ("augment10",), "history.val_loss@best", 0.272182822227478),
        ("kmnist_cnn", ("augment10",), "history.val_loss@final", 0.27260786294937134),
        ("kmnist_cnn", ("augment10",), "test.accuracy", 0.9223999977111816),
        ("kmnist_cnn_nopool", (), "history.loss@final", 0.22557629644870758),
        ("kmnist_cnn_nopool", (), "test.auc_micro", 0.9894035458564758),
        ("kmnist_fcnn", (), "best_epoch", 1144),
        ("kmnist_fcnn", (), "history.accuracy@final", 0.9634833335876465),
        ("kmnist_fcnn", ("augment10",), "history.lr_drops", 6),
        ("kmnist_fcnn", ("augment10",), "test.accuracy", 0.9190000295639038),
        ("kmnist_cnn", ("bench12",), "history.val_loss@final", 1.563189148902893),
        ("kmnist_cnn", ("augment10", "bench12"), "test.auc_micro", 0.9533777832984924),
        ("kmnist_cnn", ("lr1",), "test.accuracy", 0.9463),
    ],
)
def test_values_are_those_of_the_study(experiment: str, variants: tuple[str, ...], metric: str, value: float) -> None:
    claimed = published_claim(metric, experiment, *variants).value
    assert claimed is not None
    assert abs(claimed - value) <= 0.5e-4 + 1e-9


@pytest.mark.parametrize(
    ("experiment", "variants", "metric", "margin"),
    [
        ("kmnist_cnn", (), "test.accuracy", 0.007),
        ("kmnist_cnn", ("augment10",), "test.macro.f1", 0.010),
        ("kmnist_cnn", (), "test.per_class.0.f1", 0.015),
        ("kmnist_fcnn", (), "history.val_accuracy@12", 0.03),
        ("kmnist_fcnn", (), "history.val_accuracy@100", 0.015),
        ("kmnist_cnn", (), "epochs_run", 119.2),
        ("kmnist_fcnn", ("augment10",), "history.reaches.val_accuracy@0.5", 1.0),
        ("kmnist_cnn", (), "parameters.total", 0.0),
    ],
)
def test_margins(experiment: str, variants: tuple[str, ...], metric: str, margin: float) -> None:
    assert published_claim(metric, experiment, *variants).margin == pytest.approx(margin)


@pytest.mark.parametrize("experiment", ["kmnist_cnn", "kmnist_cnn_nopool", "kmnist_fcnn"])
def test_our_networks_have_the_published_parameters(experiment: str) -> None:
    model = build(load_experiment(experiment), (28, 28, 1), 10)
    assert parameter_count(model) == published_claim("parameters.total", experiment).value


CLAIMED = sorted({(claim.experiment, claim.variants) for study in studies() for claim in claims(study)} - {(None, ())})


@pytest.mark.parametrize(("experiment", "variants"), [one for one in CLAIMED if one[0] in experiment_names()])
def test_every_published_model_is_a_configuration_of_ours(experiment: str, variants: tuple[str, ...]) -> None:
    loaded = load_experiment(experiment, "published", variants)
    assert {(claim.study, claim.data) for claim in claims_for(experiment, variants)} == {
        (loaded.study, loaded.data.name)
    }


def test_the_published_models_have_the_names_of_our_experiments() -> None:
    assert [" + ".join([name, *variants]) for name, variants in CLAIMED] == [
        "avp_finetune",
        "avp_finetune + augmented",
        "avp_scratch",
        "avp_svm",
        "beans_vgg16_features",
        "beans_vgg16_features + printed_rate",
        "beans_vgg16_finetune + block1",
        "beans_vgg16_finetune + block4",
        "beans_vgg16_finetune + block5",
        "beans_vgg16_scratch",
        "beans_vgg16_scratch + relu",
        "cifar10_alexnet48",
        "cifar10_cnnbase",
        "cifar10_cnnv2",
        "cifar10_cnnv3",
        "cifar10_cnnv3 + c1",
        "cifar10_cnnv3 + c2",
        "cifar10_cnnv3 + c3",
        "cifar10_cnnv3 + c4",
        "eurosat_alexnet_pretrained",
        "eurosat_alexnet_scratch",
        "eurosat_fusion",
        "eurosat_mobilenetv2_pretrained",
        "eurosat_mobilenetv2_scratch",
        "kmnist_cnn",
        "kmnist_cnn + augment10",
        "kmnist_cnn + augment10 + bench12",
        "kmnist_cnn + bench12",
        "kmnist_cnn + lr1",
        "kmnist_cnn_nopool",
        "kmnist_fcnn",
        "kmnist_fcnn + augment10",
        "mnist_deep_kmeans_annealing + alpha0.01",
        "mnist_deep_kmeans_annealing + alpha0.1",
        "mnist_deep_kmeans_annealing + alpha0.5",
        "mnist_deep_kmeans_annealing + alpha1",
        "mnist_deep_kmeans_pretrained + alpha150",
        "mnist_deep_kmeans_pretrained + alpha3",
        "mnist_deep_kmeans_pretrained + alpha30",
        "mnist_deep_kmeans_pretrained + alpha300",
        "mnist_deep_kmeans_pretrained + clusters10",
        "mnist_deep_kmeans_pretrained + clusters2",
        "mnist_deep_kmeans_pretrained + clusters20",
        "mnist_deep_kmeans_pretrained + clusters5",
        "mnist_simplecnn",
        "mnist_simplecnn + epochs20",
    ]


def test_claims_for_ignores_the_order_of_variants_and_knows_what_nobody_published() -> None:
    assert claims_for("kmnist_cnn", ["bench12", "augment10"]) == claims_for("kmnist_cnn", ("augment10", "bench12"))
    assert claims_for("kmnist_cnn", ["augment5"]) == ()
    assert claims_for("mine") == ()
    with pytest.raises(UsageError, match='Did you mean "kmnist"'):
        claims("kmnis")


def test_words_and_published_intervals() -> None:
    assert published_claim("test.per_class.3.f1").what == "F1 of class 3, test"
    assert published_claim("history.val_accuracy@12").what == "validation accuracy after epoch 12"
    assert published_claim("history.reaches.val_accuracy@0.7").what == "first epoch with validation accuracy of 0.7"
    assert all(claim.what and claim.what != claim.metric for claim in claims("kmnist"))
    assert published_claim("test.accuracy").interval == pytest.approx((0.88085, 0.89325), abs=5e-5)
    assert published_claim("test.macro.f1").interval is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margin": 0.0}, "needs a margin above 0"),
        ({"kind": "exact"}, "an exact claim has no margin"),
        ({"proportion": True}, "a proportion needs its n"),
        ({"value": None}, "a statement has a text and no value"),
        ({"check": {"name": "belo", "metric": "epochs_run", "limit": 1}}, 'Did you mean "below"'),
        ({"check": {"name": "between", "metric": "epochs_run", "limit": 1}}, "between: limit must be a list"),
        ({"check": {"name": "below", "metric": "epochs_run", "limit": [1, 2]}}, "below: limit must be one number"),
        ({"band": (0.8, 1.0)}, "a margin above 0, or a band instead"),
        ({"band": (0.8, 0.85), "margin": 0.0}, "0.9 lies outside its own band"),
        ({"mragin": 0.1}, "Extra inputs are not permitted"),
        ({"contrasts": [{"name": "near", "metric": "m", "groups": ["a"]}]}, "1 groups of 1 models compare nothing"),
        ({"contrasts": [{"name": "greater", "metric": "m", "groups": [["a", "b"]]}]}, "1 groups of 2 models"),
        ({"contrasts": [{"name": "narrower", "metric": "m", "groups": ["a", "b", "c"]}]}, "3 groups of 3 models"),
        ({"contrasts": [{"name": "mean_between", "metric": "m", "groups": ["a"]}]}, "limit must be two numbers"),
        ({"contrasts": [{"name": "greater", "metric": "m", "groups": ["a", "b"]}]}, "nothing else does"),
    ],
)
def test_the_schema_refuses_what_makes_no_claim(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        accuracy_claim(**({"value": 0.9, "margin": 0.01} | changes))
