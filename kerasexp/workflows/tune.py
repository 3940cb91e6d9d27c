"""`kerasexp tune`: a search for better settings, judged on validation images alone."""

from __future__ import annotations

import dataclasses
import math
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp import environment, files
from kerasexp.config.loading import load_experiment, read_config
from kerasexp.config.schema import Experiment
from kerasexp.config.space import Space, load_space
from kerasexp.errors import Interrupted, KerasexpError, UsageError, did_you_mean
from kerasexp.workflows.train import _changes, _command
from kerasexp.workflows.tuning_checks import check_search
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord

if TYPE_CHECKING:
    from kerasexp.workflows.tuning_oracles import _Recorded
    from kerasexp.workflows.tuning_progress import SearchProgress
    from kerasexp.workflows.tuning_trials import Trials

TUNERS = ("random", "bayesian", "hyperband", "grid")
TRIALS = 20  # of a random or a Bayesian search, unless the user says otherwise
FAILURES = 3  # one after the other, after which a search ends


def tune(
    experiment: str,
    *,
    space: str | Path | None = None,
    tuner: str = "random",
    trials: int | None = None,
    max_time: float | None = None,
    keep: int = 3,
    recipe: str | None = None,
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    epochs: int | None = None,
    seed: int | None = None,
    precision: str | None = None,
    set: Sequence[str] = (),
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Searches for better settings of an experiment, through KerasTuner's oracles.

    Each trial is a run. Its objective is the validation accuracy of the weights that the recipe takes; no trial sees a
    test image. The search is one folder, named after what decides it: the same call goes on with a search that was
    stopped or killed, or adds trials to it, and never repeats a finished trial.

    Args:
        experiment: its name (`kerasexp list`), or the path of a YAML file.
        space: a YAML file of what to vary; the experiment's own space by default.
        tuner: `random`, `bayesian` (a Gaussian process), `hyperband` (many short trainings, the best ones go on) or
            `grid`.
        trials: how many at the most; by default 20 for `random` and `bayesian`, as many as there are for the others.
        max_time: seconds after which the search is saved and stopped.
        keep: how many of the best trials keep their models and states.
        recipe: what the settings are laid over; `sound` by default where there is one.
        variant: one or more of the experiment's variants.
        augment: augmented copies of every training image in an epoch.
        data: another catalog entry, a `.npz` or a folder of class folders.
        data_dir: folder of the data.
        offline: never use the network.
        epochs: of each trial at the most; with `hyperband` of the longest ones.
        seed: of every trial and of the search, instead of the experiment's own.
        precision: `float32`, `bfloat16` or `auto`, instead of the recipe's.
        set: further settings of all trials, as `path=value`.
        out: folder of the search; `searches/<experiment>-<digest>` by default.

    Returns:
        What `tune.json` holds: `experiment`, `tuner`, `status` (`complete` or `stopped`), `trials` (the best first),
        `undecided` (how many `others` cannot be told from the best), `importance`, `recipe` (the path of the best
        settings as a YAML file that `train` takes, or None), `page` (the path of `tune.html`).

    Raises:
        UsageError: for unknown names, a space that does not fit, or a recipe that validates on test images.
        KerasexpError: if three trials fail one after the other.
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.
    """
    if tuner not in TUNERS:
        raise UsageError(f'Unknown tuner "{tuner}". {did_you_mean(tuner, TUNERS)}')
    if trials is not None and trials < 1:
        raise UsageError(f"--trials: expected 1 or more, received: {trials}.")
    if keep < 1:
        raise UsageError(f"--keep: expected 1 or more, received: {keep}.")
    if max_time is not None and not 0 < max_time < math.inf:
        raise UsageError(f"--max-time: expected a positive time, received: {max_time}.")
    variants = [variant] if isinstance(variant, str) else list(variant)
    recipe = recipe or ("sound" if "sound" in read_config(experiment)["recipes"] else None)
    changes = _changes(data, epochs, seed, precision)

    def configure(overrides: Sequence[str]) -> Experiment:
        return load_experiment(experiment, recipe, variants, augment, [*set, *overrides], changes)

    def train_command(overrides: Sequence[str]) -> str:
        return _command(experiment, base, [*set, *overrides], data, epochs, precision, None)

    base = configure(())
    dimensions = load_space(base.name, space)
    check_search(base, dimensions, tuner, configure)
    settings = {
        "experiment": base.name,
        "recipe": base.recipe,
        "tuner": tuner,
        "seed": base.seed,
        "configuration": base.settings(),
        "space": dimensions.content(),
    }
    search = Search(
        base,
        dimensions,
        configure,
        train_command,
        command=_tune_command(train_command(()), tuner, space),
        trials=trials if trials is not None or tuner in ("hyperband", "grid") else TRIALS,
        keep=keep,
        seconds=math.inf if max_time is None else max_time,
        data_dir=data_dir,
        offline=offline,
    )
    folder = Path(out) if out else Path("searches") / f"{base.name}-{files.digest(settings)[:8]}"
    record = SearchRecord.opened(folder, settings)
    with record.locked():
        return _search(search, record)


@dataclasses.dataclass(frozen=True)
class Search:
    """What one call of `tune` is to do.

    Attributes:
        base: the experiment whose settings are varied.
        space: how they are varied.
        configure: the experiment with further overrides.
        train_command: the command line that trains it.
        command: the command line that goes on with the search.
        trials: how many at the most, or None.
        keep: how many trials keep their models.
        seconds: after which the search is stopped.
        data_dir: folder of the data.
        offline: never use the network.
    """

    base: Experiment
    space: Space
    configure: Callable[[Sequence[str]], Experiment]
    train_command: Callable[[Sequence[str]], str]
    command: str
    trials: int | None
    keep: int
    seconds: float
    data_dir: str | Path | None
    offline: bool

    def overrides(self, trial: TrialRecord) -> list[str]:
        """What a trial sets."""
        length = [] if trial.epochs is None else [f"epochs={trial.epochs}"]
        return [*self.space.overrides(trial.values), *length]


def _search(search: Search, record: SearchRecord) -> dict[str, Any]:
    """Goes on with a search until its end, or its time's, and writes what it came to."""
    deadline = time.monotonic() + search.seconds
    print("Starting TensorFlow", file=sys.stderr, flush=True)
    precision = environment.resolve_precision(search.base.precision)
    environment.start_tensorflow(precision)

    from kerasexp.workflows.tuning_oracles import make_oracle
    from kerasexp.workflows.tuning_progress import SearchProgress
    from kerasexp.workflows.tuning_results import write_results
    from kerasexp.workflows.tuning_trials import Trials

    def configure(trial: TrialRecord) -> Experiment:
        return search.configure(search.overrides(trial))

    def command(trial: TrialRecord) -> str:
        return search.train_command(search.overrides(trial))

    runner = Trials(record, configure, precision, command, search.data_dir, search.offline)
    with SearchProgress(record, search.trials) as progress:
        if record.trials:
            ended = sum(trial.ended is not None for trial in record.trials)
            progress.note(f"Going on with {record.folder}, where {ended} trial{'s'[: ended != 1]} ended before")
        tuner, seed = record.settings["tuner"], search.base.seed
        oracle = make_oracle(tuner, search.space, seed, record, search.trials, search.base.epochs)
        try:
            complete = _run_trials(oracle, runner, progress, search.keep, deadline)
        except Interrupted:
            raise Interrupted(
                f"Interrupted; everything is saved in {record.folder}. The same command goes on."
            ) from None
    return write_results(record, configure, search.space, "complete" if complete else "stopped", search.command)


def _run_trials(oracle: _Recorded, runner: Trials, progress: SearchProgress, keep: int, deadline: float) -> bool:
    """Runs what the oracle proposes until it proposes no more; False if the time was over before."""
    record = oracle.record
    while time.monotonic() < deadline:
        proposed = oracle.create_trial("search")
        if proposed.status == "STOPPED":
            return True
        trial = record.trials[int(proposed.trial_id)]
        progress.trial_began(trial)
        left = None if deadline == math.inf else max(1e-3, deadline - time.monotonic())
        try:
            if not runner.run(trial, progress, left):
                return False
            oracle.update_trial(proposed.trial_id, {"val_accuracy": trial.score})
            proposed.status = "COMPLETED"
        except Interrupted:
            raise
        except KerasexpError as error:
            trial.message = str(error)
            proposed.status = "FAILED"
        oracle.end_trial(proposed)
        progress.trial_ended(trial)
        running = {other.parent for other in record.trials if other.ended is None and other.parent is not None}
        runner.prune({best.number for best in record.ranked()[:keep]} | oracle.may_be_promoted() | running)
        _stop_after_failures(record)
    return False


def _stop_after_failures(record: SearchRecord) -> None:
    ended = sorted((trial for trial in record.trials if trial.ended is not None), key=lambda trial: trial.ended or 0)
    last = ended[-FAILURES:]
    if len(last) == FAILURES and all(trial.status == "failed" for trial in last):
        raise KerasexpError(
            f"{FAILURES} trials failed one after the other. The last: {last[-1].message} "
            f"Change the space, and begin again with another --out than {record.folder}."
        )


def _tune_command(train_command: str, tuner: str, space: str | Path | None) -> str:
    """The command line that goes on with the search: that of a training, with what is the search's own."""
    words = ["--tuner", tuner, *(["--space", str(space)] if space is not None else [])]
    return f"{train_command.replace('kerasexp train', 'kerasexp tune', 1)} {shlex.join(words)}"
