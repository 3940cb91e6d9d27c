"""Which runs of a comparison belong together, what they are called, and in which settings they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.runs import Run, find_runs, open_run

MOST_NAMED = 2  # settings in a label


def find_runs_of(path: str | Path) -> list[Run]:
    """The run in a folder, or of an experiment's folder the newest finished one with the other seeds of its group.

    Raises:
        DataError: if there is none, or it was not evaluated yet.
    """
    path = Path(path)
    inside = sorted(entry.parent for entry in path.glob("*/manifest.json")) if path.is_dir() else []
    if not inside or (path / "manifest.json").exists():
        return [_evaluated(open_run(path))]
    # "." and not its parent with its name, which `..` has none of; where all are damaged, the newest says how
    runs = find_runs(path, ".") or [open_run(inside[-1])]
    finished = [run for run in runs if run.manifest["status"] == "complete"]
    if not finished:
        raise DataError(
            f"{path} holds no finished run ({len(runs)} unfinished). Go on with: kerasexp resume {runs[-1]}"
        )
    newest = _evaluated(finished[-1])
    group = newest.manifest.get("group")
    others = [run for run in finished[:-1] if group and run.manifest.get("group") == group]
    return [_evaluated(run) for run in others if _apart_from_seed(run) == _apart_from_seed(newest)] + [newest]


def _evaluated(run: Run) -> Run:
    if not run.path("metrics.json").exists():
        raise DataError(f"{run} has no metrics.json: {run.what_is_left}")
    return run


def _apart_from_seed(run: Run) -> str:
    """What two runs share that differ in nothing but their seed."""
    manifest = run.manifest
    parts = [manifest["experiment"], manifest["status"], manifest["precision"], manifest["data"]["digest"]]
    return files.digest([run.experiment.digest(), *parts])


def groups_of(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in their order, those of the same settings with different seeds together.

    A seed counts once in a group: a run that repeats one is left out. Runs that all share their seed stay alone.
    """
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(_apart_from_seed(run), []).append(run)
    groups: list[list[Run]] = []
    for together in found.values():
        of_seed: dict[int, Run] = {}
        for run in together:
            of_seed.setdefault(run.manifest["seed"], run)
        groups += [list(of_seed.values())] if len(of_seed) > 1 else [[run] for run in together]
    return sorted(groups, key=lambda group: runs.index(group[0]))


def left_out_of(groups: Sequence[Sequence[Run]], runs: Sequence[Run]) -> list[str]:
    """Which of the runs are in no group and whose seed they repeat, a sentence for each."""
    kept = {(_apart_from_seed(run), run.manifest["seed"]): run for group in groups for run in group}
    left_out = [run for run in runs if not any(run in group for group in groups)]
    return [
        f"{run} is left out: it repeats {kept[_apart_from_seed(run), seed]} with the same seed {seed}."
        for run, seed in ((run, run.manifest["seed"]) for run in left_out)
    ]


def labels_of(groups: Sequence[Sequence[Run]]) -> list[str]:
    """A short name for each group: what tells it apart from the others, and how many seeds it has."""
    parts = [_words(group[0]) for group in groups]
    several = [key for key in parts[0] if len({part[key] for part in parts}) > 1]
    names = [" ".join(part[key] for key in several if part[key]) or part["experiment"] for part in parts]
    names = [name + _settings_apart(name, names, groups, group[0]) for name, group in zip(names, groups, strict=True)]
    seeds = [_seeds(name, names, groups, group) for name, group in zip(names, groups, strict=True)]
    found = [name + of_group for name, of_group in zip(names, seeds, strict=True)]
    return [
        label if found.count(label) == 1 else f"{label} {group[0].folder.resolve().name[-6:]}"
        for label, group in zip(found, groups, strict=True)
    ]


def _seeds(name: str, names: Sequence[str], groups: Sequence[Sequence[Run]], group: Sequence[Run]) -> str:
    """How many seeds a group has; of a run, its seed where another of the same name has another one."""
    if len(group) > 1:
        return f", {len(group)} seeds"
    same = [other for other, its in zip(groups, names, strict=True) if its == name]
    alone = all(len(other) == 1 for other in same)
    return f" seed {group[0].manifest['seed']}" if alone and len({one[0].manifest["seed"] for one in same}) > 1 else ""


def _settings_apart(name: str, names: Sequence[str], groups: Sequence[Sequence[Run]], run: Run) -> str:
    """The settings of a run in which it differs from those of the same name, if they are few."""
    same = [group[0] for group, other in zip(groups, names, strict=True) if other == name]
    settings = [_configured(one) for one in same]
    keys = [key for key in _keys(settings) if key not in ("name", "data.name")]
    mine = _configured(run)
    apart = [key for key in keys if any(of_run.get(key) != mine.get(key) for of_run in settings)]
    if len(apart) > MOST_NAMED:
        return ""
    return "".join(f" {key.rpartition('.')[2]} {_word(mine.get(key))}" for key in apart)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_word, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _words(run: Run) -> dict[str, str]:
    experiment = run.experiment
    return {
        "experiment": experiment.name,
        "variants": " ".join(experiment.variants),
        "recipe": experiment.recipe,
        "data": Path(experiment.data.name).stem,
    }


def differing_settings(groups: Sequence[Sequence[Run]]) -> list[dict[str, Any]]:
    """Every setting that decides the result, and what else was not equal, where the groups differ.

    What is not the same within a group stands there as a list.
    """
    columns = [[_settings(run) for run in group] for group in groups]
    keys = _keys([settings for column in columns for settings in column])
    table = [{"setting": key, "values": [_joined(column, key) for column in columns]} for key in keys]
    return [
        row for row in table if row["setting"] != "name" and any(value != row["values"][0] for value in row["values"])
    ]


def _settings(run: Run) -> dict[str, Any]:
    manifest = run.manifest
    around = {
        "seed": manifest["seed"],
        "precision used": manifest["precision"],
        "data digest": manifest["data"]["digest"],
        "kerasexp": manifest["kerasexp"],
        "processor": manifest["hardware"]["processor"],
    }
    return {**_configured(run), **around}


def _configured(run: Run) -> dict[str, Any]:
    """Every setting by its path; a stage of the training stands there with its name."""
    settings = run.experiment.settings()
    stages = {stage["stage"] or str(number): stage for number, stage in enumerate(settings["stages"], start=1)}
    return dict(_leaves(settings | {"stages": stages}))


def _keys(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths in some runs' settings; what every stage has from the top level stands there once."""

    def is_own(path: str, of_run: Mapping[str, Any]) -> bool:
        return path in of_run and of_run[path] != of_run.get(path.split(".", 2)[2])

    paths = dict.fromkeys(path for of_run in settings for path in of_run)
    return [path for path in paths if not path.startswith("stages.") or any(is_own(path, one) for one in settings)]


def _joined(column: Sequence[Mapping[str, Any]], key: str) -> Any:
    values = [settings.get(key) for settings in column]
    different = [value for place, value in enumerate(values) if value not in values[:place]]
    return different if len(different) > 1 else different[0]


def _leaves(part: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in part.items():
        leaves += _leaves(value, f"{above}{key}.") if isinstance(value, Mapping) else [(f"{above}{key}", value)]
    return leaves
