"""`kerasexp train --seeds N` and `--variant all`: runs that answer one question together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.config.loading import variants_of
from kerasexp.errors import KerasexpError, UsageError
from kerasexp.evaluation.statistics import prediction_interval
from kerasexp.published.results import Results
from kerasexp.training.progress import console_progress
from kerasexp.workflows.plan import Outcome, run_plan
from kerasexp.workflows.planned import PlannedRun, plan_run

ALL = "all"  # instead of a variant's name: each of them
# paths of numbers in a run, as in `Results.value`, and what they are called
SHARES = {"test.accuracy": "test accuracy", "test.macro.f1": "macro F1", "test.nmi": "NMI"}
COSTS = {"epochs_run": "epochs", "seconds": "time"}
MEASURES = SHARES | {"test.loss": "test loss"} | COSTS

Planner = Callable[[str | Sequence[str], int | None], PlannedRun]  # of some variants with a seed


def train_group(
    experiment: str,
    *,
    seeds: int = 1,
    recipe: str | None = None,
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    epochs: int | None = None,
    max_time: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    weights: str | Path | None = None,
    set: str | Sequence[str] = (),
    out: str | Path | None = None,
    cluster: str | None = None,
    cpus_per_run: int | None = None,
) -> dict[str, Any]:
    """Trains an experiment with several seeds, in each of its variants, or both, and writes one page about all runs.

    Runs that lie finished in `out` are reused and interrupted ones go on, so the same call again goes on where it was
    left. One that fails does not stop the rest.

    Args:
        experiment: its name (`kerasexp list`), or the path of a YAML file.
        seeds: how many: the seed, the next one, and so on. 1 by default.
        variant: as for `kerasexp.train`, or `all`: each variant that the recipe has, one after the other. One that with
            these seeds repeats a run of an earlier one is left out.
        max_time: seconds for all runs together.
        cluster: where the runs are made: `local`, `auto` or `HOST:PORT`, a Ray cluster; one after the other in this
            process by default.
        cpus_per_run: processor cores of each run on a cluster; a whole machine by default.
        recipe, augment, data, data_dir, offline, epochs, seed, precision, weights, set, out: as for `kerasexp.train`.

    Returns:
        What `group.json` holds: `group` (its id), `experiment`, `recipe`, `measures` (what the numbers are called),
        `settings` (one for each variant: `label`, `variants`, `seeds` that went to their end, and for each measure
        `mean`, the `interval` in which one more seed would lie, standard `deviation`, `least` and `most`), `runs` (each
        `label`, `variants`, `seed`, `what` became of it, `reason`, `status`, `run`, `report` and `values`), and `page`,
        the path of `group.html`, or None if no run was evaluated.

    Raises:
        UsageError: for unknown names or values of the wrong kind.
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.

    Example:

    >>> group = kerasexp.train_group("kmnist_fcnn", seeds=3, recipe="fast", data="mnist5k")
    >>> group["settings"][0]["measures"]["test.accuracy"]["interval"]
    """
    if seeds < 1:
        raise UsageError(f"--seeds: expected 1 or more, received: {seeds}.")

    def planned(variant: str | Sequence[str], seed: int | None) -> PlannedRun:
        return plan_run(
            experiment,
            recipe=recipe,
            variant=variant,
            augment=augment,
            data=data,
            epochs=epochs,
            seed=seed,
            precision=precision,
            weights=weights,
            set=set,
        )

    plan = plan_group(_settings(experiment, variant, planned), seeds, seed, planned)
    group = _name(plan)
    outcomes = run_plan(
        plan,
        out=out,
        data_dir=data_dir,
        offline=offline,
        max_time=max_time,
        group=group,
        cluster=cluster,
        cpus_per_run=cpus_per_run,
    )
    return write_summary(outcomes, group, Path(out or "runs") / "groups" / group)


def _settings(experiment: str, variant: str | Sequence[str], planned: Planner) -> list[tuple[str, ...]]:
    """The variants of each setting of the group: one setting, or with `all` one for each variant."""
    chosen = (variant,) if isinstance(variant, str) else tuple(variant)
    if ALL not in chosen:
        return [chosen]
    if len(chosen) > 1:
        raise UsageError(f"--variant {ALL} stands for each variant by itself. Expected no other beside it.")
    recipe = planned((), None).experiment.recipe
    variants = variants_of(experiment, recipe)
    if not variants:
        raise UsageError(f"{experiment} has no variants for the recipe {recipe}. Leave --variant {ALL} out.")
    return [(name,) for name in variants]


def plan_group(settings: Sequence[tuple[str, ...]], seeds: int, seed: int | None, planned: Planner) -> list[PlannedRun]:
    """The runs of each setting with each seed; a setting that repeats a run of an earlier one is left out.

    Args:
        settings: the variants of each.
        seeds: how many.
        seed: the first; each setting's own by default.
        planned: plans a run of some variants with a seed.
    """
    plan: list[PlannedRun] = []
    for variants in settings:
        first = planned(variants, seed).experiment.seed
        runs = [planned(variants, first + number) for number in range(seeds)]
        if not _repeats(runs, plan):  # of a variant that names nothing but another seed
            plan += runs
    return plan


def _repeats(runs: Sequence[PlannedRun], plan: Sequence[PlannedRun]) -> bool:
    """Whether one of the runs is in the plan already; says so."""
    for run, earlier in itertools.product(runs, plan):
        if run.identity == earlier.identity:
            variants, others = (" ".join(one.experiment.variants) for one in (run, earlier))
            seed = run.experiment.seed
            console_progress().note(f"{variants} is left out: with seed {seed} it is the same run as {others}")
            return True
    return False


def _name(plan: Sequence[PlannedRun]) -> str:
    """The id of a group: the same question has the same."""
    first = plan[0].experiment
    digest = files.digest([run.identity for run in plan])
    return f"{first.name}-{first.recipe}-{digest[:8]}"


def write_summary(outcomes: Sequence[Outcome], group: str, folder: Path) -> dict[str, Any]:
    """What the runs of a group came to, with its page and `group.json` in `folder`; see `train_group`.

    Raises:
        KerasexpError: if no run was evaluated: what the first that failed has failed with.
    """
    settings = {outcome.planned.experiment.variants for outcome in outcomes}
    rows = [_row(outcome, several=len(settings) > 1) for outcome in outcomes]
    evaluated = [
        (outcome.run, row) for outcome, row in zip(outcomes, rows, strict=True) if outcome.run and row["values"]
    ]
    if not evaluated:
        errors = (outcome.error for outcome in outcomes if outcome.error)
        raise next(errors, KerasexpError("The time limit ended the first run before it began. Give it more time."))
    measures = {path: words for path, words in MEASURES.items() if all(row["values"].get(path) for _, row in evaluated)}
    first = outcomes[0].planned.experiment
    content = {
        "group": group,
        "experiment": first.name,
        "recipe": first.recipe,
        "data": evaluated[0][0].manifest["data"]["name"],
        "measures": measures,
        "settings": _by_setting(first.name, rows, measures),
        "runs": rows,
    }
    from kerasexp.reporting.group import write_group

    page = write_group([run for run, _ in evaluated], content, folder)
    content["page"] = str(page)
    files.write_json(folder / "group.json", content)
    return content


def _row(outcome: Outcome, several: bool) -> dict[str, Any]:
    """What one run came to; without values if it was not evaluated."""
    experiment, run = outcome.planned.experiment, outcome.run
    variants = list(experiment.variants)
    values: dict[str, Any] = {}
    if run is not None and outcome.what not in ("failed", "not started"):
        results = Results.of(run)
        for path in MEASURES:
            value = results.value(path)
            if value is not None:
                values[path] = {"value": value, "interval": results.interval(path)}
    return {
        "label": " ".join([*(variants if several else ()), f"seed {experiment.seed}"]),
        "variants": variants,
        "seed": experiment.seed,
        "what": outcome.what,
        "reason": outcome.reason,
        "status": run.manifest["status"] if run else None,
        "run": str(run) if run else None,
        "report": str(run.path("report.html")) if run and run.path("report.html").exists() else None,
        "values": values,
    }


def _by_setting(
    experiment: str, rows: Sequence[Mapping[str, Any]], measures: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Mean and spread of the runs of each setting that went to their own end."""
    settings: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        settings.setdefault(tuple(row["variants"]), []).append(row)
    found = []
    for variants, of_setting in settings.items():
        complete = [row["values"] for row in of_setting if row["values"] and row["status"] == "complete"]
        found.append(
            {
                "label": " ".join(variants) or experiment,
                "variants": list(variants),
                "seeds": len(complete),
                "measures": {path: _spread(path, [values[path]["value"] for values in complete]) for path in measures},
            }
        )
    return found


def _spread(path: str, values: Sequence[float]) -> dict[str, Any]:
    """Of a measure between seeds; what so few values do not tell is None."""
    interval = deviation = None
    if len(values) > 1:
        deviation = float(np.std(values, ddof=1))
        if path not in COSTS:
            interval = list(prediction_interval(values, within=(0.0, 1.0 if path in SHARES else math.inf)))
    return {
        "mean": float(np.mean(values)) if values else None,
        "interval": interval,
        "deviation": deviation,
        "least": min(values, default=None),
        "most": max(values, default=None),
    }
