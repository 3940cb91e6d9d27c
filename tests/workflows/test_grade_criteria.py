"""Points and reasons, on a real run and on real scores."""

import shutil

import keras
import numpy as np
import pytest

from kerasexp import files
from kerasexp.config.rubric import Rubric
from kerasexp.runs import Run
from kerasexp.workflows.grade_criteria import judge
from kerasexp.workflows.grade_submission import Submission


def rubric(*criteria) -> Rubric:
    return Rubric.model_validate({"title": "t", "hidden": {"data": "x"}, "criteria": criteria, "pass_mark": 0})


def judged(submission: Submission, **criterion):
    (result,) = judge(rubric({"points": 10, **criterion}), submission, None)
    return result["points"], result["verdict"], result["reason"]


@pytest.fixture
def submission(trained_run, tmp_path):
    shutil.copytree(trained_run.folder, tmp_path / "run")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    return Submission("run", Run(tmp_path / "run"), model, {})


def scored(right: int, of: int) -> Submission:
    from kerasexp.evaluation.classification import evaluate_predictions

    labels = np.arange(of) % 2
    predicted = np.where(np.arange(of) < right, labels, 1 - labels)
    return Submission("model", test=evaluate_predictions(np.eye(2, dtype="float32")[predicted], labels, "ab"))


@pytest.mark.parametrize(
    ("right", "settings", "points", "verdict", "words"),
    [
        (90, {}, 10, "met", "90.00% (95 % interval 82.56% to 94.48%, n = 100) reaches the target 90.00%"),
        (85, {}, 10, "borderline", "its interval holds the target: cannot tell; the benefit of the doubt"),
        (85, {"borderline": 0.5}, 5, "borderline", "cannot tell; 50% of the points"),
        (70, {}, 0, "not met", "70.00% (95 % interval 60.42% to 78.11%, n = 100) is below the target 90.00%."),
        (70, {"tolerance": 0.2}, 10, "borderline", "inside the tolerance of 20.00%"),
        (70, {"zero_at": 0.5}, 5, "partly", "50% of the points for the way"),
        (70, {"zero_at": 0.5, "borderline": 0.3}, 3, "partly", "30% of the points"),  # never above borderline
        (50, {"zero_at": 0.5}, 0, "not met", "No better than always naming the largest class (50.00%)."),
    ],
)
def test_a_score_against_its_target(right, settings, points, verdict, words):
    found = judged(scored(right, 100), check="metric", metric="accuracy", target=0.9, **settings)
    assert found[:2] == (points, verdict)
    assert words in found[2]


def test_more_images_make_a_borderline_score_a_clear_one():
    assert judged(scored(88, 100), check="metric", metric="accuracy", target=0.9)[1] == "borderline"
    assert judged(scored(8800, 10_000), check="metric", metric="accuracy", target=0.9)[1] == "not met"


def test_macro_f1_has_its_own_interval():
    points, verdict, words = judged(scored(85, 100), check="metric", metric="macro_f1", target=0.9)
    assert (points, verdict) == (10, "borderline")
    assert words.startswith("85.00% (95 % interval 76.94% to 91.79%, n = 100)")


def test_ranges(submission):
    assert judged(submission, check="parameters", at_most=15) == (10, "met", "15 parameters, wanted at most 15.")
    assert judged(submission, check="parameters", at_most=14)[:2] == (0, "not met")
    assert judged(submission, check="epochs", at_least=2, at_most=2) == (10, "met", "2 epochs, wanted 2 to 2.")
    assert judged(submission, check="epochs", at_least=3)[2] == "2 epochs, wanted at least 3."


def test_the_experiment(submission):
    assert judged(submission, check="experiment", name="kmnist_cnn")[1] == "met"
    found = judged(submission, check="experiment", name="kmnist_fcnn")
    assert found == (0, "not met", "A run of kmnist_cnn, expected kmnist_fcnn.")


def test_artifacts_count_one_by_one_and_empty_ones_do_not(submission):
    wanted = ["report.html", "metrics.json", "figures/*.png", "thesis.pdf"]
    submission.run.path("metrics.json").write_text("")
    found = judged(submission, check="artifacts", files=wanted)
    assert found == (5, "partly", "Missing or empty: metrics.json, thesis.pdf.")
    assert judged(submission, check="artifacts", files=["report.html"])[1] == "met"


def test_a_fault_is_found_though_the_list_was_emptied(submission):
    config = submission.run.path("config.yaml")
    text = config.read_text()
    assert "- test_as_validation" in text
    config.write_text(text.replace("- test_as_validation\n", ""))
    points, verdict, words = judged(submission, check="faults", forbidden=["test_as_validation", "relu_head"])
    assert (points, verdict) == (0, "not met")
    assert words == "test_as_validation: The test set also served as validation set."
    assert judged(submission, check="faults", forbidden=["relu_head"])[1] == "met"


def test_a_bare_model_tells_nothing_of_its_training():
    bare = Submission("model", model=keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    for criterion in (
        {"check": "epochs", "at_least": 1},
        {"check": "artifacts", "files": ["a"]},
        {"check": "integrity", "data": "mnist5k"},
    ):
        points, verdict, words = judged(bare, **criterion)
        assert (points, verdict) == (0, "not judged")
        assert words.endswith("Submit the run folder.")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}'])
def test_a_damaged_folder_costs_points_and_stops_nothing(submission, text):
    submission.run.path("manifest.json").write_text(text)
    submission.run.path("config.yaml").write_text(text)
    submission.run.path("history.csv").write_text("epoch,loss\n1,x\n")
    criteria = (
        {"check": "epochs", "at_least": 1, "points": 1},
        {"check": "experiment", "name": "kmnist_cnn", "points": 1},
        {"check": "integrity", "data": "mnist5k", "points": 1},
        {"check": "parameters", "at_most": 15, "points": 1},
    )
    results = judge(rubric(*criteria), submission, None)
    assert [result["points"] for result in results] == [0, 0, 0, 1]
    assert all(result["reason"] for result in results)


def test_what_cannot_be_loaded_is_said_where_it_is_missed():
    broken = Submission("model", model_problem="model.keras is damaged", test_problem="model.keras is damaged")
    assert judged(broken, check="parameters", at_most=1) == (0, "not judged", "model.keras is damaged")
    assert judged(broken, check="metric", metric="accuracy", target=0.5)[2] == "model.keras is damaged"


def test_json_can_hold_the_result(submission, tmp_path):
    files.write_json(
        tmp_path / "x.json", judge(rubric({"check": "parameters", "at_most": 15, "points": 1}), submission, None)
    )
