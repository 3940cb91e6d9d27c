"""Statements about several models, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kerasexp.evaluation.statistics import newcombe, wilson
from kerasexp.published import Claim
from kerasexp.published.claim import Contrast
from kerasexp.published.results import Results
from kerasexp.published.several import difference, judge_several


def _runs(*values: float, metric: str = "accuracy", first_seed: int = 0, n: int | None = None, **manifest: Any) -> Any:
    return [
        Results(
            {"seed": seed, **manifest},
            {
                "table_weights": "last",
                "weights": {
                    "last": {"test": {metric: {"value": value, "interval": list(wilson(value * n, n)) if n else None}}}
                },
            },
        )
        for seed, value in enumerate(values, start=first_seed)
    ]


def _claim(*contrasts: dict[str, Any], **changes: Any) -> Claim:
    content = {
        "study": "kmnist",
        "text": "A is better.",
        "kind": "qualitative",
        "source": "test",
        "provenance": "S",
        "scope": "several",
        "contrasts": contrasts,
    }
    return Claim(**(content | changes))


def _greater(*groups: Any, limit: float = 0) -> dict[str, Any]:
    return {"name": "greater", "metric": "test.accuracy", "groups": groups, "limit": limit}


def test_seeds_are_paired() -> None:
    # differences 0.02, 0.03, 0.04: s = 0.01, 4.30265 * 0.01 / sqrt(3) = 0.024841, one run 4.30265 * 0.01 * sqrt(4/3)
    runs = {"a": _runs(0.82, 0.73, 0.94), "b": _runs(0.80, 0.70, 0.90)}
    found = difference("test.accuracy", "a", "b", runs)
    assert found is not None
    assert found.value == pytest.approx(0.03)
    assert found.interval == pytest.approx((0.03 - 0.024841, 0.03 + 0.024841), abs=1e-6)
    assert found.one_run == pytest.approx(0.049683, abs=1e-6)
    verdict = judge_several(_claim(_greater("a", "b")), runs)
    assert (verdict.status, verdict.provisional) == ("reproduced", "")
    assert verdict.reason == "a minus b +3.00 pp, 95 % interval +0.52 to +5.48"
    assert judge_several(_claim(_greater("b", "a")), runs).status == "not reproduced"


def test_seeds_that_are_not_shared_are_compared_by_their_means() -> None:
    # Welch: variances 0.0001 and 0.0004, error sqrt(0.0005 / 3) = 0.0129099, df = 0.0005^2 / (0.0001^2 / 2 +
    # 0.0004^2 / 2) = 2.94, taken as 2
    runs = {"a": _runs(0.90, 0.91, 0.92), "b": _runs(0.80, 0.82, 0.84, first_seed=7)}
    found = difference("test.accuracy", "a", "b", runs)
    assert found is not None
    assert found.interval == pytest.approx((0.09 - 4.302653 * 0.0129099, 0.09 + 4.302653 * 0.0129099), abs=1e-6)


def test_inside_the_noise_nothing_is_better() -> None:
    runs = {"a": _runs(0.82, 0.70, 0.94), "b": _runs(0.80, 0.73, 0.90)}
    verdict = judge_several(_claim(_greater("a", "b")), runs)
    assert verdict.status == "cannot tell"
    assert verdict.reason.startswith("a minus b +1.00 pp, 95 % interval -")


def test_one_seed_has_the_error_of_the_images() -> None:
    runs = {"a": _runs(0.95, n=1000), "b": _runs(0.90, n=1000)}
    found = difference("test.accuracy", "a", "b", runs)
    assert found is not None
    assert found.interval == pytest.approx(newcombe(950, 1000, 900, 1000))
    verdict = judge_several(_claim(_greater("a", "b")), runs)
    assert (verdict.status, verdict.provisional) == ("reproduced", "provisional: one seed")


def test_one_seed_of_a_number_without_sampling_error_decides_nothing() -> None:
    runs = {"a": _runs(0.95), "b": _runs(0.90)}
    verdict = judge_several(_claim(_greater("a", "b")), runs)
    assert (verdict.status, verdict.reason) == ("cannot tell", "a minus b +5.00 pp, needs 3 seeds")


def test_least_seeds() -> None:
    runs = {"a": _runs(0.95, n=1000), "b": _runs(0.90, n=1000)}
    verdict = judge_several(_claim(_greater("a", "b"), least_seeds=3), runs)
    assert verdict.status == "cannot tell"
    assert verdict.reason.startswith("no verdict below 3 seeds: a minus b")


def test_each_of_a_group_must_be_greater_than_each_of_the_next() -> None:
    runs = {
        "a": _runs(0.90, 0.901, 0.902),
        "b": _runs(0.80, 0.801, 0.802),
        "c": _runs(0.70, 0.701, 0.702),
        "noisy": _runs(0.70, 0.99, 0.82),
    }

    def status(*groups: Any) -> str:
        return judge_several(_claim(_greater(*groups)), runs).status

    assert status("a", "b", "c") == "reproduced"
    assert status("a", ["b", "c"]) == "reproduced"
    assert status("b", "a", "c") == "not reproduced"
    assert status("a", ["c", "noisy"]) == "cannot tell"
    assert status("c", ["a", "noisy"]) == "not reproduced"  # one is reversed, whatever the other says
    assert judge_several(_claim(_greater("a", ["b", "c"])), runs).reason.startswith("a minus b +10.00 pp")
    assert judge_several(_claim(_greater("a", "b", limit=0.05)), runs).status == "reproduced"
    assert judge_several(_claim(_greater("a", "b", limit=0.15)), runs).status == "not reproduced"


def test_the_lowest_of_many_differences_must_be_surely_below() -> None:
    # b - a: -0.02, s = 0.006: +-0.0149 at 95 %, +-0.0488 at 99.5 % (t = 4.303 and 14.089, two degrees of freedom)
    runs = {"a": _runs(0.90, 0.90, 0.90), "b": _runs(0.874, 0.880, 0.886)}
    others = {f"c{k}": _runs(0.5, 0.5, 0.5) for k in range(9)}
    assert judge_several(_claim(_greater("b", "a")), runs).status == "not reproduced"
    assert judge_several(_claim(_greater("b", ["a", *others])), {**runs, **others}).status == "cannot tell"


def test_what_is_the_same_in_every_seed_is_no_exact_knowledge() -> None:
    runs = {"a": _runs(0.90, 0.90, 0.90), "b": _runs(0.80, 0.80, 0.80)}
    for groups in (("a", "a"), ("a", "b"), ("b", "a")):
        verdict = judge_several(_claim(_greater(*groups)), runs)
        assert (verdict.status, verdict.reason.endswith(", the same in every seed")) == ("cannot tell", True)
    known = {"a": _runs(0.90, 0.90, 0.90, n=1000), "b": _runs(0.80, 0.80, 0.80, n=1000)}
    found = difference("test.accuracy", "a", "b", known)
    assert found is not None
    assert found.interval == pytest.approx(newcombe(900, 1000, 800, 1000))
    assert judge_several(_claim(_greater("a", "b")), known).status == "reproduced"
    # the pairs differ by the same, the seeds do not: two means of variance 0.0001 / 3 each, t(4) = 2.776445
    runs = {"a": _runs(0.90, 0.91, 0.92), "b": _runs(0.80, 0.81, 0.82)}
    found = difference("test.accuracy", "a", "b", runs)
    assert found is not None
    half = 2.776445 * (0.0002 / 3) ** 0.5
    assert found.interval == pytest.approx((0.1 - half, 0.1 + half), abs=1e-6)


def test_what_must_be_sure_is_sure_among_all_contrasts_of_a_statement() -> None:
    runs = {"a": _runs(0.90, 0.90, 0.90), "b": _runs(0.874, 0.880, 0.886), "c": _runs(0.70, 0.70, 0.71)}
    against = _greater("b", "a")
    assert judge_several(_claim(against), runs).status == "not reproduced"
    assert judge_several(_claim(against, *[_greater("a", "c")] * 9), runs).status == "cannot tell"
    near = {"name": "near", "metric": "test.accuracy", "groups": [["a", "b"]], "limit": 0.004}
    assert judge_several(_claim(near), runs).status == "not reproduced"
    assert judge_several(_claim(near, *[_greater("a", "c")] * 9), runs).status == "cannot tell"


def test_near() -> None:
    near = {"name": "near", "metric": "test.accuracy", "groups": [["a", "b"]], "limit": 0.01}
    same = {"a": _runs(0.900, 0.901, 0.902), "b": _runs(0.902, 0.902, 0.904)}
    assert judge_several(_claim(near), same).status == "reproduced"
    apart = {"a": _runs(0.900, 0.901, 0.902), "b": _runs(0.850, 0.851, 0.852)}
    verdict = judge_several(_claim(near), apart)
    assert (verdict.status, verdict.reason.endswith("margin ±1.00 pp")) == ("not reproduced", True)
    noisy = {"a": _runs(0.90, 0.95, 0.85), "b": _runs(0.90, 0.85, 0.95)}
    assert judge_several(_claim(near), noisy).status == "cannot tell"


NARROWER = {"name": "narrower", "metric": "test.accuracy", "groups": [["a", "b"], ["a", "c"]]}


def test_narrower() -> None:
    runs = {"a": _runs(0.90, 0.91, 0.89), "b": _runs(0.85, 0.86, 0.84), "c": _runs(0.1, 0.1, 0.1)}
    verdict = judge_several(_claim(NARROWER), runs)
    assert verdict.status == "reproduced"
    assert verdict.reason.startswith(
        "the means spread over 5.00 pp against 80.00 pp, 95 % interval of the difference -"
    )
    assert judge_several(_claim({**NARROWER, "groups": [["a", "c"], ["a", "b"]]}), runs).status == "not reproduced"
    noisy = {"a": _runs(0.90, 0.70, 0.80), "b": _runs(0.85, 0.66, 0.80), "c": _runs(0.72, 0.93, 0.80)}
    assert judge_several(_claim(NARROWER), noisy).status == "cannot tell"
    few = {model: ours[:2] for model, ours in runs.items()}
    verdict = judge_several(_claim(NARROWER), few)
    assert (verdict.status, verdict.reason.endswith("needs 3 seeds")) == ("cannot tell", True)


def test_models_that_are_all_the_same_are_not_told_apart() -> None:
    generator = np.random.default_rng(0)
    models = "abcdefgh"
    claim = _claim({"name": "narrower", "metric": "test.accuracy", "groups": [list(models[:4]), list(models[4:])]})
    decided = 0
    for _ in range(40):
        runs = {model: _runs(*generator.normal(0.85, 0.02, 3)) for model in models}
        decided += judge_several(claim, runs).status != "cannot tell"
    assert decided <= 4


def test_mean_between() -> None:
    # means of the seeds 0.87, 0.875, 0.88: s = 0.005, 4.30265 * 0.005 / sqrt(3) = 0.012421
    runs = {"a": _runs(0.895, 0.90, 0.905), "b": _runs(0.845, 0.85, 0.855)}

    def verdict(low: float, high: float, ours: Any = runs) -> Any:
        contrast = {"name": "mean_between", "metric": "test.accuracy", "groups": [["a", "b"]], "limit": [low, high]}
        return judge_several(_claim(contrast), ours)

    assert verdict(0.86, 0.89).status == "reproduced"
    assert verdict(0.86, 0.89).reason == "mean 0.8750, 95 % interval 0.8626 to 0.8874"
    assert verdict(0.80, 0.88).status == "cannot tell"
    assert verdict(0.80, 0.86).status == "not reproduced"
    others = {"a": runs["a"], "b": _runs(0.845, 0.85, 0.855, first_seed=2)}
    assert verdict(0.8, 0.9, others).reason == "needs 3 seeds that all models share"


def test_all_contrasts_must_hold() -> None:
    runs = {"a": _runs(0.90, 0.901, 0.902), "b": _runs(0.80, 0.801, 0.802)}
    assert judge_several(_claim(_greater("a", "b"), _greater("b", "a")), runs).status == "not reproduced"
    other = {"name": "greater", "metric": "test.loss", "groups": ["a", "b"]}
    verdict = judge_several(_claim(_greater("a", "b"), other), runs)
    assert (verdict.status, verdict.reason.endswith("no test.loss in the runs of a, b")) == ("cannot tell", True)


def test_whether_the_published_difference_was_outside_the_noise() -> None:
    """0.9223 against 0.8874 macro F1; with these runs one pair varies by 0.0497, with those by 0.0050."""
    groups = ["kmnist_cnn + augment10", "kmnist_cnn"]
    contrast = {"name": "greater", "metric": "test.macro.f1", "groups": groups}

    def reason(*values: float) -> str:
        numbers = [
            {"table_weights": "last", "weights": {"last": {"test": {"macro": {"f1": {"value": value}}}}}}
            for value in values
        ]
        ours = [Results({"seed": seed}, content) for seed, content in enumerate(numbers)]
        runs = {groups[0]: ours, groups[1]: [Results({"seed": k}, numbers[1]) for k in range(len(numbers))]}
        return judge_several(_claim(contrast), runs).reason

    assert reason(0.89, 0.90, 0.91).endswith(
        "published difference +3.49 pp, inside the noise of one run each (±4.97 pp)"
    )
    assert reason(0.899, 0.900, 0.901).endswith("outside the noise of one run each (±0.50 pp)")


def test_networks_are_compared_without_error_and_times_on_one_machine() -> None:
    sizes = {
        "a": [Results({"seed": 0, "parameters": {"total": 10}})],
        "b": [Results({"seed": 0, "parameters": {"total": 4}})],
    }
    contrast = Contrast(name="greater", metric="parameters.total", groups=("a", "b"))
    assert judge_several(_claim(contrast.model_dump()), sizes).reason == "a minus b +6"

    def timed(processor: str, *seconds: float, **parts: Any) -> Any:
        hardware = {"processor": processor, "gpu": [], "threads": 2, "cores": 2} | parts
        return [Results({"seed": k, "seconds": s, "hardware": hardware}) for k, s in enumerate(seconds)]

    slower = {"name": "greater", "metric": "seconds", "groups": ["a", "b"]}
    one = {"a": timed("x", 60, 61, 62), "b": timed("x", 30, 31, 32)}
    assert judge_several(_claim(slower), one).status == "reproduced"
    two = {"a": timed("x", 60, 61, 62), "b": timed("y", 30, 31, 32)}
    verdict = judge_several(_claim(slower), two)
    assert (verdict.status, verdict.reason) == ("cannot tell", "a minus b +30, on different machines")
    for parts in ({"gpu": ["H200"]}, {"threads": 1}, {"cores": 16}):
        other = {"a": timed("x", 60, 61, 62), "b": timed("x", 30, 31, 32, **parts)}
        assert judge_several(_claim(slower), other).status == "cannot tell"
