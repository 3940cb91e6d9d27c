"""What a person sees of a plan on a cluster: how each of its runs goes, in one table."""

from __future__ import annotations

import dataclasses
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from kerasexp.training.progress import BAR, PlainProgress, metrics_text
from kerasexp.workflows.plan import Outcome, told
from kerasexp.workflows.planned import PlannedRun

REPORT = 0.5  # seconds between two reports of a run


@dataclasses.dataclass(frozen=True)
class Report:
    """How a run goes.

    Attributes:
        host: the machine that it is on.
        line: what happened, where that is worth a line of its own.
        epoch: which one, e.g. `epoch 3/20`; empty before the first and after the last.
        done: the finished part of that epoch, from 0 to 1.
        left: the time that it still needs, as far as is known.
        metrics: of the epoch so far.
    """

    host: str
    line: str = ""
    epoch: str = ""
    done: float = 0.0
    left: str = ""
    metrics: str = ""


class ReportingProgress(PlainProgress):
    """Hands on what a training tells: every line, and twice a second how far the epoch is.

    Args:
        tell: takes a report, without waiting for anybody.
        clock: seconds.
    """

    def __init__(self, tell: Callable[[Report], object], clock: Callable[[], float] = time.monotonic):
        super().__init__(clock=clock)
        self.tell = tell
        self.host = socket.gethostname()
        self.told = -REPORT

    def advanced(self, epoch: int, step: int, logs: Mapping[str, float], images_per_second: float) -> None:
        super().advanced(epoch, step, logs, images_per_second)
        if self.clock() - self.told < REPORT:
            return
        self.told = self.clock()
        done, left = step / self.steps_per_epoch, self._time_left() if self.estimated else ""
        self.tell(Report(self.host, "", self._epoch_label(epoch), done, left, metrics_text(logs)))

    def note(self, text: str) -> None:
        self.tell(Report(self.host, text))


class PlainTable:
    """Plain lines: each begins with the number of its run.

    A context manager: leaving it ends the display.

    Args:
        plan: the runs.
        file: where the lines go, standard error by default.
    """

    def __init__(self, plan: Sequence[PlannedRun], file: IO[str] | None = None):
        self.plan = plan
        self.file = file or sys.stderr

    def __enter__(self) -> PlainTable:
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends the display."""

    def started(self, number: int) -> None:
        """A run is handed to the cluster."""
        self.note(f"run {number + 1} of {len(self.plan)}: {self.plan[number]}")

    def lost(self, number: int, why: str) -> None:
        """The worker of a run has gone, and the run waits again."""
        self.note(f"run {number + 1}: {why}; it goes on from its last saved state")

    def ended(self, number: int, outcome: Outcome) -> None:
        """A run is over."""
        self.note(f"run {number + 1} of {len(self.plan)}: {told(outcome)}")

    def reported(self, reports: Mapping[int, Sequence[Report]]) -> None:
        """The runs have told something, by number."""
        for number, of_run in reports.items():
            for report in of_run:
                if report.line:
                    self.note(f"run {number + 1} on {report.host}: {report.line}")

    def note(self, text: str) -> None:
        """Something that a person should know now."""
        print(text, file=self.file, flush=True)


class LiveTable(PlainTable):
    """A table that is redrawn in its place: a row for each run; above it what began, ended or was lost.

    Args:
        plan: the runs.
        console: a terminal.
    """

    def __init__(self, plan: Sequence[PlannedRun], console: Console):
        super().__init__(plan, console.file)
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.ends: dict[int, str] = {}
        self.running: dict[int, Report] = {}

    def __enter__(self) -> LiveTable:
        self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.live.stop()

    def started(self, number: int) -> None:
        self.running[number] = Report("", "starting")

    def lost(self, number: int, why: str) -> None:
        self.running.pop(number)
        super().lost(number, why)

    def ended(self, number: int, outcome: Outcome) -> None:
        self.running.pop(number, None)
        self.ends[number] = outcome.what
        super().ended(number, outcome)

    def reported(self, reports: Mapping[int, Sequence[Report]]) -> None:
        for number, of_run in reports.items():
            if number in self.running and of_run:
                self.running[number] = of_run[-1]
        self.live.update(self.table(), refresh=True)

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    def table(self) -> Table:
        """All runs as they stand; where the terminal is too low for them, those that run."""
        waiting = len(self.plan) - len(self.ends) - len(self.running)
        title = f"{len(self.ends)} of {len(self.plan)} runs done, {len(self.running)} running, {waiting} waiting"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column in ("run", "machine", "", "", ""):
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        all_fit = len(self.plan) + 3 <= self.console.size.height
        for number, planned in enumerate(self.plan):
            if number in self.running:
                table.add_row(f"{number + 1}  {planned}", *_cells(self.running[number]))
            elif all_fit:
                table.add_row(f"{number + 1}  {planned}", "", self.ends.get(number, "waiting"), style="dim")
        return table


def _cells(report: Report) -> tuple[str, ...]:
    """Machine, where the run is, what is left of it, and its metrics."""
    if not report.epoch:
        return report.host, report.line.splitlines()[0]
    bar = "━" * round(BAR * report.done)
    return report.host, f"{report.epoch} {bar:╌<{BAR}}", report.left, report.metrics


def console_table(plan: Sequence[PlannedRun]) -> PlainTable:
    """The runs on standard error: a live table where it is a terminal, plain lines where it is not."""
    console = Console(stderr=True)
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        return LiveTable(plan, console)
    return PlainTable(plan)
