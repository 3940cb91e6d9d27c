"""`kerasexp grade`: submissions against a rubric, each evaluated in a process of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import environment, files
from kerasexp.config.rubric import Integrity, Rubric, load_rubric
from kerasexp.data.catalog import CATALOG
from kerasexp.data.checks import checked_splits
from kerasexp.data.dataset import Split
from kerasexp.data.load import data_folder, find, load_dataset
from kerasexp.errors import DataError, Interrupted, UsageError
from kerasexp.training.interruption import Interruption
from kerasexp.training.progress import console_progress, duration
from kerasexp.workflows.grade_files import GOOD, outcome, write_grade, write_table
from kerasexp.workflows.grade_limits import Ended, run_limited, too_large

LONGEST_REASON = 600  # characters
MOST_THREADS = 8  # of one operation of TensorFlow
OF_A_RUN = ("experiment", "integrity", "epochs", "faults", "artifacts")  # checks that a bare model cannot answer


def grade(
    *submissions: str | Path,
    rubric: str | Path,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> dict[str, Any]:
    """Grades submissions; nothing is fetched, and no code of a submission is run.

    A bad submission (damaged, refused, too slow, too large) gets no points and a reason; the others go on.

    Args:
        *submissions: run folders, bare `.keras` models, or folders that hold exactly one of these.
        rubric: the path of a YAML file (`kerasexp.config.rubric`), or the name of a rubric that comes with kerasexp.
        out: folder for the results: `grade.json` and `results.json` (Gradescope's format) of each submission, in
            `submissions/<name>` where there are several, and `grades.csv`.
        data_dir: folder of the data; `KERASEXP_DATA_DIR`, else a per-user cache by default.

    Returns:
        `rubric`, `of`, `pass_mark`, `passed` (how many) and `submissions`: for each `name`, `path`, `status` (`graded`,
        `refused`, or `failed` for what is not gradable), `points`, `of`, `passed`, `reason`, `seconds`, `peak_memory`
        in bytes, and `criteria` with `points`, `of`, `verdict` and `reason`.

    Raises:
        UsageError: for a wrong rubric, or a submission given twice.
        DataError: if a submission does not exist, or the rubric's data is missing or damaged.
        Interrupted: after Ctrl-C or SIGTERM; what is graded by then is in `out`.

    Example:

    >>> kerasexp.grade("alice/run", "bob/model.keras", rubric="exercise.yaml")["passed"]
    1
    """
    # absolute, so that nothing depends on where the evaluating process runs
    paths = [Path(path).resolve() for path in submissions]
    _check_submissions(paths)
    checked = _placed(load_rubric(rubric), Path(rubric))
    _check_data(checked, data_dir)
    hidden, class_names = _hidden(checked, data_dir)
    say = console_progress().note
    limits = checked.limits
    count = f"{len(paths)} submission{'s'[: len(paths) != 1]}"
    say(f"Grading {count} on {len(hidden):,} hidden images, at most {duration(limits.seconds)} each")
    names = _names(paths)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="kerasexp-grade-") as scratch, Interruption() as interruption:
        images = Path(scratch) / "hidden.npz"
        files.write_npz(images, x=hidden.x[:], y=hidden.y, class_names=np.array(class_names))
        for number, (name, path) in enumerate(zip(names, paths, strict=True), start=1):
            folder = Path(scratch) / str(number)
            result = _graded(checked, name, path, folder, images, data_dir, interruption)
            if interruption.requested:
                kept = f"; the first {len(results)} are in {out}" if out and results else ""
                raise Interrupted(f"Interrupted after {len(results)} of {count}{kept}.")
            results.append(result)
            if out:
                place = Path(out) if len(paths) == 1 else Path(out) / "submissions" / name
                write_grade(place, result)
                write_table(Path(out) / "grades.csv", results)
            points = f"{result['points']:g} of {result['of']:g} points"
            say(f"{number}/{len(paths)} {name}: {points}, {outcome(result)} ({duration(result['seconds'])})")
    return {
        "rubric": checked.title,
        "of": checked.points,
        "pass_mark": checked.pass_mark,
        "passed": sum(result["passed"] for result in results),
        "submissions": results,
    }


def _check_submissions(paths: Sequence[Path]) -> None:
    if not paths:
        raise UsageError("Nothing to grade. Expected run folders or .keras models.")
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} is missing. Expected a run folder or a .keras model.")
        if paths.count(path) > 1:
            raise UsageError(f"The submission {path} is given twice. Expected different ones.")


def _placed(rubric: Rubric, where: Path) -> Rubric:
    """The rubric with absolute paths: relative ones start at its folder, or here for one that comes with kerasexp."""
    folder = where.resolve().parent if where.is_file() else Path.cwd()

    def place(data: str) -> str:
        return data if data in CATALOG else str(folder / Path(data).expanduser())

    criteria = tuple(
        one.model_copy(update={"data": place(one.data)}) if isinstance(one, Integrity) else one
        for one in rubric.criteria
    )
    hidden = rubric.hidden.model_copy(update={"data": place(rubric.hidden.data)})
    return rubric.model_copy(update={"hidden": hidden, "criteria": criteria})


def _check_data(rubric: Rubric, data_dir: str | Path | None) -> None:
    """Looks for the data that runs are checked with, so that its absence is nobody's fault but the grader's."""
    for criterion in rubric.criteria:
        if isinstance(criterion, Integrity):
            name, folder = criterion.data, data_folder(data_dir)
            there = find(CATALOG[name], folder) is not None if name in CATALOG else Path(name).exists()
            if not there:
                place = f" in {folder}" if name in CATALOG else ""
                raise DataError(f"The rubric's data {name} is not there{place}. It is needed to check the runs.")


def _hidden(rubric: Rubric, data_dir: str | Path | None) -> tuple[Split, tuple[str, ...]]:
    """The images that decide, and the names of their classes."""
    wanted = rubric.hidden
    path = Path(wanted.data)
    if wanted.data not in CATALOG and path.suffix == ".npz":
        arrays = files.read_npz(path)
        if {"x", "y"} <= set(arrays):
            names = arrays.get("class_names", np.unique(arrays["y"])).astype(str).tolist()
            return checked_splits({"test": (arrays["x"], arrays["y"])}, names, str(path))["test"], tuple(names)
    dataset = load_dataset(wanted.data, data_dir, offline=True, image_size=wanted.image_size)
    parts = {"train": dataset.train, "test": dataset.test}
    if wanted.split != "all":
        return parts[wanted.split], dataset.class_names
    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    columns = [np.concatenate(column) for column in zip(*((one.x[:], one.y, one.index) for one in splits), strict=True)]
    return Split(*columns), dataset.class_names


def _names(paths: Sequence[Path]) -> list[str]:
    """What tells the submissions apart: their paths below the folder that they share, as text that can be written."""
    shared = os.path.commonpath([path.parent for path in paths])
    names: list[str] = []
    for path in paths:
        name = plain = _plain(path.relative_to(shared).as_posix())
        numbered = (f"{plain}-{number}" for number in itertools.count(2))
        while name in names:
            name = next(numbered)
        names.append(name)
    return names


def _graded(
    rubric: Rubric,
    name: str,
    path: Path,
    folder: Path,
    images: Path,
    data_dir: str | Path | None,
    interruption: Interruption,
) -> dict[str, Any]:
    """Evaluates one submission in a process of its own and adds up its points."""
    folder.mkdir()
    (folder / "hidden.npz").symlink_to(images)
    own_data = str(Path(data_dir).resolve()) if data_dir else None
    word = secrets.token_hex()
    job = {"rubric": rubric.model_dump(mode="json"), "data_dir": own_data, "word": word}
    files.write_json(folder / "job.json", job)
    # -P: a file in the current folder, which may be a student's, is never imported
    words = [sys.executable, "-P", "-m", "kerasexp.workflows.grade_process", str(folder), str(path)]
    limits = rubric.limits
    most_bytes = round(limits.memory_gb * 2**30)
    errors = folder / "errors.txt"
    ended = run_limited(words, limits.seconds, most_bytes, errors, _environment(), lambda: interruption.requested)
    evaluated = _evaluated(ended, folder, rubric, word)
    criteria = evaluated.get("criteria") or _no_points(rubric, evaluated["reason"])
    for criterion in criteria:
        criterion["reason"] = _printable(criterion["reason"])
    failed = [criterion["title"] for criterion in criteria if _lacks(criterion, evaluated.get("kind"))]
    points = 0.0 if failed else round(sum(criterion["points"] for criterion in criteria), 2)
    reason = f"No points without {' and '.join(failed)}." if failed else ""
    return {
        "name": name,
        "path": _plain(str(path)),
        "status": evaluated["status"],
        "points": points,
        "of": rubric.points,
        "passed": evaluated["status"] == "graded" and points >= rubric.pass_mark,
        "reason": _printable(evaluated.get("reason") or reason),
        "kind": evaluated.get("kind"),
        "seconds": round(ended.seconds, 1),
        "peak_memory": ended.peak,
        "criteria": criteria,
    }


def _environment() -> dict[str, str]:
    """Of the evaluating process: on the CPU, whatever there is, for the same numbers and watched memory."""
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # the stacks of threads count as data: one thread for each of many cores would fill the limit
        "TF_NUM_INTRAOP_THREADS": str(min(environment.cores(), MOST_THREADS)),
        "TF_NUM_INTEROP_THREADS": "2",
    }


def _lacks(criterion: dict[str, Any], kind: str | None) -> bool:
    """Whether a submission gets no points for the lack of this one criterion."""
    untold = kind == "model" and criterion["check"] in OF_A_RUN
    return criterion["must"] and criterion["verdict"] not in GOOD and not untold


def _evaluated(ended: Ended, folder: Path, rubric: Rubric, word: str) -> dict[str, Any]:
    """What the process found, or why it found nothing."""
    limits = rubric.limits
    if ended.how == "time":
        return {"status": "failed", "reason": f"Too slow: not evaluated within {duration(limits.seconds)}."}
    if ended.how == "memory":
        return {"status": "failed", "reason": too_large(limits)}
    if ended.code == 0:
        with contextlib.suppress(DataError):
            result = files.read_json(folder / "result.json")
            if isinstance(result, dict) and result.pop("word", None) == word:
                return result
    text = (folder / "errors.txt").read_text(errors="replace").strip()
    if "bad_alloc" in text or "MemoryError" in text:
        return {"status": "failed", "reason": too_large(limits)}
    if ended.code < 0:
        how = signal.Signals(-ended.code).name
        return {"status": "failed", "reason": f"Its evaluation crashed ({how})."}
    last = text.splitlines()[-1] if text else f"exit code {ended.code}"
    return {"status": "failed", "reason": f"Its evaluation failed: {last}"}


def _no_points(rubric: Rubric, reason: str) -> list[dict[str, Any]]:
    return [
        {
            "check": criterion.check,
            "title": criterion.label,
            "points": 0.0,
            "of": criterion.points,
            "must": False,
            "verdict": "not judged",
            "reason": reason,
        }
        for criterion in rubric.criteria
    ]


def _printable(text: str) -> str:
    """Text that came from a submission, without control characters and not endless."""
    plain = _plain(text, " ")
    return plain if len(plain) <= LONGEST_REASON else plain[:LONGEST_REASON] + " ..."


def _plain(text: str, instead: str = "_") -> str:
    """Text with another character for each control character, and for bytes of a file's name that are no UTF-8."""
    return "".join(letter if letter.isprintable() else instead for letter in text)
