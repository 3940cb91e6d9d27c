"""`kerasexp tune`: a search for better settings, judged on validation images alone."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp import environment
from kerasexp.errors import Interrupted, UsageError
from kerasexp.training.progress import console_progress
from kerasexp.workflows.plan import cluster_of
from kerasexp.workflows.train import announce_tensorflow, check_time
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord, locked
from kerasexp.workflows.tuning_search import Search, prepare_search

if TYPE_CHECKING:
    from kerasexp.workflows.tuning_oracles import RecordedOracle
    from kerasexp.workflows.tuning_progress import SearchProgress
    from kerasexp.workflows.tuning_trials import Trials

KEEP = 3  # models, unless the user says otherwise
TRIALS = 20  # of a random or a Bayesian search, unless the user says otherwise


def tune(
    experiment: str,
    *,
    space: str | Path | None = None,
    tuner: str = "random",
    trials: int | None = None,
    max_time: float | None = None,
    keep: int = KEEP,
    recipe: str | None = None,
    variant: str | Sequence[str] = (),
    augment: int | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    epochs: int | None = None,
    seed: int | None = None,
    precision: str | None = None,
    set: str | Sequence[str] = (),
    out: str | Path | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    cpus_per_run: int | None = None,
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
        precision: `float32`, `bfloat16`, `tensorfloat32` or `auto`, instead of the recipe's.
        set: further settings of all trials, as `path=value`.
        out: folder of the search; `searches/<experiment>-<digest>` by default.
        workers: how many trials are trained at a time, each in a process of its own; by default one, or on a cluster as
            many as it has room for.
        cluster: where the workers run: `local`, `auto` or `HOST:PORT`, a Ray cluster; this machine by default. All of
            its machines share the folder of the search, under the same path.
        cpus_per_run: processor cores of each worker on a cluster; a whole machine by default.

    Returns:
        What `tune.json` holds: `experiment`, `tuner`, `status` (`complete` or `stopped`), `trials` (the best first),
        `undecided` (how many `others` cannot be told from the best), `importance`, `recipe` (the path of the best
        settings as a YAML file that `train` takes, or None), `all_images` (what to add to that command where these
        settings leave out training images), `page` (the path of `tune.html`).

    Raises:
        UsageError: for unknown names, a space that does not fit, or a recipe that validates on test images.
        KerasexpError: if three trials fail one after the other, or none can be trained: without the data, or with a
            full disk. The same call goes on when that is mended.
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.
    """
    for option, count in (("trials", trials), ("keep", keep), ("workers", workers)):
        if count is not None and count < 1:
            raise UsageError(f"--{option}: expected 1 or more, received: {count}.")
    check_time(max_time)
    machines = cluster_of(cluster, cpus_per_run)
    arguments: dict[str, Any] = {
        "experiment": experiment,
        "space": _text(space),
        "tuner": tuner,
        "recipe": recipe,
        "variant": [variant] if isinstance(variant, str) else list(variant),
        "augment": augment,
        "data": _text(data),
        "data_dir": _text(data_dir),
        "offline": offline,
        "epochs": epochs,
        "seed": seed,
        "precision": precision,
        "overrides": [set] if isinstance(set, str) else list(set),
        "out": _text(out),
    }
    search = prepare_search(**arguments)
    if machines is not None:  # where they work is not where this command was called
        arguments["out"] = str(search.folder.absolute())
    options = {"trials": trials, "keep": None if keep == KEEP else keep, "data-dir": data_dir, "offline": offline}
    options |= {"workers": workers, "cluster": cluster, "cpus-per-run": cpus_per_run}
    command = shlex.join([*shlex.split(search.command), *_words(options)])
    most = trials if trials is not None or tuner in ("hyperband", "grid") else TRIALS
    deadline = math.inf if max_time is None else time.monotonic() + max_time
    with locked(search.folder) as lock:
        record = SearchRecord.opened(search.folder, search.settings())
        announce_tensorflow(console_progress())
        precision = environment.resolve_precision(search.base.precision)
        environment.start_tensorflow(precision)

        from kerasexp.workflows.tuning_loop import run_trials
        from kerasexp.workflows.tuning_progress import SearchProgress
        from kerasexp.workflows.tuning_results import write_results
        from kerasexp.workflows.tuning_trials import Trials

        runner = Trials(record, search.base, search.configure, precision, search.train_command, data_dir, offline)
        with SearchProgress(record, most) as progress:
            progress.goes_on()
            oracle = _oracle(search, record, most, keep, runner, progress)
            try:
                if machines is None and workers in (None, 1):
                    complete = run_trials(oracle, "search", record.trials.__getitem__, runner, progress, deadline)
                else:
                    from kerasexp.workflows.tuning_workers import run_workers

                    at_once = sys.maxsize if workers is None else workers
                    complete = run_workers(
                        oracle, at_once, arguments, precision, lock, progress.note, deadline, machines
                    )
            except (Interrupted, KeyboardInterrupt):
                raise Interrupted(f"Interrupted; all is saved in {record.folder}. The same command goes on.") from None
        return write_results(record, search.configure, search.space, "complete" if complete else "stopped", command)


def _oracle(
    search: Search, record: SearchRecord, most: int | None, keep: int, runner: Trials, progress: SearchProgress
) -> RecordedOracle:
    """The oracle of a search; as trials begin and end it tells of them, and lets the best keep their models."""
    from kerasexp.workflows.tuning_loop import stop_after_failures
    from kerasexp.workflows.tuning_oracles import make_oracle

    oracle = make_oracle(search.tuner, search.space, search.base.seed, record, most, search.base.epochs)

    def on_end(trial: TrialRecord) -> None:
        if trial.status == "failed":
            runner.locate(trial)
        progress.trial_ended(trial)
        # a parent is needed until the trial that goes on with it has its state
        needed = {other.parent for other in record.trials if other.ended is None and other.parent is not None}
        runner.prune({best.number for best in record.ranked()[:keep]} | oracle.may_be_promoted() | needed)

    oracle.collect, oracle.on_begin, oracle.on_end = runner.collect, progress.trial_began, on_end
    oracle.check = lambda: stop_after_failures(record)
    return oracle


def _words(options: dict[str, Any]) -> list[str]:
    """The words of those options that are set.

    Example:

    >>> _words({"keep": None, "data-dir": Path("data"), "offline": True, "workers": 2})
    ['--data-dir', 'data', '--offline', '--workers', '2']
    """
    words: list[str] = []
    for name, value in options.items():
        if value is not None and value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
