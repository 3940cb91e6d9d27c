"""Claims, comparability and verdicts: typed facts, examples worked by hand, and a small real run folder."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from kerasexp import files
from kerasexp.config.loading import load_experiment
from kerasexp.errors import UsageError
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.models import build, parameter_count
from kerasexp.published import Claim, claims, claims_for, comparable, judge, rows
from kerasexp.published.checks import CHECKS
from kerasexp.published.results import Results
from kerasexp.published.verdicts import judge_statement
from kerasexp.runs import Run, create_run

CLASSES = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


def _claim(metric: str, experiment: str = "kmnist_cnn", *variants: str) -> Claim:
    (found,) = [claim for claim in claims_for(experiment, variants) if claim.metric == metric]
    return found


def _manifest(**changes: Any) -> dict[str, Any]:
    """A complete published run on the complete data."""
    data = {
        "name": "kmnist",
        "remarks": [],
        "notes": [],
        "class_names": CLASSES,
        "image_shape": [28, 28, 1],
        "counts": {"train": [6000] * 10, "test": [1000] * 10},
    }
    manifest = {
        "status": "complete",
        "stop_reason": "early stopping",
        "epochs_run": 596,
        "best_epoch": 586,
        "precision": "float32",
        "parameters": {"total": 1_199_882},
        "data": data | changes.pop("data", {}),
    }
    return manifest | changes


# --- the file of claims


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
        ("Statements", "O"): 2,
    }


def test_no_claim_stands_twice_and_each_has_a_check_that_exists() -> None:
    numbers = Counter((c.experiment, c.variants, c.metric) for c in claims("kmnist") if c.kind != "qualitative")
    assert max(numbers.values()) == 1
    statements = [claim for claim in claims("kmnist") if claim.kind == "qualitative"]
    assert all(claim.check.name in CHECKS for claim in statements if claim.check)
    assert Counter(claim.check is None for claim in statements) == {False: 8, True: 21}
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
    claimed = _claim(metric, experiment, *variants).value
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
    assert _claim(metric, experiment, *variants).margin == pytest.approx(margin)


@pytest.mark.parametrize("experiment", ["kmnist_cnn", "kmnist_cnn_nopool", "kmnist_fcnn"])
def test_our_networks_have_the_published_parameters(experiment: str) -> None:
    model = build(load_experiment(experiment), (28, 28, 1), 10)
    assert parameter_count(model) == _claim("parameters.total", experiment).value


def test_every_published_model_is_a_configuration_of_ours() -> None:
    models = {(claim.experiment, claim.variants) for claim in claims("kmnist") if claim.experiment}
    assert len(models) == 8
    for experiment, variants in models:
        assert load_experiment(experiment, "published", variants).study == "kmnist"


def test_claims_for_ignores_the_order_of_variants_and_knows_what_nobody_published() -> None:
    assert claims_for("kmnist_cnn", ["bench12", "augment10"]) == claims_for("kmnist_cnn", ("augment10", "bench12"))
    assert claims_for("kmnist_cnn", ["augment5"]) == ()
    assert claims_for("mine") == ()
    with pytest.raises(UsageError, match='Did you mean "kmnist"'):
        claims("kmnis")


def test_words_and_published_intervals() -> None:
    assert _claim("test.per_class.3.f1").what == "F1 of class 3, test"
    assert _claim("history.val_accuracy@12").what == "validation accuracy after epoch 12"
    assert _claim("history.reaches.val_accuracy@0.7").what == "first epoch with validation accuracy of 0.7"
    assert all(claim.what and claim.what != claim.metric for claim in claims("kmnist"))
    assert _claim("test.accuracy").interval == pytest.approx((0.88085, 0.89325), abs=5e-5)
    assert _claim("test.macro.f1").interval is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margin": 0.0}, "needs a margin above 0"),
        ({"kind": "exact"}, "an exact claim has no margin"),
        ({"proportion": True}, "a proportion needs its n"),
        ({"value": None}, "a statement has a text and no value"),
        ({"check": {"name": "belo", "metric": "epochs_run", "limit": 1}}, 'Did you mean "below"'),
        ({"mragin": 0.1}, "Extra inputs are not permitted"),
    ],
)
def test_the_schema_refuses_what_makes_no_claim(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _band(**({"value": 0.9, "margin": 0.01} | changes))


# --- comparable


def test_the_published_run_is_comparable_with_all_its_claims() -> None:
    experiment = load_experiment("kmnist_cnn")
    for claim in claims_for("kmnist_cnn"):
        assert comparable(experiment, _manifest(), claim) == ()


def test_the_seed_and_how_often_is_saved_do_not_matter() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"seed": 7, "save_seconds": 5.0})
    assert comparable(experiment, _manifest(), _claim("test.accuracy")) == ()


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
                    "optimizer": {"name": "adam", "learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7}
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
    assert comparable(experiment, _manifest(**changes), _claim("test.accuracy")) == reasons


def test_several_reasons_are_all_named() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"data": {"name": "mnist5k"}, "epochs": 3, "batch_size": 32})
    manifest = _manifest(epochs_run=3, data={"name": "mnist5k", "remarks": ["bundled subset"]})
    assert comparable(experiment, manifest, _claim("test.accuracy")) == (
        "batch_size 32 instead of 128",
        "other data: mnist5k instead of kmnist",
        "bundled subset",
        "fewer epochs: 3, the study allowed 10000",
    )


def test_precision_auto_that_was_float32_is_float32() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"precision": "auto"})
    assert comparable(experiment, _manifest(precision="float32"), _claim("test.accuracy")) == ()


def test_a_smaller_limit_that_early_stopping_never_met_is_no_difference() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"epochs": 700})
    assert comparable(experiment, _manifest(), _claim("test.accuracy")) == ()


def test_a_claim_about_an_epoch_needs_that_epoch_alone() -> None:
    experiment = load_experiment("kmnist_cnn", changes={"epochs": 12})
    manifest = _manifest(epochs_run=12, stop_reason="all epochs")
    assert comparable(experiment, manifest, _claim("history.val_accuracy@12")) == ()
    reasons = comparable(experiment, manifest, _claim("history.val_accuracy@25"))
    assert reasons == ("fewer epochs: 12, the claim needs 25",)
    # first at 7, margin 1.4: decided after epoch 9; first at 52, margin 10.4: not yet
    assert comparable(experiment, manifest, _claim("history.reaches.val_accuracy@0.5")) == ()
    assert comparable(experiment, manifest, _claim("history.reaches.val_accuracy@0.7")) != ()
    stopped = _manifest(epochs_run=12, status="stopped", stop_reason="the time limit")
    assert comparable(load_experiment("kmnist_cnn"), stopped, _claim("history.val_accuracy@12")) == ()
    # still only with the study's settings
    other = load_experiment("kmnist_cnn", changes={"epochs": 12}, overrides=["batch_size=64"])
    assert comparable(other, manifest, _claim("history.val_accuracy@12")) == ("batch_size 64 instead of 128",)


def test_a_whole_run_that_ended_earlier_answers_milestones_but_not_points_of_the_curve() -> None:
    experiment, manifest = load_experiment("kmnist_cnn"), _manifest(epochs_run=300)
    assert comparable(experiment, manifest, _claim("history.reaches.val_accuracy@0.88")) == ()
    assert comparable(experiment, manifest, _claim("epochs_run")) == ()
    assert comparable(experiment, manifest, _claim("history.val_accuracy@500")) != ()


def test_fixed_epochs_are_a_setting() -> None:
    claim = _claim("test.accuracy", "kmnist_cnn", "bench12")
    manifest = _manifest(epochs_run=12, stop_reason="all epochs")
    assert comparable(load_experiment("kmnist_cnn", variants=["bench12"]), manifest, claim) == ()
    longer = load_experiment("kmnist_cnn", variants=["bench12"], changes={"epochs": 20})
    assert comparable(longer, _manifest(epochs_run=20), claim) == ("more epochs: 20, the study allowed 12",)


def test_parameters_are_comparable_whatever_the_training() -> None:
    claim = _claim("parameters.total")
    subset = _manifest(status="stopped", epochs_run=0, precision="bfloat16", data={"remarks": ["7,011 of 60,000"]})
    for arguments in [{"recipe": "fast"}, {"changes": {"data": {"name": "mnist"}}}, {"overrides": ["batch_size=8"]}]:
        assert comparable(load_experiment("kmnist_cnn", **arguments), subset, claim) == ()
    wider = load_experiment("kmnist_cnn", overrides=["model.dense=64"])
    assert comparable(wider, _manifest(), claim) == ("model.dense 64 instead of 128",)
    colour = _manifest(data={"image_shape": [32, 32, 3], "class_names": CLASSES[:4]})
    assert comparable(load_experiment("kmnist_cnn"), colour, claim) == (
        "images of 32x32x3 instead of 28x28x1",
        "4 classes instead of 10",
    )


def test_data_claims_need_the_whole_training_set() -> None:
    claim = _claim("data.train.images")
    assert comparable(load_experiment("kmnist_cnn", recipe="fast"), _manifest(), claim) == ()
    counts = {"train": [5400] * 10, "validation": [600] * 10, "test": [1000] * 10}
    held_out = comparable(load_experiment("kmnist_cnn", recipe="sound"), _manifest(data={"counts": counts}), claim)
    assert held_out == ("6,000 training images held out for validation",)


def test_an_altered_copy_keeps_its_verdict() -> None:
    manifest = _manifest(data={"notes": ["altered copy: re-encoded images"]})
    assert comparable(load_experiment("kmnist_cnn"), manifest, _claim("test.accuracy")) == ()


def test_statements_about_several_runs_are_never_comparable_with_one() -> None:
    several = [claim for claim in claims("kmnist") if claim.scope == "several"]
    assert several
    assert all(comparable(load_experiment("kmnist_cnn"), _manifest(), claim) for claim in several)


# --- verdicts, worked by hand


def _band(value: float, margin: float, **changes: Any) -> Claim:
    content = {
        "study": "kmnist",
        "metric": "test.accuracy",
        "value": value,
        "margin": margin,
        "unit": "share",
        "kind": "band",
        "source": "test",
        "provenance": "S",
        "scope": "training",
    }
    return Claim(**(content | changes))


@pytest.mark.parametrize(
    ("published", "margin", "values", "status", "interval", "reason"),
    [
        # s = 0.001, n = 3: h = 4.30265 * 0.001 * sqrt(4/3) = 0.0049683
        (0.900, 0.007, [0.900, 0.901, 0.902], "reproduced", (-0.00397, 0.00597), "difference +0.10 pp"),
        (0.900, 0.007, [0.920, 0.921, 0.922], "not reproduced", (0.01603, 0.02597), "difference +2.10 pp"),
        (0.900, 0.007, [0.880, 0.879, 0.878], "not reproduced", (-0.02597, -0.01603), "difference -2.10 pp"),
        # d = 0.004, room 0.003 to the margin: h(4) = 3.18245 * sqrt(5/4) s = 0.003558, h(5) = 2.77645 * sqrt(6/5) s
        # = 0.003041, h(6) = 2.57058 * sqrt(7/6) s = 0.002777
        (0.900, 0.007, [0.903, 0.904, 0.905], "cannot tell", (-0.00097, 0.00897), "3 more seeds would decide it"),
        # room 0.001 < 1.96 s
        (0.900, 0.007, [0.905, 0.906, 0.907], "cannot tell", (0.00103, 0.01097), "no number of seeds would decide it"),
        # room 0.00198: h(n) falls below it only far out
        (0.900, 0.007, [0.90402, 0.90502, 0.90602], "cannot tell", (0.00005, 0.00999), "more than 100 more seeds"),
    ],
)
def test_three_seeds(
    published: float, margin: float, values: list[float], status: str, interval: tuple[float, float], reason: str
) -> None:
    verdict = judge(_band(published, margin), values)
    assert verdict.status == status
    assert verdict.interval == pytest.approx(interval, abs=1e-5)
    assert verdict.reason.startswith(reason)
    assert verdict.provisional == ""


def test_one_seed_of_a_proportion_is_judged_by_newcombe() -> None:
    # 8,900 against 8,872 of 10,000, both +-0.0062: together +-0.0087
    claim = _claim("test.accuracy")
    verdict = judge(claim, [0.8900], [(0.88372, 0.89598)])
    assert verdict.status == "cannot tell"
    assert verdict.difference == pytest.approx(0.0028)
    assert verdict.interval == pytest.approx((-0.00593, 0.01153), abs=2e-5)
    assert verdict.reason.startswith(
        "needs 3 seeds: difference +0.28 pp, 95 % interval -0.59 to +1.15, margin ±0.70 pp"
    )
    assert verdict.provisional == "provisional: one seed"
    near = judge(_claim("history.val_accuracy@12"), [0.560], [(0.5503, 0.5697)])
    assert (near.status, near.provisional) == ("reproduced", "provisional: one seed")
    far = judge(claim, [0.9463], [(0.9417, 0.9506)])
    assert (far.status, far.provisional) == ("not reproduced", "provisional: one seed")


def test_one_seed_of_f1_gives_the_published_number_our_width() -> None:
    # +-0.006 on both sides: sqrt(2) * 0.006 = 0.008485
    verdict = judge(_claim("test.macro.f1", "kmnist_cnn", "augment10"), [0.9233], [(0.9173, 0.9293)])
    assert verdict.interval == pytest.approx((0.001 - 0.008485, 0.001 + 0.008485), abs=1e-6)
    assert verdict.status == "reproduced"


def test_two_seeds_are_no_surer_than_one() -> None:
    claim = _claim("history.val_accuracy@12")
    verdict = judge(claim, [0.559, 0.561], [(0.5493, 0.5687), (0.5513, 0.5707)])
    one = judge(claim, [0.560], [(0.5503, 0.5697)])
    assert verdict.interval == pytest.approx(one.interval)
    assert verdict.provisional == "provisional: two seeds"


@pytest.mark.parametrize("metric", ["epochs_run", "history.val_loss@12", "test.auc_micro", "history.lr_drops@1"])
def test_one_seed_says_nothing_of_a_number_without_sampling_error(metric: str) -> None:
    claim = _claim(metric)
    assert claim.value is not None
    verdict = judge(claim, [claim.value], [None])
    assert (verdict.status, verdict.interval) == ("cannot tell", None)
    assert verdict.reason.startswith("needs 3 seeds")


def test_three_seeds_decide_epochs() -> None:
    claim = _claim("epochs_run")  # 596 +- 119.2
    assert judge(claim, [590, 596, 602]).status == "reproduced"
    assert judge(claim, [300, 304, 308]).status == "not reproduced"
    assert judge(claim, [500, 596, 700]).status == "cannot tell"


def test_exact_claims_are_decided_at_once() -> None:
    claim = _claim("parameters.total")
    assert judge(claim, [1_199_882]).status == "reproduced"
    verdict = judge(claim, [1_199_883])
    assert (verdict.status, verdict.difference, verdict.provisional) == ("not reproduced", 1, "")
    assert verdict.reason == "1,199,883 instead of 1,199,882"


def test_a_margin_that_is_met_exactly_is_met() -> None:
    assert judge(_band(0.9, 0.007), [0.907, 0.907, 0.907]).status == "reproduced"


def test_no_value_no_verdict() -> None:
    assert judge(_claim("history.lr_drops@3"), []).status == "cannot tell"


def test_statements() -> None:
    (even,) = [claim for claim in claims_for("kmnist_cnn") if claim.text.startswith("The model treats")]
    (balanced,) = [claim for claim in claims_for("kmnist_cnn") if claim.text.startswith("The classes are")]
    (below,) = [claim for claim in claims_for("kmnist_cnn_nopool") if claim.text.startswith("Without pooling")]
    (above,) = [claim for claim in claims_for("kmnist_fcnn") if claim.text.startswith("The fully")]

    def scores(*f1: float) -> Results:
        per_class = [{"f1": {"value": value}} for value in f1]
        metrics = {"table_weights": "last", "weights": {"last": {"test": {"per_class": per_class}}}}
        return Results(_manifest(data={"class_names": CLASSES[: len(f1)]}), metrics, [{"epoch": 1, "loss": 0.2256}])

    assert judge_statement(even, [scores(0.85, 0.92)]).status == "reproduced"
    verdict = judge_statement(even, [scores(0.85, 0.96)])
    assert (verdict.status, verdict.reason) == ("not reproduced", "from 0.8500 to 0.9600")
    assert verdict.provisional == "provisional: one seed"
    assert judge_statement(even, [Results(_manifest())]).status == "cannot tell"
    assert judge_statement(balanced, [scores()]).status == "cannot tell"
    whole = Results(_manifest())
    verdict = judge_statement(balanced, [whole])
    assert (verdict.status, verdict.provisional) == ("reproduced", "")
    uneven = Results(_manifest(data={"counts": {"train": [6001, *[6000] * 9], "test": [1000] * 10}}))
    assert judge_statement(balanced, [uneven]).status == "not reproduced"
    assert judge_statement(below, [scores(0.9)]).status == "reproduced"
    assert judge_statement(above, [Results(_manifest(epochs_run=1154))]).status == "reproduced"
    assert judge_statement(above, [Results(_manifest(epochs_run=900))]).status == "not reproduced"


# --- a run's numbers


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
    results = Results.of(_run(tmp_path, measured, _manifest(epochs_run=5, best_epoch=3)))
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
    results = Results.of(_run(tmp_path, measured, _manifest(epochs_run=5)))
    test = measured["weights"]["last"]["test"]
    assert results.interval("test.macro.f1") == tuple(test["macro"]["f1"]["interval"])
    assert results.interval("test.macro.recall") == tuple(test["accuracy"]["interval"])
    assert results.interval("test.macro.precision") is None
    assert results.interval("history.val_loss@2") is None
    assert results.interval("epochs_run") is None
    # 3,417 of 10,000 test images
    assert results.interval("history.val_accuracy@2") == pytest.approx((0.33247, 0.35106), abs=5e-5)
    low, high = results.interval("test.per_class.2.precision") or (0.0, 0.0)
    assert low < test["per_class"][2]["precision"] < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.88 * 0.12 / 1000), rel=0.2)


def test_rows_of_a_comparable_run(tmp_path: Path, measured: dict[str, Any]) -> None:
    manifest = _manifest(epochs_run=5, best_epoch=3, data={"notes": ["altered copy: re-encoded images"]})
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
    manifest = _manifest(epochs_run=5, data={"name": "mnist5k", "remarks": ["bundled subset"]})
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
    found = rows(_run(tmp_path, None, _manifest(epochs_run=5), "augment5"))
    assert [row.claim for row in found] == list(claims_for("kmnist_cnn"))
    reasons = next(row.reasons for row in found if row.claim.metric == "test.macro.f1")
    assert "augmentation.copies 5 instead of 0" in reasons


def test_rows_before_the_evaluation(tmp_path: Path) -> None:
    manifest = _manifest(status="interrupted", stop_reason="a signal", epochs_run=5, best_epoch=None)
    run = _run(tmp_path, None, manifest)
    run.path("history.csv").unlink()
    found = rows(run)
    accuracy = next(row for row in found if row.claim.metric == "test.accuracy")
    assert accuracy.ours is None
    assert accuracy.reasons == ("fewer epochs: 5, ended by a signal",)


def test_rows_of_an_experiment_that_nobody_published(tmp_path: Path) -> None:
    experiment = load_experiment("kmnist_cnn").model_copy(update={"name": "mine"})
    assert rows(create_run(experiment, out=tmp_path, **copy.deepcopy(_manifest()))) == []
