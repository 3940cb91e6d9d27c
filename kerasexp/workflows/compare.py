"""`kerasexp compare`: runs side by side, and no winner inside the noise."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasexp import environment, files
from kerasexp.errors import DataError, UsageError
from kerasexp.runs import Run, open_run


def compare(*runs: str | Path | Run, out: str | Path | None = None) -> dict[str, Any]:
    """Sets runs of any experiments side by side and writes one page about them.

    Args:
        *runs: two or more run folders, or folders of an experiment such as `runs/kmnist_cnn`, which stand for their
            newest finished run.
        out: folder of the page, the JSON and the figures; a new one in `comparisons` by default.

    Returns:
        What `compare.json` holds: `runs` (a dictionary each: `label`, `run`, `experiment`, `recipe`, `variants`,
        `seed`, `status`, `data`, `epochs`, `test`, `train`, `validation`, `best_validation`, `validated_by`, `seconds`,
        `seconds_per_epoch`, `parameters`), `settings` that differ (`setting` and `values`, one per run), `pairs`
        (`first`, `second`, `difference` of the test accuracies with its `interval`, `verdict`), `best` (a label, or
        None where no run is better than all others), `conclusion` in words, and `page`, the path of `compare.html`.

    Raises:
        UsageError: for fewer than two runs, or one given twice.
        DataError: if a run is missing, damaged or not evaluated yet.
    """
    found = [run if isinstance(run, Run) else find_run(run) for run in runs]
    if len(found) < 2:
        raise UsageError(f"Nothing to compare: expected two or more runs, received: {len(found)}.")
    folders = [run.folder.resolve() for run in found]
    again = next((folder for folder in folders if folders.count(folder) > 1), None)
    if again:
        raise UsageError(f"The run {again} is given twice. Expected different runs.")
    environment.start_tensorflow("float32")
    from kerasexp.reporting.comparison import write_comparison

    names = labels(found)
    try:
        rows = [_row(run, label) for run, label in zip(found, names, strict=True)]
    except (KeyError, TypeError) as error:
        raise DataError(f"A run folder is damaged: manifest.json or metrics.json lacks {error}.") from error
    content = {"runs": rows, "settings": _differing_settings(found), **_conclusions(found, rows)}
    folder = _folder(out)
    page = write_comparison(found, content, folder)
    content["page"] = str(page)
    files.write_json(folder / "compare.json", content)
    return content


def find_run(path: str | Path) -> Run:
    """The run in a folder, or the newest finished one of an experiment's folder.

    Raises:
        DataError: if there is none, or it was not evaluated yet.
    """
    path = Path(path)
    inside = sorted(entry.parent for entry in path.glob("*/manifest.json")) if path.is_dir() else []
    if inside and not (path / "manifest.json").exists():
        finished = [run for run in map(Run, inside) if run.manifest.get("status") == "complete"]
        if not finished:
            raise DataError(
                f"{path} holds no finished run ({len(inside)} unfinished). Go on with: kerasexp resume {inside[-1]}"
            )
        return open_run(finished[-1].folder)
    run = open_run(path)
    if not run.path("metrics.json").exists():
        status = run.manifest.get("status", "unknown")
        raise DataError(f"{run} is not finished (status {status}). Go on with: kerasexp resume {run}")
    return run


def labels(runs: Sequence[Run]) -> list[str]:
    """A short name for each run: what tells it apart from the others."""
    parts = []
    for run in runs:
        experiment = run.experiment
        parts.append(
            {
                "experiment": experiment.name,
                "variants": " ".join(experiment.variants),
                "recipe": experiment.recipe,
                "data": Path(experiment.data.name).stem,
                "seed": f"seed {experiment.seed}",
            }
        )
    several = [key for key in parts[0] if len({part[key] for part in parts}) > 1]
    found = [" ".join(part[key] for key in several if part[key]) or part["experiment"] for part in parts]
    return [
        label if found.count(label) == 1 else f"{label} {run.folder.resolve().name[-6:]}"
        for label, run in zip(found, runs, strict=True)
    ]


def _row(run: Run, label: str) -> dict[str, Any]:
    """What one run came to."""
    from kerasexp.training.callbacks import read_history

    manifest, metrics = run.manifest, files.read_json(run.path("metrics.json"))
    table = metrics["weights"][metrics["table_weights"]]
    history = [row for row in read_history(run.path("history.csv")) if "val_accuracy" in row]
    best = max(history, key=lambda row: row["val_accuracy"], default=None)
    seconds, epochs = manifest["seconds"], manifest["epochs_run"]
    return {
        "label": label,
        "run": str(run),
        **{key: manifest[key] for key in ("experiment", "recipe", "variants", "seed", "status")},
        "data": manifest["data"]["name"],
        "epochs": epochs,
        **{split: _scores(table.get(split)) for split in ("test", "train", "validation")},
        "best_validation": best and {"accuracy": best["val_accuracy"], "epoch": best["epoch"]},
        "validated_by": run.experiment.data.validation,
        "seconds": seconds,
        "seconds_per_epoch": seconds / epochs if epochs else None,
        "parameters": manifest["parameters"],
    }


def _scores(of_split: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if of_split is None:
        return None
    names = ("n", "accuracy", "loss", "per_class")
    return {**{name: of_split[name] for name in names}, "macro_f1": of_split["macro"]["f1"]}


def _differing_settings(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every setting that decides the result, and what else was not equal, where the runs differ."""
    leaves = []
    for run in runs:
        manifest = run.manifest
        around = {
            "seed": manifest["seed"],
            "precision used": manifest["precision"],
            "data digest": manifest["data"]["digest"],
            "kerasexp": manifest["kerasexp"],
            "processor": manifest["hardware"]["processor"],
        }
        leaves.append({**dict(_leaves(run.experiment.settings())), **around})
    keys = dict.fromkeys(key for settings in leaves for key in settings)
    table = [{"setting": key, "values": [settings.get(key) for settings in leaves]} for key in keys]
    return [
        row for row in table if row["setting"] != "name" and any(value != row["values"][0] for value in row["values"])
    ]


def _leaves(part: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in part.items():
        leaves += _leaves(value, f"{above}{key}.") if isinstance(value, Mapping) else [(f"{above}{key}", value)]
    return leaves


def _conclusions(runs: Sequence[Run], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What may be said of the test accuracies."""
    from kerasexp.evaluation.comparison import TestAccuracy, differences, winner

    accuracies = [
        TestAccuracy(_test_images(run), round(row["test"]["accuracy"]["value"] * row["test"]["n"]), row["test"]["n"])
        for run, row in zip(runs, rows, strict=True)
    ]
    pairs = differences(accuracies)
    names = [row["label"] for row in rows]
    best = winner(accuracies)
    highest = max(range(len(rows)), key=lambda position: rows[position]["test"]["accuracy"]["value"])
    if any(pair.verdict == "other test images" for pair in pairs):
        conclusion = "The runs were not all tested on the same images: no winner is named."
    elif best is not None:
        conclusion = f"{names[best]} is better than every other run: no 95 % interval of a difference holds 0."
    else:
        doubtful = [
            names[pair.second if pair.first == highest else pair.first]
            for pair in pairs
            if highest in (pair.first, pair.second) and pair.verdict == "cannot tell"
        ]
        conclusion = (
            f"Cannot tell: {names[highest]} has the highest test accuracy, but {_listed(doubtful)} may be as good."
        )
    return {
        "pairs": [
            {
                "first": names[pair.first],
                "second": names[pair.second],
                "difference": pair.difference,
                "interval": list(pair.interval),
                "verdict": {"first": names[pair.first], "second": names[pair.second]}.get(pair.verdict, pair.verdict),
            }
            for pair in pairs
        ],
        "best": None if best is None else names[best],
        "conclusion": conclusion,
    }


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _test_images(run: Run) -> str:
    """What two runs on the same test images share, in whatever size they saw them."""
    predictions = files.read_npz(run.path("predictions.npz"))
    places = [predictions[name].tolist() for name in ("test_index", "test_labels")]
    return files.digest([run.manifest["data"]["name"], *places])


def _folder(out: str | Path | None) -> Path:
    now = datetime.datetime.now(datetime.UTC)
    folder = Path(out) if out else Path("comparisons") / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}. Choose another folder with --out.") from None
    return folder
