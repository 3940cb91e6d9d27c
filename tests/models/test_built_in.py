"""What a configuration may name: whatever honest models hold, and no code, by any spelling."""

import json
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasexp.models
from kerasexp.config.loading import load_experiment
from kerasexp.errors import DataError
from kerasexp.models import build
from kerasexp.models.built_in import RefusedModel, check_configuration, load_built_in
from kerasexp.models.exported import open_exported
from kerasexp.models.saved import load_model, save_model

layers = keras.layers
HERE = Path("model.keras")


def configuration(model) -> dict:
    return json.loads(model.to_json())


@pytest.fixture(scope="module")
def honest():
    image = keras.Input((8, 8, 1))
    x = layers.Activation("relu", name="act")(image)
    return configuration(keras.Model(image, layers.Dense(3)(layers.Flatten()(x))))


def with_activation(config: dict, activation: dict, **arguments) -> dict:
    """The configuration with another activation, which is called once more with these arguments."""
    config = json.loads(json.dumps(config))
    layer = next(one for one in config["config"]["layers"] if one["config"]["name"] == "act")
    layer["config"]["activation"] = activation
    if arguments:
        layer["inbound_nodes"].append({"args": [], "kwargs": arguments})
    return config


def function(module, name, registered=None) -> dict:
    return {"class_name": "function", "module": module, "config": name, "registered_name": registered or name}


@pytest.mark.parametrize(
    "activation",
    [
        function("keras.layers", "TFSMLayer"),  # a class, which the layer would call with a path
        function("keras", "layers.TFSMLayer"),
        function("keras", "datasets.mnist.load_data"),
        function("keras.utils", "get_file"),
        function("builtins", "deserialize"),
        function("builtins", "eval"),
        function("builtins", "Adam"),
        function("keras.activations", "get"),
        function("keras.activations", ["relu"]),
        function("keras.activations", "relu", "kerasexp>DeepKMeans"),
        {"class_name": "layers.StringLookup", "module": "keras", "config": {}, "registered_name": None},
        {"class_name": "datasets", "module": "keras", "config": {}, "registered_name": None},
        {"class_name": "get", "module": "keras.activations", "config": {}, "registered_name": None},
        {"class_name": "Dense", "module": "keras.layers", "config": {}, "registered_name": "Custom>Dense"},
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": {}, "registered_name": "kerasexp>DeepKMeans"},
        {"class_name": "FeatureSpace", "module": "keras.src.layers.preprocessing.feature_space", "config": {}},
        {"class_name": "__lambda__", "config": {"value": "x"}},
    ],
)
def test_no_spelling_reaches_code(honest, activation):
    with pytest.raises(RefusedModel):
        check_configuration(HERE, with_activation(honest, activation, inputs="/somewhere"))


def test_a_layer_of_another_keras_is_said(honest):
    activation = {"class_name": "Dance", "module": "keras.layers", "config": {}, "registered_name": None}
    with pytest.raises(DataError, match=rf"of another Keras: {keras.__version__} has no keras\.layers\.Dance") as error:
        check_configuration(HERE, with_activation(honest, activation))
    assert not isinstance(error.value, RefusedModel)


@pytest.mark.parametrize(
    ("module", "name"), [("builtins", "relu"), ("keras.activations", "gelu"), ("builtins", "mean_squared_error")]
)
def test_functions_that_compute_are_known(honest, module, name):
    check_configuration(HERE, with_activation(honest, function(module, name)))


def test_no_way_in_runs_a_program_beside_the_file(tmp_path):
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, layers.Activation("relu", name="act")(image))
    save_model(model, tmp_path / "model.keras", [], run="r", input={})
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    program = function("keras.layers", "TFSMLayer")
    hostile = with_activation(json.loads(members["config.json"]), program, inputs=str(tmp_path / "program"))
    members["config.json"] = json.dumps(hostile).encode()
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    for way_in in (load_built_in, load_model, open_exported):
        with pytest.raises(RefusedModel, match="'TFSMLayer' \\(function\\) is custom code"):
            way_in(tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["kmnist_cnn", "kmnist_fcnn", "mnist_deep_kmeans_pretrained"])
def test_networks_of_kerasexp(name):
    check_configuration(HERE, configuration(build(load_experiment(name), (28, 28, 1), 10)))


def test_a_network_of_keras_applications():
    model = keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=2)
    check_configuration(HERE, configuration(model))


def test_rare_layers_and_operations(tmp_path):
    image = keras.Input((8, 8, 1))
    x = keras.ops.reshape(image, (-1, 8, 8))
    x, state, _ = layers.LSTM(4, return_state=True, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(4, kernel_constraint="max_norm"))(x)
    x = keras.ops.concatenate([x, state], axis=-1)
    a, b = keras.ops.split(x, 2, axis=1)
    x = layers.Dense(6, activation=layers.LeakyReLU(0.2), kernel_initializer=keras.initializers.HeNormal(1))(a * b + 1)
    x = keras.ops.softmax(keras.ops.where(x > 0, x, -x)[:, 1:], axis=-1)
    keras.Model(image, x).save(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    expected = keras.Model(image, x).predict_on_batch(images)
    assert np.array_equal(load_built_in(tmp_path / "model.keras").predict_on_batch(images), expected)


def test_layers_of_kerasexp_are_known_in_a_process_that_has_not_imported_them(tmp_path, monkeypatch):
    model = build(load_experiment("mnist_deep_kmeans_pretrained"), (28, 28, 1), 10)
    save_model(model.assigner, tmp_path / "clusters.keras", ["a"], run="r", input={})
    for name in [name for name in keras.saving.get_custom_objects() if name.startswith("kerasexp>")]:
        monkeypatch.delitem(keras.saving.get_custom_objects(), name)
    monkeypatch.delitem(sys.modules, "kerasexp.models.deep_kmeans")
    monkeypatch.delattr(kerasexp.models, "deep_kmeans")
    assert open_exported(tmp_path / "clusters.keras").card["class_names"] == ["a"]
