"""A linear support vector machine on features, kept as the weights of the network's last layer."""

from __future__ import annotations

import keras
import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from kerasexp.config.schema import LinearSvm
from kerasexp.data.dataset import Split
from kerasexp.data.pipeline import evaluation_batches
from kerasexp.errors import UsageError


def solve_last_layer(model: keras.Model, split: Split, svm: LinearSvm, seed: int) -> None:
    """Fits scikit-learn's `LinearSVC` on standardised features and folds both into the last layer's weights.

    The layer's outputs before its softmax become the decision values (with two classes minus and plus half of it), so
    the classes are the machine's own; its probabilities are no calibrated ones.

    Args:
        model: ends in a Dense layer and a softmax.
        split: training images, or features that the model takes.
        svm: the settings.
        seed: of the solver's order.

    Raises:
        UsageError: if the network ends otherwise.
    """
    *_, last, end = model.layers
    if not isinstance(last, keras.layers.Dense) or not isinstance(end, keras.layers.Softmax):
        raise UsageError(f"linear_svm solves a Dense layer before the softmax; {model.name} does not end so.")
    # its input in this model: the layer may also belong to the whole network, and has one there too
    _, node, _ = model.output._keras_history
    (logits,) = end._inbound_nodes[node].input_tensors
    _, node, _ = logits._keras_history
    (inputs,) = last._inbound_nodes[node].input_tensors
    network = keras.Model(model.input, inputs)
    batches = evaluation_batches(split, last.units, batch_size=64)
    features = np.concatenate([network(x, training=False).numpy() for x, _ in batches]).astype(np.float64)
    scaler = StandardScaler().fit(features)
    machine = LinearSVC(C=svm.c, max_iter=svm.max_iterations, random_state=seed)
    machine.fit(scaler.transform(features), split.y)
    kernel = (machine.coef_ / scaler.scale_).T
    bias = machine.intercept_ - scaler.mean_ @ kernel
    if len(machine.classes_) == 2:
        kernel, bias = np.hstack([-kernel / 2, kernel / 2]), np.concatenate([-bias / 2, bias / 2])
    last.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
