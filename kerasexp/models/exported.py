"""Exported models, opened by the runtimes that other programs would use."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasexp.environment import cores, silent_stderr
from kerasexp.errors import DataError, KerasexpError
from kerasexp.models.built_in import load_built_in
from kerasexp.models.saved import CARD

if TYPE_CHECKING:
    import keras

INPUT = "image"  # the name of the input in every format
SIGNATURE = "serving_default"  # of a SavedModel and of what LiteRT makes of it

Outputs = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file that a model can be exported as.

    Attributes:
        title: its name.
        suffix: of its files; empty for a folder.
        runtime: the name of what opens it.
        distribution: the package that the runtime's version is asked of.
        opens: modules that opening it needs.
        writes: modules that writing it needs besides.
    """

    title: str
    suffix: str
    runtime: str
    distribution: str
    opens: tuple[str, ...]
    writes: tuple[str, ...] = ()


FORMATS = {
    "keras": Format("Keras", ".keras", "Keras", "keras", ("keras",)),
    "litert": Format("LiteRT", ".tflite", "LiteRT", "ai-edge-litert", ("ai_edge_litert",)),
    "onnx": Format("ONNX", ".onnx", "ONNX Runtime", "onnxruntime", ("onnxruntime",), ("onnx", "tf2onnx")),
    "savedmodel": Format("SavedModel", "", "TensorFlow", "tensorflow", ("tensorflow",)),
}


class Loaded(NamedTuple):
    """What a runtime made of a file.

    Attributes:
        card: the text of the card inside; None before it has one.
        outputs: from uint8 or float32 images `[n, height, width, channels]`, 0 to 255, to the named outputs `[n, ...]`.
    """

    card: str | None
    outputs: Outputs


class Exported(NamedTuple):
    """An exported model.

    Attributes:
        card: where it comes from, its class names, its input and outputs, how near it is to the run's predictions.
        outputs: as of `Loaded`.
    """

    card: dict[str, Any]
    outputs: Outputs


def format_of(path: Path) -> str | None:
    """The format that a path looks like by its suffix, or by what the folder holds; None for anything else."""
    if (path / "saved_model.pb").exists():
        return "savedmodel"
    suffixes = {form.suffix: name for name, form in FORMATS.items() if form.suffix}
    return suffixes.get(path.suffix)


def needs(modules: Iterable[str], what: str) -> None:
    """Checks that modules are installed.

    Raises:
        KerasexpError: if not, with the extra that has them.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise KerasexpError(
            f"{what} needs {' and '.join(missing)}, which {verb} not installed: pip install 'kerasexp[export]' "
            "(from a checkout: pip install '.[export]')."
        )


def runtime(form: Format) -> str:
    """Name and version of what opens a format."""
    return f"{form.runtime} {importlib.metadata.version(form.distribution)}"


def open_exported(path: Path) -> Exported:
    """Opens an exported model with the runtime of its format.

    A SavedModel is a program that TensorFlow runs, files included: open only what you trust. The other formats compute.

    Raises:
        DataError: if it is missing, damaged or no export of kerasexp.
        KerasexpError: if the runtime is not installed.
    """
    name = format_of(path)
    if name is None:
        suffixes = ", ".join(form.suffix for form in FORMATS.values() if form.suffix)
        raise DataError(f"{path} is no exported model. Expected a file ending in {suffixes}, or a SavedModel folder.")
    if not path.exists():
        raise DataError(f"{path} is missing.")
    text, outputs = load(path, name)
    try:
        card = json.loads(text or "null")
        if {"class_names", "input", "run"} <= set(card):
            return Exported(card, outputs)
    except (ValueError, TypeError):
        pass
    raise DataError(f"{path} is no export of kerasexp: it holds no card of one. Make it with: kerasexp export RUN")


def load(path: Path, name: str) -> Loaded:
    """Opens a file of one of `FORMATS` with its runtime, whether it has a card yet or not.

    Raises:
        DataError: if it is damaged.
        KerasexpError: if the runtime is not installed.
    """
    needs(FORMATS[name].opens, str(path))
    try:
        with silent_stderr():
            return _LOADERS[name](path)
    except DataError:
        raise
    except Exception as error:  # the runtimes raise whatever they met in a damaged file
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is damaged and cannot be read as {FORMATS[name].title}: {reason}") from None


def model_outputs(model: keras.Model) -> Outputs:
    """The named outputs of a Keras model; the only one of a classifier is called `probabilities`."""

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        result: Any = model.predict_on_batch(images)
        return result if isinstance(result, dict) else {"probabilities": result}

    return outputs


def in_batches(outputs: Outputs, images: np.ndarray, size: int = 32) -> dict[str, np.ndarray]:
    """The outputs for any number of images, at least one, a batch of `size` at a time."""
    parts = [outputs(images[first : first + size]) for first in range(0, len(images), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _keras(path: Path) -> Loaded:
    return Loaded(_card_in_archive(path), model_outputs(load_built_in(path)))


def _litert(path: Path) -> Loaded:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=cores())
    interpreter.allocate_tensors()  # greets on standard error, which is silent now
    runner = interpreter.get_signature_runner(SIGNATURE)
    return Loaded(_card_in_archive(path), lambda images: runner(**{INPUT: images.astype(np.float32)}))


def _onnx(path: Path) -> Loaded:
    import onnxruntime

    # without the fallback, which tries a damaged file a second time and says so on standard output
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"], enable_fallback=0)
    names = [output.name for output in session.get_outputs()]

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {INPUT: images.astype(np.float32)}), strict=True))

    return Loaded(session.get_modelmeta().custom_metadata_map.get("kerasexp"), outputs)


def _savedmodel(path: Path) -> Loaded:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    card = path / "assets.extra" / CARD

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        result = loaded.signatures[SIGNATURE](**{INPUT: tf.constant(images, tf.float32)})
        return {name: value.numpy() for name, value in result.items()}

    return Loaded(card.read_text(encoding="utf-8") if card.exists() else None, outputs)


_LOADERS: dict[str, Callable[[Path], Loaded]] = {
    "keras": _keras,
    "litert": _litert,
    "onnx": _onnx,
    "savedmodel": _savedmodel,
}


def _card_in_archive(path: Path) -> str | None:
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return archive.read(CARD).decode() if CARD in archive.namelist() else None
