"""`kerasexp doctor`: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from kerasexp import environment
from kerasexp.data.load import data_folder
from kerasexp.errors import KerasexpError
from kerasexp.workflows.data import list_data

ROOM = 2e9  # bytes of disk and memory under which a run may fail


def doctor(data_dir: str | Path | None = None) -> dict[str, Any]:
    """Examines the installation, the machine and the data folder.

    Args:
        data_dir: folder of the data; `KERASEXP_DATA_DIR`, else a per-user cache by default.

    Returns:
        `healthy` (whether nothing is broken that every run needs), `kerasexp` (version), `versions`, `hardware`, and
        `checks`: a list of `name`, `status` (`ok`, `note` for what is worth knowing, `broken`), `found` and `fix` (what
        to do, or None).
    """
    checks = [_python(), *_packages(), _tensorflow()]
    checks += [_processor(), _memory(), _gpu(), *_data(data_dir), _runs_folder()]
    return {
        "healthy": all(check["status"] != "broken" for check in checks),
        "kerasexp": importlib.metadata.version("kerasexp"),
        "versions": environment.versions(),
        "hardware": environment.hardware(),
        "checks": checks,
    }


def _check(name: str, status: str, found: str, fix: str | None = None) -> dict[str, Any]:
    return {"name": name, "status": status, "found": found, "fix": fix}


def _python() -> dict[str, Any]:
    wanted = importlib.metadata.metadata("kerasexp")["Requires-Python"]
    version = environment.versions()["python"]
    if Requirement(f"python{wanted}").specifier.contains(str(version), prereleases=True):
        return _check("python", "ok", f"{version} in {sys.prefix}")
    return _check("python", "broken", f"{version}", f"Supported: {wanted}. Make an environment with one of these.")


def _packages() -> list[dict[str, Any]]:
    """The installed packages against the versions that kerasexp supports."""
    problems, count = [], 0
    for text in importlib.metadata.requires("kerasexp") or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        wanted = str(requirement)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(_check(requirement.name, "broken", "not installed", f"pip install '{wanted}'"))
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            found = f"{version} was not tested with kerasexp"
            problems.append(_check(requirement.name, "note", found, f"pip install '{wanted}'"))
    good = f"{count - len(problems)} of {count} in a supported version"
    return [_check("packages", "ok", good), *problems]


def _tensorflow() -> dict[str, Any]:
    try:
        environment.start_tensorflow("float32")
    except KerasexpError as error:
        return _check("tensorflow", "broken", str(error), "pip install --force-reinstall kerasexp")
    return _check("tensorflow", "ok", f"{environment.versions()['tensorflow']} starts")


def _processor() -> dict[str, Any]:
    cores = environment.cores()
    found = f"{environment.processor_name()}, {cores} core{'s'[: cores > 1]}"
    units = f"{'with' if environment.has_bfloat16() else 'no'} bfloat16 units"
    try:
        where = " on the GPU" if environment.gpus() else ""
        auto = f": --precision auto trains in {environment.resolve_precision('auto')}{where}"
    except KerasexpError:  # TensorFlow is broken, as the line before says
        auto = ""
    return _check("processor", "ok", f"{found}, {units}{auto}")


def _memory() -> dict[str, Any]:
    memory = environment.memory()
    if memory is None:
        return _check("memory", "note", "the system does not say how much there is")
    if memory < ROOM:
        fix = "Smaller batches need less: --set batch_size=32. Or use a machine with 2 GB or more."
        return _check("memory", "note", _gigabytes(memory), fix)
    return _check("memory", "ok", _gigabytes(memory))


def _gpu() -> dict[str, Any]:
    cards, seen = _nvidia_cards(), environment.gpus()
    if seen:
        found = f"TensorFlow sees {', '.join(seen)}. kerasexp has not been verified on a GPU yet."
        if len(cards) > len(seen):
            hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            fix = f'CUDA_VISIBLE_DEVICES="{hidden}" may hide the others: unset it.'
            return _check("gpu", "note", f"{found} The driver lists {len(cards)}: {'; '.join(cards)}", fix)
        several = " One run on all of them: --devices all." if len(seen) > 1 else ""
        return _check("gpu", "ok", f"{found}{several}")
    if cards:
        return _check("gpu", "note", f"{'; '.join(cards)}, but TensorFlow does not see it", _missing_for_gpu())
    if without_driver := _cards_without_driver():
        fix = "Install NVIDIA's driver; a container needs the NVIDIA Container Toolkit and docker run --gpus all."
        return _check("gpu", "note", f"{without_driver} of NVIDIA, but there is no driver (nvidia-smi)", fix)
    return _check("gpu", "ok", "none; everything runs on the processor")


def _nvidia_cards() -> list[str]:
    """The cards that the driver lists, with their memory; empty without a driver."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    cards = [line.strip().split(", ") for line in done.stdout.splitlines() if line.strip()]
    return [", ".join([name, *(f"driver {one}" for one in more[:1]), *more[1:]]) for name, *more in cards]


def _cards_without_driver() -> str:
    """How many cards of NVIDIA the machine's bus lists, in words; empty for none, or where Linux does not say."""
    count = 0
    for device in Path("/sys/bus/pci/devices").glob("*"):
        with contextlib.suppress(OSError):
            vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
            count += vendor == "0x10de" and kind.startswith("0x03")  # a display or 3D controller
    return f"{count} card{'s'[: count > 1]}" if count else ""


def _missing_for_gpu() -> str:
    """Why TensorFlow does not see a card that the driver lists."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return f'CUDA_VISIBLE_DEVICES="{hidden}" hides it: unset it.'
    install = "pip install 'kerasexp[gpu]' (from a checkout: pip install '.[gpu]')."
    tf = sys.modules.get("tensorflow")  # None where it cannot be imported, which has its own line
    if tf is not None and not tf.test.is_built_with_cuda():
        return f"This TensorFlow is built without CUDA (tensorflow-cpu?): pip uninstall it, then {install}"
    if not any(name.startswith("nvidia-cudnn") for name in _distributions()):
        return f"The CUDA libraries are missing: {install}"
    cuda = tf.sysconfig.get_build_info().get("cuda_version", "") if tf is not None else ""
    return (
        f"The CUDA libraries are installed: see in nvidia-smi that the driver is new enough for CUDA {cuda}, update it "
        "if not, and see that LD_LIBRARY_PATH names no other CUDA."
    )


def _distributions() -> set[str]:
    return {distribution.metadata["Name"].lower() for distribution in importlib.metadata.distributions()}


def _data(data_dir: str | Path | None) -> list[dict[str, Any]]:
    """The data folder, and one line for each data set of the catalog."""
    folder = data_folder(data_dir)
    checks = [_disk("data folder", folder)]
    for entry in list_data(data_dir):
        name = f"data {entry['name']}"
        if entry["present"]:
            checks.append(_check(name, "ok", entry["present"]))
        else:
            fix = f"The first run that needs it fetches it; or now: kerasexp data get {entry['name']}"
            checks.append(_check(name, "note", "incomplete" if entry["incomplete"] else "not here", fix))
    return checks


def _runs_folder() -> dict[str, Any]:
    folder = Path.cwd()
    if not os.access(folder, os.W_OK):
        return _check("runs", "note", f"{folder} cannot be written to", "Say where runs go: --out FOLDER.")
    return _disk("runs", folder / "runs")


def _disk(name: str, folder: Path) -> dict[str, Any]:
    """The room left on the disk that a folder lies on, or will lie on."""
    there = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(there).free
    fix = "Make room: a run takes some ten megabytes, a data set up to some gigabytes." if free < ROOM else None
    return _check(name, "note" if fix else "ok", f"{folder}, {_gigabytes(free)} free", fix)


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"
