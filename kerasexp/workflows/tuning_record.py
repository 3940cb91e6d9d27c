"""The record of a search: one JSON file, written whole at each change, that the search goes on from."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from kerasexp import files
from kerasexp.config.space import Value
from kerasexp.errors import DataError, UsageError

FORMAT = 1  # of the record; raised when an older kerasexp could no longer read it


@dataclasses.dataclass
class TrialRecord:
    """One trial: what was tried and what came of it.

    Attributes:
        number: from 0, in the order in which the tuner proposed the trials.
        values: of every dimension of the space.
        epochs: of the whole training where the tuner decides, else None.
        parent: number of the trial whose state this one starts from, or None.
        bracket: of Hyperband, else None.
        began: place of its beginning among all beginnings and ends of the search.
        ended: place of its end, None while it runs.
        status: `running`, `complete` or `failed`.
        score: the objective, the validation accuracy of the weights that the recipe takes.
        images: how many validation images gave it.
        epochs_run: finished epochs, those of its parents too.
        best_epoch: the epoch of the score.
        seconds: of training, those of its parents too.
        parameters: of the network.
        message: why it failed.
        run: its run folder, relative to the search's.
        kept: whether the run still has its model.
    """

    number: int
    values: dict[str, Value]
    epochs: int | None
    parent: int | None
    bracket: int | None
    began: int
    ended: int | None = None
    status: Literal["running", "complete", "failed"] = "running"
    score: float | None = None
    images: int | None = None
    epochs_run: int = 0
    best_epoch: int | None = None
    seconds: float = 0.0
    parameters: int | None = None
    message: str = ""
    run: str | None = None
    kept: bool = True


class SearchRecord:
    """`search.json` of a search's folder.

    Attributes:
        folder: of the search.
        settings: what decides the search; another search has others.
        trials: in the order of their numbers.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        self.folder = folder
        self.settings = settings
        self.trials: list[TrialRecord] = []

    @property
    def path(self) -> Path:
        return self.folder / "search.json"

    @property
    def identifier(self) -> str:
        """What the runs of the search name as their group."""
        return f"tune-{files.digest(self.settings)}"

    @classmethod
    def opened(cls, folder: Path, settings: dict[str, Any]) -> SearchRecord:
        """The record in a folder, or a new one if the folder has none.

        Raises:
            UsageError: if the folder holds another search.
            DataError: if the record is damaged or of another version, or the folder cannot be made.
        """
        record = cls(folder, settings)
        if not record.path.exists():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                record.save()
            except OSError as error:
                raise DataError(f"{folder} cannot be written to: {error.strerror}. Choose another --out.") from None
            return record
        content = files.read_json(record.path)
        try:
            if content["format"] != FORMAT:
                raise DataError(f"{record.path} has format {content['format']}; this kerasexp reads format {FORMAT}.")
            if content["settings"] != settings:
                different = [key for key in settings if content["settings"].get(key) != settings[key]]
                raise UsageError(
                    f"{folder} holds another search: {', '.join(different)} differ. Choose another folder with --out, "
                    "or repeat the command that began it."
                )
            record.trials = [TrialRecord(**trial) for trial in content["trials"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{record.path} is damaged: {error}. Move the folder away to begin again.") from None
        return record

    def save(self) -> None:
        """Writes the record, whole or not at all."""
        trials = [dataclasses.asdict(trial) for trial in self.trials]
        content = {"format": FORMAT, "group": self.identifier, "settings": self.settings, "trials": trials}
        files.write_json(self.path, content)

    def read_again(self, number: int) -> TrialRecord:
        """A trial as it stands on the disk now, where another process writes the record."""
        self.trials = self.opened(self.folder, self.settings).trials
        return self.trials[number]

    def note_failure(self, who: int | str, message: str) -> None:
        """Keeps why a trial (its number) or a worker (its name) failed until another process asks."""
        files.write_text(self._failure(who), message)

    def failure(self, who: int | str) -> str:
        """Why a trial or a worker failed, as `note_failure` was told; empty if it was not."""
        path = self._failure(who)
        message = path.read_text(encoding="utf-8") if path.exists() else ""
        path.unlink(missing_ok=True)
        return message

    def _failure(self, who: int | str) -> Path:
        return self.folder / f"failure-{who}.txt"

    def next_place(self) -> int:
        """The place of the next beginning or end."""
        return len(self.trials) + sum(trial.ended is not None for trial in self.trials)

    def ranked(self) -> list[TrialRecord]:
        """The complete trials, the best first; of equals the earlier."""
        complete = [trial for trial in self.trials if trial.status == "complete" and trial.score is not None]
        return sorted(complete, key=lambda trial: (-(trial.score or 0.0), trial.number))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Holds a search for this process and those that inherit the yielded descriptor; makes its folder.

    The lock ends with the last of them, however it ends. What the record says is read after it, not before: until then
    another process may have changed it.

    Raises:
        UsageError: if another process holds it.
        DataError: if the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(f"{folder} cannot be written to: {error.strerror}. Choose another --out.") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{folder} is locked: another kerasexp process is working on this search. Wait for it."
            ) from None
        yield file
    finally:
        os.close(file)
