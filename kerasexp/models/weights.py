"""ImageNet weights: which files there are, where they lie, and how they come into a network.

Files are HDF5 in either form of Keras (`.weights.h5`, or the older `.h5`), read by layer name; nothing in them is run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kerasexp import files
from kerasexp.data.load import data_folder
from kerasexp.errors import DataError, UsageError, did_you_mean

KERAS_FILES = "https://storage.googleapis.com/tensorflow/keras-applications/"
ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
ALEXNET_SHA256 = "7be5be79"  # how it starts; PyTorch puts that into the name
SOURCE_DIGEST = "source_sha256"  # attribute of a converted file: of the file that it was made from
WITHOUT = "Without them: --weights random, which is not comparable with published numbers."
MOBILENET_V2_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)  # for which Keras has ImageNet weights


@dataclasses.dataclass(frozen=True)
class Backbone:
    """What is known about a network with published weights.

    Attributes:
        name: in `pretrained`.
        layers: a regular expression for the names of its layers in ours.
        all_layers: those with weights; empty where a network of ours always has all of them.
        local_name: of a file of ours in `DATA_DIR/weights`; `{alpha}` stands for the width.
        keras_name: of the file that Keras downloads; empty where it has none.
        folder: where Keras offers it.
        md5: of Keras' file; empty where Keras publishes none.
        rounded: of each of `all_layers`, how the SHA-256 of its arrays rounded to 16 bits begins: the same of the
            publisher's own file and of a copy rounded to 16 bits. Empty where it is not known.
    """

    name: str
    layers: str
    local_name: str
    all_layers: tuple[str, ...] = ()
    keras_name: str = ""
    folder: str = ""
    md5: str = ""
    rounded: tuple[str, ...] = ()


# file names, addresses and md5 are those of keras.applications
BACKBONES: Mapping[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            name="vgg16",
            layers=r"block\d+_conv\d+",
            all_layers=tuple(
                f"block{block}_conv{conv}" for block in range(1, 6) for conv in range(1, 3 if block < 3 else 4)
            ),
            local_name="vgg16_notop.weights.h5",
            keras_name="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            folder="vgg16/",
            md5="6d6bbae143d832006294945121d1f1fc",
            rounded=(
                *("3e8ee3e43bdaeedb", "62d3a42a3272da29"),
                *("78fe58c544038161", "c9a49888dd58dcc0"),
                *("fb8239c83ccc445a", "79bb60d88c286845", "81b271ef287b3d20"),
                *("ee6f3a2bee1f968a", "d85cfea8b66add1e", "3c8f0db7670b69ac"),
                *("3bebad5cbc552dfc", "d945d06ba20fb177", "ebe54efc93c4c655"),
            ),
        ),
        Backbone(
            name="mobilenet_v2",
            layers=r"Conv1|bn_Conv1|(expanded_conv|block_\d+)_.*|Conv_1|Conv_1_bn",
            local_name="mobilenet_v2_{alpha}_224_notop.weights.h5",
            keras_name="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
            folder="mobilenet_v2/",
        ),
        Backbone(
            name="resnet50",
            layers=r"conv\d_.*",
            local_name="resnet50_notop.weights.h5",
            keras_name="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            folder="resnet/",
            md5="4d473c1dd8becc155b73f8504c6f6626",
        ),
        Backbone(
            name="alexnet",
            layers=r"alexnet_.*",
            all_layers=(*(f"alexnet_conv{number}" for number in range(1, 6)), "alexnet_dense1", "alexnet_dense2"),
            local_name="alexnet.weights.h5",
        ),
    )
}


def find_weights(
    backbone: str,
    source: str | Path,
    data_dir: str | Path | None = None,
    offline: bool = False,
    alpha: float = 1.0,
) -> Path:
    """The weights file of a backbone; fetched where it is nowhere and the network may be used.

    Args:
        backbone: one of `BACKBONES`.
        source: `imagenet` or the path of a file.
        data_dir: the data folder; its `weights/` is looked into first, then the folder where Keras keeps downloads.
        offline: never use the network.
        alpha: width of `mobilenet_v2`.

    Raises:
        UsageError: for an unknown backbone or width.
        DataError: if there is no such file, or it cannot be fetched; the message says what to put where.
    """
    known = _backbone(backbone)
    if source != "imagenet":
        path = Path(source).expanduser()
        if not path.is_file():
            raise DataError(f"{backbone}: there is no weights file {path}. Expected imagenet, random or a file.")
        return path
    if backbone == "mobilenet_v2" and alpha not in MOBILENET_V2_WIDTHS:
        widths = ", ".join(map(str, MOBILENET_V2_WIDTHS))
        raise UsageError(f"mobilenet_v2: there are ImageNet weights for alpha {widths}, none for {alpha}.")
    folder = data_folder(data_dir) / "weights"
    local_name, keras_name = (name.format(alpha=float(alpha)) for name in (known.local_name, known.keras_name))
    places = [folder / local_name]
    if keras_name:
        places += [folder / keras_name, _keras_cache() / keras_name]
    for place in places:
        if place.is_file():
            return place
    if not keras_name:
        raise DataError(
            f"{folder / local_name} is missing: Keras has no ImageNet weights of AlexNet. Get torchvision's from "
            f"{ALEXNET_URL} and run: kerasexp weights convert alexnet {Path(ALEXNET_URL).name}. {WITHOUT}"
        )
    url = f"{KERAS_FILES}{known.folder}{keras_name}"
    if offline:
        reason = "and --offline forbids to fetch it"
        raise DataError(_missing(backbone, folder, local_name, url, reason))
    try:
        return _fetch(url, known.md5, folder / keras_name)
    except Exception as error:  # Keras raises plain exceptions
        reason = f"and cannot be fetched ({' '.join(str(error).split())[:200]})"
        raise DataError(_missing(backbone, folder, local_name, url, reason)) from None


def load_pretrained(model: keras.Model, backbone: str, path: str | Path) -> dict[str, Any]:
    """Puts a backbone's weights into the layers of that name; the others stay as they are.

    All or nothing: a file that does not fit changes nothing.

    Args:
        model: a network with the backbone's layers, as the functions of `kerasexp.models` build it.
        backbone: one of `BACKBONES`.
        path: an HDF5 file of Keras. Layers after the backbone may be in it; they are left out.

    Returns:
        `path`, `sha256`, `official` (whether its checksum is that of the publisher's own file), `origin`, `altered` (in
        words, how it is known to differ from the publisher's; empty where nothing is known) and `folded` (whether its
        batch normalisation does nothing but add: good for predictions of a frozen part, useless where the statistics
        adapt or train). The origin is `publisher`, `rounded` (the publisher's numbers, rounded to 16 bits or not, in
        another file), `unverified` or `unknown`. Nobody publishes a checksum of MobileNetV2's files, so nothing tells
        one from others: under Keras' own name it is `unverified`, under any other `unknown`.

    Raises:
        UsageError: if the network has no such layers, or not in the layout that the weights were trained in.
        DataError: if the file is missing, damaged, or of another network, width or version.
    """
    known, path = _backbone(backbone), Path(path)
    layers = [layer for layer in model.layers if layer.weights and re.fullmatch(known.layers, layer.name)]
    if not layers:
        raise UsageError(f'pretrained: the network "{model.name}" has no layers of {backbone}.')
    if backbone == "mobilenet_v2" and model.get_layer("bn_Conv1").epsilon != 1e-3:
        raise UsageError("pretrained: the weights of mobilenet_v2 are Keras' own. Use its layout: keras.")
    arrays, source = _read(path, known, layers)
    for layer, values in zip(layers, arrays, strict=True):
        layer.set_weights(values)
    folded = _is_folded(layers)
    origin = _origin(known, path, source, dict(zip((layer.name for layer in layers), arrays, strict=True)))
    return {
        "path": str(path),
        "sha256": files.file_digest(path),
        "official": origin == "publisher",
        "origin": origin,
        "altered": "" if origin in ("publisher", "unverified") else _differences(arrays, folded),
        "folded": folded,
    }


def _backbone(name: str) -> Backbone:
    if name not in BACKBONES:
        raise UsageError(f'There are no weights for "{name}". {did_you_mean(name, BACKBONES)}')
    return BACKBONES[name]


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def _fetch(url: str, md5: str, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as beside, contextlib.redirect_stdout(sys.stderr):  # the progress bar is no result
        keras.utils.get_file(
            beside.name, url, file_hash=md5 or None, cache_dir=path.parent.parent, cache_subdir=path.parent.name
        )
    return path


def _missing(backbone: str, folder: Path, local_name: str, url: str, reason: str) -> str:
    return (
        f"{backbone}: the ImageNet weights are missing {reason}. Put {url} (or a file {local_name}) into {folder}, "
        f"or name a file with --weights PATH. {WITHOUT}"
    )


def _read(path: Path, known: Backbone, layers: list[Any]) -> tuple[list[list[np.ndarray]], str]:
    """The arrays of each layer, checked, and the digest of the file that this one was converted from, if any."""
    if path.suffix in (".pth", ".pt"):
        raise DataError(f"{path} is a file of PyTorch. Convert it first: kerasexp weights convert {known.name} {path}")
    try:
        with h5py.File(path, "r") as file:
            if file.visititems_links(lambda name, link: None if isinstance(link, h5py.HardLink) else name):
                raise DataError(f"{path} is refused: it links to other places or files. Expected plain arrays.")
            stored = _matched(_stored_layers(file), path, known, layers)
            arrays = [_values(stored[layer.name], layer, path) for layer in layers]
            return arrays, str(file.attrs.get(SOURCE_DIGEST, ""))
    except FileNotFoundError:
        raise DataError(f"{path} is missing.") from None
    except PermissionError:
        raise files.denied(path) from None
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path} is damaged or no HDF5 file of Keras: {reason}. If it was downloaded, do it again."
        ) from None


def _stored_layers(file: Any) -> dict[str, list[Any]]:
    """Name and datasets of every layer with weights, in the file's order, from either form of Keras."""
    root = file.get("model_weights", file)
    if "layer_names" in root.attrs:
        stored = {_text(name): root[_text(name)] for name in root.attrs["layer_names"]}
        layers = {
            name: [group[_text(weight)] for weight in group.attrs["weight_names"]] for name, group in stored.items()
        }
    else:
        groups = [group["vars"] for group in root["layers"].values()]
        layers = {
            _text(group.attrs.get("name", group.name)): [group[str(i)] for i in range(len(group))] for group in groups
        }
    return {name: datasets for name, datasets in layers.items() if datasets}


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _matched(stored: dict[str, list[Any]], path: Path, known: Backbone, layers: list[Any]) -> dict[str, list[Any]]:
    """The stored layers under our names.

    Raises:
        DataError: if one is missing, or the file has further layers of the kind, as a deeper network has.
    """
    expected = list(known.all_layers) or [layer.name for layer in layers]
    if expected[0] not in stored and len(stored) == len(expected):
        return dict(zip(expected, stored.values(), strict=True))  # older files have other names in the same order
    missing = [layer.name for layer in layers if layer.name not in stored]
    if missing:
        raise DataError(
            f"{path} holds no layer {missing[0]} ({len(missing)} of {len(layers)} are missing). "
            f"Expected weights of {known.name}."
        )
    further = sorted(name for name in stored if re.fullmatch(known.layers, name) and name not in expected)
    if further:
        raise DataError(f"{path} is of another network: {known.name} has no layer {further[0]}.")
    return stored


def _values(datasets: list[Any], layer: Any, path: Path) -> list[np.ndarray]:
    found = [tuple(dataset.shape) for dataset in datasets]
    expected = [tuple(weight.shape) for weight in layer.weights]
    if found != expected:
        raise DataError(
            f"{path} does not fit: its layer {layer.name} has the shapes {found}, expected {expected}. "
            "Is it of another width or another network?"
        )
    if any(dataset.dtype.kind != "f" or dataset.external or dataset.is_virtual for dataset in datasets):
        raise DataError(f"{path} is refused: layer {layer.name} is no plain array of floats.")
    values = [np.asarray(dataset, "float32") for dataset in datasets]
    if not all(np.isfinite(value).all() for value in values):
        raise DataError(f"{path} is damaged: layer {layer.name} has values that are no numbers.")
    return values


def _is_folded(layers: list[Any]) -> bool:
    """Whether every batch normalisation has no statistics left: mean 0, the same variance and scale for all."""
    normalizations = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]

    def folded(layer: Any) -> bool:
        gamma, _, mean, variance = layer.get_weights()
        return not mean.any() and np.ptp(variance) == 0 and np.ptp(gamma) == 0

    return bool(normalizations) and all(map(folded, normalizations))


def _origin(known: Backbone, path: Path, source: str, arrays: Mapping[str, list[np.ndarray]]) -> str:
    """Whose weights they are, as far as the file shows it: its name alone proves nothing."""
    if known.md5 and files.file_digest(path, "md5") == known.md5:
        return "publisher"
    if not known.keras_name and source.startswith(ALEXNET_SHA256):
        return "publisher"
    rounded = dict(zip(known.all_layers, known.rounded, strict=False))
    if rounded and all(_rounded_digest(values) == rounded[name] for name, values in arrays.items()):
        return "rounded"
    if not known.md5 and known.keras_name:
        named = re.fullmatch(known.keras_name.replace("{alpha}", r"[\d.]+"), path.name)
        return "unverified" if named else "unknown"
    return "unknown"


def _rounded_digest(values: list[np.ndarray]) -> str:
    with np.errstate(over="ignore"):
        return hashlib.sha256(b"".join(value.astype("<f2").tobytes() for value in values)).hexdigest()[:16]


def _differences(arrays: list[list[np.ndarray]], folded: bool) -> str:
    words = ["not the publisher's own file"]
    kernels = [value for values in arrays for value in values if value.ndim > 1]
    with np.errstate(over="ignore"):
        if all(np.array_equal(kernel, kernel.astype("float16").astype("float32")) for kernel in kernels):
            words.append("kernels rounded to 16 bits")
    if folded:
        words.append("batch normalisation folded into the convolutions")
    return ", ".join(words)
