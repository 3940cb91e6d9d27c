"""`kerasexp report`: a run's report, written again from its folder alone."""

from __future__ import annotations

from pathlib import Path

from kerasexp import environment
from kerasexp.runs import Run, open_run


def report(run: str | Path | Run) -> Path:
    """Draws the figures and writes `report.html` of a run that has been evaluated.

    Args:
        run: a run folder.

    Returns:
        The path of the report.

    Raises:
        DataError: if the run is missing, damaged or not evaluated yet.
    """
    run = run if isinstance(run, Run) else open_run(run)
    environment.start_tensorflow("float32")
    from kerasexp.reporting.html import write_report

    with run.locked():
        return write_report(run)
