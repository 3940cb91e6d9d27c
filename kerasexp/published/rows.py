"""A run's numbers beside the published ones."""

from __future__ import annotations

import dataclasses
import itertools

from kerasexp.config.loading import experiment_names, load_experiment
from kerasexp.config.schema import Experiment
from kerasexp.evaluation.statistics import Interval
from kerasexp.published.claim import Claim
from kerasexp.published.claims import claims, claims_for, studies
from kerasexp.published.comparison import comparable, remarks
from kerasexp.published.results import Results
from kerasexp.published.verdicts import Verdict, judge, judge_statement
from kerasexp.runs import Run


@dataclasses.dataclass(frozen=True)
class Row:
    """One claim and what a run says to it.

    Attributes:
        claim: the claim.
        published: its value; None for a statement.
        published_interval: 95 % interval of a published proportion.
        ours: the run's value; None if it has none, and for a statement.
        ours_interval: 95 % interval of the run's value, where one run gives one.
        verdict: None if run and claim are not comparable.
        reasons: why they are not; empty if they are.
        remarks: what a reader should know though it changes no verdict ("altered copy").
    """

    claim: Claim
    published: float | None
    published_interval: Interval | None
    ours: float | None
    ours_interval: Interval | None
    verdict: Verdict | None
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def rows(run: Run) -> list[Row]:
    """Every claim about a run's experiment and variants beside the run's own numbers.

    A run with variants that nobody published stands beside the claims of as many of them as somebody did, not
    comparable.

    Args:
        run: a run, finished or not.

    Returns:
        A row per claim, in the order of the study's file; none for an experiment that no study published.

    Raises:
        DataError: if the run folder is damaged.
    """
    experiment, results = run.experiment, Results.of(run)
    notes = remarks(results.manifest)
    variants = nearest_model(experiment)
    found = () if variants is None else claims_for(experiment.name, variants)
    return [_row(claim, results, comparable(experiment, results.manifest, claim), notes) for claim in found]


def nearest_model(experiment: Experiment) -> tuple[str, ...] | None:
    """The variants of the published model that a run is of or comes nearest to; None if the study has no such model.

    That is the one with all of its variants, or with as many of them as were published; for an experiment that was only
    published with variants, the one that its own settings equal.
    """
    for many in range(len(experiment.variants), -1, -1):
        for variants in itertools.combinations(experiment.variants, many):
            if claims_for(experiment.name, variants):
                return tuple(sorted(variants))
    if experiment.study not in studies() or experiment.name not in experiment_names():
        return None
    models = {claim.variants: None for claim in claims(experiment.study) if claim.experiment == experiment.name}
    if not models:
        return None
    bare = load_experiment(experiment.name, "published").settings()
    equal = (one for one in models if load_experiment(experiment.name, "published", one).settings() == bare)
    return next(equal, None)


def _row(claim: Claim, results: Results, reasons: tuple[str, ...], notes: tuple[str, ...]) -> Row:
    ours = results.value(claim.metric) if claim.metric else None
    interval = results.interval(claim.metric) if claim.metric else None
    verdict = None
    if not reasons and claim.kind == "qualitative":
        verdict = judge_statement(claim, [results])
    elif not reasons:
        verdict = judge(claim, [] if ours is None else [ours], [interval], int(results.never(claim.metric)))
    return Row(claim, claim.value, claim.interval, ours, interval, verdict, reasons, notes)
