"""`docs/experiments.md`: every experiment with what its study published and what our runs gave.

    python -m kerasexp.reporting.catalogue              writes the page again
    python -m kerasexp.reporting.catalogue --runs runs  takes our numbers from these runs first

Our numbers are kept beside the page in `experiments.json`, so that the page can be written without the runs.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kerasexp import environment, files
from kerasexp.config.faults import FAULTS
from kerasexp.config.loading import experiment_names, load_experiment, read_config, variant_flags, variants_of
from kerasexp.config.schema import Experiment, Measured
from kerasexp.errors import UsageError
from kerasexp.published import Claim, claims, studies
from kerasexp.published.claims import published_number, source, study_data, title
from kerasexp.published.tables import Candidate, candidates, rows_of
from kerasexp.published.words import metric_words
from kerasexp.reporting.beside import SYMBOLS, interval_words, value_words
from kerasexp.runs import Run, find_runs

# what a reader looks for first: of each line the first number that the study has for a model
HEADLINES = (
    ("test.accuracy", "history.val_accuracy@max"),
    ("test.macro.f1",),
    ("test.nmi_mapped",),
    ("test.loss", "history.val_loss@final"),
    ("history.reconstruction_loss@final",),
    ("history.clustering_loss@final",),
    ("parameters.total",),
)
OUR_SCORES = ("test.accuracy", "test.macro.f1")
HEADS = [
    *("number", "model", "published", "95 % interval", "n", "may be off by", "source"),
    *("ours", "95 % interval", "runs", "verdict"),
]
HEAD = """\
# Experiments

<!-- Written by python -m kerasexp.reporting.catalogue; change what it is made from instead. -->

Every experiment with the headlines that its study published, and ours. *Model* is what to add to the command line for
this row. A rerun *may be off by* a margin that was fixed before the first run of ours: a number is ✓ reproduced if the
95 % interval of our difference lies inside it, ✗ not reproduced if it lies outside, and otherwise nobody can tell (?).
Only runs with the recipe `published` on the complete data are asked. `kerasexp reproduce STUDY` sets all claims of a
study beside our runs.

After each source: S stated in the report, F read off a figure, O from the authors' own code and files, D derived,
A assumed.
"""


def page(ours: dict[str, Any] | None = None) -> str:
    """The page as Markdown.

    Args:
        ours: our numbers, as `our_numbers` gives them; none by default.
    """
    ours = ours or {}
    experiments = {name: load_experiment(name) for name in experiment_names()}
    of_study = {study: [one for one in experiments.values() if one.study == study] for study in studies()}
    lines = [HEAD, *_table(["study", "experiments"], [_contents(study, found) for study, found in of_study.items()])]
    for study, found in of_study.items():
        lines += ["", f"## {title(study)}", "", f"{source(study)}."]
        for experiment in found:
            lines += _section(experiment, ours)
        lines += ["", "### Faults", "", *_explained(found)]
    return "\n".join(lines) + "\n"


def our_numbers(runs: Sequence[Run]) -> dict[str, Any]:
    """Our numbers for the page.

    Args:
        runs: any runs; those that are not complete are left out.

    Returns:
        `verdicts`: study, model and metric of a headline to `value`, `interval`, `seeds`, `status` and `provisional`
        (empty, or in words how few seeds the verdict is of). `runs`: for each experiment a list of `recipe`,
        `variants`, `data`, `seeds`, `seconds` (mean) and `scores`: metric to `value` and `interval`. Runs whose
        settings are not those of a recipe have no place among them.

    Raises:
        DataError: if a run folder is damaged.
    """
    verdicts: dict[str, Any] = {}
    grouped: dict[str, Any] = {}
    for study in studies():
        known = [one for one in candidates(study, runs) if one.results.manifest.get("status") == "complete"]
        wanted = {(claim.metric, claim.model) for _, claim in _headlines(study)}
        for row in rows_of(study, known) if known else ():
            key = row.claim.metric, row.claim.model
            if key not in wanted or row.claim != published_number(study, key[1], key[0]):
                continue
            if row.verdict and row.ours is not None:
                verdicts[" | ".join((study, key[1], key[0]))] = {
                    "value": row.ours,
                    "interval": row.ours_interval,
                    "seeds": len(row.comparable),
                    "status": row.status,
                    "provisional": row.verdict.provisional,
                }
        for name, found in _alike(known).items():
            grouped.setdefault(name, []).extend(found)
    return {"verdicts": verdicts, "runs": grouped}


def _contents(study: str, found: Sequence[Experiment]) -> list[str]:
    return [title(study), " · ".join(f"[{one.name}](#{one.name})" for one in found)]


def _section(experiment: Experiment, ours: dict[str, Any]) -> Iterator[str]:
    """One experiment: what it is, how to run it, what was published, what our runs gave, its recipes."""
    name = experiment.name
    yield from ["", f"### {name}", "", f"{experiment.title}. {_images(experiment)}. Network `{experiment.network}`."]
    yield from ["", "```", f"kerasexp train {name}", f"kerasexp train {name} --recipe fast", "```", ""]
    rows = list(_published(experiment, ours.get("verdicts", {})))
    yield from _table(*_filled(HEADS, _merged(rows))) if rows else ["No study published a number of it."]
    found = ours.get("runs", {}).get(name, ())
    if found:
        yield from ["", "Our runs with the unchanged settings of a recipe, on whatever data:", ""]
        heads = ["recipe", "model", "data", "seeds", "accuracy, test", "macro F1, test", "time"]
        yield from _table(heads, map(_our_run, found))
    yield from ["", *_table(["recipe", "trained for", "measured"], _recipes(name))]
    faults = _faults_of(experiment)
    if faults:
        yield from ["", f"Faults of `published`: {', '.join(f'`{fault}`' for fault in faults)}."]


def _images(experiment: Experiment) -> str:
    if experiment.study not in studies():
        return f"Data set `{experiment.data.name}`"
    data = study_data(experiment.study, experiment.data.name)
    if experiment.data.joined:
        parts = f"{data.train:,} images, trained and tested on all"
    else:
        validation = f", {data.validation:,} validation" if data.validation else ""
        parts = f"{data.train:,} training{validation} and {data.test:,} test images"
    return f"Data set `{data.name}`: {parts}, {'×'.join(map(str, data.image_shape))}, {data.classes} classes"


def _headlines(study: str, experiment: str | None = None) -> Iterator[tuple[str, Claim]]:
    """Model and claim of each headline of a study, number by number."""
    about = (claim for claim in claims(study) if claim.experiment)
    models = dict.fromkeys(claim.model for claim in about if experiment in (None, claim.experiment))
    for choices in HEADLINES:
        for model in models:
            found = (published_number(study, model, metric) for metric in choices)
            claim = next((claim for claim in found if claim), None)
            if claim:
                yield model, claim


def _published(experiment: Experiment, verdicts: dict[str, Any]) -> Iterator[list[str]]:
    if experiment.study not in studies():
        return
    for model, claim in _headlines(experiment.study, experiment.name):
        where = f"{claim.source} ({claim.provenance})"
        published = [value_words(claim, claim.value), interval_words(claim, claim.interval)]
        row = [claim.what, _flags(claim.variants), *published, f"{claim.n:,}" if claim.n else "", _margin(claim), where]
        found = verdicts.get(" | ".join((experiment.study, model, claim.metric)))
        if found:
            row += [value_words(claim, found["value"]), interval_words(claim, found["interval"]), str(found["seeds"])]
            verdict = f"{SYMBOLS[found['status']]} {found['status']}"
            row += [", ".join(filter(None, (verdict, found["provisional"])))]
        yield row + [""] * (11 - len(row))


def _flags(variants: Sequence[str]) -> str:
    """How a model is asked for on the command line."""
    return f"`{' '.join(variant_flags(variants))}`" if variants else "as it is"


def _margin(claim: Claim) -> str:
    if claim.kind == "exact":
        return "nothing"
    if claim.band:
        return f"within {interval_words(claim, claim.band)}"
    shown = value_words(claim, claim.margin)
    return f"{shown.removesuffix(' %')} points" if shown.endswith("%") else shown


def _merged(rows: list[list[str]]) -> list[list[str]]:
    """Numbers that are the same for several models in one line; of the others the first names the number."""
    merged: list[list[str]] = []
    for what in dict.fromkeys(row[0] for row in rows):
        alike: dict[tuple[str, ...], list[list[str]]] = {}
        for row in rows:
            if row[0] == what:
                alike.setdefault((*row[2:6], *row[7:]), []).append(row)
        for number, same in enumerate(alike.values()):
            models = ", ".join(row[1] for row in same) if len(alike) > 1 or len(same) == 1 else "all"
            sources = "; ".join(dict.fromkeys(row[6] for row in same))
            merged.append(["" if number else what, models, *same[0][2:6], sources, *same[0][7:]])
    return merged


def _filled(heads: Sequence[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A table without its empty columns, and without that of the models if there is only one."""
    empty = {"", "as it is"}
    columns = [number for number in range(len(heads)) if any(row[number] not in empty for row in rows)]
    return [heads[number] for number in columns], [[row[number] for number in columns] for row in rows]


def _our_run(found: dict[str, Any]) -> list[str]:
    scores = [_score(found["scores"].get(metric), metric) for metric in OUR_SCORES]
    first = [f"`{found['recipe']}`", _flags(found["variants"]), found["data"], str(found["seeds"])]
    return [*first, *scores, _duration(found["seconds"])]


def _score(score: dict[str, Any] | None, metric: str) -> str:
    if not score:
        return "–"
    numbers = [score["value"], *(score["interval"] or ())]
    value, *interval = [f"{100 * one:.2f} %" if "accuracy" in metric else f"{one:.4f}" for one in numbers]
    return f"{value} ({interval[0].removesuffix(' %')} to {interval[1]})" if interval else value


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _recipes(name: str) -> Iterator[list[str]]:
    for recipe in read_config(name)["recipes"]:
        config = load_experiment(name, recipe)
        yield [f"`{recipe}`", _length(config), "; ".join(map(_measured, config.measured)) or "not measured"]


def _length(config: Experiment) -> str:
    words = []
    for stage in config.training_stages:
        if stage.is_solved:
            words.append({"linear_svm": "linear SVM", "kmeans": "k-means"}[stage.optimizer.name])
        elif stage.epochs:
            words.append(f"{'up to ' * bool(stage.early_stopping)}{stage.epochs:,} epochs")
        else:
            most = f", at most {stage.passes_per_image} of each image" if stage.passes_per_image else ""
            words.append(f"{stage.passes:,} image passes{most}")
    return ", then ".join(words)


def _measured(result: Measured) -> str:
    spread = f" ± {result.spread:g}" if result.spread is not None else ""
    seeds = f"{result.seeds} seed{'s'[: result.seeds > 1]}"
    score = f"{metric_words(result.metric)}: {result.mean:g}{spread}"
    return f"{score} ({result.data}; {seeds}, {_duration(result.seconds)} each, {result.hardware})"


def _faults_of(experiment: Experiment) -> tuple[str, ...]:
    """The mistakes of the study's own training, those of single models included."""
    name, recipe = experiment.name, experiment.recipe
    models = [experiment, *(load_experiment(name, recipe, [variant]) for variant in variants_of(name, recipe))]
    return tuple(dict.fromkeys(fault for model in models for fault in model.faults))


def _explained(found: Sequence[Experiment]) -> Iterator[str]:
    for fault in dict.fromkeys(fault for one in found for fault in _faults_of(one)):
        yield f"* `{fault}`: {FAULTS[fault].explanation}"


def _alike(known: Sequence[Candidate]) -> dict[str, list[dict[str, Any]]]:
    """Runs of unchanged recipes, those that differ in their seed alone summed up, experiment by experiment."""
    groups: dict[tuple[Any, ...], dict[int, Candidate]] = {}
    for one in known:  # the newest first
        if _unchanged(one.experiment):
            data = str(one.results.manifest["data"]["name"])
            key = one.experiment.name, one.experiment.recipe, one.experiment.variants, data
            groups.setdefault(key, {}).setdefault(one.experiment.seed, one)
    summed: dict[str, list[dict[str, Any]]] = {}
    for (name, recipe, variants, data), by_seed in sorted(groups.items()):
        ones = list(by_seed.values())
        summed.setdefault(name, []).append(
            {
                "recipe": recipe,
                "variants": list(variants),
                "data": data,
                "seeds": len(ones),
                "seconds": round(math.fsum(one.results.manifest["seconds"] for one in ones) / len(ones)),
                "scores": {metric: _mean(ones, metric) for metric in OUR_SCORES},
            }
        )
    return summed


def _unchanged(experiment: Experiment) -> bool:
    """Whether a run has the settings of its recipe as it is now, other data apart."""
    try:
        recipe = load_experiment(experiment.name, experiment.recipe, experiment.variants).settings()
    except UsageError:  # a recipe or variant that is no more
        return False
    ours = experiment.settings()
    return ours | {"data": ours["data"] | {"name": recipe["data"]["name"]}} == recipe


def _mean(ones: Sequence[Candidate], metric: str) -> dict[str, Any] | None:
    """The mean over seeds, with where one more run would lie from three of them on; of one run its own interval."""
    from kerasexp.evaluation.statistics import prediction_interval
    from kerasexp.published.verdicts import ENOUGH_SEEDS

    values = [value for one in ones if (value := one.results.value(metric)) is not None]
    if not values:
        return None
    interval = ones[0].results.interval(metric) if len(values) == 1 else None
    if len(values) >= ENOUGH_SEEDS:
        interval = prediction_interval(values, within=(0.0, 1.0))
    rounded = [round(bound, 4) for bound in interval] if interval else None
    return {"value": round(math.fsum(values) / len(values), 4), "interval": rounded}


def _table(heads: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def main() -> None:
    """Writes the page, and our numbers if runs are given."""
    parser = argparse.ArgumentParser(description="Writes experiments.md.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"), help="of the page; docs by default")
    parser.add_argument("--runs", type=Path, action="append", default=[], help="a folder of runs; may be repeated")
    words = parser.parse_args()
    kept = words.folder / "experiments.json"
    if words.runs:
        environment.start_tensorflow()
        files.write_json(kept, our_numbers([run for folder in words.runs for run in find_runs(folder)]))
    files.write_text(words.folder / "experiments.md", page(files.read_json(kept) if kept.exists() else None))


if __name__ == "__main__":
    main()
