"""Verdicts, worked by hand."""

from __future__ import annotations

import math

import pytest

from kerasexp.evaluation.statistics import newcombe, wilson
from kerasexp.published import claims_for
from kerasexp.published.results import Results
from kerasexp.published.verdicts import judge, judge_statement
from tests.published.examples import CLASSES, accuracy_claim, published_claim, whole_manifest


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
    verdict = judge(accuracy_claim(published, margin), values)
    assert verdict.status == status
    assert verdict.interval == pytest.approx(interval, abs=1e-5)
    assert verdict.reason.startswith(reason)
    assert verdict.provisional == ""


def test_one_seed_of_a_proportion_is_judged_by_newcombe() -> None:
    # 8,900 against 8,872 of 10,000, both +-0.0062: together +-0.0087
    claim = published_claim("test.accuracy")
    verdict = judge(claim, [0.8900], [(0.88372, 0.89598)])
    assert verdict.status == "cannot tell"
    assert verdict.difference == pytest.approx(0.0028)
    assert verdict.interval == pytest.approx((-0.00593, 0.01153), abs=2e-5)
    assert verdict.reason.startswith(
        "needs 3 seeds: difference +0.28 pp, 95 % interval -0.59 to +1.15, margin ±0.70 pp"
    )
    assert verdict.provisional == "provisional: one seed"
    near = judge(published_claim("history.val_accuracy@12"), [0.560], [(0.5503, 0.5697)])
    assert (near.status, near.provisional) == ("reproduced", "provisional: one seed")
    far = judge(claim, [0.9463], [(0.9417, 0.9506)])
    assert (far.status, far.provisional) == ("not reproduced", "provisional: one seed")


def test_one_seed_of_f1_gives_the_published_number_our_width() -> None:
    # +-0.006 on both sides: sqrt(2) * 0.006 = 0.008485
    verdict = judge(published_claim("test.macro.f1", "kmnist_cnn", "augment10"), [0.9233], [(0.9173, 0.9293)])
    assert verdict.interval == pytest.approx((0.001 - 0.008485, 0.001 + 0.008485), abs=1e-6)
    assert verdict.status == "reproduced"


def test_two_seeds_are_no_surer_than_one() -> None:
    claim = published_claim("history.val_accuracy@12")
    verdict = judge(claim, [0.559, 0.561], [(0.5493, 0.5687), (0.5513, 0.5707)])
    one = judge(claim, [0.560], [(0.5503, 0.5697)])
    assert verdict.interval == pytest.approx(one.interval)
    assert verdict.provisional == "provisional: two seeds"


@pytest.mark.parametrize("metric", ["epochs_run", "history.val_loss@12", "test.auc_micro", "history.lr_drops@1"])
def test_one_seed_says_nothing_of_a_number_without_sampling_error(metric: str) -> None:
    claim = published_claim(metric)
    assert claim.value is not None
    verdict = judge(claim, [claim.value], [None])
    assert (verdict.status, verdict.interval) == ("cannot tell", None)
    assert verdict.reason.startswith("needs 3 seeds")


def test_three_seeds_decide_epochs() -> None:
    claim = published_claim("epochs_run")  # 596 +- 119.2
    assert judge(claim, [590, 596, 602]).status == "reproduced"
    assert judge(claim, [300, 304, 308]).status == "not reproduced"
    assert judge(claim, [500, 596, 700]).status == "cannot tell"


def test_on_other_test_images_one_seed_has_the_error_of_both_numbers() -> None:
    # 0.9543 and 0.9500 of 5,400: +-0.0056 and +-0.0058, together +-0.0081
    claim = accuracy_claim(0.9543, 0.015, other_images=True, split="test", n=5400, proportion=True)
    verdict = judge(claim, [0.9500], [wilson(5130, 5400)])
    assert verdict.interval == pytest.approx(newcombe(5130, 5400, 0.9543 * 5400, 5400))
    assert (verdict.status, verdict.provisional) == ("reproduced", "provisional: one seed")


def test_on_other_test_images_seeds_do_not_cancel_the_error_of_the_images() -> None:
    values, n = [0.9480, 0.9500, 0.9520], 5400
    claim = accuracy_claim(0.9543, 0.012, split="test", n=n, proportion=True)
    # s = 0.002, n = 3: h = 4.30265 * 0.002 * sqrt(4/3) = 0.0099365
    same = judge(claim, values)
    assert same.interval == pytest.approx((-0.0043 - 0.0099365, -0.0043 + 0.0099365), abs=1e-6)
    other = judge(claim.model_copy(update={"other_images": True}), values, [wilson(value * n, n) for value in values])
    low, high = newcombe(0.9500 * n, n, 0.9543 * n, n)
    assert other.interval == pytest.approx(
        (-0.0043 - math.hypot(0.0099365, -0.0043 - low), -0.0043 + math.hypot(0.0099365, high + 0.0043)), abs=2e-5
    )
    assert other.provisional == ""
    # +-0.0099 with these three, +-0.0039 with ever more; with the +-0.0081 of the images never below 0.0077
    assert same.reason.startswith("2 more seeds would decide it") or same.reason.startswith("1 more seed")
    assert other.reason.startswith("no number of seeds would decide it")


def test_too_few_images_are_not_blamed_on_the_seeds() -> None:
    claim = accuracy_claim(0.95, 0.005, other_images=True, split="test", n=500, proportion=True)
    verdict = judge(claim, [0.95, 0.95, 0.95], [wilson(475, 500)] * 3)
    assert verdict.status == "cannot tell"
    assert verdict.reason.startswith("no number of seeds would decide it, both numbers are of too few images:")
    noisy = judge(accuracy_claim(0.95, 0.005), [0.93, 0.95, 0.97])
    assert noisy.reason.startswith("no number of seeds would decide it, one published run of so noisy a method")


def test_on_other_test_images_a_number_without_error_says_nothing() -> None:
    claim = accuracy_claim(0.26, 0.03, metric="history.val_loss@final", unit="loss", other_images=True)
    reason = "the study's images were others, and how far this number varies between images is not known"
    tested = claim.model_copy(update={"split": "validation"})
    assert judge(tested, [0.26, 0.26, 0.27], [None] * 3).reason == reason
    assert judge(tested, [0.26], [None]).reason.startswith("needs 3 seeds")
    trained = claim.model_copy(update={"metric": "history.loss@final", "split": "train"})
    assert judge(trained, [0.260, 0.262, 0.264], [None] * 3).status == "reproduced"


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([0.6220, 0.6230, 0.6240], "reproduced"),
        ([0.5650, 0.5655, 0.5660], "cannot tell"),
        ([0.6400, 0.6410, 0.6420], "not reproduced"),
        ([0.5500, 0.5510, 0.5520], "not reproduced"),
    ],
)
def test_a_band_need_not_lie_evenly_about_the_published_number(values: list[float], status: str) -> None:
    claim = accuracy_claim(0.5850, 0.0, band=(0.565, 0.63))
    verdict = judge(claim, values)
    assert verdict.status == status
    assert "margin -2.00 to +4.50 pp" in verdict.reason


@pytest.mark.parametrize(
    ("value", "status"), [(600, "reproduced"), (643, "reproduced"), (700, "not reproduced"), (550, "not reproduced")]
)
def test_what_the_data_decides_needs_no_seeds(value: float, status: str) -> None:
    claim = accuracy_claim(600, 43, metric="data.test.images.1", unit="count", scope="data")
    verdict = judge(claim, [value])
    assert (verdict.status, verdict.provisional) == (status, "")
    assert verdict.reason == f"difference {value - 600:+d}, margin ±43"


def test_exact_claims_are_decided_at_once() -> None:
    claim = published_claim("parameters.total")
    assert judge(claim, [1_199_882]).status == "reproduced"
    verdict = judge(claim, [1_199_883])
    assert (verdict.status, verdict.difference, verdict.provisional) == ("not reproduced", 1, "")
    assert verdict.reason == "1,199,883 instead of 1,199,882"


def test_a_margin_that_is_met_exactly_is_met() -> None:
    assert judge(accuracy_claim(0.9, 0.007), [0.907, 0.907, 0.907]).status == "reproduced"


def test_no_value_no_verdict() -> None:
    assert judge(published_claim("history.lr_drops@3"), []).status == "cannot tell"


@pytest.mark.parametrize(
    ("values", "never", "status", "reason"),
    [
        ([300, 320], 1, "cannot tell", "in 1 of 3 runs it never happened"),
        ([], 3, "not reproduced", "in 3 of 3 runs it never happened"),
        ([], 1, "cannot tell", "needs 3 seeds: in 1 of 1 run it never happened"),
    ],
)
def test_what_never_happened_is_an_answer(values: list[float], never: int, status: str, reason: str) -> None:
    verdict = judge(published_claim("history.reaches.val_accuracy@0.85"), values, [None] * len(values), never)
    assert (verdict.status, verdict.reason) == (status, reason)


def test_statements() -> None:
    (even,) = [claim for claim in claims_for("kmnist_cnn") if claim.text.startswith("The model treats")]
    (balanced,) = [claim for claim in claims_for("kmnist_cnn") if claim.text.startswith("The classes are")]
    (below,) = [claim for claim in claims_for("kmnist_cnn_nopool") if claim.text.startswith("Without pooling")]
    (above,) = [claim for claim in claims_for("kmnist_fcnn") if claim.text.startswith("The fully")]

    def scores(*f1: float) -> Results:
        per_class = [{"f1": {"value": value}} for value in f1]
        metrics = {"table_weights": "last", "weights": {"last": {"test": {"per_class": per_class}}}}
        return Results(
            whole_manifest(data={"class_names": CLASSES[: len(f1)]}), metrics, [{"epoch": 1, "loss": 0.2256}]
        )

    assert judge_statement(even, [scores(0.85, 0.92)]).status == "reproduced"
    verdict = judge_statement(even, [scores(0.85, 0.96)])
    assert (verdict.status, verdict.reason) == ("not reproduced", "from 0.8500 to 0.9600")
    assert verdict.provisional == "provisional: one seed"
    verdict = judge_statement(even, [scores(0.85, 0.92), scores(0.85, 0.96), scores(0.85, 0.92)])
    assert verdict.reason == "holds in 2 of 3 runs: from 0.8500 to 0.9200; from 0.8500 to 0.9600"
    assert verdict.status == "not reproduced"
    assert judge_statement(even, [Results(whole_manifest())]).status == "cannot tell"
    assert judge_statement(balanced, [scores()]).status == "cannot tell"
    whole = Results(whole_manifest())
    verdict = judge_statement(balanced, [whole])
    assert (verdict.status, verdict.provisional) == ("reproduced", "")
    uneven = Results(whole_manifest(data={"counts": {"train": [6001, *[6000] * 9], "test": [1000] * 10}}))
    assert judge_statement(balanced, [uneven]).status == "not reproduced"
    assert judge_statement(below, [scores(0.9)]).status == "reproduced"
    assert judge_statement(above, [Results(whole_manifest(epochs_run=1154))]).status == "reproduced"
    assert judge_statement(above, [Results(whole_manifest(epochs_run=900))]).status == "not reproduced"


def test_a_statement_that_no_run_is_sure_of_cannot_be_told() -> None:
    (more,) = [claim for claim in claims_for("mnist_simplecnn", ["epochs20"]) if claim.text.startswith("Ten more")]

    def run(until: float, after: float) -> Results:
        history = [{"epoch": k, "val_accuracy": until if k <= 10 else after} for k in range(1, 21)]
        return Results({"data": {"counts": {"test": [1000] * 10}}}, {}, history)

    unsure = judge_statement(more, [run(0.9894, 0.9910)])
    assert (unsure.status, unsure.reason) == ("cannot tell", "+0.0016, 95 % interval -0.0011 to +0.0044")
    assert judge_statement(more, [run(0.98, 0.99)]).status == "reproduced"
    assert judge_statement(more, [run(0.9894, 0.9910), run(0.99, 0.98)]).status == "not reproduced"
