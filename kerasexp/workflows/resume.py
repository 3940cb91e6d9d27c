"""`kerasexp resume`: an interrupted, stopped or killed run goes on from its exact state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerasexp import environment
from kerasexp.runs import Run, open_run
from kerasexp.training.progress import Progress, console_progress


def resume(
    run: str | Path | Run,
    *,
    max_time: float | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Goes on with a run, as if it had never been stopped.

    On the same versions, kind of processor, number of threads and precision it ends with weights byte-equal to those of
    an uninterrupted run. A run that was killed before its first save starts again from its seed; a complete one is left
    as it is.

    Args:
        run: a run folder.
        max_time: seconds of training after which it is stopped again.
        data_dir: folder of the data; the one the run was started with by default.
        offline: never use the network.
        progress: is told how it goes; the console by default.

    Returns:
        The run, complete or stopped.

    Raises:
        UsageError: if another process works on the run.
        DataError: if the run or its data is missing or damaged.
        Interrupted: after Ctrl-C or SIGTERM, with the state saved.
    """
    run = run if isinstance(run, Run) else open_run(run)
    with run.locked():
        experiment, manifest = run.experiment, run.manifest
        if manifest["status"] == "complete":
            return run
        progress = progress or console_progress()
        progress.note("Starting TensorFlow")
        environment.start_tensorflow(manifest["precision"])

        from kerasexp.workflows.execution import execute
        from kerasexp.workflows.prepare import prepare_data, same_data

        dataset = prepare_data(experiment, data_dir or manifest["data"]["folder"], offline)
        same_data(dataset, manifest)
        for difference in _differences(manifest):
            progress.note(f"The bits may differ from those of an uninterrupted run: {difference}.")
            run.log(f"resumed elsewhere: {difference}")
        execute(run, experiment, dataset, progress, max_time)
    return run


def _differences(manifest: dict[str, Any]) -> list[str]:
    """What is not as it was when the run began, of all that can change bits."""
    found = []
    for part, now in (("versions", environment.versions()), ("hardware", environment.hardware())):
        for key, before in manifest[part].items():
            if key in ("tensorflow", "keras", "processor", "threads", "gpu") and now.get(key) != before:
                found.append(f"{key} was {before} and is {now.get(key)} now")
    return found
