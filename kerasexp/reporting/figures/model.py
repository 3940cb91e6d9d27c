"""The network, layer by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from kerasexp.reporting.figures.style import BLUE, GREEN, INK, ORANGE, WIDTH, canvas, drawn

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row of the network's table.

    Attributes:
        name: unique in the network.
        kind: its class, e.g. `Conv2D`.
        settings: what was chosen, in words.
        shape: of its output, without the batch; empty where it has several.
        parameters: weights of the layer.
        trainable: how many of them the training may change.
        sources: names of the layers that it takes its input from.
    """

    name: str
    kind: str
    settings: str
    shape: tuple[int | None, ...]
    parameters: int
    trainable: int
    sources: tuple[str, ...]


def layers_of(model: keras.Model) -> list[Layer]:
    """The layers of a network in the order of its graph."""
    inputs = _inputs(model)
    return [
        Layer(
            name=layer.name,
            kind=type(layer).__name__,
            settings=_settings(layer),
            shape=_shape(layer),
            parameters=_count(layer.weights),
            trainable=_count(layer.trainable_weights),
            sources=inputs.get(layer.name, ()),
        )
        for layer in model.layers
    ]


@drawn
def network(layers: Sequence[Layer]) -> Figure:
    """The network from top to bottom: a box for each layer, as wide as the logarithm of the values that leave it.

    Args:
        layers: of the network; an arrow leads from each of its `sources`.
    """
    step = 0.37  # inches from one layer to the next
    figure, ax = canvas(height=step * len(layers))
    place = {layer.name: number for number, layer in enumerate(layers)}
    values = np.array([math.log2(2 + math.prod(size or 1 for size in layer.shape)) for layer in layers])
    widths = 0.22 + 0.98 * values / values.max()
    centre, box = 0.7, 0.5 * step
    for number, (layer, width) in enumerate(zip(layers, widths, strict=True)):
        y = step * (number + 0.5)
        colour = _colour(layer.kind)
        style = "round,pad=0,rounding_size=0.05"
        corner = (centre - width / 2, y - box / 2)
        ax.add_patch(FancyBboxPatch(corner, width, box, boxstyle=style, facecolor=colour, alpha=0.13, linewidth=0))
        ax.add_patch(
            FancyBboxPatch(corner, width, box, boxstyle=style, facecolor="none", edgecolor=colour, linewidth=0.9)
        )
        ax.text(
            centre,
            y,
            " × ".join(str(size or "?") for size in layer.shape),
            ha="center",
            va="center_baseline",
            fontsize=6.5,
        )
        ax.text(1.46, y, layer.kind, va="center_baseline", fontsize=8.5, fontweight="bold")
        ax.text(2.62, y, layer.settings, va="center_baseline", fontsize=7.5, alpha=0.8)
        ax.text(
            WIDTH - 0.02,
            y,
            f"{layer.parameters:,}" if layer.parameters else "",
            ha="right",
            va="center_baseline",
            fontsize=8,
        )
        for source in layer.sources:
            start = place[source]
            bend = 0.0 if start == number - 1 else 0.35
            ends = (centre, step * (start + 0.5) + box / 2), (centre, y - box / 2)
            path = f"arc3,rad={bend}"
            arrow = FancyArrowPatch(
                *ends, arrowstyle="-|>,head_length=2.2,head_width=1.4", connectionstyle=path, shrinkA=0, shrinkB=0
            )
            arrow.set(color=INK, linewidth=0.7, alpha=0.7)
            ax.add_patch(arrow)
    return figure


def _colour(kind: str) -> str:
    if "Conv" in kind:
        return BLUE
    if kind == "Dense":
        return ORANGE
    return GREEN if "Pool" in kind else INK


def _settings(layer: keras.Layer) -> str:
    config = layer.get_config()
    words = []
    if "filters" in config:
        words.append(f"{config['filters']} filters")
    for key in ("kernel_size", "pool_size"):
        if key in config:
            words.append("×".join(map(str, np.atleast_1d(config[key]))))
    strides = tuple(np.atleast_1d(config.get("strides") or 1))
    if "kernel_size" in config and set(strides) != {1}:
        words.append(f"stride {strides[0]}")
    if "units" in config:
        words.append(f"{config['units']} units")
    if "rate" in config:
        words.append(f"rate {config['rate']:g}")
    if isinstance(config.get("scale"), float):
        words.append(f"× {config['scale']:.3g}")
    for key, plain in (("padding", "valid"), ("activation", "linear")):
        if isinstance(config.get(key), str) and config[key] != plain:
            words.append(config[key])
    return ", ".join(words)


def _shape(layer: keras.Layer) -> tuple[int | None, ...]:
    output = layer.output
    return () if isinstance(output, list | tuple | dict) else tuple(output.shape[1:])


def _count(weights: Sequence[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _inputs(model: keras.Model) -> dict[str, tuple[str, ...]]:
    """The layers that each layer takes its input from, as the network's own configuration names them."""
    described = model.get_config()["layers"]
    if not any(layer.get("inbound_nodes") for layer in described):  # a Sequential: one after the other
        names = [layer.name for layer in model.layers]
        return {after: (before,) for before, after in zip(names, names[1:], strict=False)}
    return {layer["name"]: tuple(dict.fromkeys(_history(layer["inbound_nodes"]))) for layer in described}


def _history(part: Any) -> Iterator[str]:
    """Every `keras_history` inside a serialised call."""
    if isinstance(part, dict):
        if "keras_history" in part:
            yield part["keras_history"][0]
        part = list(part.values())
    if isinstance(part, list | tuple):
        for inner in part:
            yield from _history(inner)
