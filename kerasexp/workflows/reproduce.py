"""`kerasexp reproduce`: the runs that a study's claims are about, and what they say to each claim."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasexp import environment
from kerasexp.config.loading import load_experiment, read_config, variants_of
from kerasexp.errors import DataError, KerasexpError, UsageError, did_you_mean
from kerasexp.published import claims, studies, tally
from kerasexp.training.progress import console_progress, duration
from kerasexp.workflows.estimate import estimate
from kerasexp.workflows.plan import Outcome, Place, cluster_of, earlier_run, run_plan
from kerasexp.workflows.planned import PlannedRun, plan_run
from kerasexp.workflows.train import announce_tensorflow

ALL = "all"  # instead of a study's name: each of them
MANY = 6  # claims of one table about one model; more are counted in one line

Model = tuple[str, tuple[str, ...]]  # experiment and variants


def reproduce(
    study: str,
    *,
    recipe: str = "published",
    seeds: int = 1,
    only: str | Sequence[str] = (),
    max_time: float | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    out: str | Path | None = None,
    cluster: str | None = None,
    cpus_per_run: int | None = None,
) -> dict[str, Any]:
    """Runs what a study ran, and holds every published claim against the results.

    Runs that lie finished in `out` are reused and interrupted ones go on, so the same call again goes on where it was
    left. One that fails does not stop the rest.

    Args:
        study: `kmnist`, `cifar_eurosat`, ..., or `all`.
        recipe: how the experiments are trained. Only `published`, the default, is comparable with the claims; others
            stand beside them.
        seeds: runs of each experiment: with its seed, the next one, and so on. From three on the spread between seeds
            counts. 1 by default.
        only: experiments (with all their variants), `experiment:variant` (`experiment:one+other`, and `experiment:` for
            none), or data sets. Everything by default.
        max_time: seconds for all runs together; each gets an equal share of what is left.
        data: other data instead of the study's, as for `kerasexp.train`; not comparable.
        data_dir: folder of the data; see `kerasexp.train`.
        offline: never use the network.
        out: folder of all runs, `runs` by default; the pages lie in `studies` in it.
        cluster: where the runs are made: `local`, `auto` or `HOST:PORT`, a Ray cluster; one after the other in this
            process by default.
        cpus_per_run: processor cores of each run on a cluster; a whole machine by default.

    Returns:
        `studies`, a dictionary for each: `study`, `page` (path of `study.html`, with `study.json` beside it), `tally`
        (how many claims have which verdict), `lines` (the table: `model`, `claim`, `published`, `ours`, `verdict`,
        `why`, and the `faults` that may explain a difference), `without` (why other claims have no verdict, and how
        many each) and `plan` (what became of each run: `run`, `what`, `reason`, `folder`, `seconds`).

    Raises:
        UsageError: for an unknown study or name, or if nothing is left to run.
        KerasexpError: if not one run succeeded: what the first has failed with.
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.

    Example:

    >>> kerasexp.reproduce("cifar_eurosat", only="cifar10", seeds=3)["studies"][0]["tally"]
    """
    cluster_of(cluster, cpus_per_run)  # a wrong word is told before anything begins
    plans = plan_studies(study, recipe, seeds, only, data)
    plan = [planned for of_study in plans.values() for planned in of_study]
    progress = console_progress()
    announce_tensorflow(progress)
    environment.start_tensorflow()
    for line in _announcement(plan, Place(out, data_dir, offline=True)):
        progress.note(line)
    outcomes = run_plan(
        plan,
        out=out,
        data_dir=data_dir,
        offline=offline,
        max_time=max_time,
        shares=True,
        cluster=cluster,
        cpus_per_run=cpus_per_run,
    )
    if not any(outcome.what in ("reused", "resumed", "trained") for outcome in outcomes):
        errors = (outcome.error for outcome in outcomes if outcome.error)
        raise next(errors, KerasexpError("The time limit ended the first run before it began. Give it more time."))
    label = [recipe] if recipe != "published" else []
    label += [Path(data).stem] if data else []
    found = []
    for name, of_study in plans.items():
        folder = Path(out or "runs") / "studies" / "-".join([name, *label])
        asked = {" + ".join([one.experiment.name, *one.experiment.variants]) for one in of_study} if only else None
        found.append(_summary(name, outcomes[: len(of_study)], folder, asked))
        outcomes = outcomes[len(of_study) :]
    return {"studies": found}


def plan_studies(
    study: str,
    recipe: str = "published",
    seeds: int = 1,
    only: str | Sequence[str] = (),
    data: str | Path | None = None,
) -> dict[str, list[PlannedRun]]:
    """The runs of each study: all its models with their first seed, then all with the second, and so on.

    Args:
        study, recipe, seeds, only, data: as for `reproduce`.

    Raises:
        UsageError: for an unknown study or name, or if nothing is left to run.
    """
    if seeds < 1:
        raise UsageError(f"--seeds: expected 1 or more, received: {seeds}.")
    names = studies() if study == ALL else (study,)
    models = _chosen({name: _models(name) for name in names}, [only] if isinstance(only, str) else only)
    able = {name: [model for model in models[name] if _has_recipe(model, recipe)] for name in models}
    experiments = {experiment for of_study in able.values() for experiment, _ in of_study}
    if not experiments:
        recipes = {name for of_study in models.values() for one, _ in of_study for name in read_config(one)["recipes"]}
        raise UsageError(f'Nothing to run with the recipe "{recipe}". {did_you_mean(recipe, recipes)}')
    sets = sorted({load_experiment(experiment).data.name for experiment in experiments})
    if data is not None and len(sets) > 1:
        raise UsageError(f"--data stands for one data set, not for {', '.join(sets)}. Choose one with --only.")
    plans = {}
    for name, of_study in able.items():
        first = [plan_run(one, recipe=recipe, variant=variants, data=data) for one, variants in of_study]
        later = [
            plan_run(one, recipe=recipe, variant=variants, data=data, seed=planned.experiment.seed + number)
            for number in range(1, seeds)
            for planned, (one, variants) in zip(first, of_study, strict=True)
        ]
        if first:
            plans[name] = first + later
    return plans


def _models(study: str) -> list[Model]:
    """Every experiment with the variants that a claim is about, each once.

    Raises:
        UsageError: for an unknown study.
    """
    if study not in studies():
        raise UsageError(f'Unknown study "{study}". {did_you_mean(study, [*studies(), ALL])}')
    found: dict[Model, None] = {}
    for claim in claims(study):
        if claim.experiment:
            found[claim.experiment, claim.variants] = None
        for words in claim.compares:
            experiment, *variants = words.split(" + ")
            if experiment:
                found[experiment, tuple(sorted(variants))] = None
    return list(found)


def _chosen(models: dict[str, list[Model]], only: Sequence[str]) -> dict[str, list[Model]]:
    """The models that `--only` names, of all studies; all without it."""
    if not only:
        return models
    names: dict[str, list[Model]] = {}
    for model in (model for of_study in models.values() for model in of_study):
        experiment, variants = model
        for name in (experiment, f"{experiment}:{'+'.join(variants)}", load_experiment(experiment).data.name):
            names.setdefault(name, []).append(model)
    wanted: list[Model] = []
    for word in only:
        head, colon, tail = word.partition(":")
        name = f"{head}{colon}{'+'.join(sorted(tail.split('+')))}"
        if name not in names:
            raise UsageError(f'--only: the study has no "{word}". {did_you_mean(name, names)}')
        wanted += names[name]
    chosen = {study: [model for model in of_study if model in wanted] for study, of_study in models.items()}
    return {study: of_study for study, of_study in chosen.items() if of_study}


def _has_recipe(model: Model, recipe: str) -> bool:
    experiment, variants = model
    if recipe not in read_config(experiment)["recipes"]:
        return False
    known = variants_of(experiment, recipe)
    return all(variant in known or re.fullmatch(r"augment\d+", variant) for variant in variants)


def _announcement(plan: Sequence[PlannedRun], place: Place) -> list[str]:
    """The plan in words: each run with what is left of it on this machine."""
    lines, total, unknown = [], 0.0, 0
    for planned in plan:
        try:
            found = earlier_run(planned, place)
        except (DataError, UsageError):  # data that is still to be fetched
            found = None
        if found is not None and found.manifest["status"] == "complete":
            lines.append(f"  {planned}: finished, in {found}")
            continue
        seconds = estimate(planned.experiment, place.out)
        if seconds is None:
            unknown += 1
            left = "of unknown length"
        else:
            seconds = max(0.0, seconds - (found.manifest.get("seconds", 0.0) if found else 0.0))
            total += seconds
            left = f"about {duration(seconds)}"
        lines.append(f"  {planned}: {left}{', goes on in ' + str(found) if found else ''}")
    summary = [f"about {duration(total)}"] if total else []
    summary += [f"{unknown} run{'s'[: unknown != 1]} of unknown length (no run here tells)"] if unknown else []
    head = f"{len(plan)} run{'s'[: len(plan) != 1]} planned, to do: {' and '.join(summary) or 'nothing'}."
    return [head, *lines]


def _summary(study: str, outcomes: Sequence[Outcome], folder: Path, models: set[str] | None) -> dict[str, Any]:
    """The claims of one study, or of some of its models, beside its runs: the page written, the table returned."""
    from kerasexp.reporting.study import behind_the_tally, gist, write_study

    runs = list({str(one.run): one.run for one in outcomes if one.run is not None and one.what != "failed"}.values())
    plan = [_planned(outcome) for outcome in outcomes]
    page, rows = write_study(study, runs, folder, plan, models)
    for sentence in behind_the_tally(rows):
        console_progress().note(f"{study}: {sentence}")
    return {
        "study": study,
        "page": str(page),
        "tally": tally(rows),
        "lines": _lines([row for row in rows if row.verdict]),
        "without": dict(Counter(gist(row.reasons[0]) for row in rows if not row.verdict).most_common()),
        "plan": plan,
    }


def _planned(outcome: Outcome) -> dict[str, Any]:
    return {
        "run": str(outcome.planned),
        "what": outcome.what,
        "reason": outcome.reason,
        "folder": str(outcome.run) if outcome.run else None,
        "seconds": outcome.run.manifest.get("seconds") if outcome.run else None,
    }


def _lines(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The claims with a verdict, model by model; of a table of many, only how many have which."""
    models: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        models.setdefault(_model(row), {}).setdefault(row.claim.table, []).append(row)
    lines = []
    for model, tables in models.items():
        for table, members in tables.items():
            if len(members) > MANY:
                lines.append({"model": model, **_counted(table, members)})
            else:
                lines += [{"model": model, **_line(row)} for row in members]
    return lines


def _counted(table: str, rows: Sequence[Any]) -> dict[str, Any]:
    counts = Counter(row.status for row in rows)
    few = sum(bool(row.verdict.provisional) for row in rows)
    words = [f"{count} {status}" for status, count in counts.most_common()]
    return {
        "claim": f"{table}: {len(rows)} claims",
        "published": "",
        "ours": "",
        "verdict": ", ".join(words) + (f"; {few} provisional" if few else ""),
        "why": "",
        "faults": list(dict.fromkeys(fault for row in rows for fault in _faults(row))),
    }


def _line(row: Any) -> dict[str, Any]:
    from kerasexp.reporting.beside import interval_words, value_words

    def words(value: float | None, interval: Any) -> str:
        inside = interval_words(row.claim, interval)
        return value_words(row.claim, value) + (f" ({inside})" if inside else "")

    return {
        "claim": row.claim.what,
        "published": words(row.published, row.published_interval),
        "ours": words(row.ours, row.ours_interval),
        "verdict": ", ".join(filter(None, (row.status, row.verdict.provisional))),
        "why": "" if row.status == "reproduced" else row.verdict.reason,
        "faults": _faults(row),
    }


def _faults(row: Any) -> list[str]:
    """What our recipe does wrong, where that may explain a difference."""
    return list(row.faults) if row.status == "not reproduced" else []


def _model(row: Any) -> str:
    claim = row.claim
    return " ".join([claim.experiment or "", *claim.variants]).strip() or ", ".join(claim.compares) or "every run"
