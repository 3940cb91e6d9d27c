"""One generation at a time, whole or not at all."""

from __future__ import annotations

import resource

import keras
import numpy as np
import pytest

from kerasexp.errors import DataError
from kerasexp.training.state import Position, StateFolder, frozen_digest, variables_of


def small_model(width: int = 8) -> keras.Model:
    keras.backend.clear_session()  # names count from the start again, as in a new process
    image = keras.Input((4,), name="image")
    x = keras.layers.Dropout(0.5, name="dropout")(keras.layers.Dense(width, name="dense")(image))
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="out")(x))
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.random((6, 4)), np.eye(2)[rng.integers(0, 2, 6)])
    return model


def stopping(**counters) -> keras.callbacks.EarlyStopping:
    callback = keras.callbacks.EarlyStopping()
    callback.__dict__.update(counters)
    return callback


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path / "state")


def test_everything_comes_back(state):
    model = small_model()
    position = Position(epoch=3, step=7, images_seen=99, seconds=1.5, best_epoch=2, best_value=0.1)
    best = [np.full((2, 2), 5.0)]
    state.save(variables_of(model), [stopping(wait=4, best=np.float32(0.25))], position, best)
    before = [variable.numpy().copy() for variable in variables_of(model)]
    other, watcher = small_model(), stopping()
    other.train_on_batch(np.ones((6, 4)), np.eye(2)[[0] * 6])
    assert state.load_position() == position
    restored = state.restore(variables_of(other), [watcher])
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, variables_of(other), strict=True))
    assert (watcher.wait, watcher.best) == (4, 0.25)
    assert np.array_equal(restored[0], best[0])


def test_it_holds_weights_slots_metrics_and_dropout_generators():
    paths = [variable.path for variable in variables_of(small_model())]
    parts = ("dense/kernel", "seed_generator_state", "momentum", "iteration", "learning_rate", "loss/total", "accuracy")
    for part in parts:
        assert any(part in path for path in paths), part
    assert len(paths) == len(set(paths))


def test_only_the_newest_generation_and_its_best_weights_stay(state):
    model = small_model()
    for epoch in (1, 2, 3):
        state.save(variables_of(model), [], Position(epoch=epoch, best_epoch=epoch, best_value=0.0), [np.ones(2)])
    assert sorted(path.name for path in state.folder.iterdir()) == ["000003", "best-0-000003.npz"]
    assert state.load_position().epoch == 3


def test_nothing_saved_is_no_position(state):
    assert state.load_position() is None


def test_a_full_disk_leaves_the_last_good_state(state):
    """A file size limit of the operating system cuts the second save short."""
    state.save(variables_of(small_model()), [], Position(epoch=1), None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    large = small_model(width=20_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            state.save(variables_of(large), [], Position(epoch=2), None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in state.folder.iterdir()] == ["000001"]
    assert state.load_position().epoch == 1
    state.restore(variables_of(small_model()), [])


def test_a_damaged_state_is_refused(state):
    state.save(variables_of(small_model()), [], Position(epoch=1), None)
    file = state.folder / "000001" / "variables.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"variables\.npz is damaged"):
        state.restore(variables_of(small_model()), [])


def test_a_state_that_lacks_a_file_is_refused(state):
    position = Position(epoch=1, best_epoch=1, best_value=0.5)
    state.save(variables_of(small_model()), [], position, [np.ones(2)])
    for name in ("best-0-000001.npz", "000001/variables.npz"):
        (state.folder / name).unlink()
        for read in (state.weights, lambda: state.restore(variables_of(small_model()), [])):
            with pytest.raises(DataError, match=f"{name} is missing: the saved state is damaged"):
                read()


def test_the_state_of_another_network_is_refused(state):
    state.save(variables_of(small_model()), [], Position(epoch=1), None)
    with pytest.raises(DataError, match="belongs to another network"):
        state.restore(variables_of(small_model(width=9)), [])


def test_the_state_of_another_version_is_refused(state):
    state.save(variables_of(small_model()), [], Position(epoch=1), None)
    file = state.folder / "000001" / "state.json"
    file.write_text(file.read_text().replace('"images_seen"', '"pictures_seen"'))
    with pytest.raises(DataError, match="another version"):
        state.load_position()


def test_frozen_weights_must_be_the_same_again(state):
    model = small_model()
    changing = model.get_layer("out").weights
    state.frozen = frozen_digest(model, changing)
    state.save(variables_of(model, changing), [], Position(), None)
    model.get_layer("out").kernel.assign_add(np.ones((8, 2)))
    assert frozen_digest(model, changing) == state.frozen
    state.restore(variables_of(model, changing), [])
    model.get_layer("dense").bias.assign_add(np.ones(8))
    state.frozen = frozen_digest(model, changing)
    with pytest.raises(DataError, match="other frozen weights"):
        state.restore(variables_of(model, changing), [])
