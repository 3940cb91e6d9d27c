"""Weights of other libraries in Keras' form."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.models.alexnet import alexnet
from kerasexp.models.torch_files import read_state_dict
from kerasexp.models.weights import SOURCE_DIGEST

ALEXNET_LAYERS = {  # ours -> torchvision's
    "alexnet_conv1": "features.0",
    "alexnet_conv2": "features.3",
    "alexnet_conv3": "features.6",
    "alexnet_conv4": "features.8",
    "alexnet_conv5": "features.10",
    "alexnet_dense1": "classifier.1",
    "alexnet_dense2": "classifier.4",
    "logits": "classifier.6",
}
_SHAPES = {  # of the kernels, in PyTorch's layout
    "alexnet_conv1": (64, 3, 11, 11),
    "alexnet_conv2": (192, 64, 5, 5),
    "alexnet_conv3": (384, 192, 3, 3),
    "alexnet_conv4": (256, 384, 3, 3),
    "alexnet_conv5": (256, 256, 3, 3),
    "alexnet_dense1": (4096, 9216),
    "alexnet_dense2": (4096, 4096),
    "logits": (1000, 4096),
}
MAPS = (256, 6, 6)  # what torchvision flattens before its first dense layer: channels first


def convert_alexnet(source: Path, target: Path) -> None:
    """Writes torchvision's AlexNet weights as `.weights.h5` of `alexnet.alexnet` with 1,000 classes.

    Args:
        source: torchvision's file, e.g. `alexnet-owt-7be5be79.pth`.
        target: is replaced when the new one is whole.

    Raises:
        DataError: if the file is missing, damaged, refused, or of another network.
    """
    arrays = alexnet_arrays(read_state_dict(source), source)
    model = alexnet((224, 224, 3), 1000)
    for name, values in arrays.items():
        model.get_layer(name).set_weights(values)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, files.replacing(target) as beside:
        path = Path(folder, "alexnet.weights.h5")  # Keras looks at the name
        model.save_weights(path)
        with h5py.File(path, "r+") as file:
            file.attrs[SOURCE_DIGEST] = files.file_digest(source)
        shutil.move(path, beside)


def alexnet_arrays(tensors: dict[str, np.ndarray], source: Path) -> dict[str, list[np.ndarray]]:
    """Kernel and bias of each layer in Keras' layout, from torchvision's state dictionary.

    Convolutions `[output, input, height, width]` become `[height, width, input, output]`, dense layers are transposed,
    and the inputs of the first one are put into the order in which Keras flattens: channels last.

    Raises:
        DataError: if a tensor is missing, has another shape, or belongs to no layer.
    """
    expected = {f"{name}.{part}" for name in ALEXNET_LAYERS.values() for part in ("weight", "bias")}
    if set(tensors) != expected:
        odd = sorted(set(tensors) ^ expected)[0]
        what = "lacks" if odd in expected else "has also"
        raise DataError(f"{source} is of another network: it {what} {odd}. Expected torchvision's AlexNet.")
    arrays = {}
    for name, theirs in ALEXNET_LAYERS.items():
        kernel, bias = tensors[f"{theirs}.weight"], tensors[f"{theirs}.bias"]
        if kernel.shape != _SHAPES[name] or bias.shape != kernel.shape[:1]:
            raise DataError(
                f"{source} is of another network: {theirs}.weight has the shape {kernel.shape}, expected "
                f"{_SHAPES[name]}. Expected torchvision's AlexNet with 1,000 classes."
            )
        if name == "alexnet_dense1":
            kernel = kernel.reshape(-1, *MAPS).transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])
        else:
            kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        arrays[name] = [kernel.astype("float32", copy=False), bias.astype("float32", copy=False)]
    return arrays
