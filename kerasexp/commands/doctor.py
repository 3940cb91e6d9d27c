"""`kerasexp doctor`."""

from __future__ import annotations

import typer

from kerasexp.commands.options import DataDir, Debug, Json
from kerasexp.commands.output import print_json

_SIGNS = {"ok": "ok     ", "note": "note   ", "broken": "BROKEN "}


def doctor(data_dir: DataDir = None, json: Json = False, debug: Debug = False) -> None:
    """What works here, and how to mend what does not.

    The exit code is 1 if something is broken that every run needs.

    [bold]Examples[/]

      kerasexp doctor
    """
    from kerasexp.workflows.doctor import doctor

    found = doctor(data_dir)
    if json:
        print_json(found)
    else:
        for check in found["checks"]:
            print(f"{_SIGNS[check['status']]} {check['name']}: {check['found']}")
            if check["fix"]:
                print(f"        {check['fix']}")
    if not found["healthy"]:
        raise typer.Exit(1)
