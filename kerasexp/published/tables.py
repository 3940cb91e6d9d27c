"""Every claim of a study beside the runs that may speak to it."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from kerasexp.config.faults import touched
from kerasexp.config.schema import Experiment
from kerasexp.evaluation.statistics import Interval, prediction_interval
from kerasexp.published.claim import Claim
from kerasexp.published.claims import claims, probe
from kerasexp.published.comparison import about_maps, comparable, remarks
from kerasexp.published.results import Results
from kerasexp.published.rows import nearest_model
from kerasexp.published.several import judge_several
from kerasexp.published.verdicts import ENOUGH_SEEDS, Verdict, judge, judge_statement
from kerasexp.runs import Run


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one run says to a claim.

    Attributes:
        run: its folder.
        experiment, recipe, variants, seed, data: what it ran.
        value: its number; None if it has none, and for a statement.
        reasons: why it is not comparable; empty if it is.
    """

    run: str
    experiment: str
    recipe: str
    variants: tuple[str, ...]
    seed: int
    data: str
    value: float | None
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class StudyRow:
    """One claim and what all our runs say to it.

    Attributes:
        claim: the claim.
        published: its value; None for a statement.
        published_interval: 95 % interval of a published proportion.
        ours: mean over the comparable runs; None without any, for a statement, and where a run came to no value.
        ours_interval: from three seeds on where one more run would lie, below it the sampling error of the images.
        verdict: over all comparable runs; None if there is none, or nothing decides the claim.
        reasons: why there is no verdict: those of the nearest run, or that there is none yet.
        comparable: the runs that the verdict is of, one per seed.
        others: runs of the same model that are not comparable, each with its reasons.
        faults: of the comparable runs' recipe, by name: they may explain a difference.
        remarks: what a reader should know though it changes no verdict.
    """

    claim: Claim
    published: float | None
    published_interval: Interval | None
    ours: float | None
    ours_interval: Interval | None
    verdict: Verdict | None
    reasons: tuple[str, ...] = ()
    comparable: tuple[Measured, ...] = ()
    others: tuple[Measured, ...] = ()
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`reproduced`, `not reproduced`, `cannot tell`, `not comparable` or `no check`."""
        if not self.claim.decidable:
            return "no check"
        return self.verdict.status if self.verdict else "not comparable"


STATUSES = ("reproduced", "not reproduced", "cannot tell", "not comparable", "no check")
NO_RUN = "no run yet"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A run of the study, read once."""

    run: Run
    experiment: Experiment
    results: Results
    _known: dict[tuple[str | None, tuple[str, ...], bool], tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def variants(self) -> tuple[str, ...] | None:
        """Of the published model that it is a run of, or that comes nearest."""
        return nearest_model(self.experiment)

    @property
    def data(self) -> str:
        """Name of its data."""
        return str(self.results.manifest.get("data", {}).get("name", self.experiment.data.name))

    def reasons(self, claim: Claim) -> tuple[str, ...]:
        """Of `comparable`; what is claimed of a whole training needs the same whatever the metric, but for maps."""
        if claim.scope != "training":
            return comparable(self.experiment, self.results.manifest, claim)
        model = claim.experiment, claim.variants, about_maps(claim)
        if model not in self._known:
            self._known[model] = comparable(self.experiment, self.results.manifest, claim)
        return self._known[model]

    def measured(self, claim: Claim, reasons: tuple[str, ...] = ()) -> Measured:
        one = self.experiment
        value = self.results.value(claim.metric) if claim.metric else None
        return Measured(str(self.run), one.name, one.recipe, one.variants, one.seed, self.data, value, reasons)


def candidates(study: str, runs: Sequence[Run]) -> list[Candidate]:
    """The runs of a study's experiments, the newest first.

    Raises:
        DataError: if a run folder is damaged.
    """
    found = [Candidate(run, run.experiment, Results.of(run)) for run in runs]
    found.sort(key=lambda one: one.results.manifest.get("created", ""), reverse=True)
    return [one for one in found if one.experiment.study == study]


def study_rows(study: str, known: Sequence[Candidate]) -> list[StudyRow]:
    """Every claim of a study beside the runs that may speak to it.

    `kerasexp.published.comparable` decides which may. Of several comparable runs with one seed the newest counts: it is
    no second seed.

    Args:
        study: its name.
        known: its `candidates`.

    Returns:
        A row per claim, in the order of the study's file.

    Raises:
        UsageError: for an unknown study.
    """
    return [(_several if claim.scope == "several" else _row)(claim, known) for claim in claims(study)]


def rows_about(models: Collection[str], rows: Sequence[StudyRow]) -> list[StudyRow]:
    """Of all rows of a study those about some models, as `Claim.model` names them, or their images, and the decided."""
    data = {row.claim.data for row in rows if row.claim.model in models}

    def about(claim: Claim) -> bool:
        named = {*filter(None, (claim.model, *claim.compares))}
        return not named.isdisjoint(models) if named else claim.data in data

    return [row for row in rows if row.verdict or about(row.claim)]


def tally(rows: Iterable[StudyRow]) -> dict[str, int]:
    """How many rows have which status, in the order of `STATUSES`; those that none has are left out."""
    counts = Counter(row.status for row in rows)
    return {status: counts[status] for status in STATUSES if status in counts}


def runs_of(study: str, model: str, known: Sequence[Candidate], metric: str = "") -> list[Candidate]:
    """The runs whose whole training may be held against the claims about one model in a metric, one per seed."""
    claim = probe(study, model, metric)
    return _one_per_seed(one for one in known if one.experiment.name == claim.experiment and not one.reasons(claim))


def _row(claim: Claim, known: Sequence[Candidate]) -> StudyRow:
    reasons = {id(one): one.reasons(claim) for one in known if _about(claim, one)}
    able = _one_per_seed(one for one in known if reasons.get(id(one)) == ())
    others = [one for one in known if reasons.get(id(one)) and _nearest(claim, one)]
    measured = tuple(one.measured(claim) for one in able)
    row = StudyRow(
        claim,
        claim.value,
        claim.interval,
        *_ours(claim, able),
        verdict=None,
        comparable=measured,
        others=tuple(one.measured(claim, reasons[id(one)]) for one in others),
        faults=_faults(claim, able),
        remarks=tuple(dict.fromkeys(words for one in able for words in remarks(one.results.manifest))),
    )
    if not able:
        nearest = min(others, key=lambda one: len(reasons[id(one)]), default=None)
        return dataclasses.replace(row, reasons=reasons[id(nearest)] if nearest else (NO_RUN,))
    return dataclasses.replace(row, verdict=_verdict(claim, able))


def _verdict(claim: Claim, able: Sequence[Candidate]) -> Verdict:
    if claim.kind == "qualitative":
        return judge_statement(claim, [one.results for one in able])
    found = [(value, one) for one in able if (value := one.results.value(claim.metric)) is not None]
    intervals = [one.results.interval(claim.metric) for _, one in found]
    return judge(claim, [value for value, _ in found], intervals, _never(claim, able))


def _several(claim: Claim, known: Sequence[Candidate]) -> StudyRow:
    """A statement about several models: decided if each of them has a comparable run."""
    row = StudyRow(claim, None, None, None, None, None)
    if not claim.contrasts:
        return dataclasses.replace(row, reasons=("no check decides this statement",))
    models = dict.fromkeys(model for contrast in claim.contrasts for model in contrast.models)
    metric = max((contrast.metric for contrast in claim.contrasts), key=lambda one: one.startswith("embedding."))
    able = {model: runs_of(claim.study, model, known, metric) for model in models}
    row = dataclasses.replace(
        row,
        comparable=tuple(one.measured(claim) for ones in able.values() for one in ones),
        faults=_faults(claim, [one for ones in able.values() for one in ones]),
    )
    missing = [model for model, ones in able.items() if not ones]
    if missing:
        return dataclasses.replace(row, reasons=(f"models without a comparable run: {', '.join(missing)}",))
    results = {model: [one.results for one in ones] for model, ones in able.items()}
    return dataclasses.replace(row, verdict=judge_several(claim, results))


def _about(claim: Claim, one: Candidate) -> bool:
    """Whether a run can be asked at all: a run of the claim's experiment, or of any of its data set's."""
    return claim.experiment == one.experiment.name or claim.experiment is None and _on_its_data(claim, one)


def _nearest(claim: Claim, one: Candidate) -> bool:
    """Whether a run that is not comparable is worth showing beside the claim."""
    return claim.experiment is None or (claim.experiment, claim.variants) == (one.experiment.name, one.variants)


def _on_its_data(claim: Claim, one: Candidate) -> bool:
    return (one.experiment.name, claim.data) in _data_of_models(claim.study)


@functools.cache
def _data_of_models(study: str) -> frozenset[tuple[str | None, str]]:
    return frozenset((claim.experiment, claim.data) for claim in claims(study))


def _one_per_seed(found: Iterable[Candidate]) -> list[Candidate]:
    """Finished runs before others, then the newest: the same training twice is one seed."""
    ranked = sorted(found, key=lambda one: one.results.manifest.get("status") != "complete")
    by_seed: dict[int, Candidate] = {}
    for one in ranked:
        by_seed.setdefault(one.experiment.seed, one)
    return [by_seed[seed] for seed in sorted(by_seed)]


def _ours(claim: Claim, able: Sequence[Candidate]) -> tuple[float | None, Interval | None]:
    """Mean and 95 % interval of our runs; none where some of them came to no value."""
    if _never(claim, able):
        return None, None
    found = [(value, one) for one in able if claim.metric and (value := one.results.value(claim.metric)) is not None]
    if not found:
        return None, None
    values = [value for value, _ in found]
    mean = math.fsum(values) / len(values)
    if claim.scope in ("data", "network"):
        return mean, None
    if len(values) >= ENOUGH_SEEDS:
        return mean, prediction_interval(values, within=(0.0, 1.0) if claim.unit == "share" else (-math.inf, math.inf))
    intervals = [one.results.interval(claim.metric) for _, one in found]
    known = [interval for interval in intervals if interval]
    if len(known) < len(found):
        return mean, None
    return mean, (sum(low for low, _ in known) / len(known), sum(high for _, high in known) / len(known))


def _never(claim: Claim, able: Sequence[Candidate]) -> int:
    return sum(one.results.never(claim.metric) for one in able)


def _faults(claim: Claim, able: Sequence[Candidate]) -> tuple[str, ...]:
    if claim.scope in ("data", "network"):
        return ()
    return tuple(dict.fromkeys(name for one in able for name, _ in touched(one.experiment)))
