"""`docs/experiments.md`: every experiment with what its study published and what our runs gave.

    python -m kerasexp.reporting.catalogue              writes the page again
    python -m kerasexp.reporting.catalogue --runs runs  takes our numbers from these runs first

What the runs gave is kept, so that the page can be written without them: the verdicts beside the page in
`experiments.json`, the scores of unchanged recipes in `configs/measured.json`, where `kerasexp list` finds them too.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from kerasexp import environment, files
from kerasexp.config.faults import FAULTS
from kerasexp.config.loading import experiment_names, load_experiment, read_config, variant_flags, variants_of
from kerasexp.config.measured import measurements, measurements_of
from kerasexp.config.schema import Experiment
from kerasexp.errors import UsageError
from kerasexp.published import Claim, claims, studies
from kerasexp.published.claims import published_number, source, study_data, title
from kerasexp.published.tables import Candidate, candidates, study_rows
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
RECIPE_HEADS = [
    *("recipe", "model", "trained for", "measured on"),
    *("accuracy, test", "macro F1, test", "seeds", "time each", "machine"),
]
HEAD = """\
# Experiments

<!-- Written by python -m kerasexp.reporting.catalogue; change what it is made from instead. -->

Every experiment with the headlines that its study published, and ours. *Model* is what to add to the command line for
this row. A rerun *may be off by* a margin that was fixed before the first run of ours: a number is ✓ reproduced if the
95 % interval of our difference lies inside it, ✗ not reproduced if it lies outside, and otherwise nobody can tell (?).
Only runs with the recipe `published` on the complete data are asked. `kerasexp reproduce STUDY` sets all claims of a
study beside our runs.

The table of recipes says what their unchanged settings gave on the data that is named there. In brackets are 95 %
intervals: of one run over its images, of three or more seeds for where the next one would lie. The times are those of
a machine that had other work too.

After each source: S stated in the report, F read off a figure, O from the authors' own code and files, D derived,
A assumed.
"""


def page(verdicts: dict[str, Any] | None = None) -> str:
    """The page as Markdown.

    Args:
        verdicts: those on the headlines, as `our_verdicts` gives them; none by default.
    """
    experiments = {name: load_experiment(name) for name in experiment_names()}
    of_study = {study: [one for one in experiments.values() if one.study == study] for study in studies()}
    lines = [HEAD, *_table(["study", "experiments"], [_contents(study, found) for study, found in of_study.items()])]
    for study, found in of_study.items():
        lines += ["", f"## {title(study)}", "", f"{source(study)}."]
        for experiment in found:
            lines += _section(experiment, verdicts or {})
        lines += ["", "### Faults", "", *_explained(found)]
    return "\n".join(lines) + "\n"


def our_verdicts(runs: Sequence[Run]) -> dict[str, Any]:
    """The verdicts of our runs on the headlines.

    Args:
        runs: any runs; those that are not complete are left out.

    Returns:
        Study, model and metric of a headline to `value`, `interval`, `seeds`, `status` and `provisional` (empty, or in
        words how few seeds the verdict is of).

    Raises:
        DataError: if a run folder is damaged.
    """
    verdicts: dict[str, Any] = {}
    for study in studies():
        known = _complete(study, runs)
        wanted = {(claim.metric, claim.model) for _, claim in _headlines(study)}
        for row in study_rows(study, known) if known else ():
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
    return verdicts


def our_measurements(runs: Sequence[Run], kept: Iterable[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """What our runs of unchanged recipes gave, on whatever data, those that differ in their seed alone summed up.

    Args:
        runs: any runs; those that are not complete are left out, and those with settings of their own.
        kept: earlier measurements; they stay where no run replaces them and the recipe is what it was.

    Returns:
        The content of `configs/measured.json` (`kerasexp.config.measured.measurements`).

    Raises:
        DataError: if a run folder is damaged.
    """
    found = {_key(one): one for one in kept if _settings(*_key(one)[:3]) == one["settings"]}
    groups: dict[tuple[Any, ...], dict[int, Candidate]] = {}
    for study in studies():
        for one in _complete(study, runs):  # the newest first
            experiment = one.experiment
            if _unchanged(experiment):
                key = experiment.name, experiment.recipe, experiment.variants, one.data
                groups.setdefault(key, {}).setdefault(experiment.seed, one)
    found |= {key: _summed(key, list(by_seed.values())) for key, by_seed in groups.items()}
    return [found[key] for key in sorted(found)]


def _complete(study: str, runs: Sequence[Run]) -> list[Candidate]:
    return [one for one in candidates(study, runs) if one.results.manifest.get("status") == "complete"]


def _contents(study: str, found: Sequence[Experiment]) -> list[str]:
    return [title(study), " · ".join(f"[{one.name}](#{one.name})" for one in found)]


def _section(experiment: Experiment, verdicts: dict[str, Any]) -> Iterator[str]:
    """One experiment: what it is, how to run it, what was published, what our runs gave, its recipes."""
    name = experiment.name
    yield from ["", f"### {name}", "", f"{experiment.title}. {_images(experiment)}. Network `{experiment.network}`."]
    yield from ["", "```", f"kerasexp train {name}", f"kerasexp train {name} --recipe fast", "```", ""]
    rows = list(_published(experiment, verdicts))
    yield from _table(*_filled(HEADS, _merged(rows))) if rows else ["No study published a number of it."]
    yield from ["", *_table(*_filled(RECIPE_HEADS, list(_recipes(name))))]
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


def _recipes(name: str) -> Iterator[list[str]]:
    """Every recipe, and each of its variants that differs from it and was measured, with what it gave."""
    for recipe in read_config(name)["recipes"]:
        itself = load_experiment(name, recipe)
        for variants in [(), *((variant,) for variant in variants_of(name, recipe))]:
            config = load_experiment(name, recipe, variants)
            if variants and config.digest() == itself.digest():
                continue
            first = [f"`{recipe}`", _flags(variants), _length(config)]
            found = measurements_of(config)
            yield from (first + _measured(one) for one in found)
            if not (found or variants):
                yield [*first, "not measured", "", "", "", "", ""]


def _measured(one: dict[str, Any]) -> list[str]:
    scores = [_score(one["scores"].get(metric), metric) for metric in OUR_SCORES]
    return [one["data"], *scores, str(one["seeds"]), _duration(one["seconds"]), one["hardware"]]


def _score(score: dict[str, Any] | None, metric: str) -> str:
    if not score:
        return ""
    numbers = [score["mean"], *(score["interval"] or ())]
    value, *interval = [f"{100 * one:.2f} %" if "accuracy" in metric else f"{one:.4f}" for one in numbers]
    return f"{value} ({interval[0].removesuffix(' %')} to {interval[1]})" if interval else value


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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


def _faults_of(experiment: Experiment) -> tuple[str, ...]:
    """The mistakes of the study's own training, those of single models included."""
    name, recipe = experiment.name, experiment.recipe
    models = [experiment, *(load_experiment(name, recipe, [variant]) for variant in variants_of(name, recipe))]
    return tuple(dict.fromkeys(fault for model in models for fault in model.faults))


def _explained(found: Sequence[Experiment]) -> Iterator[str]:
    for fault in dict.fromkeys(fault for one in found for fault in _faults_of(one)):
        yield f"* `{fault}`: {FAULTS[fault].explanation}"


def _key(one: dict[str, Any]) -> tuple[str, str, tuple[str, ...], str]:
    return one["experiment"], one["recipe"], tuple(one["variants"]), one["data"]


def _settings(name: str, recipe: str, variants: tuple[str, ...]) -> str | None:
    """The digest of a recipe's settings as they are now; None for one that is no more."""
    try:
        return load_experiment(name, recipe, variants).digest()
    except UsageError:
        return None


def _unchanged(experiment: Experiment) -> bool:
    """Whether a run has the settings of its recipe as it is now, other data apart."""
    try:
        recipe = load_experiment(experiment.name, experiment.recipe, experiment.variants).settings()
    except UsageError:  # a recipe or variant that is no more
        return False
    ours = experiment.settings()
    return ours | {"data": ours["data"] | {"name": recipe["data"]["name"]}} == recipe


def _summed(key: tuple[str, str, tuple[str, ...], str], ones: Sequence[Candidate]) -> dict[str, Any]:
    name, recipe, variants, data = key
    seconds = [one.results.manifest["seconds"] + one.run.feature_seconds for one in ones]
    scores = {metric: _mean(ones, metric) for metric in OUR_SCORES}
    return {
        "experiment": name,
        "recipe": recipe,
        "variants": list(variants),
        "settings": _settings(name, recipe, variants),
        "data": data,
        "seeds": len(ones),
        "seconds": round(math.fsum(seconds) / len(ones)),
        "hardware": "; ".join(dict.fromkeys(_hardware(one) for one in ones)),
        "scores": {metric: score for metric, score in scores.items() if score},
    }


def _hardware(one: Candidate) -> str:
    manifest = one.results.manifest
    hardware = manifest["hardware"]
    cores = f"{hardware['cores']} core{'s'[: hardware['cores'] > 1]} of {hardware['processor']}"
    return f"{', '.join(hardware['gpu']) or cores}, {manifest['precision']}"


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
    return {
        "mean": round(math.fsum(values) / len(values), 4),
        "spread": round(statistics.stdev(values), 4) if len(values) > 1 else None,
        "interval": [round(bound, 4) for bound in interval] if interval else None,
    }


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
        runs = [run for folder in words.runs for run in find_runs(folder)]
        files.write_json(kept, our_verdicts(runs))
        configs = Path(str(resources.files("kerasexp.configs")))
        files.write_json(configs / "measured.json", our_measurements(runs, measurements()))
        measurements.cache_clear()
    files.write_text(words.folder / "experiments.md", page(files.read_json(kept) if kept.exists() else None))


if __name__ == "__main__":
    main()
