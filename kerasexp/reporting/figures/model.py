"""The network, layer by layer."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from kerasexp.reporting.figures.style import BLUE, GREEN, INK, ORANGE, WIDTH, canvas, drawn, label

if TYPE_CHECKING:
    import keras

MOST_ROWS = 30  # a network of more layers is drawn by blocks
LANE = 0.09  # inches between connections that pass other layers
FOLLOWERS = {  # what may follow a layer in its row
    "BatchNormalization": "norm",
    "Activation": "activation",
    "ReLU": "ReLU",
    "Dropout": "dropout",
    "ZeroPadding2D": "padded",
}


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
        training: `trained`, `frozen`, `partly frozen`, or empty where there is nothing to learn.
        layers: how many layers the row stands for.
    """

    name: str
    kind: str
    settings: str
    shape: tuple[int | None, ...]
    parameters: int
    trainable: int
    sources: tuple[str, ...]
    training: str = ""
    layers: int = 1


def layers_of(model: keras.Model) -> list[Layer]:
    """The layers of a network in the order of its graph, and the plain operations between them."""
    inputs = _inputs(model)
    return [_layer(part, inputs.get(part.name, ())) for part in getattr(model, "operations", model.layers)]


def _layer(part: keras.Operation, sources: tuple[str, ...]) -> Layer:
    # a plain operation (a flip of the colours) has no weights
    weights, trainable = getattr(part, "weights", []), getattr(part, "trainable_weights", [])
    return Layer(
        name=part.name,
        kind=type(part).__name__,
        settings=_settings(part),
        shape=_shape(part),
        parameters=_count(weights),
        trainable=_count(trainable),
        sources=sources,
        training="" if not weights else "trained" if trainable else "frozen",
    )


def blocks_of(layers: Sequence[Layer]) -> list[Layer]:
    """A deep network in as many rows as a person reads: one for each block, a convolution and what only follows it.

    Layers of one block are told by their names (`block_3_expand`, `conv2_block1_1_conv`), the branches of a network
    come one after the other. A network of up to 30 layers stays as it is.

    Args:
        layers: of the whole network, in the order of its graph.
    """
    if len(layers) <= MOST_ROWS:
        return list(layers)
    home = _homes(layers)
    members: dict[str, list[Layer]] = {}
    for layer in layers:
        members.setdefault(home[layer.name], []).append(layer)
    rows = {name: _block(name, inside, home) for name, inside in members.items()}
    ordered = _branch_by_branch(rows)
    return ordered if len(ordered) == len(rows) else list(layers)  # names can lie: blocks that feed each other


def _homes(layers: Sequence[Layer]) -> dict[str, str]:
    """The name of the row that each layer belongs to."""
    readers = Counter(source for layer in layers for source in layer.sources)
    home: dict[str, str] = {}
    for layer in layers:
        block = re.match(r"(?:\w+_)?block_?\d+(?=_)", layer.name)
        follows = layer.kind in FOLLOWERS and len(layer.sources) == 1 and readers[layer.sources[0]] == 1
        home[layer.name] = block[0] if block else home[layer.sources[0]] if follows else layer.name
    return home


def _block(name: str, inside: Sequence[Layer], home: Mapping[str, str]) -> Layer:
    first = inside[0]
    if len(inside) == 1:
        settings, kind = first.settings, first.kind
    elif name == first.name:
        settings, kind = (
            ", ".join(filter(None, [first.settings, *(FOLLOWERS[one.kind] for one in inside[1:])])),
            first.kind,
        )
    else:
        marks = [("stride 2", "stride 2"), ("Add", "residual")]
        told = [text for mark, text in marks if any(mark in (one.kind, *one.settings.split(", ")) for one in inside)]
        settings, kind = ", ".join([f"{len(inside)} layers", *told]), name
    outside = (home[source] for one in inside for source in one.sources if home[source] != name)
    training = {one.training for one in inside} - {""}
    return Layer(
        name=name,
        kind=kind,
        settings=settings,
        shape=inside[-1].shape,
        parameters=sum(one.parameters for one in inside),
        trainable=sum(one.trainable for one in inside),
        sources=tuple(dict.fromkeys(outside)),
        training="partly frozen" if len(training) > 1 else "".join(training),
        layers=len(inside),
    )


def _branch_by_branch(rows: Mapping[str, Layer]) -> list[Layer]:
    """Every row after its sources, going on from the last one where that is possible."""
    waiting = {name: set(row.sources) for name, row in rows.items()}
    ready = [name for name, sources in reversed(waiting.items()) if not sources]
    ordered: list[Layer] = []
    while ready:
        done = ready.pop()
        ordered.append(rows[done])
        for name, sources in reversed(waiting.items()):
            if done in sources:
                sources.discard(done)
                if not sources:
                    ready.append(name)
    return ordered


@drawn
def network(layers: Sequence[Layer]) -> Figure:
    """The network from top to bottom: a box for each layer, as wide as the logarithm of the values that leave it.

    Args:
        layers: of the network; an arrow leads from each of its `sources`.
    """
    step = 0.37 if len(layers) <= MOST_ROWS else 0.3  # inches from one layer to the next
    figure, ax = canvas(height=step * len(layers))
    place = {layer.name: number for number, layer in enumerate(layers)}
    lanes = _lanes([(place[source], number) for number, layer in enumerate(layers) for source in layer.sources])
    values = np.array([math.log2(2 + math.prod(size or 1 for size in layer.shape)) for layer in layers])
    widths = 0.22 + 0.98 * values / values.max()
    margin = LANE * (1 + max(lanes.values(), default=-1))
    centre, box = 0.62 + margin, 0.5 * step
    for number, (layer, width) in enumerate(zip(layers, widths, strict=True)):
        y = step * (number + 0.5)
        colour = _colour(layer.kind)
        style = "round,pad=0,rounding_size=0.05"
        corner = (centre - width / 2, y - box / 2)
        ax.add_patch(FancyBboxPatch(corner, width, box, boxstyle=style, facecolor=colour, alpha=0.13, linewidth=0))
        ax.add_patch(
            FancyBboxPatch(corner, width, box, boxstyle=style, facecolor="none", edgecolor=colour, linewidth=0.9)
        )
        shape = " × ".join(str(size or "?") for size in layer.shape)
        ax.text(centre, y, shape, ha="center", va="center_baseline", fontsize=6.5)
        ax.text(margin + 1.38, y, layer.kind, va="center_baseline", fontsize=8.5, fontweight="bold")
        count = f"{layer.parameters:,}" if layer.parameters else ""
        after = margin + max(2.54, 1.46 + 0.083 * len(layer.kind))
        room = WIDTH - 0.12 - 0.07 * len(count) - after
        ax.text(
            after, y, _shortened(layer.settings, round(room / 0.054)), va="center_baseline", fontsize=7.5, alpha=0.8
        )
        cell = ax.text(WIDTH - 0.02, y, count, ha="right", va="center_baseline", fontsize=8)
        cell.set_alpha(0.55 if layer.training == "frozen" else 1)
        for source in layer.sources:
            start = place[source]
            if start == number - 1:
                path = Path([(centre, y - step + box / 2), (centre, y - box / 2)])
            else:  # around the layers between them
                lane = margin - LANE * (0.5 + lanes[start, number])
                above = step * (start + 0.5)
                corners = [(centre - widths[start] / 2, above), (lane, above), (lane, y), (centre - width / 2, y)]
                path = Path(corners)
            arrow = FancyArrowPatch(path=path, arrowstyle="-|>,head_length=2.2,head_width=1.4", shrinkA=0, shrinkB=0)
            arrow.set(color=INK, linewidth=0.7, alpha=0.7, fill=True, joinstyle="round")
            ax.add_patch(arrow)
    return figure


def _lanes(connections: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A lane, from 0, for every connection that passes other layers; two that overlap have different ones."""
    ends: list[int] = []  # of the last connection in each lane
    lanes = {}
    for start, end in sorted(one for one in connections if one[1] - one[0] != 1):
        free = next((lane for lane, last in enumerate(ends) if last <= start), len(ends))
        ends[free : free + 1] = [end]
        lanes[start, end] = free
    return lanes


def _shortened(settings: str, longest: int) -> str:
    """The settings in a row's room: how an image is padded is told last."""
    if len(settings) > longest:
        settings = settings.replace(", same", "")
    return label(settings, longest) if settings else ""


def _colour(kind: str) -> str:
    if "Conv" in kind:
        return BLUE
    if kind == "Dense":
        return ORANGE
    return GREEN if "Pool" in kind else INK


def _settings(layer: keras.Operation) -> str:
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


def _shape(layer: keras.Operation) -> tuple[int | None, ...]:
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
