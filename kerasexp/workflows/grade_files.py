"""Grades as files: JSON for programs, Gradescope's `results.json`, CSV for a table of marks."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.errors import DataError

GOOD = ("met", "borderline")  # verdicts of a criterion that is passed


def outcome(result: dict[str, Any]) -> str:
    """What became of a submission, in words."""
    if result["status"] == "graded":
        return "passed" if result["passed"] else "not passed"
    return "not gradable" if result["status"] == "failed" else str(result["status"])


def write_grade(folder: Path, result: dict[str, Any]) -> None:
    """Writes `grade.json` and `results.json` of one submission.

    Raises:
        DataError: if the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "grade.json", result)
        files.write_json(folder / "results.json", gradescope(result))
    except OSError as error:
        raise DataError(f"{folder} cannot be written to: {error.strerror}. Choose another folder with --out.") from None


def gradescope(result: dict[str, Any]) -> dict[str, Any]:
    """A grade in the format that Gradescope reads from `/autograder/results/results.json`.

    References:
        https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format
    """
    return {
        "score": result["points"],
        "execution_time": result["seconds"],
        "output": f"{outcome(result).capitalize()}. {result['reason']}".strip(),
        "output_format": "text",
        "visibility": "visible",
        "tests": [
            {
                "name": criterion["title"],
                "score": criterion["points"],
                "max_score": criterion["of"],
                "status": "passed" if criterion["verdict"] in GOOD else "failed",
                "output": f"{criterion['verdict']}: {criterion['reason']}",
                "output_format": "text",
            }
            for criterion in result["criteria"]
        ],
    }


def write_table(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Writes a row per submission: points per criterion, sum, and the reasons where points are missing."""
    titles = [criterion["title"] for criterion in results[0]["criteria"]]
    rows = [["submission", "status", "passed", "points", "of", *titles, "reasons"]]
    for result in results:
        reasons = [result["reason"]] if result["reason"] else []
        if result["status"] == "graded":
            lost = (criterion for criterion in result["criteria"] if criterion["verdict"] != "met")
            reasons += [f"{criterion['title']}: {criterion['reason']}" for criterion in lost]
        points = [f"{criterion['points']:g}" for criterion in result["criteria"]]
        passed = "yes" if result["passed"] else "no"
        row = [result["name"], result["status"], passed, f"{result['points']:g}", f"{result['of']:g}", *points]
        rows.append([*row, "; ".join(reason.removesuffix(".") for reason in reasons)])
    text = io.StringIO()
    # a spreadsheet takes a cell that begins so for a formula
    csv.writer(text).writerows([["'" + cell if cell[:1] in tuple("=+-@") else cell for cell in row] for row in rows])
    files.write_text(path, text.getvalue())
