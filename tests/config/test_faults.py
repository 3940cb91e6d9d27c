"""The named mistakes: which settings still carry them."""

from __future__ import annotations

from typing import Any

import pytest

from kerasexp.config.faults import FAULTS
from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Experiment


def _experiment(**changes: Any) -> Experiment:
    return load_experiment("kmnist_cnn").model_copy(update=changes)


def _adam(rate: float) -> Any:
    return load_experiment("kmnist_cnn", recipe="fast").optimizer.model_copy(update={"learning_rate": rate})


@pytest.mark.parametrize(
    ("fault", "carries", "repaired"),
    [
        ("best_weights_bug", {"weights": "last"}, {"weights": "best"}),
        ("train_metrics_from_last_epoch", {"weights": "best"}, {"weights": "last"}),
        (
            "small_validation_set",
            {"weights": "best", "monitor": "val_accuracy"},
            {"weights": "best", "monitor": "val_loss"},
        ),
        ("misreported_rate", {"optimizer": _adam(1e-4)}, {"optimizer": _adam(1e-3)}),
        ("undertrained_head", {"optimizer": _adam(1e-4)}, {"optimizer": _adam(1e-3)}),
        ("relu_head", {"model": {"head": "relu"}}, {"model": {"head": "softmax"}}),
    ],
)
def test_a_changed_setting_repairs_a_fault(fault: str, carries: dict[str, Any], repaired: dict[str, Any]) -> None:
    assert FAULTS[fault].touches(_experiment(**carries))
    assert not FAULTS[fault].touches(_experiment(**repaired))


def test_batch_norm_that_adapts_in_some_stage() -> None:
    class Staged(Experiment):
        batch_norm: str = "frozen"

    settings = load_experiment("kmnist_cnn").model_dump()
    touches = FAULTS["adapting_batch_norm"].touches
    assert touches(Staged.model_validate(settings | {"batch_norm": "adapting"}))
    assert not touches(Staged.model_validate(settings | {"batch_norm": "frozen"}))


@pytest.mark.parametrize(
    "fault",
    [
        "single_seed",
        "small_test_set",
        "mixed_runs",
        "unseeded_split",
        "unapplied_normalisation",
        "untested_choice",
        "times_of_unequal_runs",
        "dropout_in_training_loss",
        "assumed_backbone",
        "assumed_training",
    ],
)
def test_faults_of_the_source_that_no_setting_repairs(fault: str) -> None:
    assert FAULTS[fault].touches(load_experiment("kmnist_cnn", recipe="fast"))


def test_every_fault_is_explained_in_whole_sentences() -> None:
    for name, fault in FAULTS.items():
        assert fault.explanation.endswith((".", ")")), name
        assert "  " not in fault.explanation, name
