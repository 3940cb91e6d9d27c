"""The space of a search: which settings of an experiment are tried, and with which values."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from kerasexp.config.yaml_text import parse_yaml, read_text
from kerasexp.errors import UsageError, did_you_mean

KINDS = ("log", "linear", "int", "points")
FORMS = (
    "{log: [low, high]}, {linear: [low, high]}, {int: [low, high]}, a list of choices, or {points: {name: settings}}"
)
Value = str | int | float  # of a dimension in a trial, as the tuner and the record of the search hold it


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One setting that a search varies, or several that it varies together.

    Attributes:
        name: the path of the setting, or of points any name.
        kind: `log` or `linear` (a range of numbers), `int` (of whole numbers), `choices` or `points`.
        low: lower end of a range.
        high: its upper end.
        settings: for choices and points what each value sets: paths of the configuration and their values.
    """

    name: str
    kind: str
    low: float = 0
    high: float = 0
    settings: Mapping[Value, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def is_range(self) -> bool:
        return self.kind in ("log", "linear", "int")

    @property
    def is_number(self) -> bool:
        """Whether its values lie on a line."""
        return self.is_range or not any(isinstance(value, str) for value in self.settings)

    def examples(self) -> list[Value]:
        """The ends of a range, or every choice."""
        ends = [int(self.low), int(self.high)] if self.kind == "int" else [self.low, self.high]
        return list(ends if self.is_range else self.settings)

    def place(self, value: Value) -> float:
        """Where a value lies, from 0 to 1; choices and points in their order at equal distances.

        Example:

        >>> Dimension("optimizer.learning_rate", "log", 1e-4, 1e-2).place(1e-3)
        0.5
        """
        if not self.is_range:
            values = list(self.settings)
            return values.index(value) / max(1, len(values) - 1)
        ends = [float(self.low), float(self.high), float(value)]
        low, high, at = map(math.log, ends) if self.kind == "log" else ends
        return (at - low) / (high - low) if high > low else 0.5

    def overrides(self, value: Value) -> list[str]:
        """`path=value` for each setting, as `--set` takes them."""
        settings = {self.name: value} if self.is_range else self.settings[value]
        return [f"{path}={json.dumps(setting)}" for path, setting in settings.items()]


@dataclasses.dataclass(frozen=True)
class Space:
    """What a search varies.

    Attributes:
        dimensions: at least one, in the order of the file.
    """

    dimensions: tuple[Dimension, ...]

    def overrides(self, values: Mapping[str, Value]) -> list[str]:
        """The overrides of one trial, from the value of each dimension."""
        return [override for one in self.dimensions for override in one.overrides(values[one.name])]

    def content(self) -> list[dict[str, Any]]:
        """The space as JSON holds it."""
        return [
            {"name": one.name, "kind": one.kind}
            | (
                {"low": one.low, "high": one.high}
                if one.is_range
                else {"settings": [{"value": value, "sets": dict(sets)} for value, sets in one.settings.items()]}
            )
            for one in self.dimensions
        ]


def space_names() -> list[str]:
    """The experiments that a space of their own ships with, sorted."""
    folder = resources.files("kerasexp.configs") / "spaces"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_space(experiment: str, file: str | Path | None = None) -> Space:
    """Reads a space.

    Args:
        experiment: its own space is read if no file is given.
        file: a YAML file of the same form.

    Raises:
        UsageError: if there is none, or it is no space.
    """
    if file is not None:
        source = str(file)
        if not Path(file).is_file():
            raise UsageError(f"{file} is missing. Expected the YAML file of a search space.")
        text = read_text(file)
    elif experiment in space_names():
        source = f"spaces/{experiment}.yaml"
        text = (resources.files("kerasexp.configs") / source).read_text(encoding="utf-8")
    else:
        raise UsageError(
            f"{experiment} has no search space of its own; {', '.join(space_names())} have. Write one, e.g. the line "
            '"optimizer.learning_rate: {log: [1e-4, 1e-1]}", and name it with --space FILE.'
        )
    return parse_space(parse_yaml(text, source), source)


def parse_space(content: Any, source: str) -> Space:
    """The space in the content of a YAML file.

    Args:
        content: dimensions by name.
        source: what errors name.

    Raises:
        UsageError: if it is no space.

    Example:

    >>> parse_space({"batch_size": [32, 64]}, "mine").overrides({"batch_size": 64})
    ['batch_size=64']
    """
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{source} is no search space: expected a line for each setting, e.g. batch_size: [32, 64].")
    return Space(tuple(_dimension(str(name), what, f"{source}, {name}") for name, what in content.items()))


def _dimension(name: str, what: Any, source: str) -> Dimension:
    if isinstance(what, list):
        return Dimension(name, "choices", settings=_choices(name, what, source))
    if not isinstance(what, dict) or len(what) != 1:
        raise UsageError(f"{source}: expected {FORMS}, received: {what!r}.")
    ((kind, content),) = what.items()
    if kind not in KINDS:
        raise UsageError(f'{source}: unknown kind "{kind}". {did_you_mean(kind, KINDS)}')
    if kind == "points":
        return Dimension(name, kind, settings=_points(content, source))
    return _range(name, kind, content, source)


def _range(name: str, kind: str, ends: Any, source: str) -> Dimension:
    numbers = (int,) if kind == "int" else (int, float)
    if not isinstance(ends, list) or len(ends) != 2 or any(type(end) not in numbers for end in ends):
        whole = "whole " if kind == "int" else ""
        raise UsageError(f"{source}: {kind} needs two {whole}numbers [low, high], received: {ends!r}.")
    low, high = ends
    if not low < high or (kind == "log" and low <= 0) or not math.isfinite(high - low):
        above = " above 0" if kind == "log" else ""
        raise UsageError(f"{source}: expected low < high{above}, received: {ends!r}.")
    return Dimension(name, kind, low, high) if kind == "int" else Dimension(name, kind, float(low), float(high))


def _choices(name: str, values: list[Any], source: str) -> dict[Value, dict[str, Any]]:
    """Numbers stay numbers of one kind, so that the tuner knows that they lie on a line; the rest becomes text."""
    if all(type(value) is int for value in values):
        labels: list[Value] = list(values)
    elif all(type(value) in (int, float) for value in values):
        labels = [float(value) for value in values]
    else:
        labels = [value if isinstance(value, str) else json.dumps(value) for value in values]
    if not values or len(set(labels)) != len(values):
        raise UsageError(f"{source}: expected one or more different choices, received: {values!r}.")
    return {label: {name: value} for label, value in zip(labels, values, strict=True)}


def _points(points: Any, source: str) -> dict[Value, dict[str, Any]]:
    if (
        not isinstance(points, dict)
        or not points
        or not all(isinstance(sets, dict) and sets for sets in points.values())
    ):
        raise UsageError(
            f"{source}: points need a name and settings each, e.g. {{small: {{batch_size: 32}}}}, received: {points!r}."
        )
    return {str(name): dict(sets) for name, sets in points.items()}
