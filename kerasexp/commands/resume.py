"""`kerasexp resume`."""

from __future__ import annotations

from kerasexp.commands.options import DataDir, Debug, Devices, Json, MaxTime, Offline, RunFolder
from kerasexp.commands.output import show_run


def resume(
    run: RunFolder,
    max_time: MaxTime = None,
    data_dir: DataDir = None,
    offline: Offline = False,
    devices: Devices = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Goes on with a run as if it had never been stopped or killed.

    On the same machine and versions its weights end byte-equal to those of a run that was never stopped.

    [bold]Examples[/]

      kerasexp resume runs/kmnist_cnn/20260101T120000-1a2b3c
      kerasexp resume runs/kmnist_cnn/20260101T120000-1a2b3c --max-time 2h
    """
    from kerasexp.workflows.resume import resume

    show_run(resume(run, max_time=max_time, data_dir=data_dir, offline=offline, devices=devices), as_json=json)
