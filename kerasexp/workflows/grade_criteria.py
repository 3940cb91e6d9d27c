"""From a submission to points: one criterion after the other, each with its reason in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kerasexp import files
from kerasexp.config.faults import FAULTS, Fault
from kerasexp.config.loading import load_experiment
from kerasexp.config.rubric import (
    Artifacts,
    Criterion,
    Epochs,
    ExperimentIs,
    Integrity,
    Metric,
    NoFaults,
    Parameters,
    Rubric,
)
from kerasexp.config.schema import Experiment
from kerasexp.errors import DataError, KerasexpError
from kerasexp.models import parameter_count
from kerasexp.runs import Run
from kerasexp.workflows.grade_integrity import disagreements
from kerasexp.workflows.grade_submission import Submission

MOST_REASONS = 3  # disagreements that are shown


class Judgement(NamedTuple):
    """Of one criterion.

    Attributes:
        share: of its points, 0 to 1.
        verdict: `met`, `borderline` (cannot tell), `partly`, `not met` or `not judged`.
        reason: in words.
    """

    share: float
    verdict: str
    reason: str


def judge(rubric: Rubric, submission: Submission, data_dir: str | None) -> list[dict[str, Any]]:
    """Judges a submission by every criterion of a rubric.

    Args:
        rubric: the criteria.
        submission: loaded and evaluated.
        data_dir: folder of the data that the students trained on.

    Returns:
        For each criterion `check`, `title`, `points`, `of`, `must`, `verdict` and `reason`.
    """
    results = []
    for criterion in rubric.criteria:
        judgement = _judged(criterion, submission, data_dir)
        results.append(
            {
                "check": criterion.check,
                "title": criterion.label,
                "points": round(criterion.points * judgement.share, 2),
                "of": criterion.points,
                "must": criterion.must,
                "verdict": judgement.verdict,
                "reason": judgement.reason,
            }
        )
    return results


def _judged(criterion: Criterion, submission: Submission, data_dir: str | None) -> Judgement:
    if isinstance(criterion, Integrity):
        return _integrity(criterion, submission, data_dir)
    judges: dict[type, Callable[[Any, Submission], Judgement]] = {
        ExperimentIs: _experiment,
        Parameters: _parameters,
        Epochs: _epochs,
        Artifacts: _artifacts,
        NoFaults: _faults,
        Metric: _metric,
    }
    try:
        return judges[type(criterion)](criterion, submission)
    except KerasexpError as error:
        return Judgement(0, "not judged", str(error))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:  # hand-made JSON of any form
        return Judgement(0, "not judged", f"The run folder is damaged: {files.reason(error)}.")


def _run_of(submission: Submission) -> Run:
    if submission.run is None:
        raise DataError("A bare model does not tell this. Submit the run folder.")
    return submission.run


def _experiment(criterion: ExperimentIs, submission: Submission) -> Judgement:
    found, expected = _run_of(submission).experiment, load_experiment(criterion.name)
    if found.name != expected.name:
        return Judgement(0, "not met", f"A run of {found.name}, expected {expected.name}.")
    if found.network != expected.network:
        return Judgement(0, "not met", f"Its network is {found.network}, expected {expected.network}.")
    return Judgement(1, "met", f"A run of {found.name}.")


def _parameters(criterion: Parameters, submission: Submission) -> Judgement:
    if submission.model is None:
        raise DataError(submission.model_problem)
    return _in_range(parameter_count(submission.model), "parameters", criterion)


def _epochs(criterion: Epochs, submission: Submission) -> Judgement:
    return _in_range(len(_run_of(submission).history), "epochs", criterion)


def _in_range(found: int, what: str, criterion: Parameters | Epochs) -> Judgement:
    low, high = criterion.at_least, criterion.at_most
    if low is not None and high is not None:
        wanted = f"{low:,} to {high:,}"
    else:
        wanted = f"at least {low:,}" if high is None else f"at most {high:,}"
    inside = (low is None or found >= low) and (high is None or found <= high)
    return Judgement(inside, "met" if inside else "not met", f"{found:,} {what}, wanted {wanted}.")


def _artifacts(criterion: Artifacts, submission: Submission) -> Judgement:
    folder = _run_of(submission).folder
    missing = [name for name in criterion.files if not _is_there(folder, name)]
    share = 1 - len(missing) / len(criterion.files)
    if not missing:
        return Judgement(1, "met", f"All {len(criterion.files)} are there.")
    return Judgement(share, "partly" if share else "not met", f"Missing or empty: {', '.join(missing)}.")


def _is_there(folder: Path, pattern: str) -> bool:
    return any(path.is_file() and path.stat().st_size for path in folder.glob(pattern))


def _faults(criterion: NoFaults, submission: Submission) -> Judgement:
    experiment = _run_of(submission).experiment
    found = [name for name in criterion.forbidden if _has_fault(experiment, name)]
    if not found:
        return Judgement(1, "met", f"None of: {', '.join(criterion.forbidden)}.")
    said = [f"{name}: {FAULTS[name].explanation.partition('. ')[0].rstrip('.')}." for name in found]
    return Judgement(0, "not met", " ".join(said))


def _has_fault(experiment: Experiment, name: str) -> bool:
    """By the settings where they show it: a list of faults is easily shortened."""
    fault = FAULTS[name]
    return name in experiment.faults if fault.touches is Fault.touches else fault.touches(experiment)


def _integrity(criterion: Integrity, submission: Submission, data_dir: str | None) -> Judgement:
    run = _run_of(submission) if submission.run else None
    if run is None:
        return Judgement(0, "not judged", "A bare model cannot be checked. Submit the run folder.")
    if submission.model is None or submission.card is None:
        return Judgement(0, "not met", submission.model_problem or "model.keras was not saved by kerasexp.")
    found = disagreements(run, submission.model, submission.card, criterion.data, data_dir)
    if not found:
        return Judgement(1, "met", "Model, state, history, metrics and data agree.")
    more = f" And {len(found) - MOST_REASONS} more." if len(found) > MOST_REASONS else ""
    return Judgement(0, "not met", " ".join(found[:MOST_REASONS]) + more)


def _metric(criterion: Metric, submission: Submission) -> Judgement:
    test = submission.test
    if test is None:
        raise DataError(submission.test_problem)
    measure = test["accuracy"] if criterion.metric == "accuracy" else test["macro"]["f1"]
    value, (low, high) = measure["value"], measure["interval"]
    score = f"{value:.2%} (95 % interval {low:.2%} to {high:.2%}, n = {test['n']:,})"
    target = f"the target {criterion.target:.2%}"
    if value >= criterion.target:
        return Judgement(1, "met", f"{score} reaches {target}.")
    # compared with room for rounding: 0.95 - 0.01 is not the number that 0.94 is
    tolerated = value >= criterion.target - criterion.tolerance - 1e-12
    if tolerated or high >= criterion.target:
        where = f"inside the tolerance of {criterion.tolerance:.2%}" if tolerated else "its interval holds the target"
        policy = (
            "the benefit of the doubt" if criterion.borderline == 1 else f"{criterion.borderline:.0%} of the points"
        )
        return Judgement(
            criterion.borderline, "borderline", f"{score} is below {target}, but {where}: cannot tell; {policy}."
        )
    guessing = max(row["support"] for row in test["per_class"]) / test["n"]
    blind = criterion.metric == "accuracy" and low <= guessing
    remark = f" No better than always naming the largest class ({guessing:.2%})." if blind else ""
    if criterion.zero_at is not None and value > criterion.zero_at:
        share = (value - criterion.zero_at) / (criterion.target - criterion.zero_at)
        share = round(min(share, criterion.borderline), 2)
        return Judgement(share, "partly", f"{score} is below {target}; {share:.0%} of the points for the way.{remark}")
    return Judgement(0, "not met", f"{score} is below {target}.{remark}")
