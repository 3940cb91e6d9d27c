"""A run is a folder that holds everything about one execution."""

from __future__ import annotations

import contextlib
import csv
import datetime
import fcntl
import glob
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kerasexp import files
from kerasexp.config.loading import experiment_from_yaml, experiment_to_yaml
from kerasexp.config.schema import Experiment
from kerasexp.errors import DataError, UsageError

FORMAT = 1  # of the run folder; raised when an older kerasexp could no longer read it
_COUNTS = ("epoch", "stage")  # columns of whole numbers in a `history.csv`


class _Data(BaseModel):
    """What every manifest says of its data; `describe_data` writes more."""

    name: str
    digest: str
    class_names: list[str]
    counts: dict[str, list[int]]


class _Manifest(BaseModel):
    """What every manifest holds; training adds more."""

    status: str
    experiment: str
    recipe: str
    variants: list[str]
    seed: int
    config_digest: str
    precision: str
    data: _Data
    versions: dict[str, Any] = {}
    hardware: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    epochs_run: int = 0
    seconds: float = 0.0


class Run:
    """One run folder.

    Attributes:
        folder: `runs/<experiment>/<utc time>-<id>/`.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, *parts: str) -> Path:
        """A path inside the folder."""
        return self.folder.joinpath(*parts)

    @property
    def manifest(self) -> dict[str, Any]:
        """Status, versions, hardware, digests and times, as they stand on the disk now."""
        return self._read("manifest.json")

    @property
    def metrics(self) -> dict[str, Any]:
        """What the evaluation has measured: the content of `metrics.json`."""
        if not self.path("metrics.json").exists():
            raise DataError(f"{self.path('metrics.json')} is missing: {self.what_is_left}")
        return self._read("metrics.json")

    @property
    def what_is_left(self) -> str:
        """Why a run has no model or no numbers yet, and what to do, in words."""
        manifest, has_model = self.manifest, self.path("model.keras").exists()
        if manifest["status"] != "complete":
            lacking = "is not evaluated" if has_model else "has no finished model"
            return f"the run {lacking} yet (status {manifest['status']}). Go on with: kerasexp resume {self}"
        if has_model:
            return f"the run is not evaluated yet. Evaluate it with: kerasexp evaluate {self}"
        if "pruned" in manifest:
            return (
                "the search has removed the model of this trial, since only its best ones keep theirs (tune --keep). "
                f"Train it again with: {manifest['command']}"
            )
        return "the run folder is damaged. Start the run again."

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of `history.csv`, one per finished epoch.

        Raises:
            DataError: if it is damaged, or shorter than the manifest says.
        """
        path, epochs = self.path("history.csv"), self.manifest.get("epochs_run", 0)
        rows = read_history(path)
        if len(rows) < epochs:
            raise DataError(
                f"{path} has {len(rows)} of {epochs} epochs: the run folder is damaged. Restore the file, or start "
                "the run again."
            )
        return rows

    @property
    def feature_seconds(self) -> float:
        """What frozen layers took whose output was computed once; the seconds of the training are without it."""
        manifest = self.manifest
        caches = [stage.get("feature_cache") for stage in manifest.get("stages", ())] or [manifest.get("feature_cache")]
        return sum((cache or {}).get("seconds", 0.0) for cache in caches)

    def _read(self, name: str) -> dict[str, Any]:
        content = files.read_json(self.path(name))
        if not isinstance(content, dict):
            raise DataError(f"{self.path(name)} is damaged: expected names and values, found {content!r}.")
        return content

    def update_manifest(self, **changes: Any) -> None:
        """Lays `changes` over the manifest."""
        files.write_json(self.path("manifest.json"), {**self.manifest, **changes})

    def log(self, text: str) -> None:
        """Adds a line with the time to `run.log`."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self.path("run.log").open("a", encoding="utf-8") as file:
            file.write(f"{now} {text}\n")

    @property
    def experiment(self) -> Experiment:
        """The resolved configuration."""
        path = self.path("config.yaml")
        try:
            text = path.read_text(encoding="utf-8")
        except PermissionError:
            raise files.denied(path) from None
        except (OSError, UnicodeDecodeError):
            raise DataError(
                f"{path} is missing or unreadable: the run folder is damaged. Start the run again."
            ) from None
        try:
            return experiment_from_yaml(text, str(path))
        except UsageError as error:
            raise DataError(f"The run folder is damaged: {error}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process; the lock ends with the process, however it ends.

        Raises:
            UsageError: if another process holds it.
            DataError: if the folder cannot be written to.
        """
        try:
            file = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be written to: {error.strerror}. Make it writable or copy it."
            ) from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"{self.folder} is locked: another kerasexp process is working on it. Wait for it."
                ) from None
            yield
        finally:
            os.close(file)

    @property
    def is_locked(self) -> bool:
        """Whether a process holds the run at this moment."""
        try:
            with self.locked():
                return False
        except UsageError:
            return True

    def wait_until_free(self, seconds: float) -> None:
        """Waits until no process holds the run, or the time is over: a process that is ending may still save."""
        deadline = time.monotonic() + seconds
        while self.is_locked and time.monotonic() < deadline:
            time.sleep(1)


def create_run(experiment: Experiment, out: Path | None = None, **manifest: Any) -> Run:
    """Makes a new run folder with its configuration and a manifest of status `running`.

    Args:
        experiment: what will be run.
        out: folder of all runs, `runs` by default.
        **manifest: further entries of the manifest; `group` names the question that several runs answer together.

    Raises:
        DataError: if the folder cannot be made.
    """
    now = datetime.datetime.now(datetime.UTC)
    name = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    folder = Path(out or "runs") / experiment.name / name
    try:
        folder.mkdir(parents=True)
        run = Run(folder)
        files.write_text(run.path("config.yaml"), experiment_to_yaml(experiment))
        content = {
            "format": FORMAT,
            "status": "running",
            "experiment": experiment.name,
            "recipe": experiment.recipe,
            "variants": list(experiment.variants),
            "seed": experiment.seed,
            "config_digest": experiment.digest(),
            "created": now.isoformat(timespec="seconds"),
            **manifest,
        }
        files.write_json(run.path("manifest.json"), content)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}. Choose another folder with --out.") from None
    return run


def open_run(path: str | Path) -> Run:
    """An existing run.

    Raises:
        DataError: if there is no run folder at `path`, or one that is damaged or of another version.
    """
    run = Run(Path(path))
    if not run.folder.is_dir():
        what = "it is a file" if run.folder.exists() else "there is no such folder"
        raise DataError(f"{path} is no run folder: {what}. Expected e.g. runs/kmnist_cnn/20260101T000000-abc123.")
    if not run.path("manifest.json").is_file():
        runs = sorted(found.parent for found in run.folder.glob("*/manifest.json"))
        there = f" It holds {len(runs)} of them; the newest is {runs[-1]}." if runs else ""
        raise DataError(f"{path} is no run folder: manifest.json is missing.{there}")
    manifest = run.manifest
    found = manifest.get("format")
    if found != FORMAT:
        raise DataError(
            f"{path} has run format {found}; this kerasexp reads format {FORMAT}. Use the version that wrote it."
        )
    try:
        _Manifest.model_validate(manifest, strict=True)
    except ValidationError as error:
        part = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(
            f"{path} is damaged or of another version: {part} of its manifest.json is missing or of another kind."
        ) from None
    return run


def find_runs(out: str | Path | None = None, experiment: str | None = None, group: str | None = None) -> list[Run]:
    """The runs in the folder of all runs, oldest first; what is damaged or of another version is passed over.

    Args:
        out: folder of all runs, `runs` by default.
        experiment: only its runs.
        group: only runs that name this group.
    """
    found = []
    for path in Path(out or "runs").glob(f"{glob.escape(experiment) if experiment else '*'}/*/manifest.json"):
        with contextlib.suppress(DataError):
            run = open_run(path.parent)
            if group is None or run.manifest.get("group") == group:
                found.append(run)
    return sorted(found, key=lambda run: (run.folder.name, str(run)))


def read_history(path: Path) -> list[dict[str, float]]:
    """The whole rows of a `history.csv`; a last row that a kill cut short is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except PermissionError:
        raise files.denied(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged and cannot be read: {error}.") from None
    whole = text[: text.rfind("\n") + 1]
    try:
        return [
            {name: int(float(value)) if name in _COUNTS else float(value) for name, value in row.items()}
            for row in csv.DictReader(whole.splitlines())
        ]
    except (TypeError, ValueError):
        raise DataError(f"{path} is damaged: it holds a row that is no list of numbers.") from None
