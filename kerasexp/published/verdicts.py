"""What our numbers allow to say of a published one.

The difference d (mean of our runs minus published) has a 95 % interval I; the claim's margin M was fixed before any of
our runs. I inside [-M, M]: reproduced. I and [-M, M] apart: not reproduced. Everything else: cannot tell. Where the
claim has a band instead of a margin, what d may be is the band minus the published value.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import special

from kerasexp.evaluation.statistics import Interval, difference_interval, prediction_half_width
from kerasexp.published.checks import CHECKS, Numbers
from kerasexp.published.claim import Claim, Unit

ENOUGH_SEEDS = 3  # from here on the spread between seeds counts, below it only the sampling error of the images
MOST_SEEDS = 100  # more are not worth naming
ROUNDING = 1e-9

Status = Literal["reproduced", "not reproduced", "cannot tell"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The judgement of one claim.

    Attributes:
        status: `reproduced`, `not reproduced` or `cannot tell`.
        reason: why, in words; for `cannot tell` what would decide it.
        difference: mean of our runs minus published, in the metric's own unit.
        interval: 95 % interval of the difference, where there is one.
        provisional: `provisional: one seed` (or two), empty from three seeds on and where seeds play no part.
    """

    status: Status
    reason: str
    difference: float | None = None
    interval: Interval | None = None
    provisional: str = ""


def judge(claim: Claim, values: Sequence[float], intervals: Sequence[Interval | None] = (), never: int = 0) -> Verdict:
    """Judges a published number by comparable runs.

    What the data or the network alone decides is measured without error: the difference is judged as it is.

    The published number is one run. From three seeds on, the interval is therefore that of one more run,
    t(n-1) * s * sqrt(1 + 1/n); on the study's own images their sampling error cancels, on others (a split that the
    study drew without a seed) that of both numbers is added in quadrature. Below three seeds, the interval is the
    sampling error of the images in both numbers: Newcombe's for proportions; where the published number has no interval
    of its own (F1), it is given the width of ours, which is near it and of as many images. A metric without sampling
    error (losses, epochs) says nothing before the third seed.

    Args:
        claim: a claim with a value.
        values: the metric of each run.
        intervals: the 95 % interval of each run's value, as far as there is one; looked at below three runs, and where
            the study's test images were others.
        never: how many further runs came to no value because what the claim dates never happened in them.

    Returns:
        The verdict.
    """
    if claim.value is None:
        raise ValueError(f"{claim.what!r} is a statement: expected a claim with a value.")
    if never:
        return _never(claim, len(values) + never, never)
    if not values:
        return Verdict("cannot tell", "the run has no such value")
    difference = float(np.mean(values)) - claim.value
    if claim.kind == "exact":
        return _exact(claim, values, difference)
    if claim.scope in ("data", "network"):
        interval = difference, difference
        return Verdict(_status(interval, claim.tolerance), _where(claim, difference, interval), difference, interval)
    mark = provisional(len(values))
    if len(values) < claim.least_seeds:
        return Verdict("cannot tell", too_few(claim), difference, None, mark)
    known = [interval for interval in intervals if interval is not None]
    sampled = claim.other_images and claim.split in ("test", "validation")
    if (mark or sampled) and len(known) < len(values):
        reason = (
            f"needs {ENOUGH_SEEDS} seeds: one run does not show how far this number varies"
            if mark
            else "the study's images were others, and how far this number varies between images is not known"
        )
        return Verdict("cannot tell", reason, difference, None, mark)
    sampling = _sampling_error(claim, values, known) if mark or sampled else (difference, difference)
    if mark:
        interval, missing = sampling, f"needs {ENOUGH_SEEDS} seeds"
    else:
        deviation = float(np.std(values, ddof=1))
        interval = _widened(difference, sampling, prediction_half_width(deviation, len(values)))
        missing = _seeds_missing(claim, difference, sampling, deviation, len(values))
    status, reason = _status(interval, claim.tolerance), _where(claim, difference, interval)
    if status == "cannot tell":
        reason = f"{missing}: {reason}"
    return Verdict(status, reason, difference, interval, mark)


def judge_statement(claim: Claim, runs: Sequence[Numbers]) -> Verdict:
    """Judges a statement by its check on every comparable run.

    It is reproduced if it holds in all of them, and not reproduced if one contradicts it.

    Args:
        claim: a statement about one run at a time.
        runs: the numbers of each run.
    """
    if claim.check is None:
        return Verdict("cannot tell", "no check decides this statement")
    check = CHECKS[claim.check.name]
    outcomes = [check(run, claim.check.metric, claim.check.limit) for run in runs]
    seen = "; ".join(dict.fromkeys(words for _, words in outcomes if words))
    if not outcomes or any(holds is None and not words for holds, words in outcomes):
        return Verdict("cannot tell", "the run has no such value")
    mark = "" if claim.scope in ("data", "network") else provisional(len(runs))
    if mark and len(runs) < claim.least_seeds:
        return Verdict("cannot tell", f"{too_few(claim)}: {seen}", provisional=mark)
    held = [holds for holds, _ in outcomes]
    if len(set(held)) > 1:
        seen = f"holds in {held.count(True)} of {len(held)} runs: {seen}"
    status: Status = "not reproduced" if False in held else "cannot tell" if None in held else "reproduced"
    return Verdict(status, seen, provisional=mark)


def _never(claim: Claim, runs: int, never: int) -> Verdict:
    """Of something that did not happen in some runs: an epoch that is not there has no place in a mean."""
    mark, seen = provisional(runs), f"in {never} of {runs} {'run' if runs == 1 else 'runs'} it never happened"
    if runs < claim.least_seeds:
        return Verdict("cannot tell", f"{too_few(claim)}: {seen}", provisional=mark)
    if mark:
        return Verdict("cannot tell", f"needs {ENOUGH_SEEDS} seeds: {seen}", provisional=mark)
    return Verdict("not reproduced" if never == runs else "cannot tell", seen)


def _sampling_error(claim: Claim, values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Of the difference; two runs see the same images, so their mean is no surer than one."""
    assert claim.value is not None
    mean = float(np.mean(values))
    low, high = (float(bound) for bound in np.mean(intervals, axis=0))
    published = claim.interval or (claim.value + low - mean, claim.value + high - mean)
    return difference_interval(mean, (low, high), claim.value, published)


def provisional(seeds: int) -> str:
    return {1: "provisional: one seed", 2: "provisional: two seeds"}.get(seeds, "")


def too_few(claim: Claim) -> str:
    return f"no verdict below {claim.least_seeds} seeds"


def _exact(claim: Claim, values: Sequence[float], difference: float) -> Verdict:
    if all(value == claim.value for value in values):
        return Verdict("reproduced", "equal", 0.0, (0.0, 0.0))
    ours = ", ".join(f"{value:,}" for value in sorted(set(values)))
    return Verdict("not reproduced", f"{ours} instead of {claim.value:,}", difference, (difference, difference))


def _status(interval: Interval, tolerance: Interval) -> Status:
    (low, high), (least, most) = interval, tolerance
    if least - ROUNDING <= low and high <= most + ROUNDING:
        return "reproduced"
    if low > most + ROUNDING or high < least - ROUNDING:
        return "not reproduced"
    return "cannot tell"


def _widened(difference: float, sampling: Interval, half: float) -> Interval:
    """The interval from the seeds' half width and the sampling error, in quadrature; without the latter +-half."""
    low, high = sampling
    return difference - math.hypot(half, difference - low), difference + math.hypot(half, high - difference)


def _seeds_missing(claim: Claim, difference: float, sampling: Interval, deviation: float, seeds: int) -> str:
    """How many more seeds would decide a claim, if mean and spread stayed what they are."""

    def undecided(half: float) -> bool:
        return _status(_widened(difference, sampling, half), claim.tolerance) == "cannot tell"

    if undecided(0.0):
        return "no number of seeds would decide it, both numbers are of too few images"
    if undecided(special.ndtri(0.975) * deviation):
        return "no number of seeds would decide it, one published run of so noisy a method says too little"
    for more in range(1, MOST_SEEDS):
        if not undecided(prediction_half_width(deviation, seeds + more)):
            return f"{more} more {'seed' if more == 1 else 'seeds'} would decide it"
    return f"more than {MOST_SEEDS} more seeds would be needed"


def _where(claim: Claim, difference: float, interval: Interval) -> str:
    low, high = (_signed(bound, claim.unit) for bound in interval)
    unit = " pp" if claim.unit == "share" else ""
    margin = "±" + _signed(claim.margin, claim.unit).removeprefix("+")
    if claim.band:
        margin = " to ".join(_signed(bound, claim.unit) for bound in claim.tolerance)
    spread = f", 95 % interval {low} to {high}" if interval[0] < interval[1] else ""
    return f"difference {_signed(difference, claim.unit)}{unit}{spread}, margin {margin}{unit}"


def _signed(amount: float, unit: Unit | None) -> str:
    if unit == "share":
        return f"{100 * amount:+.2f}"
    if unit in ("loss", "ratio"):
        return f"{amount:+.4f}"
    return f"{amount:+.1f}" if not math.isclose(amount, round(amount)) else f"{round(amount):+d}"
