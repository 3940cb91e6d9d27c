"""What a search came to: the ranking, what mattered, and the best settings as a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import yaml

from kerasexp import files
from kerasexp.config.schema import Experiment, Stage
from kerasexp.config.space import Space
from kerasexp.evaluation.importance import importance
from kerasexp.evaluation.statistics import newcombe, wilson
from kerasexp.reporting.tuning import write_tuning
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord

TRAINING = {*Stage.model_fields, "stages", "augmentation", "weights", "monitor", "precision"} - {"stage"}


def write_results(
    record: SearchRecord,
    configure: Callable[[TrialRecord], Experiment],
    space: Space,
    status: str,
    command: str,
) -> dict[str, Any]:
    """Writes the page, the JSON and the recipe of a search.

    Args:
        record: of the search.
        configure: the experiment of a trial.
        space: what the search varies.
        status: `complete` or `stopped`.
        command: the command line that goes on with the search.

    Returns:
        The content of `tune.json`.
    """
    ranked = record.ranked()
    rest = [trial for trial in record.trials if trial not in ranked]
    settings = record.settings
    content: dict[str, Any] = {
        "experiment": settings["experiment"],
        "recipe_before": settings["recipe"],
        "tuner": settings["tuner"],
        "seed": settings["seed"],
        "status": status,
        "command": command,
        "folder": str(record.folder),
        "space": settings["space"],
        "trials": [_row(trial, record) for trial in [*ranked, *rest]],
        **_undecided(record),
        "importance": _importance(record, space),
        "recipe": None,
        "all_images": "",
    }
    if ranked:
        content["all_images"] = _all_images(configure(ranked[0]))
        path = record.folder / f"{settings['experiment']}_tuned.yaml"
        files.write_text(path, best_recipe(record, configure(ranked[0]), command))
        content["recipe"] = str(path)
    content["page"] = str(write_tuning(content, space, record.folder))
    files.write_json(record.folder / "tune.json", content)
    return content


def best_recipe(record: SearchRecord, best: Experiment, command: str) -> str:
    """The best settings as the YAML file of an experiment with the one recipe `tuned`."""
    trial = record.ranked()[0]
    complete = len(record.ranked())
    settings = best.model_dump(mode="json", exclude={"name", "recipe", "variants", "faults", "measured"})
    recipe = {key: settings.pop(key) for key in list(settings) if key in TRAINING and settings[key] != _default(key)}
    settings = {key: value for key, value in settings.items() if value != _default(key)}
    head = (
        f"# The best of {complete} trials: validation accuracy {trial.score:.2%} on {trial.images:,} images, seed "
        f"{best.seed}. Not tested yet.\n# {command}\n"
    )
    content = {"title": settings.pop("title"), **settings, "recipes": {"tuned": recipe}}
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _all_images(best: Experiment) -> str:
    """The words after `kerasexp train` that give the best settings all training images; empty if they have them.

    How many images a class has is varied to learn what more of them are worth, not to find out that fewer do.
    """
    words = {
        "data.images_per_class=null": best.data.images_per_class is not None,
        "data.imbalance=1": best.data.imbalance != 1,
    }
    return "".join(f" --set {word}" for word, needed in words.items() if needed)


def last_of_chains(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The complete trials that no other one went on with: each configuration once, trained the longest."""
    parents = {trial.parent for trial in trials if trial.status == "complete"}
    return [trial for trial in trials if trial.status == "complete" and trial.number not in parents]


def _default(key: str) -> Any:
    field = Experiment.model_fields[key]
    default = None if field.is_required() else field.default
    return list(default) if isinstance(default, tuple) else default


def _row(trial: TrialRecord, record: SearchRecord) -> dict[str, Any]:
    return {
        "trial": trial.number + 1,
        "parent": None if trial.parent is None else trial.parent + 1,
        "status": trial.status,
        "score": trial.score,
        "interval": list(wilson(*_right(trial))) if trial.status == "complete" else None,
        "images": trial.images,
        "epochs": trial.epochs_run,
        "best_epoch": trial.best_epoch,
        "seconds": trial.seconds,
        "parameters": trial.parameters,
        "values": trial.values,
        "message": trial.message,
        "kept": trial.kept,
        "run": None if trial.run is None else str(record.folder / trial.run),
    }


def _undecided(record: SearchRecord) -> dict[str, int]:
    """How many of the other configurations may be as good as the best: the 95 % interval of the difference holds 0."""
    ranked = record.ranked()
    others = [trial for trial in last_of_chains(record.trials) if trial not in ranked[:1]]
    undecided = 0
    for trial in others:
        low, _ = newcombe(*_right(ranked[0]), *_right(trial))
        undecided += low <= 0
    return {"others": len(others), "undecided": undecided}


def _right(trial: TrialRecord) -> tuple[float, int]:
    """How many of how many images."""
    assert trial.score is not None
    assert trial.images is not None
    return trial.score * trial.images, trial.images


def _importance(record: SearchRecord, space: Space) -> dict[str, Any] | None:
    trials = last_of_chains(record.trials)
    columns, groups = [], []
    for number, one in enumerate(space.dimensions):
        if one.is_number:
            found = [[one.place(trial.values[one.name]) for trial in trials]]
        else:
            found = [[float(trial.values[one.name] == value) for trial in trials] for value in one.settings]
        columns += found
        groups += [number] * len(found)
    names = [one.name for one in space.dimensions]
    if any(trial.epochs is not None for trial in trials):  # what Hyperband trained longer is better for that alone
        columns.append([float(trial.epochs_run) for trial in trials])
        groups.append(len(names))
        names.append("epochs")
    scores = np.array([trial.score for trial in trials], dtype=np.float64)
    found_shares = importance(np.array(columns).T, groups, scores, record.settings["seed"])
    if found_shares is None:
        return None
    shares, r2 = found_shares
    order = np.argsort(-shares, kind="stable")
    return {
        "trials": len(trials),
        "r2": r2,
        "settings": [{"setting": names[number], "share": float(shares[number])} for number in order],
    }
