"""Networks in every format give what the Keras model gives, opened by the formats' own runtimes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasexp.config.loading import experiment_names, load_experiment
from kerasexp.errors import DataError
from kerasexp.models import build
from kerasexp.models.exported import FORMATS, in_batches, load, model_outputs, open_exported
from kerasexp.models.exporting import add_card, write_model
from kerasexp.models.preprocessing import resized

CARD = {"class_names": ["a", "ñ", "か", "d"], "input": {}, "run": "20260101T000000-abc123"}


def small_network():
    """Preprocessing, an image operation, several outputs: what a plain classifier does not have."""
    image = keras.Input((6, 8, 3), name="image")
    x = keras.layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[50.0, 60.0, 70.0])(image)
    x = keras.layers.Flatten()(keras.ops.flip(x, axis=-1))
    code = keras.layers.Dense(3)(x)
    outputs = {"pixels": x, "embedding": code, "assignment": keras.layers.Softmax()(code)}
    return keras.Model(image, outputs, name="small")


def exported(model, name, folder):
    path = folder / ("model" + FORMATS[name].suffix)
    for module in (*FORMATS[name].opens, *FORMATS[name].writes):
        pytest.importorskip(module)
    write_model(model, name, path, CARD["class_names"])
    return path


def agrees(model, name, folder):
    """Writes the model and checks all outputs, the last batch smaller than those before."""
    images = np.random.default_rng(0).integers(0, 256, (7, *model.input_shape[1:]), dtype=np.uint8)
    expected = in_batches(model_outputs(model), images)
    path = exported(model, name, folder)
    outputs = in_batches(load(path, name).outputs, images, size=3)
    assert set(outputs) == set(expected)
    for key, values in expected.items():
        assert np.ptp(values, axis=0).max() > 1e-6, "all images give the same: the test says nothing"
        assert outputs[key].dtype == np.float32
        np.testing.assert_allclose(outputs[key], values, rtol=1e-4, atol=1e-5)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_all_outputs_of_a_small_network_and_the_card_inside(name, tmp_path):
    keras.utils.set_random_seed(0)
    path = agrees(small_network(), name, tmp_path)
    with pytest.raises(DataError, match="holds no card"):
        open_exported(path)
    add_card(path, name, CARD)
    assert open_exported(path).card == CARD


@pytest.mark.parametrize("name", FORMATS)
def test_images_are_resized_to_their_last_row_and_column(name, tmp_path):
    """40 pixels times 5.6 are 223.99999 where the scale is a float32."""
    keras.utils.set_random_seed(0)
    image = keras.Input((40, 28, 1), name="image")
    x = resized(image, 224)
    (tmp_path / name).mkdir()
    agrees(keras.Model(image, keras.layers.Conv2D(1, 224)(x), name="resizing"), name, tmp_path / name)


def test_a_saved_model_names_its_classes_to_any_program(tmp_path):
    import tensorflow as tf

    loaded = tf.saved_model.load(exported(small_network(), "savedmodel", tmp_path))
    names = loaded.signatures["class_names"]()["class_names"].numpy()
    assert [name.decode() for name in names] == CARD["class_names"]


def test_an_onnx_file_tells_its_input_outputs_and_classes(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = exported(small_network(), "onnx", tmp_path)
    add_card(path, "onnx", CARD)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    (image,) = model.graph.input
    assert image.name == "image"
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == ["batch", 6, 8, 3]
    assert {output.name for output in model.graph.output} == {"pixels", "embedding", "assignment"}
    assert '["a", "ñ", "か", "d"]' in [entry.value for entry in model.metadata_props if entry.key == "class_names"]


def experiments_of_every_network():
    """One experiment for each network and each of its backbones."""
    found = {}
    for name in experiment_names():
        config = load_experiment(name)
        found.setdefault((config.network, config.model.get("backbone"), config.model.get("layout")), name)
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("experiment", experiments_of_every_network())
def test_every_network(experiment, tmp_path):
    """Random weights and moving statistics, small images; the large dense layers are made narrower."""
    keras.utils.set_random_seed(0)
    config = load_experiment(experiment)
    settings = dict(config.model)
    if "input_size" in settings:
        settings["input_size"] = {"alexnet.alexnet": 96, "fusion.alexnet_mobilenet_v2": 224}.get(config.network, 64)
    if config.network in ("alexnet.alexnet", "fusion.alexnet_mobilenet_v2"):
        settings["dense"] = (64, 32)
    shape = (28, 28, 1) if "mnist" in experiment else (40, 40, 3)
    model = build(config.model_copy(update={"model": settings}), shape, 4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(keras.random.uniform(layer.moving_variance.shape, 0.05, 0.2))
    for name in FORMATS:
        (tmp_path / name).mkdir()
        agrees(model, name, tmp_path / name)
