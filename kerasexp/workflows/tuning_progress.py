"""What a person sees of a search: one line for each trial as it ends, and below them how the running one goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from kerasexp.config.space import Value
from kerasexp.training.progress import Progress, duration, metrics_text
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord


class SearchProgress(Progress):
    """The progress of all trials of a search, and of each of their trainings.

    Args:
        record: of the search.
        most_trials: how many trials there will be, or None where the tuner decides.
        file: where the lines go, standard error by default.
        console: a terminal for the moving line; by default standard error if it is one.
        clock: seconds.
    """

    def __init__(
        self,
        record: SearchRecord,
        most_trials: int | None = None,
        file: IO[str] | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.record = record
        self.most_trials = most_trials
        self.file = file or sys.stderr
        self.clock = clock
        if console is None and file is None and sys.stderr.isatty():
            console = Console(stderr=True)
        moving = console is not None and not console.is_dumb_terminal
        self.live = Live(console=console, auto_refresh=False, transient=True) if moving else None
        self.began = clock()
        self.ended = 0  # in this process
        self.headed = False

    def __enter__(self) -> SearchProgress:
        return self

    def goes_on(self) -> None:
        """Tells what there is already."""
        if self.record.trials:
            ended = sum(trial.ended is not None for trial in self.record.trials)
            words = f"{ended} trial{'s'[: ended != 1]} ended before"
            self.note(f"Going on with {self.record.folder}, where {words}")

    def trial_began(self, trial: TrialRecord) -> None:
        """A trial begins or goes on."""
        self.trial = trial
        self._head()
        if self.live is None:
            self._print(f"{self._label(trial):>9}  {'begins':>10}")
        self._show(f"{self._label(trial)}  {settings_text(trial.values)}")

    def trial_ended(self, trial: TrialRecord) -> None:
        """A trial is complete or failed."""
        self.ended += 1
        self._head()
        best = self.record.ranked()[:1] == [trial]
        result = "failed" if trial.score is None else f"{trial.score:.2%}{'*' if best else ' '}"
        left = self._left()
        columns = f"{self._label(trial):>9}  {result:>10}  {trial.epochs_run:>6}  {duration(trial.seconds):>11}"
        self._print(f"{columns}  {trial.message or settings_text(trial.values)}{left}")

    def started(self, experiment: Any, epochs: int, *args: Any, **kwargs: Any) -> None:
        self.epochs = epochs

    def advanced(self, epoch: int, step: int, logs: Mapping[str, float], images_per_second: float) -> None:
        self._show(
            f"{self._label(self.trial)}  epoch {epoch + 1} of at most {self.epochs}  {metrics_text(logs)}  "
            f"{images_per_second:,.0f} images/s"
        )

    def note(self, text: str) -> None:
        self._print(text)

    def finished(self, text: str) -> None:
        """The training of a trial is over; its line tells more."""

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()

    def _head(self) -> None:
        if not self.headed:
            self.headed = True
            self._print(f"{'trial':>9}  {'validation':>10}  {'epochs':>6}  {'time':>11}  settings (*: the best so far)")

    def _left(self) -> str:
        if self.most_trials is None:
            return ""
        left = self.most_trials - sum(trial.ended is not None for trial in self.record.trials)
        seconds = (self.clock() - self.began) / self.ended * left
        return f"  (about {duration(seconds)} left)" if left > 0 else ""

    def _label(self, trial: TrialRecord) -> str:
        return f"{trial.number + 1}{f'/{self.most_trials}' if self.most_trials else ''}"

    def _show(self, text: str) -> None:
        if self.live is not None:
            self.live.start()
            self.live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def _print(self, text: str) -> None:
        if self.live is not None:
            self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self.file, flush=True)


def settings_text(values: Mapping[str, Value]) -> str:
    """The settings of a trial in one line.

    Example:

    >>> settings_text({"optimizer.learning_rate": 0.00123456, "batch_size": 64})
    'learning_rate 0.001235, batch_size 64'
    """
    return ", ".join(
        f"{name.rpartition('.')[2]} {f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in values.items()
    )
