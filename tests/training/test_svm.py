"""The support vector machine as the network's last layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from kerasexp.config.schema import LinearSvm
from kerasexp.data.dataset import Split
from kerasexp.errors import UsageError
from kerasexp.training.svm import solve_last_layer
from tests.training.examples import branched_network, images

SVM = LinearSvm(name="linear_svm", c=0.5, max_iterations=10_000)


def features_of(model, x):
    return keras.Model(model.input, model.get_layer("dense").output)(x).numpy().astype("float64")


@pytest.mark.parametrize("classes", [2, 3])
def test_the_network_decides_as_scikit_learn_does(classes):
    model, split = branched_network(), images(60)
    if classes == 2:
        x = keras.layers.Dense(2, name="two")(model.get_layer("dense").output)
        model = keras.Model(model.input, keras.layers.Softmax(name="end")(x))
        split = split.take(np.flatnonzero(split.y < 2))
    solve_last_layer(model, split, SVM, seed=0)
    scaler = StandardScaler().fit(features_of(model, split.x))
    machine = LinearSVC(C=0.5, max_iter=10_000, random_state=0).fit(
        scaler.transform(features_of(model, split.x)), split.y
    )
    fresh = images(50, seed=9)
    values = machine.decision_function(scaler.transform(features_of(model, fresh.x)))
    probabilities = model(fresh.x).numpy()
    assert np.array_equal(
        probabilities.argmax(1), machine.classes_[(values > 0).astype(int) if classes == 2 else values.argmax(1)]
    )
    if classes == 2:
        np.testing.assert_allclose(np.log(probabilities[:, 1] / probabilities[:, 0]), values, rtol=1e-3, atol=1e-3)


def test_a_network_that_ends_otherwise_is_refused():
    model = branched_network()
    short = keras.Model(model.input, model.get_layer("features").output)
    with pytest.raises(UsageError, match="does not end so"):
        solve_last_layer(short, Split(images(4).x, images(4).y, np.arange(4)), SVM, seed=0)
