"""Statements about several models, decided by the runs of each.

An order is judged on the difference of our own runs, paired over seeds from three on and on the same test images below,
with no margin. It is reproduced if the 95 % interval of every difference lies above 0, not reproduced if one lies below
it though it is the lowest of so many (of all that the statement compares), and cannot be told otherwise.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from scipy import special

from kerasexp.evaluation.statistics import (
    Interval,
    difference_interval,
    mean_interval,
    percentile_interval,
    prediction_half_width,
)
from kerasexp.published.claim import Claim, Contrast
from kerasexp.published.claims import published_number
from kerasexp.published.pairing import paired_interval
from kerasexp.published.results import Results
from kerasexp.published.verdicts import ENOUGH_SEEDS, ROUNDING, Verdict, provisional, too_few

Runs = Mapping[str, Sequence[Results]]
_SHARES = ("accuracy", "f1", "recall", "precision", "nmi", "ari", "purity", "share")
_EXACT = ("parameters.", "data.")  # measured without error
RESAMPLES = 1000  # means of seeds that are drawn


@dataclasses.dataclass(frozen=True)
class ModelDifference:
    """How far one model lies above another.

    Attributes:
        first, second: the models.
        value: mean of the first minus mean of the second.
        interval: 95 % interval of it, without width only where it is measured without error; None where nothing
            says how far it may be off.
        freedom: degrees of freedom of the interval; None where it is of the images.
        one_run: how far a single pair of runs may lie from it; None below three seeds.
        missing: without an interval, what would give one.
    """

    first: str
    second: str
    value: float
    interval: Interval | None
    freedom: int | None = None
    one_run: float | None = None
    missing: str = ""

    def is_below(self, limit: float, among: int) -> bool:
        """Whether it surely lies below the limit, though it is the lowest of several."""
        if self.interval is not None and self.interval[0] == self.interval[1]:
            return self.value <= limit
        return self.widened(among)[1] < limit

    def widened(self, among: int) -> Interval:
        """The interval that holds it though it is the most extreme of several (Bonferroni)."""
        if self.interval is None:
            return -math.inf, math.inf
        tail = 1 - 0.025 / among
        if self.freedom is None:
            wider = float(special.ndtri(tail) / special.ndtri(0.975))
        else:
            wider = float(special.stdtrit(self.freedom, tail) / special.stdtrit(self.freedom, 0.975))
        low, high = self.interval
        return self.value - wider * (self.value - low), self.value + wider * (high - self.value)


def judge_several(claim: Claim, runs: Runs) -> Verdict:
    """Judges a statement about several models by its contrasts: it is reproduced if all of them hold.

    Args:
        claim: a statement with contrasts.
        runs: comparable runs of every model in it, at least one of each.
    """
    among = sum(len(_pairs(contrast)) or 1 for contrast in claim.contrasts)
    outcomes = [_CONTRASTS[contrast.name](claim.study, contrast, runs, among) for contrast in claim.contrasts]
    seen = "; ".join(words for _, words in outcomes)
    seeds = min(len(runs[model]) for contrast in claim.contrasts for model in contrast.models)
    mark = provisional(seeds)
    if seeds < claim.least_seeds:
        return Verdict("cannot tell", f"{too_few(claim)}: {seen}", provisional=mark)
    if any(holds is False for holds, _ in outcomes):
        return Verdict("not reproduced", seen, provisional=mark)
    if any(holds is None for holds, _ in outcomes):
        return Verdict("cannot tell", seen, provisional=mark)
    return Verdict("reproduced", seen, provisional=mark)


Outcome = tuple[bool | None, str]


def _pairs(contrast: Contrast) -> list[tuple[str, str]]:
    """The pairs of models whose differences decide; none where one number of all models does."""
    if contrast.name == "greater":
        return [pair for one, other in itertools.pairwise(contrast.groups) for pair in itertools.product(one, other)]
    return list(itertools.combinations(contrast.models, 2)) if contrast.name == "near" else []


def _greater(study: str, contrast: Contrast, runs: Runs, among: int) -> Outcome:
    """Each model of a group is greater than each of the next."""
    limit, pairs = _one(contrast), _pairs(contrast)
    found = list(_differences(contrast, pairs, runs))
    if len(found) < len(pairs):
        return None, _missing(contrast, runs)
    against = [one for one in found if one.is_below(limit, among)]
    undecided = [one for one in found if one.interval is None or one.interval[0] <= limit]
    decisive = min(against or undecided or found, key=lambda one: one.value)
    more = f" (the smallest of {len(found)})" if len(found) > 1 and not against else ""
    words = f"{_shown(contrast, decisive)}{more}{_published(study, contrast, decisive)}"
    return (False if against else None if undecided else True), words


def _near(study: str, contrast: Contrast, runs: Runs, among: int) -> Outcome:
    """No two models lie further apart than the limit."""
    limit, pairs = _one(contrast), _pairs(contrast)
    found = list(_differences(contrast, pairs, runs))
    if len(found) < len(pairs):
        return None, _missing(contrast, runs)
    apart = [one for one in found if (wide := one.widened(among))[0] > limit or wide[1] < -limit]
    undecided = [one for one in found if one.interval is None or max(map(abs, one.interval)) > limit]
    decisive = max(apart or undecided or found, key=lambda one: abs(one.value))
    more = f" (the largest of {len(found)})" if len(found) > 1 else ""
    words = f"{_shown(contrast, decisive)}{more}, margin ±{_amount(contrast.metric, limit).removeprefix('+')}"
    return (False if apart else None if undecided else True), words


def _narrower(study: str, contrast: Contrast, runs: Runs, among: int) -> Outcome:
    """The means of the first group's models spread less than those of the second group's, by a parametric bootstrap.

    Each mean over seeds is drawn again from Student's t about the one seen, so that a spread that is only the noise of
    few seeds decides nothing.
    """
    known = {model: list(_by_seed(contrast.metric, runs[model]).values()) for model in contrast.models}
    if not all(known.values()):
        return None, _missing(contrast, runs)
    means = {model: np.array([np.mean(values)]) for model, values in known.items()}
    first, second = (_spread(group, means) for group in contrast.groups)
    spreads = [_amount(contrast.metric, float(spread[0])).removeprefix("+") for spread in (first, second)]
    words = f"the means spread over {spreads[0]} against {spreads[1]}"
    if min(map(len, known.values())) < ENOUGH_SEEDS:
        return None, f"{words}, needs {ENOUGH_SEEDS} seeds"
    generator = np.random.default_rng(0)
    drawn = {
        model: np.mean(values)
        + np.std(values, ddof=1) / math.sqrt(len(values)) * generator.standard_t(len(values) - 1, RESAMPLES)
        for model, values in known.items()
    }
    one, other = (_spread(group, drawn) for group in contrast.groups)
    low, high = (_amount(contrast.metric, bound).removesuffix(" pp") for bound in percentile_interval(one - other))
    words += f", 95 % interval of the difference {low} to {high}"
    return _placed(lambda confidence: percentile_interval(one - other, confidence), (-math.inf, 0.0), among), words


def _spread(group: Sequence[str], means: Mapping[str, np.ndarray]) -> np.ndarray:
    """Largest minus smallest mean of the group's models, float64 `[draws]`."""
    return np.ptp([means[model] for model in group], axis=0)


def _mean_between(study: str, contrast: Contrast, runs: Runs, among: int) -> Outcome:
    """The mean over all models lies between the two limits: of every seed that all of them share."""
    assert isinstance(contrast.limit, tuple)
    by_seed = [_by_seed(contrast.metric, runs[model]) for model in contrast.models]
    if not all(by_seed):
        return None, _missing(contrast, runs)
    shared = sorted(set.intersection(*(set(values) for values in by_seed)))
    values = [math.fsum(of_model[seed] for of_model in by_seed) / len(by_seed) for seed in shared]
    if len(values) < ENOUGH_SEEDS:
        return None, f"needs {ENOUGH_SEEDS} seeds that all models share"
    low, high = mean_interval(values)
    words = f"mean {np.mean(values):.4f}, 95 % interval {low:.4f} to {high:.4f}"
    return _placed(lambda confidence: mean_interval(values, confidence), contrast.limit, among), words


def _placed(interval: Callable[[float], Interval], limits: Interval, among: int) -> bool | None:
    """Whether something lies between two limits: surely, surely not (though it is one of several), or nobody knows."""
    (low, high), (widest_low, widest_high) = interval(0.95), interval(1 - 0.05 / among)
    if low == high:  # the same in every seed
        return None
    if limits[0] <= low and high <= limits[1]:
        return True
    return False if widest_high < limits[0] or widest_low > limits[1] else None


_CONTRASTS = {"greater": _greater, "near": _near, "narrower": _narrower, "mean_between": _mean_between}


def _differences(contrast: Contrast, pairs: Sequence[tuple[str, str]], runs: Runs) -> Iterator[ModelDifference]:
    for first, second in pairs:
        found = difference(contrast.metric, first, second, runs)
        if found is not None:
            yield found


def difference(metric: str, first: str, second: str, runs: Runs) -> ModelDifference | None:
    """How far one model lies above another in a metric; None if a run of either lacks it.

    From three seeds of each on, the interval is that of the mean difference: of the pairs with equal seeds, or of the
    two means (Welch) where fewer than three seeds are shared or the pairs differ by the same. Below three seeds it is
    the sampling error of the test images, paired where both models were tested on the same. So it is where every seed
    gave the same numbers: that shows no spread, and is no proof that there is none.

    Args:
        metric: as in `Results.value`.
        first, second: models.
        runs: of each model.
    """
    ours = {model: _by_seed(metric, runs[model]) for model in (first, second)}
    if not ours[first] or not ours[second]:
        return None
    one, other = ours[first], ours[second]
    means = [math.fsum(values.values()) / len(values) for values in (one, other)]
    value = means[0] - means[1]
    if metric.startswith(_EXACT):
        return ModelDifference(first, second, value, (value, value))
    if metric.split("@")[0].removeprefix("history.") == "seconds" and len(_machines(first, second, runs)) > 1:
        return ModelDifference(first, second, value, None, missing="on different machines")
    shared = sorted(one.keys() & other.keys())
    pairs = np.array([one[seed] - other[seed] for seed in shared])
    if len(shared) >= ENOUGH_SEEDS and pairs.std() > ROUNDING:
        deviation, freedom = float(pairs.std(ddof=1)), len(shared) - 1
        value, error = float(pairs.mean()), deviation / math.sqrt(len(shared))
        one_run = prediction_half_width(deviation, len(shared))
    elif min(len(one), len(other)) >= ENOUGH_SEEDS:
        variances = [float(np.var(list(values.values()), ddof=1)) for values in (one, other)]
        parts = [variance / len(values) for variance, values in zip(variances, (one, other), strict=True)]
        error = math.sqrt(sum(parts))
        weights = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (one, other), strict=True))
        freedom = max(1, math.floor(error**4 / weights)) if weights else 1
        one_run = float(special.stdtrit(freedom, 0.975)) * math.sqrt(sum(variances))
    else:
        return _over_images(metric, first, second, value, runs, f"needs {ENOUGH_SEEDS} seeds")
    if error < ROUNDING:
        return _over_images(metric, first, second, value, runs, "the same in every seed")
    half = float(special.stdtrit(freedom, 0.975)) * error
    return ModelDifference(first, second, value, (value - half, value + half), freedom, one_run)


def _over_images(metric: str, first: str, second: str, value: float, runs: Runs, missing: str) -> ModelDifference:
    interval = _of_images(metric, value, runs[first], runs[second])
    if interval is None or interval[0] == interval[1]:
        return ModelDifference(first, second, value, None, missing=missing)
    return ModelDifference(first, second, value, interval)


def _of_images(metric: str, value: float, first: Sequence[Results], second: Sequence[Results]) -> Interval | None:
    """The sampling error of the test images about a difference: two runs see the same images and are no surer."""
    paired = paired_interval(metric, first[0], second[0])
    if paired is not None:
        at, (low, high) = paired
        return value + low - at, value + high - at
    values, intervals = [], []
    for run in (first[0], second[0]):
        one, interval = run.value(metric), run.interval(metric)
        if one is None or interval is None:
            return None
        values.append(one)
        intervals.append(interval)
    low, high = difference_interval(values[0], intervals[0], values[1], intervals[1])
    at = values[0] - values[1]
    return value + low - at, value + high - at


def _by_seed(metric: str, runs: Sequence[Results]) -> dict[int, float]:
    found = {run.manifest.get("seed", number): run.value(metric) for number, run in enumerate(runs)}
    return {seed: value for seed, value in found.items() if value is not None}


def _mean(metric: str, runs: Sequence[Results]) -> float | None:
    values = list(_by_seed(metric, runs).values())
    return math.fsum(values) / len(values) if values else None


def _machines(first: str, second: str, runs: Runs) -> set[tuple[str, ...]]:
    """What the runs' times depend on: the devices, and how many of the processor's cores and threads were used."""
    parts = ("processor", "gpu", "threads", "cores")
    known = [run.manifest.get("hardware", {}) for model in (first, second) for run in runs[model]]
    return {tuple(str(hardware.get(part)) for part in parts) for hardware in known}


def _one(contrast: Contrast) -> float:
    assert not isinstance(contrast.limit, tuple)
    return contrast.limit


def _missing(contrast: Contrast, runs: Runs) -> str:
    without = [model for model in contrast.models if _mean(contrast.metric, runs[model]) is None]
    return f"no {contrast.metric} in the runs of {', '.join(without)}"


def _shown(contrast: Contrast, one: ModelDifference) -> str:
    words = f"{one.first} minus {one.second} {_amount(contrast.metric, one.value)}"
    if one.interval is None:
        return f"{words}, {one.missing}"
    if one.interval[0] == one.interval[1]:
        return words
    low, high = (_amount(contrast.metric, bound).removesuffix(" pp") for bound in one.interval)
    return f"{words}, 95 % interval {low} to {high}"


def _published(study: str, contrast: Contrast, one: ModelDifference) -> str:
    """Whether the published difference lay outside the noise at all, in words."""
    first, second = (published_number(study, model, contrast.metric) for model in (one.first, one.second))
    if first is None or first.value is None or second is None or second.value is None:
        return ""
    gap = first.value - second.value
    words = f"; published difference {_amount(contrast.metric, gap)}"
    if one.one_run is not None:
        half = one.one_run
    elif first.interval and second.interval:
        low, high = difference_interval(first.value, first.interval, second.value, second.interval)
        half = gap - low if gap > 0 else high - gap
    else:
        return words
    noise = _amount(contrast.metric, half).removeprefix("+")
    return f"{words}, {'outside' if abs(gap) > half else 'inside'} the noise of one run each (±{noise})"


def _amount(metric: str, amount: float) -> str:
    if any(word in metric for word in _SHARES) and "epoch" not in metric and "reaches" not in metric:
        return f"{100 * amount:+.2f} pp"
    if amount == round(amount):
        return f"{round(amount):+,d}"
    return f"{amount:+.4f}" if abs(amount) < 10 else f"{amount:+,.1f}"
