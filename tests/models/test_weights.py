"""Weights files: found, loaded, described; and what is wrong with one is said in one message."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from kerasexp import files
from kerasexp.errors import DataError, UsageError
from kerasexp.models import network, weights
from kerasexp.models.weights import find_weights, load_pretrained

SHAPE = (32, 32, 3)


def build(alpha: float = 0.35, layout: str = "keras") -> keras.Model:
    return network("mobilenet_v2.mobilenet_v2")(SHAPE, 3, layout=layout, alpha=alpha, input_size=None)


@pytest.fixture(scope="module")
def ours():
    return build()


@pytest.fixture(scope="module")
def theirs():
    """Keras' own network, with weights drawn at random and statistics as a training leaves them."""
    model = keras.applications.MobileNetV2(SHAPE, alpha=0.35, include_top=False, weights=None)
    generator = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([generator.random(weight.shape).astype("float32") for weight in layer.weights])
    return model


@pytest.fixture(scope="module")
def saved(theirs, tmp_path_factory):
    """The same weights in every form in which Keras has written them."""
    folder = tmp_path_factory.mktemp("weights")
    theirs.save_weights(folder / "new.weights.h5")
    theirs.save(folder / "whole.h5")
    with h5py.File(folder / "whole.h5") as whole, h5py.File(folder / "old.h5", "w") as old:
        root = whole["model_weights"]
        old.attrs.update(root.attrs)
        for name in root:
            root.copy(name, old)
    with h5py.File(folder / "old.h5") as old, h5py.File(folder / "renamed.h5", "w") as renamed:
        names = [name.decode() if isinstance(name, bytes) else name for name in old.attrs["layer_names"]]
        renamed.attrs["layer_names"] = [f"old_{name}" for name in names]
        for name in names:
            old.copy(name, renamed, f"old_{name}")
    return folder


@pytest.fixture(scope="session")
def real(data_dir):
    """The folder of real ImageNet weights."""
    folder = data_dir / "weights"
    if not folder.is_dir():
        pytest.skip("needs real weights in the data folder's weights/")
    return folder


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [array.copy() for array in model.get_weights()]


def unchanged(before: list[np.ndarray], model: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("name", ["new.weights.h5", "whole.h5", "old.h5", "renamed.h5"])
def test_every_form_of_keras_is_read(ours, theirs, saved, name):
    for layer in (ours.get_layer("Conv1"), ours.get_layer("logits")):
        layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])
    card = load_pretrained(ours, "mobilenet_v2", saved / name)
    for layer in theirs.layers:
        if layer.weights:
            for a, b in zip(ours.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    assert not ours.get_layer("logits").kernel.numpy().any()  # the head is no part of it
    assert card["sha256"] == files.file_digest(saved / name)
    assert (card["official"], card["folded"]) == (False, False)
    assert card["altered"] == "not the publisher's own file"


def test_a_half_downloaded_file(ours, saved, tmp_path):
    content = (saved / "new.weights.h5").read_bytes()
    before = weights_of(ours)
    for part in (0.0, 0.001, 0.5, 0.99):
        path = tmp_path / "part.weights.h5"
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(DataError, match="damaged or no HDF5 file"):
            load_pretrained(ours, "mobilenet_v2", path)
    assert unchanged(before, ours)


def test_garbage_and_other_kinds_of_files(ours, tmp_path):
    garbage = tmp_path / "garbage.weights.h5"
    garbage.write_bytes(np.random.default_rng(0).bytes(10_000))
    (tmp_path / "page.h5").write_text("<html>404</html>")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = np.arange(3)
    for name in ("garbage.weights.h5", "page.h5", "other.h5"):
        with pytest.raises(DataError, match="damaged or no HDF5 file of Keras"):
            load_pretrained(ours, "mobilenet_v2", tmp_path / name)
    with pytest.raises(DataError, match="weights convert"):
        load_pretrained(ours, "mobilenet_v2", tmp_path / "alexnet.pth")
    with pytest.raises(DataError, match="is missing"):
        load_pretrained(ours, "mobilenet_v2", tmp_path / "none.h5")


def layers_file(path: Path, names: list[str]) -> Path:
    with h5py.File(path, "w") as file:
        for number, name in enumerate(names):
            group = file.create_group(f"layers/layer_{number}/vars")
            group.attrs["name"] = name
            group["0"] = np.zeros((3, 3, 3, 4), "float32")
    return path


def test_weights_of_another_network(ours, saved, tmp_path):
    vgg16 = network("vgg16.vgg16")(SHAPE, 3, input_size=None, features="block1_pool")
    with pytest.raises(DataError, match=r"no layer block1_conv1 \(2 of 2 are missing\).*vgg16"):
        load_pretrained(vgg16, "vgg16", saved / "new.weights.h5")
    # VGG19 has all layers of VGG16, in the same shapes, and three more
    names = [*weights.BACKBONES["vgg16"].all_layers, "block3_conv4"]
    with pytest.raises(DataError, match="another network: vgg16 has no layer block3_conv4"):
        load_pretrained(vgg16, "vgg16", layers_file(tmp_path / "vgg19.weights.h5", names))


def test_weights_of_another_shape_change_nothing(tmp_path):
    vgg16 = network("vgg16.vgg16")(SHAPE, 3, input_size=None, features="block1_pool")
    before = weights_of(vgg16)
    path = layers_file(tmp_path / "narrow.weights.h5", list(weights.BACKBONES["vgg16"].all_layers))
    with pytest.raises(DataError, match=r"block1_conv1 has the shapes \[\(3, 3, 3, 4\)\].*another width"):
        load_pretrained(vgg16, "vgg16", path)
    assert unchanged(before, vgg16)


def altered(saved: Path, path: Path, change) -> Path:
    shutil.copy(saved / "new.weights.h5", path)
    with h5py.File(path, "r+") as file:
        found = next(group["vars"] for group in file["layers"].values() if group["vars"].attrs["name"] == "Conv1")
        change(found)
    return path


def test_values_that_are_no_plain_numbers(ours, saved, tmp_path):
    def nan(group):
        group["0"][0, 0, 0, 0] = np.nan

    def integers(group):
        del group["0"]
        group["0"] = np.zeros((3, 3, 3, 16), "int32")

    def soft_link(group):
        del group["0"]
        group["0"] = h5py.SoftLink("/layers")

    def external_link(group):
        del group["0"]
        group["0"] = h5py.ExternalLink(str(saved / "old.h5"), "/Conv1")

    def external_data(group):
        del group["0"]
        size = 3 * 3 * 3 * 16 * 4
        group.create_dataset("0", (3, 3, 3, 16), "float32", external=[(str(saved / "old.h5"), 0, size)])

    cases = ((nan, "no numbers"), (integers, "no plain array"), (soft_link, "links to"), (external_link, "links to"))
    for change, message in (*cases, (external_data, "no plain array")):
        with pytest.raises(DataError, match=message):
            load_pretrained(ours, "mobilenet_v2", altered(saved, tmp_path / f"{change.__name__}.weights.h5", change))


def test_networks_that_the_weights_are_not_for(ours, saved):
    with pytest.raises(UsageError, match="no layers of vgg16"):
        load_pretrained(ours, "vgg16", saved / "new.weights.h5")
    with pytest.raises(UsageError, match='Did you mean "vgg16"'):
        load_pretrained(ours, "vgg61", saved / "new.weights.h5")
    with pytest.raises(UsageError, match="layout: keras"):
        load_pretrained(build(layout="torchvision"), "mobilenet_v2", saved / "new.weights.h5")


def test_where_files_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    keras_name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    places = [  # in the order of preference
        tmp_path / "data" / "weights" / "mobilenet_v2_0.35_224_notop.weights.h5",
        tmp_path / "data" / "weights" / keras_name,
        tmp_path / "home" / "models" / keras_name,
    ]
    for place in reversed(places):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
        assert find_weights("mobilenet_v2", "imagenet", tmp_path / "data", offline=True, alpha=0.35) == place
    own = tmp_path / "own.h5"
    own.write_bytes(b"")
    assert find_weights("vgg16", str(own), tmp_path, offline=True) == own


def test_missing_files_are_exit_3_and_say_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    for backbone, wanted in (
        ("vgg16", ["vgg16_notop.weights.h5", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "--offline"]),
        ("mobilenet_v2", ["mobilenet_v2_1.0_224_notop.weights.h5", "_1.0_224_no_top.h5"]),
        ("resnet50", ["resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"]),
        ("alexnet", ["alexnet-owt-7be5be79.pth", "kerasexp weights convert alexnet"]),
    ):
        with pytest.raises(DataError) as error:
            find_weights(backbone, "imagenet", tmp_path, offline=True)
        assert error.value.exit_code == 3
        for words in (*wanted, str(tmp_path / "weights"), "--weights random"):
            assert words in str(error.value)
    with pytest.raises(DataError, match=r"no weights file .*nothing\.h5"):
        find_weights("vgg16", tmp_path / "nothing.h5")
    with pytest.raises(UsageError, match=r"alpha 0\.35, 0\.5"):
        find_weights("mobilenet_v2", "imagenet", tmp_path, alpha=0.4)
    with pytest.raises(UsageError, match="Valid: alexnet"):
        find_weights("vgg19", "imagenet", tmp_path)


def test_a_missing_file_is_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    server = tmp_path / "server"
    (server / "mobilenet_v2").mkdir(parents=True)
    (server / "mobilenet_v2" / name).write_bytes(b"weights" * 1000)
    (server / "vgg16").mkdir()
    vgg16 = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    (server / "vgg16" / vgg16).write_bytes(b"half of it")
    monkeypatch.setattr(weights, "KERAS_FILES", f"{server.as_uri()}/")
    path = find_weights("mobilenet_v2", "imagenet", tmp_path / "data")
    assert path == tmp_path / "data" / "weights" / name
    assert path.read_bytes() == b"weights" * 1000
    assert capsys.readouterr().out == ""
    with pytest.raises(DataError, match="cannot be fetched.*vgg16_notop"):  # its checksum is another
        find_weights("vgg16", "imagenet", tmp_path / "data")
    assert [file.name for file in (tmp_path / "data" / "weights").iterdir()] == [name]


def test_the_name_is_no_proof_where_no_checksum_is_published(ours, saved, tmp_path):
    path = tmp_path / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    shutil.copy(saved / "old.h5", path)
    card = load_pretrained(ours, "mobilenet_v2", path)
    assert (card["official"], card["origin"], card["altered"]) == (False, "unverified", "")
    shutil.copy(saved / "old.h5", tmp_path / "mobilenet_v2_0.35_224_notop.weights.h5")
    card = load_pretrained(ours, "mobilenet_v2", tmp_path / "mobilenet_v2_0.35_224_notop.weights.h5")
    assert (card["official"], card["origin"]) == (False, "unknown")


def vgg16_file(path: Path, seed: int = 0) -> Path:
    """Weights of the right shapes, drawn at random."""
    theirs = network("vgg16.vgg16")(SHAPE, 3, input_size=None, features="block1_pool")
    generator = np.random.default_rng(seed)
    names = weights.BACKBONES["vgg16"].all_layers
    with h5py.File(path, "w") as file:
        for number, name in enumerate(names):
            group = file.create_group(f"layers/layer_{number}/vars")
            group.attrs["name"] = name
            shapes = [w.shape for w in theirs.get_layer(name).weights] if number < 2 else [(1,), (1,)]
            for place, shape in enumerate(shapes):
                group[str(place)] = generator.normal(size=shape).astype("float32")
    return path


def test_random_weights_under_the_name_of_published_ones_are_of_unknown_origin(tmp_path, monkeypatch):
    model = network("vgg16.vgg16")(SHAPE, 3, input_size=None, features="block1_pool")
    path = vgg16_file(tmp_path / "vgg16_notop.weights.h5")
    assert load_pretrained(model, "vgg16", path)["origin"] == "unknown"
    # the same numbers, rounded to 16 bits, are known again
    digests = [
        weights._rounded_digest(model.get_layer(name).get_weights()) for name in ("block1_conv1", "block1_conv2")
    ]
    known = dataclasses.replace(weights.BACKBONES["vgg16"], rounded=(*digests, *["0" * 16] * 11))
    monkeypatch.setattr(weights, "BACKBONES", {"vgg16": known})
    with h5py.File(path, "r+") as file:
        for number in range(2):
            kernel = file[f"layers/layer_{number}/vars/0"]
            kernel[...] = kernel[...].astype("float16").astype("float32")
    card = load_pretrained(model, "vgg16", path)
    assert (card["official"], card["origin"]) == (False, "rounded")
    assert load_pretrained(model, "vgg16", vgg16_file(tmp_path / "other.h5", seed=1))["origin"] == "unknown"


def pictures(data_dir: Path, size: int) -> np.ndarray:
    folder = data_dir / "alien_vs_predator" / "validation"
    paths = [sorted((folder / name).iterdir())[0] for name in ("alien", "predator")]
    return np.stack([np.asarray(Image.open(path).convert("RGB").resize((size, size))) for path in paths])


def test_real_vgg16_is_as_keras_has_it(real, data_dir):
    path = find_weights("vgg16", "imagenet", data_dir, offline=True)
    model = network("vgg16.vgg16")((64, 64, 3), 3, input_size=None)
    card = load_pretrained(model, "vgg16", path)
    assert card["altered"] == "not the publisher's own file, kernels rounded to 16 bits"
    assert card["origin"] == "rounded"
    x = pictures(data_dir, 64)
    features = np.asarray(keras.Model(model.input, model.get_layer("features").output)(x))
    theirs = keras.applications.VGG16(include_top=False, weights=path, input_shape=(64, 64, 3))
    maps = np.asarray(theirs(keras.applications.vgg16.preprocess_input(x.astype("float32"))))
    np.testing.assert_allclose(features, maps.mean(axis=(1, 2)), rtol=1e-3, atol=1e-3)
    assert np.isfinite(features).all()
    assert features.max() > 1


@pytest.mark.parametrize(("alpha", "folded"), [(0.35, False), (1.0, True)])
def test_real_mobilenet_v2(real, data_dir, alpha, folded):
    path = find_weights("mobilenet_v2", "imagenet", data_dir, offline=True, alpha=alpha)
    model = network("mobilenet_v2.mobilenet_v2")((96, 96, 3), 3, alpha=alpha, input_size=None)
    card = load_pretrained(model, "mobilenet_v2", path)
    assert card["folded"] == folded
    assert ("folded" in card["altered"]) == folded
    if not folded:  # the other one takes as long
        features = np.asarray(keras.Model(model.input, model.get_layer("features").output)(pictures(data_dir, 96)))
        assert np.isfinite(features).all()
        assert features.max() > 1


@pytest.mark.slow
def test_resnet50_is_loaded(tmp_path):
    theirs = keras.applications.ResNet50(include_top=False, weights=None, input_shape=SHAPE)
    theirs.save_weights(tmp_path / "resnet50_notop.weights.h5")
    model = network("transfer.classifier")(SHAPE, 2, backbone="resnet50", input_size=None)
    load_pretrained(model, "resnet50", tmp_path / "resnet50_notop.weights.h5")
    kernel = model.get_layer("conv5_block3_3_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel, theirs.get_layer("conv5_block3_3_conv").get_weights()[0])
