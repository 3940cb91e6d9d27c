"""The claims of SimpleCNN, CIFAR-10 and EuroSAT, and beans are complete and say what the studies say."""

from __future__ import annotations

from collections import Counter

import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.evaluation.statistics import wilson
from kerasexp.published import Claim, claims, claims_for, comparable, studies
from kerasexp.published.claims import probe, questions, study_data
from kerasexp.published.words import metric_words

STUDIES = ("simple_cnn", "cifar_eurosat", "vgg16_beans", "deep_kmeans")


def _number(metric: str, experiment: str, *variants: str, run: str = "", provenance: str = "") -> Claim:
    (found,) = [
        claim
        for claim in claims_for(experiment, variants)
        if claim.metric == metric and claim.run == run and provenance in ("", claim.provenance)
    ]
    return found


def _counts(study: str) -> dict[tuple[str, str, str], int]:
    return dict(Counter((claim.table, claim.run, claim.provenance) for claim in claims(study)))


def test_simple_cnn_is_complete() -> None:
    assert _counts("simple_cnn") == {
        ("Images", "", "S"): 2,
        ("Images", "", "A"): 2,
        ("Images", "", "D"): 2,
        ("Images per class", "", "O"): 4,
        ("Parameters", "", "S"): 3,
        ("Best validation accuracy, SimpleCNN", "", "S"): 2,
        ("Validation accuracy at epoch 10, SimpleCNN", "", "S"): 1,
        ("Wrong images, SimpleCNN", "", "S"): 1,
        ("Epoch of the best validation accuracy", "", "S"): 3,
        ("Epochs", "", "S"): 3,
        ("Best validation accuracy, AlexNet-48", "", "S"): 1,
        ("Accuracy of the four regimes", "", "S"): 4,
        ("Statements", "", "S"): 28,
        ("Statements", "", "D"): 1,
    }


def test_cifar_eurosat_is_complete() -> None:
    assert _counts("cifar_eurosat") == {
        ("Images, CIFAR-10", "", "O"): 23,
        ("Class imbalance, CIFAR-10", "", "O"): 2,
        ("Channels, CIFAR-10", "", "O"): 6,
        ("Channels, CIFAR-10", "", "D"): 3,
        ("Images, EuroSAT", "", "O"): 12,
        ("Images, EuroSAT", "", "D"): 4,
        ("Class imbalance, EuroSAT", "", "D"): 1,
        ("Parameters, CIFAR-10", "", "O"): 8,
        ("Parameters, CIFAR-10", "", "D"): 6,
        ("Parameters, EuroSAT", "", "D"): 10,
        ("Epochs", "", "S"): 8,
        ("Test accuracy, CNNBase", "run A", "D"): 1,
        ("Test accuracy, CNNBase", "run B", "S"): 1,
        ("Weighted precision, CNNBase", "run A", "S"): 1,
        ("Course of the training, CNNBase", "run A", "S"): 2,
        ("Course of the training, CNNBase", "run A", "F"): 4,
        ("Course of the training, CNNBase", "run B", "O"): 8,
        ("Most confused pairs, CNNBase", "run A", "D"): 3,
        ("Course of the training, CNNV2", "run A", "S"): 4,
        ("Course of the training, CNNV2", "run A", "F"): 2,
        ("Course of the training, CNNV2", "run B", "O"): 8,
        ("Test accuracy, CNNV2", "run B", "O"): 1,
        ("Most frequent confusions, CNNV2", "run B", "O"): 4,
        ("Test accuracy, CNNV3", "run A", "S"): 1,
        ("Test accuracy, CNNV3", "run B", "F"): 1,
        ("Course of the training, CNNV3", "run A", "S"): 3,
        ("Course of the training, CNNV3", "run A", "F"): 5,
        ("Course of the training, CNNV3", "run B", "O"): 7,
        ("Validation accuracy of the configurations", "", "S"): 8,  # four numbers, best and last epoch
        ("Test accuracy, EuroSAT", "", "S"): 5,
        ("Accuracy in training, EuroSAT", "", "O"): 5,
        ("Loss in training, EuroSAT", "", "O"): 5,
        ("Validation accuracy, EuroSAT", "", "O"): 15,
        ("Epoch of the best validation accuracy, EuroSAT", "", "O"): 5,
        ("Validation loss, EuroSAT", "", "O"): 10,
        ("Time, EuroSAT", "", "O"): 5,
        ("Most confused pairs, EuroSAT", "", "D"): 3,
        ("Most confused pairs, EuroSAT", "", "O"): 12,
        ("Classification report, CNNBase", "run A", "D"): 36,  # 10 classes and two averages, three scores each
        ("Classification report, CNNBase", "run B", "S"): 36,
        ("Classification report, CNNV2", "run B", "O"): 33,
        ("Classification report, CNNV3", "run A", "S"): 33,
        ("Classification report, CNNV3", "run B", "D"): 33,
        ("Classification report, AlexNet from scratch", "", "S"): 46,  # and the images of ten classes
        ("Classification report, MobileNetV2 from scratch", "", "S"): 46,
        ("Classification report, AlexNet pretrained", "", "S"): 46,
        ("Classification report, MobileNetV2 pretrained", "", "S"): 46,
        ("Classification report, middle fusion", "", "S"): 46,
        ("Confusion matrix, CNNBase", "run A", "F"): 100,
        ("Confusion matrix, CNNV3", "run B", "F"): 100,
        ("Confusion matrix, middle fusion", "", "F"): 100,
        ("Statements", "", "S"): 29,
        ("Statements", "", "F"): 1,
        ("Statements", "", "D"): 4,
        ("Statements", "", "O"): 2,
    }


def test_vgg16_beans_is_complete() -> None:
    assert _counts("vgg16_beans") == {
        ("Images", "", "O"): 3,
        ("Images per class", "", "A"): 9,
        ("Parameters", "", "O"): 12,
        # the published table: six rows of seven numbers
        ("Accuracy on the test images", "", "S"): 6,
        ("Loss on the test images", "", "S"): 6,
        ("Accuracy on the validation images", "", "S"): 6,
        ("Loss on the validation images", "", "S"): 6,
        ("Accuracy in training", "", "S"): 6,
        ("Loss in training", "", "S"): 6,
        ("Time", "", "S"): 6,
        ("Time", "", "O"): 6,
        ("Time", "", "D"): 3,
        ("Epochs", "", "O"): 12,
        ("Accuracy in training, best epoch", "", "O"): 6,
        ("Loss in training, best epoch", "", "O"): 6,
        ("Validation accuracy, last epoch", "", "O"): 6,
        ("Validation loss, last epoch", "", "O"): 6,
        ("Validation loss before the training", "", "O"): 6,
        ("Validation accuracy before the training", "", "O"): 6,
        ("Validation accuracy on the way", "", "O"): 6,
        ("First epoch with this validation accuracy", "", "O"): 1,
        ("Statements", "", "S"): 10,
        ("Statements", "", "A"): 4,
        ("Statements", "", "D"): 1,
        ("Statements", "", "O"): 1,
    }


@pytest.mark.parametrize(
    ("study", "one_run", "several", "none"),
    [("simple_cnn", 17, 6, 6), ("cifar_eurosat", 14, 16, 6), ("vgg16_beans", 7, 6, 3), ("deep_kmeans", 34, 8, 2)],
)
def test_how_many_statements_have_a_check(study: str, one_run: int, several: int, none: int) -> None:
    statements = [claim for claim in claims(study) if claim.kind == "qualitative"]
    decided = Counter("one" if claim.check else "several" if claim.contrasts else "none" for claim in statements)
    assert decided == {"one": one_run, "several": several, "none": none}
    assert all((claim.check is None) == (claim.scope == "several") for claim in statements)
    assert all(claim.compares for claim in statements if claim.scope == "several")


@pytest.mark.parametrize("study", studies())
def test_questions_ask_what_there_is(study: str) -> None:
    known = claims(study)
    sources = {claim.source for claim in known if claim.kind == "qualitative"}
    asked = questions(study)
    assert len(asked) >= 3
    for question in asked:
        assert set(question.sources) <= sources
        assert set(question.tables) <= {claim.table for claim in known}
        assert all(metric_words(metric) != metric for metric in question.metrics)
        assert bool(question.columns) == bool(question.metrics)
        assert all(probe(study, model).experiment for model in question.columns)


@pytest.mark.parametrize("study", STUDIES)
def test_every_claim_is_whole(study: str) -> None:
    for claim in claims(study):
        assert claim.what
        assert claim.what != claim.metric
        assert claim.source
        assert claim.data or claim.scope == "several"
    numbers = Counter(
        (claim.data, claim.experiment, claim.variants, claim.metric, claim.run, claim.source, claim.provenance)
        for claim in claims(study)
        if claim.kind != "qualitative"
    )
    assert max(numbers.values()) == 1


@pytest.mark.parametrize(
    ("metric", "experiment", "variants", "value"),
    [
        # logs, tables and matrices of the studies
        ("history.val_accuracy@max", "mnist_simplecnn", ("epochs20",), 0.9910),
        ("history.epoch.val_accuracy@max", "mnist_simplecnn", ("epochs20",), 19),
        ("test.errors", "mnist_simplecnn", (), 10_000 - 9_894),
        ("parameters.total", "cifar10_alexnet48", (), 6_199_498),
        ("test.accuracy", "avp_svm", (), 181 / 200),
        ("test.accuracy", "avp_finetune", ("augmented",), 190 / 200),
        ("test.accuracy", "eurosat_alexnet_scratch", (), 4462 / 5400),
        ("test.accuracy", "eurosat_fusion", (), 5153 / 5400),
        ("history.val_accuracy@final", "eurosat_alexnet_scratch", (), 4462 / 5400),  # the test set validated
        ("history.loss@final", "eurosat_mobilenetv2_scratch", (), 0.0643),
        ("history.val_accuracy@1", "eurosat_alexnet_pretrained", (), 0.7213),
        ("history.val_loss@min", "eurosat_mobilenetv2_pretrained", (), 0.1601),
        ("test.confused.3.8", "eurosat_mobilenetv2_pretrained", (), 42 + 19),
        ("test.confused.2.6", "eurosat_alexnet_scratch", (), 67 + 75),
        ("test.confusion.3.8", "eurosat_fusion", (), 26 / 543),
        ("test.confusion.0.6", "eurosat_fusion", (), 12 / 633),
        ("data.test.images.9", "eurosat_alexnet_pretrained", (), 577),
        ("test.per_class.5.f1", "eurosat_mobilenetv2_pretrained", (), 0.92),
        ("parameters.trainable", "eurosat_fusion", (), 230_702_090),
        ("history.val_accuracy@max", "cifar10_cnnv3", ("c1",), 0.8313),
        ("history.accuracy@final", "beans_vgg16_finetune", ("block5",), 0.9981),
        ("history.loss@best", "beans_vgg16_finetune", ("block4",), 0.1115),
        ("validation.loss", "beans_vgg16_finetune", ("block1",), 0.0605),
        ("history.seconds@sum", "beans_vgg16_scratch", ("relu",), 424),
        ("epochs_run", "beans_vgg16_features", (), 46),
        ("parameters.trainable", "beans_vgg16_features", (), 1539),
    ],
)
def test_values_are_those_of_the_studies(metric: str, experiment: str, variants: tuple[str, ...], value: float) -> None:
    claimed = _number(metric, experiment, *variants).value
    assert claimed is not None
    assert abs(claimed - value) <= 0.5e-4 + 1e-9


def test_shares_of_beans_are_counts_of_images() -> None:
    """Every published accuracy is k of 128, 133 or 1,034, to the last printed digit."""
    counted = [claim for claim in claims("vgg16_beans") if claim.proportion and claim.provenance == "S"]
    assert {claim.n for claim in counted} == {128, 133, 1034}
    for claim in counted:
        assert claim.value is not None
        assert claim.n is not None
        assert round(round(claim.value * claim.n) / claim.n, 4) == pytest.approx(claim.value)


@pytest.mark.parametrize(
    ("experiment", "run"), [("cifar10_cnnbase", "run A"), ("cifar10_cnnv3", "run B"), ("eurosat_fusion", "")]
)
def test_a_matrix_and_its_report_are_of_one_run(experiment: str, run: str) -> None:
    classes = range(10)
    support = [_number(f"test.confusion.{k}.0", experiment, run=run).n or 0 for k in classes]

    def count(true: int, predicted: int) -> int:
        share = _number(f"test.confusion.{true}.{predicted}", experiment, run=run).value
        assert share is not None
        return round(share * support[true])

    digits = 2 if run != "run A" else 3
    for k in classes:
        row, column = sum(count(k, other) for other in classes), sum(count(other, k) for other in classes)
        hits = count(k, k)
        scores = {"precision": hits / column, "recall": hits / row, "f1": 2 * hits / (row + column)}
        assert row == support[k]
        for name, value in scores.items():
            claimed = _number(f"test.per_class.{k}.{name}", experiment, run=run).value
            assert claimed == pytest.approx(value, abs=0.5 * 10**-digits + 1e-9)
    accuracy = sum(count(k, k) for k in classes) / sum(support)
    assert _number("test.accuracy", experiment, run=run).value == pytest.approx(accuracy, abs=0.5e-4)


def test_supports_of_eurosat_add_up_and_differ_between_models() -> None:
    models = [name for name in dict.fromkeys(claim.experiment for claim in claims("cifar_eurosat")) if name]
    found = {
        model: tuple(_number(f"data.test.images.{k}", model).value for k in range(10))
        for model in models
        if model.startswith("eurosat_")
    }
    assert len(found) == len(set(found.values())) == 5
    assert all(sum(value or 0 for value in supports) == 5400 for supports in found.values())
    scores = _number("test.per_class.5.recall", "eurosat_alexnet_scratch")
    assert (scores.n, scores.scope) == (437, "training")
    assert _number("data.test.images.5", "eurosat_alexnet_scratch").scope == "data"


def _half(k: float, n: int) -> float:
    low, high = wilson(k, n)
    return (high - low) / 2


def test_margins() -> None:
    assert _number("test.accuracy", "avp_scratch").margin == pytest.approx((0.778 - 0.654) / 2, abs=1e-3)
    assert _number("test.accuracy", "beans_vgg16_features").margin == pytest.approx(_half(94, 128), abs=1e-4)
    assert _number("test.accuracy", "eurosat_fusion").margin == 0.015
    assert _number("history.val_accuracy@final", "cifar10_cnnv3", "c4").margin == 0.03
    assert _number("test.per_class.3.recall", "cifar10_cnnbase", run="run B").margin == pytest.approx(
        _half(400, 1000), abs=1e-6
    )
    # a class of few images that is nearly always right still has the margin of all classes
    assert _number("test.per_class.9.recall", "eurosat_mobilenetv2_scratch").margin == 0.015
    assert _number("test.confused.2.6", "eurosat_alexnet_scratch").margin == pytest.approx(5400 * _half(142, 5400))
    # accuracies on fewer than 5,000 images have half the Wilson interval, whatever the margin of others
    assert _number("history.val_accuracy@final", "eurosat_fusion").margin == pytest.approx(
        _half(0.9495 * 2160, 2160), abs=1e-6
    )
    assert all(claim.n is None or claim.n < 5000 for claim in claims("cifar_eurosat") if claim.kind == "small")
    assert _number("epochs_run", "beans_vgg16_scratch").margin == pytest.approx(8.6)
    assert _number("history.loss@final", "beans_vgg16_finetune", "block5").margin == 0.02


@pytest.mark.parametrize(
    ("metric", "experiment", "run", "low", "high"),
    [
        ("test.accuracy", "cifar10_cnnbase", "run A", 0.565, 0.63),
        ("test.accuracy", "cifar10_cnnbase", "run B", 0.565, 0.63),
        ("history.val_accuracy@final", "cifar10_cnnv2", "run A", 0.725, 0.775),
        ("history.accuracy@final", "cifar10_cnnv2", "run B", 0.92, 1.0),
        ("test.accuracy", "cifar10_cnnv3", "run A", 0.76, 0.82),
        ("history.val_accuracy@max", "cifar10_alexnet48", "", 0.69, 0.74),
    ],
)
def test_bands(metric: str, experiment: str, run: str, low: float, high: float) -> None:
    claim = _number(metric, experiment, run=run)
    assert claim.value is not None
    assert claim.tolerance == pytest.approx((low - claim.value, high - claim.value))


def test_what_decides_a_claim() -> None:
    scopes = {
        ("parameters.trainable", "eurosat_fusion"): ("network", None),
        ("history.val_accuracy@1", "eurosat_fusion"): ("epoch", 1),
        ("history.val_accuracy@max", "eurosat_fusion"): ("training", None),
        ("history.seconds@mean", "eurosat_fusion"): ("machine", None),
        ("seconds", "beans_vgg16_scratch"): ("machine", None),
        ("history.val_loss@0", "beans_vgg16_scratch"): ("start", None),
        ("history.reaches.val_accuracy@0.8", "beans_vgg16_scratch"): ("epoch", 16),
    }
    for (metric, experiment), expected in scopes.items():
        claim = _number(metric, experiment)
        assert (claim.scope, claim.epoch) == expected, metric


def test_what_was_measured_before_the_training_has_no_check() -> None:
    found = [claim for claim in claims("vgg16_beans") if claim.metric.endswith("@0")]
    assert len(found) == 12
    assert not any(claim.decidable for claim in found)
    assert {claim.scope for claim in found} == {"start"}
    (reason,) = comparable(load_experiment("beans_vgg16_features"), {"status": "complete", "epochs_run": 46}, found[2])
    assert reason.startswith("measured before the training")


def test_each_data_set_has_its_own_claims() -> None:
    of_cifar, of_eurosat = claims_for("cifar10_cnnv2"), claims_for("eurosat_fusion")
    assert {claim.data for claim in of_cifar} == {"cifar10"}
    assert {claim.data for claim in of_eurosat} == {"eurosat"}
    assert "data.train.images" in {claim.metric for claim in of_cifar if claim.experiment is None}
    assert {claim.data for claim in claims_for("avp_svm")} == {"alien_vs_predator"}
    assert study_data("cifar_eurosat", "eurosat").test == 5400
    assert all(claim.other_images for claim in of_eurosat)
    assert not any(claim.other_images for claim in of_cifar)


def test_two_runs_of_one_model_are_told_apart() -> None:
    assert _number("test.accuracy", "cifar10_cnnbase", run="run A").what == "accuracy, test (run A)"
    assert _number("test.accuracy", "cifar10_cnnbase", run="run B").value == 0.5850
    text = _number("history.accuracy@final", "cifar10_cnnv3", run="run A", provenance="S")
    figure = _number("history.accuracy@final", "cifar10_cnnv3", run="run A", provenance="F")
    assert (text.value, figure.value) == (0.88, 0.776)
    assert "contradicts Figure 8" in text.note


def test_alien_vs_predator_says_that_its_backbone_is_assumed() -> None:
    measured = [claim for claim in claims("simple_cnn") if claim.table == "Accuracy of the four regimes"]
    assert [claim.note.startswith("Backbone assumed") for claim in measured] == [True] * 4


def test_a_published_count_has_an_interval_in_counts() -> None:
    errors = _number("test.errors", "mnist_simplecnn")
    low, high = wilson(106, 10_000)
    assert errors.interval == pytest.approx((10_000 * low, 10_000 * high))
    assert _number("history.val_accuracy@max", "mnist_simplecnn").interval == pytest.approx((0.987, 0.991), abs=5e-4)
