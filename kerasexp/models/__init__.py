"""Networks: one file per family, one function per network, named in the experiments as `file.function`."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from kerasexp.config.schema import Experiment
from kerasexp.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import keras


def network(name: str) -> Callable[..., keras.Model]:
    """The builder of a network.

    Args:
        name: `file.function` inside `kerasexp.models`; nothing else is reachable.

    Raises:
        UsageError: if there is no such network.
    """
    file, _, function = name.partition(".")
    files = [module.name for module in pkgutil.iter_modules(__path__)]
    found = _builders(file).get(function) if file in files else None
    if found is None:
        valid = [f"{file}.{function}" for file in files for function in _builders(file)]
        raise UsageError(f'network: no "{name}" in kerasexp.models. {did_you_mean(name, valid)}')
    return found


def _builders(file: str) -> dict[str, Callable[..., keras.Model]]:
    """The functions of a file that make a network of an image shape and a number of classes."""
    module = importlib.import_module(f"{__name__}.{file}")
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and [*inspect.signature(value).parameters][:2] == ["image_shape", "classes"]
    }


def build(experiment: Experiment, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The experiment's network for images of this shape; uncompiled, its weights drawn from Keras' current seed.

    Raises:
        UsageError: if the settings or the image shape do not make a network, or the experiment names a layer that it
            does not have.
    """
    try:
        model = network(experiment.network)(image_shape, classes, **experiment.model)
    except (TypeError, ValueError) as error:
        shape = "x".join(map(str, image_shape))
        settings = ", ".join(f"{key}={value}" for key, value in experiment.model.items())
        reason = " ".join(str(error).split())
        raise UsageError(f"{experiment.network} cannot be built for {shape} images with {settings}: {reason}") from None
    layers = [layer.name for layer in model.layers]
    if experiment.embedding and experiment.embedding.intermediate not in layers:
        wanted = experiment.embedding.intermediate
        raise UsageError(f'embedding.intermediate: no layer "{wanted}". {did_you_mean(wanted, layers)}')
    return model


def parameter_count(model: keras.Model, trainable: bool = False) -> int:
    """The number of weights: all, moving statistics included, or only those that training changes."""
    return sum(math.prod(weight.shape) for weight in (model.trainable_weights if trainable else model.weights))


def prediction_batch(model: keras.Model, most: int = 1000) -> int:
    """How many images a prediction takes at once, so that its widest tensor stays below 256 MB; 32 of any size."""
    import keras

    outputs = [tensor for operation in model.operations for tensor in keras.tree.flatten(operation.output)]
    shapes = [tensor.shape[1:] for tensor in outputs if isinstance(tensor, keras.KerasTensor)]
    if any(None in shape for shape in shapes):
        return min(most, 32)
    widest = max(map(math.prod, shapes))
    return max(1, min(most, 2**28 // (4 * widest)))
