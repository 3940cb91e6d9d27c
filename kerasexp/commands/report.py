"""`kerasexp report`."""

from __future__ import annotations

from kerasexp.commands.options import Debug, Json, RunFolder
from kerasexp.commands.output import print_json


def report(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Writes a run's report again, from its folder alone.

    Page and pictures; nothing is trained or measured again.

    [bold]Examples[/]

      kerasexp report runs/kmnist_cnn/20260101T120000-1a2b3c
    """
    from kerasexp.workflows.report import report

    page = str(report(run))
    print_json({"report": page}) if json else print(page)
