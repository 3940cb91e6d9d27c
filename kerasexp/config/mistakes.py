"""What is wrong with the settings of an experiment, in the words of its file."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from kerasexp.config.schema import Experiment, Frozen, Stage
from kerasexp.errors import did_you_mean

# the validator's own steps into a union, which are no part of a setting's path
KINDS = {"adadelta", "adam", "adamw", "sgd", "linear_svm", "kmeans", "categorical_crossentropy", "deep_kmeans"}


def explain(error: ValidationError) -> str:
    """The first problems in the words of the config, not of the validator; a misspelt key before what it left out."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    hints = [_key_hint(problem["loc"]) for problem in problems if problem["type"] == "extra_forbidden"]
    misspelt = any(hint.startswith("Did you mean") for hint in hints)
    lines = []
    for problem in problems[:3]:
        path = ".".join(str(step) for step in problem["loc"] if step not in KINDS)
        where = f"{path}: " if path else ""
        if problem["type"] == "missing" and len(problem["loc"]) > 2 and problem["loc"][-2] in KINDS and not misspelt:
            whole, kind = problem["loc"][-3:-1]
            return _written_whole(whole, kind, problem["input"])
        if problem["type"] == "union_tag_invalid":
            tag, tags = problem["ctx"]["tag"], problem["ctx"]["expected_tags"].replace("'", "").split(", ")
            lines.append(f'{path}: unknown name "{tag}". {did_you_mean(tag, tags)}')
        elif problem["type"] == "extra_forbidden":
            lines.append(f'unknown key "{path}". {_key_hint(problem["loc"])}')
        elif problem["type"] == "missing":
            lines.append(f'"{path}" is missing.')
        elif problem["type"] == "value_error":
            lines.append(f"{where}{problem['msg'].removeprefix('Value error, ')}.")
        else:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            lines.append(f"{where}{message}, received: {problem['input']!r}.")
    return " ".join(lines)


def _key_hint(location: Sequence[int | str]) -> str:
    return did_you_mean(str(location[-1]), keys_beside(location))


def keys_beside(location: Sequence[int | str]) -> list[str]:
    """The keys that the part of the schema with a wrong key has."""
    parts: list[type[Frozen]] = [Experiment]
    for step in location[:-1]:
        if step in KINDS:
            parts = [part for part in parts if typing.get_args(part.model_fields["name"].annotation) == (step,)]
        elif isinstance(step, str):
            parts = [inner for part in parts for inner in _parts_of(part.model_fields[step].annotation)]
    return list(dict.fromkeys(key for part in parts for key in part.model_fields))


def _parts_of(annotation: Any) -> list[type[Frozen]]:
    """The parts of the schema in an annotation: `tuple[Stage, ...]`, `EarlyStopping | None`, ..."""
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return [annotation]
    return [part for inner in typing.get_args(annotation) for part in _parts_of(inner)]


def _written_whole(part: Any, kind: Any, received: Mapping[str, Any]) -> str:
    """What another kind of optimizer or loss needs: the arguments of the one before it do not fit."""
    known = typing.get_args(Stage.model_fields[part].annotation)
    fields = next(one.model_fields for one in known if typing.get_args(one.model_fields["name"].annotation) == (kind,))
    whole = ", ".join(f"{field}: {received.get(field, '...')}" for field in fields)
    lacking = ", ".join(field for field in fields if field not in received)
    return f'{part} {kind} lacks {lacking}. Give it whole: "{part}={{{whole}}}".'
