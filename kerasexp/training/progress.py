"""What a person sees of a training: how fast it goes, how long it will take, and how good it is."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from kerasexp.config.schema import Experiment
from kerasexp.runs import Run

LONG = 3600.0  # seconds from which a published run is worth a warning
MEASURED = 2.0  # seconds of training after which the first estimate is good enough
BAR = 16  # characters
LATEST = 5.0  # seconds after the start at which an estimate is given, good or not, once a call has not compiled


class Progress:
    """Is told how a training goes and says nothing. A context manager: leaving it closes the display.

    Epochs and steps are given as the trainer counts them: `epoch` from 0, `step` as the number of finished steps.
    """

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def started(
        self,
        experiment: Experiment,
        epochs: int,
        steps_per_epoch: int,
        images_per_epoch: int,
        first_epoch: int = 0,
        first_step: int = 0,
        published_epochs: int | None = None,
        stage: int = 0,
    ) -> None:
        """A stage begins, or goes on after a resume.

        Args:
            experiment: what is trained.
            epochs: how many there are at the most.
            steps_per_epoch: batches.
            images_per_epoch: image passes, augmented copies counted.
            first_epoch: finished epochs.
            first_step: finished steps of the current epoch.
            published_epochs: how many epochs the study needed; the horizon where early stopping decides the end.
            stage: which of the experiment's stages, from 0.
        """

    def advanced(self, epoch: int, step: int, logs: Mapping[str, float], images_per_second: float) -> None:
        """Some steps are done; `logs` holds the running metrics of the epoch."""

    def epoch_ended(self, epoch: int, logs: Mapping[str, float], seconds: float) -> None:
        """An epoch is done, its validation too."""

    def note(self, text: str) -> None:
        """Something that a person should know now."""

    def finished(self, text: str) -> None:
        """The training is over; `text` says how."""

    def close(self) -> None:
        """Ends the display."""


class Pace:
    """Measures the speed of a training and estimates the time it still needs.

    Args:
        steps_per_epoch: batches.
        position: finished steps at the start, over all epochs.
        clock: seconds.
    """

    def __init__(self, steps_per_epoch: int, position: int, clock: Callable[[], float] = time.monotonic):
        self.steps_per_epoch = steps_per_epoch
        self.position = position
        self.clock = clock
        self.began = self.last = clock()
        self.extra = 0.0  # seconds that an epoch takes beyond its steps: validation, saving
        self.first: tuple[int, float] | None = None  # the first call also compiles; used until there is another
        self.recent: deque[tuple[int, float]] = deque(maxlen=20)

    def advanced(self, position: int) -> None:
        """All steps up to `position` are done."""
        now = self.clock()
        call = (position - self.position, now - self.last)
        if self.first is None:
            self.first = call
        else:
            self.recent.append(call)
        self.position, self.last = position, now

    def epoch_ended(self) -> None:
        """What came after the last step of an epoch is done too."""
        now = self.clock()
        self.extra, self.last = now - self.last, now

    @property
    def is_known(self) -> bool:
        """Whether enough was measured for a first estimate, or the person has waited long enough for one.

        The call that compiles says nothing: on a slow machine it takes a hundred times as long as the next.
        """
        if not self.recent:
            return False
        return sum(seconds for _, seconds in self.recent) >= MEASURED or self.last - self.began >= LATEST

    @property
    def seconds_per_epoch(self) -> float:
        calls = self.recent or [self.first or (1, 0.0)]
        seconds_per_step = sum(seconds for _, seconds in calls) / max(1, sum(steps for steps, _ in calls))
        return seconds_per_step * self.steps_per_epoch + self.extra

    def seconds_left(self, epochs: int) -> float:
        """Until the end of `epochs` epochs."""
        return max(0.0, epochs - self.position / self.steps_per_epoch) * self.seconds_per_epoch


class PlainProgress(Progress):
    """Plain lines: one at the start, the first estimate within ten seconds, one per epoch, one at the end.

    Args:
        file: where the lines go, standard error by default.
        clock: seconds.
    """

    def __init__(self, file: IO[str] | None = None, clock: Callable[[], float] = time.monotonic):
        self.file = file or sys.stderr
        self.clock = clock

    def started(
        self,
        experiment: Experiment,
        epochs: int,
        steps_per_epoch: int,
        images_per_epoch: int,
        first_epoch: int = 0,
        first_step: int = 0,
        published_epochs: int | None = None,
        stage: int = 0,
    ) -> None:
        self.experiment = experiment
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.images_per_epoch = images_per_epoch
        # the epochs that the time left is told for: the last ones that are sure, or those that the study needed
        self.published_epochs = min(epochs, published_epochs) if published_epochs else None
        self.open_end = experiment.training_stages[stage].early_stopping is not None
        self.pace = Pace(steps_per_epoch, first_epoch * steps_per_epoch + first_step, self.clock)
        self.estimated = False
        self.stages_left = len(experiment.training_stages) - 1 - stage
        words = " ".join([experiment.name, experiment.recipe, *experiment.variants])
        if experiment.stages:
            words += f", stage {stage + 1} of {len(experiment.stages)} ({experiment.stages[stage].stage})"
        length = f"{'at most ' if self.open_end else ''}{epochs:,} epoch{'s'[: epochs > 1]}"
        begin = f", from epoch {first_epoch + 1:,}" if first_epoch or first_step else ""
        self.note(f"{words}: {length} of {images_per_epoch:,} images{begin}")

    def advanced(self, epoch: int, step: int, logs: Mapping[str, float], images_per_second: float) -> None:
        self.pace.advanced(epoch * self.steps_per_epoch + step)
        if not self.estimated and self.pace.is_known:
            self.estimated = True
            self.note(self._estimate())

    def epoch_ended(self, epoch: int, logs: Mapping[str, float], seconds: float) -> None:
        self.pace.epoch_ended()
        parts = [self._epoch_label(epoch), metrics_text(logs), duration(seconds)]
        left = self._time_left()
        if left and epoch + 1 < self.epochs:
            parts.append(left)
        self.note("  ".join(parts))

    def note(self, text: str) -> None:
        print(text, file=self.file, flush=True)

    def finished(self, text: str) -> None:
        self.note(text)

    def _epoch_label(self, epoch: int) -> str:
        total = "" if self.open_end else f"/{self.epochs}"
        return f"epoch {epoch + 1}{total}"

    def _time_left(self) -> str:
        """Empty where early stopping decides and the study's own count is unknown or used up."""
        horizon = self.published_epochs if self.open_end else self.epochs
        if horizon is None or self.pace.position >= horizon * self.steps_per_epoch:
            return ""
        left, stage = duration(self.pace.seconds_left(horizon)), " of this stage" * bool(self.stages_left)
        return f"{left} to the study's {horizon:,} epochs" if self.open_end else f"{left} left{stage}"

    def _estimate(self) -> str:
        per_epoch, horizon = self.pace.seconds_per_epoch, self.published_epochs or self.epochs
        at_the_most = self.pace.seconds_left(self.epochs)
        length = self._time_left()  # none where the last of these epochs is trained
        if self.open_end and at_the_most:
            known = f" ({length})" if length else ""
            latest = "" if self.published_epochs else f", after {duration(at_the_most)} at the latest"
            length = f"early stopping decides the end{known}{latest}"
        pace = f"about {self.images_per_epoch / per_epoch:,.0f} images/s, {duration(per_epoch)} per epoch"
        text = f"{'; '.join(filter(None, [pace, length]))}."
        if self.experiment.recipe == "published" and self.pace.seconds_left(horizon) >= LONG:
            text += (
                "\nThe published recipe takes hours on this machine. The same network in minutes: --recipe fast. "
                "To stop after a while and go on later: --max-time 30m, then kerasexp resume."
            )
        return text


class LiveProgress(PlainProgress):
    """The plain lines, and below them a bar for the running epoch. Redrawn when the trainer reports, by no thread.

    Args:
        console: a terminal.
        clock: seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        super().__init__(console.file, clock)
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True)

    def started(self, *args: Any, **kwargs: Any) -> None:
        super().started(*args, **kwargs)
        self.live.start()

    def advanced(self, epoch: int, step: int, logs: Mapping[str, float], images_per_second: float) -> None:
        super().advanced(epoch, step, logs, images_per_second)
        done = "━" * round(BAR * step / self.steps_per_epoch)
        left = self._time_left() if self.estimated else ""
        parts = [left, f"{images_per_second:,.0f} images/s", metrics_text(logs)]
        line = f"{self._epoch_label(epoch)} {done:╌<{BAR}} {'  '.join(filter(None, parts))}"
        self.live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

    def epoch_ended(self, epoch: int, logs: Mapping[str, float], seconds: float) -> None:
        super().epoch_ended(epoch, logs, seconds)
        self.live.update(Text(""), refresh=True)

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    def finished(self, text: str) -> None:
        self.close()
        super().finished(text)

    def close(self) -> None:
        self.live.stop()


class _Output:
    """Standard error; where its reader or terminal has gone, what cannot be written is dropped and the work goes on."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def console_progress() -> Progress:
    """Progress on standard error: live where it is a terminal, plain lines where it is not."""
    output: Any = _Output()
    console = Console(file=output)
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        return LiveProgress(console)
    return PlainProgress(output)


def say_difference(run: Run, progress: Progress, difference: str) -> None:
    """Tells the user and the run's log what is not as it was before a resume."""
    text = f"The bits may differ from those of an uninterrupted run: {difference}."
    progress.note(text)
    run.log(text)


def metrics_text(logs: Mapping[str, float]) -> str:
    """Metrics in one line, e.g. `loss 0.5123  val_accuracy 0.9012`.

    Example:

    >>> metrics_text({"loss": 0.51234, "learning_rate": 1e-05})
    'loss 0.5123  learning_rate 1e-05'
    """
    return "  ".join(f"{name} {value:{'g' if name == 'learning_rate' else '.4f'}}" for name, value in logs.items())


def duration(seconds: float) -> str:
    """A time as a person says it: two units at the most.

    Example:

    >>> duration(15_725)
    '4 h 22 min'
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} days {hours % 24} h"
