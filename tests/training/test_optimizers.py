"""The fused optimizers compute what Keras computes."""

import keras
import numpy as np
import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Adadelta, Adam, AdamW, KMeans, Sgd
from kerasexp.training.optimizers import TriangularSchedule, build_optimizer

STAGE = load_experiment("kmnist_cnn")
CASES = [
    (
        Adadelta(name="adadelta", learning_rate=0.7, rho=0.9, epsilon=1e-6),
        lambda: keras.optimizers.Adadelta(0.7, rho=0.9, epsilon=1e-6),
    ),
    (
        Adam(name="adam", learning_rate=0.01, weight_decay=0.0, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
        lambda: keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
    ),
    (
        AdamW(name="adamw", learning_rate=0.01, weight_decay=0.1, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
    ),
    (
        Sgd(name="sgd", learning_rate=0.01, weight_decay=0.0, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
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


@pytest.mark.parametrize(
    "config",
    [
        Sgd(name="sgd", learning_rate=0.1, weight_decay=0.05, momentum=0.9, nesterov=False),
        Adam(name="adam", learning_rate=0.01, weight_decay=0.05, beta_1=0.9, beta_2=0.999, epsilon=1e-8),
    ],
    ids=lambda config: config.name,
)
def test_coupled_decay_equals_an_l2_penalty_of_half_its_size(config):
    """EXPERIMENTS 6.2: the gradient of (w/2) v^2 is w v, for biases as for kernels."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 6)).astype("float32"), rng.normal(size=(32, 3)).astype("float32")
    start = [rng.normal(size=(6, 3)).astype("float32"), rng.normal(size=3).astype("float32")]
    results = []
    for decay in (config.weight_decay, 0.0):
        penalty = keras.regularizers.L2(config.weight_decay / 2) if not decay else None
        layer = keras.layers.Dense(3, kernel_regularizer=penalty, bias_regularizer=penalty)
        model = keras.Sequential([keras.Input((6,)), layer])
        model.set_weights(start)
        optimizer = config.model_copy(update={"weight_decay": decay})
        model.compile(build_optimizer(STAGE.model_copy(update={"optimizer": optimizer}), 10), "mse", jit_compile=False)
        for _ in range(3):
            model.train_on_batch(x, y)
        results.append(model.get_weights())
    for coupled, penalised, initial in zip(*results, start, strict=True):
        np.testing.assert_allclose(coupled, penalised, rtol=1e-5, atol=1e-6)
        assert np.abs(coupled - initial).max() > 0.02


@pytest.mark.parametrize(
    "config",
    [config for config, _ in CASES] + [KMeans(name="kmeans", restarts=1, max_iterations=1)],
    ids=lambda config: config.name,
)
def test_the_state_of_a_later_stage_has_the_same_names(config):
    """A process that goes on with the second stage has made no optimizer for the first one."""
    stage = STAGE.model_copy(update={"optimizer": config})
    assert build_optimizer(stage, 10).name == build_optimizer(stage, 10).name
