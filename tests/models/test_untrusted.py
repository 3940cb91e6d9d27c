"""Models of strangers: what is built in loads, everything else is refused before Keras sees it."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from kerasexp.errors import DataError
from kerasexp.models.built_in import RefusedModel
from kerasexp.models.saved import save_model
from kerasexp.models.untrusted import load_untrusted

MOST = 50_000_000


@pytest.fixture
def model():
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax", name="scores")]
    )


@pytest.fixture
def path(model, tmp_path):
    model.compile("adam", "categorical_crossentropy")
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def rewritten(path: Path, change=lambda members: None) -> Path:
    """The archive with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_layer(path: Path, **changes) -> Path:
    """The archive with another description of its last layer."""

    def change(members):
        config = json.loads(members["config.json"])
        config["config"]["layers"][-1].update(changes)
        members["config.json"] = json.dumps(config)

    return rewritten(path, change)


def refused(path: Path, most: int = MOST) -> str:
    with pytest.raises(RefusedModel) as error:
        load_untrusted(path, most)
    return str(error.value)


def test_a_model_of_plain_keras_loads(model, path):
    loaded, card = load_untrusted(path, MOST)
    x = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    assert np.array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))
    assert card is None


def test_a_model_of_kerasexp_loads_with_its_card(model, tmp_path):
    save_model(model, tmp_path / "model.keras", ["a", "b", "c"], epoch=3)
    assert load_untrusted(tmp_path / "model.keras", MOST)[1] == {"class_names": ["a", "b", "c"], "epoch": 3}


def test_how_it_was_trained_does_not_matter(path):
    def change(members):
        config = json.loads(members["config.json"])
        config["compile_config"] = {"loss": {"module": "__main__", "class_name": "MyLoss", "config": {}}}
        members["config.json"] = json.dumps(config)

    load_untrusted(rewritten(path, change), MOST)


def test_layers_that_keras_has_but_few_use_load(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.ops.flip(image, axis=-1)
    x = keras.layers.RandomFlip()(x)
    x = keras.layers.Conv2D(4, 3, activation=keras.activations.gelu, kernel_regularizer=keras.regularizers.L2(0.1))(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4))(keras.layers.Reshape((36, 4))(x))
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    inner.compile("sgd", "mse")
    keras.Model(image, inner(x)).save(tmp_path / "model.keras")
    assert load_untrusted(tmp_path / "model.keras", MOST)[0].output_shape == (None, 2)


def test_a_lambda_layer_is_refused_by_name(tmp_path):
    marker = str(tmp_path / "was_here")
    layer = keras.layers.Lambda(lambda x: [open(marker, "w").close(), x][1], name="sneaky")
    keras.Sequential([keras.Input((2,)), layer]).save(tmp_path / "model.keras")
    Path(marker).unlink()  # building it ran it here
    assert "'sneaky' (Lambda) holds code, which is never run" in refused(tmp_path / "model.keras")
    assert not Path(marker).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "__main__", "class_name": "MyDense", "registered_name": "Custom>MyDense"}, "custom code"),
        ({"module": "os", "class_name": "system", "registered_name": "system"}, "custom code"),
        ({"module": "keras.utils", "class_name": "get_file", "registered_name": None}, "custom code"),
        ({"module": "keras.layersx", "class_name": "Dense", "registered_name": None}, "custom code"),
        ({"module": "keras.utils", "class_name": "get_file", "registered_name": "kerasexp>Nothing"}, "custom code"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "registered_name": None}, "holds code"),
        ({"module": "keras.layers", "class_name": "StringLookup", "registered_name": None}, "may read files"),
        ({"config": {"activation": {"class_name": "__lambda__", "config": {"value": ["x"]}}}}, "holds code"),
        (
            {"config": {"activation": {"module": "evil", "class_name": "function", "config": "run"}}},
            "'run' (function) is custom code",
        ),
    ],
)
def test_custom_code_is_refused(path, changes, message):
    assert message in refused(with_layer(path, **changes))


@pytest.mark.parametrize(
    "name", ["payload.pkl", "../../evil.py", "/etc/evil", "assets/vocabulary.txt", "model.weights.npz"]
)
def test_what_is_no_part_of_a_model_is_refused_and_nothing_is_unpacked(path, name, tmp_path):
    class Payload:
        def __reduce__(self):
            return open, (str(tmp_path / "was_here"), "w")

    before = sorted(tmp_path.parent.rglob("*"))
    assert repr(name) in refused(rewritten(path, lambda members: members.update({name: pickle.dumps(Payload())})))
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_zip_bomb_is_refused(path):
    bomb = rewritten(path, lambda members: members.update({"model.weights.h5": bytes(MOST)}))
    assert bomb.stat().st_size < MOST / 100
    assert "unpack to 50," in refused(bomb)
    assert "unpack to" in refused(rewritten(path, lambda members: members.update({"config.json": b" " * 21_000_000})))


@pytest.mark.parametrize(
    "with_constants",
    [
        lambda image, constants: keras.ops.multiply(image, keras.ops.convert_to_tensor(constants)),
        lambda image, constants: keras.ops.multiply(image, constants),
        lambda image, constants: keras.layers.Rescaling(constants.tolist())(image),
    ],
)
def test_a_network_in_constants_is_refused(tmp_path, with_constants):
    image = keras.Input((8, 8, 1))
    for size, fits in ((10, True), (40, False)):
        constants = np.random.default_rng(0).random((8, 8, size), np.float32)
        keras.Model(image, with_constants(image, constants)).save(tmp_path / "m.keras")
        if fits:
            load_untrusted(tmp_path / "m.keras", MOST)
        else:
            said = refused(tmp_path / "m.keras")
            assert "its configuration holds 2,560 constant numbers, more than 1,000" in said


def weights(write) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: file.__setitem__("a", h5py.ExternalLink("/etc/passwd", "/")), "link to 'a'"),
        (lambda file: file.__setitem__("b", h5py.SoftLink("/c")), "link to 'b'"),
        (
            lambda file: file.create_dataset("c", (4,), "u1", external=[("/etc/passwd", 0, 4)]),
            "'c' lie in another file",
        ),
        (lambda file: file.create_dataset("d", (10**9,), "f4", chunks=(1000,)), "weights unpack to more"),
    ],
)
def test_weights_that_point_elsewhere_or_swell_are_refused(path, write, message):
    assert message in refused(rewritten(path, lambda members: members.update({"model.weights.h5": weights(write)})))


def test_deep_nesting_is_damage_not_a_crash(path):
    with pytest.raises(DataError, match="damaged"):
        load_untrusted(rewritten(path, lambda members: members.update({"config.json": "[" * 100_000})), MOST)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-500]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("hello"),
        lambda path: rewritten(path, lambda members: members.update({"config.json": b"{}"})),
        lambda path: rewritten(path, lambda members: members.update({"config.json": b"[]"})),
        lambda path: rewritten(path, lambda members: members.pop("config.json")),
        lambda path: rewritten(path, lambda members: members.update({"model.weights.h5": b"no weights"})),
        lambda path: with_layer(path, class_name="Dance"),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_file_is_named(path, damage):
    damage(path)
    with pytest.raises(DataError, match=r"model\.keras") as error:
        load_untrusted(path, MOST)
    assert not isinstance(error.value, RefusedModel)


def test_what_is_no_archive_is_called_so(path):
    path.write_text("hello")
    with pytest.raises(DataError, match=r"^model\.keras is damaged or no Keras 3 model: it is no zip archive\.$"):
        load_untrusted(path, MOST)
