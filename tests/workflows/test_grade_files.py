"""Grades in the forms that other programs read."""

import csv
import json

from kerasexp.workflows.grade_files import outcome, write_grade, write_table


def result(name: str, points: float, verdict: str) -> dict:
    criterion = {"title": "accuracy", "points": points, "of": 50.0, "verdict": verdict, "reason": "90 %, said so"}
    return {
        "name": name,
        "status": "graded",
        "points": points,
        "of": 50.0,
        "passed": points >= 25,
        "reason": "",
        "seconds": 7.1,
        "criteria": [criterion],
    }


def test_gradescope_reads_results_json(tmp_path):
    write_grade(tmp_path / "a", result("a", 50, "borderline"))
    write_grade(tmp_path / "b", result("b", 12.5, "partly"))
    found = json.loads((tmp_path / "b/results.json").read_text())
    assert found["score"] == 12.5
    assert found["execution_time"] == 7.1
    assert found["output"] == "Not passed."
    assert found["tests"] == [
        {
            "name": "accuracy",
            "score": 12.5,
            "max_score": 50.0,
            "status": "failed",
            "output": "partly: 90 %, said so",
            "output_format": "text",
        }
    ]
    assert json.loads((tmp_path / "a/results.json").read_text())["tests"][0]["status"] == "passed"


def test_a_table_of_marks(tmp_path):
    write_table(tmp_path / "grades.csv", [result("alice", 50, "met"), result("=cmd()", 0, "not met")])
    with open(tmp_path / "grades.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "submission": "alice",
        "status": "graded",
        "passed": "yes",
        "points": "50",
        "of": "50",
        "accuracy": "50",
        "reasons": "",
    }
    assert rows[1]["submission"] == "'=cmd()"  # no formula for a spreadsheet
    assert rows[1]["reasons"] == "accuracy: 90 %, said so"


def test_reasons_are_told_apart(tmp_path):
    lost = result("bob", 0, "not met")
    lost["criteria"][0]["reason"] = "It is 80 %."
    write_table(tmp_path / "grades.csv", [{**lost, "reason": "No points without integrity."}])
    with open(tmp_path / "grades.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reasons"] == "No points without integrity; accuracy: It is 80 %"


def test_what_became_of_it():
    found = [outcome({"status": status, "passed": False}) for status in ("graded", "refused", "failed")]
    assert found == ["not passed", "refused", "not gradable"]
