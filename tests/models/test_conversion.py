"""AlexNet out of torchvision's file: the same outputs as PyTorch's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.models import network
from kerasexp.models.conversion import ALEXNET_LAYERS, alexnet_arrays, convert_alexnet
from kerasexp.models.weights import find_weights, load_pretrained

NUMBERS = Path(__file__).parent / "numbers"
SHAPES = {  # torchvision's state dictionary, in its order
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
    "classifier.1": (4096, 9216),
    "classifier.4": (4096, 4096),
    "classifier.6": (1000, 4096),
}


def state_dict(draw_dense: bool) -> dict[str, np.ndarray]:
    """The weights that benchmarks/torch_numbers.py gave to PyTorch; zeros for the dense layers unless wanted."""
    generator = np.random.default_rng(7)
    tensors = {}
    for name, shape in SHAPES.items():
        for part in (shape, shape[:1]):
            key = f"{name}.{'weight' if len(part) > 1 else 'bias'}"
            if name.startswith("classifier") and not draw_dense:
                tensors[key] = np.zeros(part, "float32")
                continue
            values = generator.standard_normal(part, np.float32)
            tensors[key] = values * np.float32(np.sqrt(2 / np.prod(part[1:]))) if len(part) > 1 else values
    return tensors


def image() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (1, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def numbers():
    return files.read_npz(NUMBERS / "alexnet.npz")


def test_features_are_those_of_pytorch(numbers):
    arrays = alexnet_arrays(state_dict(draw_dense=False), Path("alexnet.pth"))
    model = network("alexnet.alexnet")((224, 224, 3), 10, dense=(2, 2))
    for name in ALEXNET_LAYERS:
        if "conv" in name:
            model.get_layer(name).set_weights(arrays[name])
    maps = np.asarray(keras.Model(model.input, model.get_layer("alexnet_pool5").output)(image()))[0]
    expected = numbers["features"].transpose(1, 2, 0)
    assert expected.std() > 0.1
    np.testing.assert_allclose(maps, expected, atol=1e-4 * expected.max())


def test_the_first_dense_layer_reads_maps_channels_last():
    tensors = state_dict(draw_dense=False)
    weight = tensors["classifier.1.weight"]
    weight[5] = np.arange(9216)  # unit 5 weighs each input with its place in PyTorch's order
    kernel, _ = alexnet_arrays(tensors, Path("alexnet.pth"))["alexnet_dense1"]
    places = np.arange(9216, dtype="float32").reshape(256, 6, 6)
    np.testing.assert_array_equal(kernel[:, 5].reshape(6, 6, 256), places.transpose(1, 2, 0))
    assert not kernel[:, :5].any()


def test_tensors_of_another_network():
    tensors = state_dict(draw_dense=False)
    path = Path("alexnet.pth")
    with pytest.raises(DataError, match=r"lacks classifier\.6\.weight"):
        alexnet_arrays({name: array for name, array in tensors.items() if name != "classifier.6.weight"}, path)
    with pytest.raises(DataError, match=r"has also bn\.weight"):
        alexnet_arrays({**tensors, "bn.weight": np.zeros(3)}, path)
    with pytest.raises(DataError, match=r"classifier\.6\.weight has the shape \(10, 4096\).*1,000 classes"):
        alexnet_arrays(
            {**tensors, "classifier.6.weight": np.zeros((10, 4096)), "classifier.6.bias": np.zeros(10)}, path
        )
    with pytest.raises(DataError, match="of another network"):
        convert_alexnet(NUMBERS / "state_dict.pth", Path("never.weights.h5"))


def write_pth(tensors: dict[str, np.ndarray], path: Path) -> None:
    """A file as `torch.save` writes it (compare pickletools.dis of numbers/state_dict.pth)."""

    def text(word: str) -> bytes:
        return b"X" + len(word).to_bytes(4, "little") + word.encode()

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"J" + value.to_bytes(4, "little") for value in values) + b"t"

    ordered = b"ccollections\nOrderedDict\n)R"
    pickled = b"\x80\x02" + ordered + b"("
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, array) in enumerate(tensors.items()):
            strides = tuple(stride // 4 for stride in array.strides)
            storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(number)) + text("cpu")
            storage += b"J" + array.size.to_bytes(4, "little") + b"tQ"
            tensor = b"(" + storage + b"K\x00" + numbers(array.shape) + numbers(strides) + b"\x89" + ordered + b"t"
            pickled += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"R"
            archive.writestr(f"alexnet/data/{number}", array.tobytes())
        archive.writestr("alexnet/data.pkl", pickled + b"u.")


@pytest.mark.slow
def test_from_the_file_to_the_probabilities(numbers, tmp_path):
    source, target = tmp_path / "alexnet.pth", tmp_path / "weights" / "alexnet.weights.h5"
    write_pth(state_dict(draw_dense=True), source)
    convert_alexnet(source, target)
    assert [path.name for path in target.parent.iterdir()] == ["alexnet.weights.h5"]
    whole = network("alexnet.alexnet")((224, 224, 3), 1000)
    whole.load_weights(target)  # Keras' own reader takes the file too
    logits = np.asarray(keras.Model(whole.input, whole.get_layer("logits").output)(image()))[0]
    np.testing.assert_allclose(logits, numbers["logits"], atol=1e-4 * np.abs(numbers["logits"]).max())
    ten = network("alexnet.alexnet")((224, 224, 3), 10)
    before = ten.get_layer("logits").get_weights()[0].copy()
    card = load_pretrained(ten, "alexnet", find_weights("alexnet", "imagenet", tmp_path, offline=True))
    assert (card["official"], card["altered"]) == (False, "not the publisher's own file")
    for name in ("alexnet_conv1", "alexnet_dense1", "alexnet_dense2"):
        np.testing.assert_array_equal(ten.get_layer(name).get_weights()[0], whole.get_layer(name).get_weights()[0])
    np.testing.assert_array_equal(ten.get_layer("logits").get_weights()[0], before)
