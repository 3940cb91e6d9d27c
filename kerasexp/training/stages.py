"""What a stage trains of a network, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasexp.config.schema import Stage
from kerasexp.errors import UsageError, did_you_mean


def parents(operation: keras.Operation) -> list[keras.Operation]:
    """The layers and plain operations whose outputs a part of a flat network takes."""
    if isinstance(operation, keras.layers.InputLayer):
        return []
    tensors = operation.input if isinstance(operation.input, list | tuple) else [operation.input]
    return [tensor._keras_history.operation for tensor in tensors]


def frozen_part(model: keras.Model, stage: Stage) -> list[keras.Operation]:
    """The layers and plain operations that `stage.trainable_from` stands on, in the order of the network.

    Raises:
        UsageError: if the network has no such layer.
    """
    if stage.trainable_from is None:
        return []
    names = {layer.name: layer for layer in model.layers}
    if stage.trainable_from not in names:
        raise UsageError(
            f'trainable_from: the network has no layer "{stage.trainable_from}". '
            f"{did_you_mean(stage.trainable_from, names)}"
        )
    upstream: set[str] = set()
    waiting = parents(names[stage.trainable_from])
    while waiting:
        operation = waiting.pop()
        if operation.name not in upstream:
            upstream.add(operation.name)
            waiting += parents(operation)
    return [operation for operation in model.operations if operation.name in upstream]


def freeze(model: keras.Model, stage: Stage, constant: Sequence[str]) -> None:
    """Makes trainable what the stage trains.

    Args:
        model: a flat network.
        stage: what is trained.
        constant: names of layers that no stage trains (a fixed preprocessing).
    """
    frozen = {operation.name for operation in frozen_part(model, stage)}
    for layer in model.layers:
        adapting = _adapts(layer, stage) and layer.name in frozen
        layer.trainable = layer.name not in constant and (layer.name not in frozen or adapting)
        if adapting:
            # a trainable BatchNorm follows its batches; without its weights it follows them only
            for weight in (layer.gamma, layer.beta):
                if weight is not None:
                    weight.trainable = False


def changing_weights(model: keras.Model, stages: Sequence[Stage], constant: Sequence[str]) -> list[Any]:
    """The weights that these stages change, in the order of the network: what an exact state must hold."""
    untouched = {layer.name for layer in model.layers}
    for stage in stages:
        untouched &= {part.name for part in frozen_part(model, stage) if not _adapts(part, stage)}
    untouched |= set(constant)
    return [weight for layer in model.layers if layer.name not in untouched for weight in layer.weights]


def _adapts(layer: keras.Operation, stage: Stage) -> bool:
    return stage.batch_norm == "adapting" and isinstance(layer, keras.layers.BatchNormalization)
