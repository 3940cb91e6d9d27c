"""`kerasexp resume`: an interrupted, stopped or killed run goes on from its exact state."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from kerasexp import environment
from kerasexp.errors import UsageError
from kerasexp.runs import Run, open_run
from kerasexp.training.devices import Devices, parse_devices, read_cluster, start_devices
from kerasexp.training.interruption import interrupted_as
from kerasexp.training.progress import Progress, console_progress, say_difference
from kerasexp.workflows.code import code_digest


def resume(
    run: str | Path | Run,
    *,
    max_time: float | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    devices: str | None = None,
) -> Run:
    """Goes on with a run, as if it had never been stopped.

    On the same versions, kind of processor, number of threads and precision it ends with weights byte-equal to those of
    an uninterrupted run; elsewhere it says what differs. A device without bfloat16 or tensorfloat32 goes on
    in float32. A run that was killed before its first save starts again from its seed; a complete one is left as it is.

    Args:
        run: a run folder.
        max_time: seconds of training after which it is stopped again.
        data_dir: folder of the data; the one the run was started with by default.
        offline: never use the network.
        progress: is told how it goes; the console by default.
        devices: as for `train`; those that the run was started with by default. The machines of a cluster come from
            TF_CONFIG; each of them needs the run folder, in one place that all share or as a copy, and only the first
            writes to it.

    Returns:
        The run, complete or stopped.

    Raises:
        UsageError: if another process works on the run.
        DataError: if the run or its data is missing or damaged.
        Interrupted: after Ctrl-C or SIGTERM, with the state saved.
        WorkerDone: on every machine of a cluster but the first, once the training is over.
    """
    run = run if isinstance(run, Run) else open_run(run)
    parse_devices(devices)
    cluster = read_cluster()
    before_training = interrupted_as(f"Interrupted before the first step. Go on with: kerasexp resume {run}")
    with before_training, run.locked() if cluster is None or cluster.number == 0 else contextlib.nullcontext():
        experiment, manifest = run.experiment, run.manifest
        if manifest["status"] == "complete":
            return run
        progress = progress or console_progress()
        progress.note("Starting TensorFlow")
        before = manifest.get("devices") or {}
        used = start_devices(devices or before.get("words"), progress.note)
        used.check(experiment)
        precision = _precision(manifest["precision"])
        environment.start_tensorflow(precision)

        from kerasexp.workflows.assist import assist, facts
        from kerasexp.workflows.execution import execute
        from kerasexp.workflows.prepare import prepare_data, same_data

        dataset = prepare_data(experiment, data_dir or manifest["data"]["folder"], offline)
        same_data(dataset, manifest)
        if used.cluster is not None:
            used.agree(facts(experiment, dataset, precision, manifest.get("pretrained", {})))
        if not used.is_chief:
            assist(experiment, dataset, manifest.get("pretrained", {}), used, progress, begun=run)
        for difference in _differences(manifest, used, precision):
            say_difference(run, progress, difference)
        code = {manifest.get("code"), code_digest()}
        # what two versions of the code made is the result of neither
        run.update_manifest(devices=used.describe(), code=code.pop() if len(code) == 1 else "mixed")
        execute(run, experiment, dataset, progress, max_time, devices=used)
    return run


def _precision(wanted: str) -> str:
    """The precision that the run began with; float32, in which all its weights are kept, where this device lacks it."""
    try:
        return environment.resolve_precision(wanted)
    except UsageError:
        return "float32"


def _differences(manifest: dict[str, Any], devices: Devices, precision: str) -> list[str]:
    """What is not as it was when the run began, of all that can change bits."""
    found = []
    for part, now in (("versions", environment.versions()), ("hardware", environment.hardware())):
        for key, before in manifest[part].items():
            if key in environment.DECIDE_BITS and now.get(key) != before:
                found.append(f"{key} was {before} and is {now.get(key)} now")
    if precision != manifest["precision"]:
        found.append(f"the precision was {manifest['precision']} and is {precision} now")
    if manifest.get("code") != code_digest():
        found.append(f"the code was {manifest.get('code')} and is {code_digest()} now")
    replicas = (manifest.get("devices") or {}).get("replicas", 1)
    if devices.replicas != replicas:
        found.append(f"the number of replicas was {replicas} and is {devices.replicas} now")
    return found
