"""What a stage trains, and what it leaves alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasexp.errors import UsageError
from kerasexp.training.stages import changing_weights, freeze, frozen_part
from tests.training.examples import branched_network, images, stage


def names(parts):
    return [part.name for part in parts]


def test_all_that_a_layer_stands_on_is_frozen():
    model = branched_network()
    assert names(frozen_part(model, stage())) == []
    frozen = set(names(frozen_part(model, stage(trainable_from="dense"))))
    assert frozen == {"image", "rescaling", "left", "right", "bn", "joined", "features", "dropout"}
    # a branch beside the one that is named stays trainable
    assert "left" not in names(frozen_part(model, stage(trainable_from="bn")))


def test_an_unknown_layer_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match='no layer "dens".*Did you mean "dense"'):
        frozen_part(branched_network(), stage(trainable_from="dens"))


@pytest.mark.parametrize("batch_norm", ["frozen", "adapting"])
def test_frozen_batch_norm_stays_and_adapting_batch_norm_follows_its_batches(batch_norm):
    model = branched_network()
    part = stage(trainable_from="dense", batch_norm=batch_norm)
    freeze(model, part, constant=())
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    before = {weight.path: np.array(weight) for weight in model.weights}
    split = images(16)
    model.train_on_batch(split.x, split.y)
    changed = {path for path, value in before.items() if not np.array_equal(value, _by_path(model)[path])}
    statistics = {"bn/moving_mean", "bn/moving_variance"} if batch_norm == "adapting" else set()
    assert changed == {"dense/kernel", "dense/bias", "logits/kernel", "logits/bias"} | statistics
    kept = {weight.path for weight in changing_weights(model, [part], ())}
    assert changed <= kept
    assert not {"left/kernel", "right/kernel"} & kept


def test_a_later_stage_trains_what_an_earlier_one_froze():
    model = branched_network()
    head, everything = stage(trainable_from="dense"), stage()
    freeze(model, head, ())
    assert len(model.trainable_weights) == 4
    freeze(model, everything, ())
    assert len(model.trainable_weights) == 9
    assert len(changing_weights(model, [head], ())) == 4
    assert len(changing_weights(model, [head, everything], ())) == len(model.weights)


def test_constant_layers_are_trained_in_no_stage():
    model = branched_network()
    freeze(model, stage(), constant=["left"])
    assert not model.get_layer("left").trainable
    assert "left/kernel" not in {weight.path for weight in changing_weights(model, [stage()], ["left"])}


def _by_path(model):
    return {weight.path: np.array(weight) for weight in model.weights}
