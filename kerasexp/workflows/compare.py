"""`kerasexp compare`: runs side by side, and no winner inside the noise."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp import environment, files
from kerasexp.errors import DataError, UsageError
from kerasexp.runs import Run

if TYPE_CHECKING:
    import numpy as np

    from kerasexp.evaluation.comparison import Difference, Predictions


def compare(
    *runs: str | Path | Run, out: str | Path | None = None, data_dir: str | Path | None = None
) -> dict[str, Any]:
    """Sets runs of any experiments side by side and writes one page about them.

    Runs of equal settings with different seeds are one entry of the tables: their mean, its interval, their spread.
    There a seed counts once: a run that repeats one is left out.

    Args:
        *runs: two or more run folders, or folders of an experiment such as `runs/kmnist_cnn`, which stand for their
            newest finished run and the other seeds of its group.
        out: folder of the page, the JSON and the figures; a new one in `comparisons` by default.
        data_dir: where the data lies whose images are shown; where each run found it by default. It is only looked for
            there, never fetched: without it the page shows those images that the run folders hold.

    Returns:
        What `compare.json` holds:

        * `runs`: for each its `label`, `run`, `experiment`, `recipe`, `variants`, `seed`, `status`, `data`, `epochs`,
          `test`, `train`, `validation`, `best_validation`, `validated_by`, `seconds`, `seconds_per_epoch`,
          `feature_seconds` (of frozen layers that were computed once), `parameters`. The scores of a clustering are
          those of its mapped labels, with `nmi` and `ari` beside them.
        * `entries`: the same of each run or group of seeds, with `runs` and `seeds`; the scores of a group are means
          with their interval over seeds, `deviation`, `lowest` and `highest`.
        * `settings` that differ: `setting` and `values`, one per entry.
        * `pairs` of entries: `first`, `second`, `difference` of the test accuracies with its `interval`, `macro_f1`
          (the same of the macro F1), `over_seeds`, `only_first`, `only_second`, `both`, `neither` (images that one
          side alone got right, both, none; of several runs most), `p`, `corrected_p` (Holm), `verdict` (a label,
          `cannot tell` or `other test images`), `images_needed` and `seeds_needed` to tell them apart, and `advice`,
          the same in words.
        * `changes`: test images that the entry of the highest accuracy gets right and another one wrong, and the other
          way round: `right` and `wrong` (labels), `count`, and some `images`, evenly over the classes.
        * `best` (a label, or None where no entry is better than all others), `left_out` (which runs and why, a sentence
          for each), `conclusion` in words, those sentences too, `pictures_missing` (why images of `changes` are not
          shown, empty if all are), and `page`, the path of `compare.html`.

    Raises:
        UsageError: for fewer than two runs, or one given twice.
        DataError: if a run is missing, damaged or not evaluated yet.
    """
    groups, content, pictures = compared(*runs, data_dir=data_dir)
    folder = _folder(out)
    from kerasexp.reporting.comparison import write_comparison

    content["page"] = str(write_comparison(groups, content, pictures, folder))
    files.write_json(folder / "compare.json", content)
    return content


def compared(
    *runs: str | Path | Run, data_dir: str | Path | None = None
) -> tuple[list[list[Run]], dict[str, Any], dict[int, np.ndarray]]:
    """What `compare` finds out, before a page is written.

    Args:
        *runs: as `compare` takes them.
        data_dir: as `compare` takes it.

    Returns:
        The runs of each entry; the content of `compare.json` without `page`; the pictures of changed test images by
        row, uint8 `[height, width, channels]`.

    Raises:
        UsageError: for fewer than two runs, or one given twice.
        DataError: if a run is missing, damaged or not evaluated yet.
    """
    from kerasexp.workflows.changed_images import changed
    from kerasexp.workflows.groups import differing_settings, find_runs_of, groups_of, labels_of, left_out_of
    from kerasexp.workflows.side_by_side import entry_of, predictions_of, row_of

    found = [one for run in runs for one in ([run] if isinstance(run, Run) else find_runs_of(run))]
    if len(found) < 2:
        raise UsageError(f"Nothing to compare: expected two or more runs, received: {len(found)}.")
    folders = [run.folder.resolve() for run in found]
    again = next((folder for folder in folders if folders.count(folder) > 1), None)
    if again:
        raise UsageError(f"The run {again} is given twice. Expected different runs.")
    environment.start_tensorflow("float32")
    try:
        groups = groups_of(found)
        left_out = left_out_of(groups, found)
        names = labels_of(groups)
        rows = [
            [row_of(run, _label(run, group, name)) for run in group] for group, name in zip(groups, names, strict=True)
        ]
        entries = [entry_of(of_group, name) for of_group, name in zip(rows, names, strict=True)]
        results = [predictions_of(group, of_group) for group, of_group in zip(groups, rows, strict=True)]
        settings = differing_settings(groups)
        changes, pictures, missing = changed(groups, entries, results, data_dir)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"A run folder is damaged: manifest.json, metrics.json or predictions.npz lacks {error}."
        ) from error
    content = {
        "runs": [row for of_group in rows for row in of_group],
        "entries": entries,
        "settings": settings,
        **_conclusions(entries, results, left_out),
        "changes": changes,
        "pictures_missing": missing,
    }
    return groups, content, pictures


def _label(run: Run, group: Sequence[Run], name: str) -> str:
    return f"{name.removesuffix(f', {len(group)} seeds')}, seed {run.experiment.seed}" if len(group) > 1 else name


def _conclusions(
    entries: Sequence[Mapping[str, Any]], results: Sequence[Predictions], left_out: Sequence[str]
) -> dict[str, Any]:
    """What may be said of the test accuracies."""
    from kerasexp.evaluation.comparison import differences, winner

    names = [entry["label"] for entry in entries]
    pairs = differences(results)
    best = winner(pairs, len(entries))
    listed = [_pair(pair, names, entries[pair.first]["test"]["n"]) for pair in pairs]
    return {
        "pairs": listed,
        "best": None if best is None else names[best],
        "left_out": list(left_out),
        "conclusion": " ".join([_conclusion(entries, listed, best), *left_out]),
    }


def _pair(pair: Difference, names: Sequence[str], images: int) -> dict[str, Any]:
    words = {"first": names[pair.first], "second": names[pair.second], None: "cannot tell"}
    content = {"first": names[pair.first], "second": names[pair.second]}
    if pair.accuracy is None or pair.macro_f1 is None:
        return {**content, "comparable": False, "verdict": "other test images", "advice": ""}
    counts = ("over_seeds", "only_first", "only_second", "both", "neither")
    kept = (*counts, "p", "corrected_p", "images_needed", "seeds_needed")
    return {
        **content,
        "comparable": True,
        "difference": pair.accuracy[0],
        "interval": list(pair.accuracy[1]),
        "macro_f1": {"difference": pair.macro_f1[0], "interval": list(pair.macro_f1[1])},
        **{key: getattr(pair, key) for key in kept},
        "verdict": words[pair.better],
        "advice": "" if pair.better else _advice(pair, images),
    }


def _advice(pair: Difference, images: int) -> str:
    """What would tell two results apart, in words."""
    assert pair.accuracy is not None
    if pair.accuracy[0] == 0:
        return "equal: no number of images would show a difference"
    wanted = []
    if pair.images_needed:
        wanted.append(f"about {float(f'{pair.images_needed:.2g}'):,.0f} test images instead of {images:,}")
    if pair.seeds_needed:
        wanted.append(f"about {pair.seeds_needed} seeds of each")
    elif pair.over_seeds and not pair.images_needed:
        wanted.append("more than 100 seeds of each")
    return f"{' and '.join(wanted)} would show a difference of this size"


def _conclusion(entries: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]], best: int | None) -> str:
    names = [entry["label"] for entry in entries]
    if len(entries) == 1:
        accuracy, seeds = entries[0]["test"]["accuracy"], len(entries[0]["seeds"])
        low, high = accuracy["interval"]
        return (
            f"One group: {seeds} seeds of equal settings have a mean test accuracy of {accuracy['value']:.2%} "
            f"({low:.2%} to {high:.2%}). None of them is the better one."
        )
    if not all(pair["comparable"] for pair in pairs):
        return "The runs were not all tested on the same images: no winner is named."
    if best is not None:
        others = "every other" if len(entries) > 2 else names[1 - best]
        won = [pair for pair in pairs if names[best] in (pair["first"], pair["second"])]
        single = [pair for pair in won if not pair["over_seeds"]]
        once = [name for name in names if any(name in (pair["first"], pair["second"]) for pair in single)]
        chance = "the choice of the test images" if single else "the seeds and the choice of the test images"
        who = "Each" if len(once) == len(names) else _listed(once)
        alone = f" {who} {'was' if who == 'Each' else 'were'} trained once: other seeds may say otherwise."
        return f"{names[best]} is better than {others}, beyond what {chance} could do.{alone if single else ''}"
    highest = _highest(entries)
    doubtful = [
        (pair["second"] if pair["first"] == names[highest] else pair["first"], pair)
        for pair in pairs
        if names[highest] in (pair["first"], pair["second"]) and pair["verdict"] == "cannot tell"
    ]
    equal = [names[highest], *(name for name, pair in doubtful if pair["difference"] == 0)]
    nearly = [name for name, pair in doubtful if pair["difference"] != 0]
    first = f"{_listed(equal)} have the same" if len(equal) > 1 else f"{equal[0]} has the highest"
    but = f", but {_listed(nearly)} may be as good" if nearly else ""
    advice = doubtful[0][1]["advice"] if len(doubtful) == len(nearly) == 1 else ""
    more = f" {advice[0].upper()}{advice[1:]}." if advice else ""
    return f"Cannot tell: {first} test accuracy{but}.{more}"


def _highest(entries: Sequence[Mapping[str, Any]]) -> int:
    return max(range(len(entries)), key=lambda position: entries[position]["test"]["accuracy"]["value"])


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _folder(out: str | Path | None) -> Path:
    now = datetime.datetime.now(datetime.UTC)
    folder = Path(out) if out else Path("comparisons") / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}. Choose another folder with --out.") from None
    return folder
