"""The fused optimizers compute what Keras computes."""

import keras
import numpy as np
import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Adadelta, Adam, AdamW
from kerasexp.training.optimizers import TriangularSchedule, build_optimizer

STAGE = load_experiment("kmnist_cnn")
CASES = [
    (
        Adadelta(name="adadelta", learning_rate=0.7, rho=0.9, epsilon=1e-6),
        lambda: keras.optimizers.Adadelta(0.7, rho=0.9, epsilon=1e-6),
    ),
    (
        Adam(name="adam", learning_rate=0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
        lambda: keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
    ),
    (
        AdamW(name="adamw", learning_rate=0.01, weight_decay=0.1, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
    ),
]


@pytest.mark.parametrize(("config", "reference"), CASES, ids=lambda case: getattr(case, "name", None))
def test_fused_update_equals_keras(config, reference):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(5, 4)).astype("float32"), rng.normal(size=4).astype("float32")]
    ours, theirs = build_optimizer(STAGE.model_copy(update={"optimizer": config}), 100), reference()
    results = []
    for optimizer in (ours, theirs):
        variables = [keras.Variable(array) for array in start]
        gradients = np.random.default_rng(1)
        for _ in range(80):
            optimizer.apply([keras.ops.array(gradients.normal(size=v.shape), "float32") for v in variables], variables)
        results.append([np.array(variable) for variable in variables])
    for our, their, initial in zip(*results, start, strict=True):
        np.testing.assert_allclose(our, their, rtol=2e-5, atol=2e-6)
        assert np.abs(our - initial).max() > 0.02


def test_the_triangle_climbs_to_its_peak_and_falls_to_nothing():
    schedule = TriangularSchedule(0.5, 20, 100)
    rates = [float(schedule(step)) for step in range(100)]
    assert rates[0] == pytest.approx(0.5 / 20)
    assert max(rates) == pytest.approx(0.5)
    assert rates.index(max(rates)) == 19
    assert 0 < rates[-1] < 0.01
    assert np.all(np.diff(rates[:20]) > 0)
    assert np.all(np.diff(rates[20:]) < 0)
