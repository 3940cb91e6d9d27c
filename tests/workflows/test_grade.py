"""A whole class: eleven submissions, good and bad, graded in one call; one process each."""

import csv
import json
import os
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasexp
from kerasexp import environment, files
from kerasexp.config.rubric import load_rubric
from kerasexp.data.readers import bundled
from kerasexp.errors import DataError, UsageError
from kerasexp.workflows import grade as grading
from kerasexp.workflows.grade_limits import Ended

layers = keras.layers
RUBRIC = """
title: Digits
hidden: {{data: hidden.npz}}
criteria:
  - {{check: integrity, data: student.npz, points: 10}}
  - {{check: parameters, at_most: 2_000_000, points: 10}}
  - {{check: epochs, at_least: 2, points: 10}}
  - {{check: artifacts, files: [report.html, "figures/*.png"], points: 10}}
  - {{check: metric, metric: accuracy, target: {target}, points: 60}}
pass_mark: 65
limits: {{seconds: 90, memory_gb: 2}}
"""


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    """The students' digits, the grader's, and a folder of submissions."""
    folder = tmp_path_factory.mktemp("exercise")
    arrays, _ = bundled.read()
    (x, y), (x_test, y_test) = arrays["train"], arrays["test"]
    order = np.random.default_rng(0).permutation(len(y))
    mine, theirs = order[:1500], order[1500:]
    np.savez(folder / "hidden.npz", x=x[mine], y=y[mine])
    np.savez(folder / "student.npz", x_train=x[theirs], y_train=y[theirs], x_test=x_test, y_test=y_test)
    run = kerasexp.train(
        "kmnist_fcnn", recipe="fast", data=folder / "student.npz", epochs=8, augment=0, precision="float32", out=folder
    )
    model = keras.models.load_model(run.path("model.keras"))

    def accuracy() -> float:
        return float((model.predict(x[mine][..., None], verbose=0).argmax(axis=1) == y[mine]).mean())

    target = accuracy()
    (folder / "rubric.yaml").write_text(RUBRIC.format(target=target))
    place = folder / "submissions"
    place.mkdir()
    shutil.copytree(run.folder, place / "good")
    shutil.copytree(run.folder, place / "missing_artifact")
    (place / "missing_artifact/report.html").unlink()
    shutil.copytree(run.folder, place / "edited")
    text = (place / "edited/metrics.json").read_text()
    (place / "edited/metrics.json").write_text(text.replace('"value": 0.', '"value": 0.99'))
    shutil.copytree(run.folder, place / "truncated")
    whole = (place / "truncated/model.keras").read_bytes()
    (place / "truncated/model.keras").write_bytes(whole[: len(whole) // 2])

    _worse(model, accuracy, lambda found: found < target, step=0.02)
    assert 0 < target - accuracy() < 0.01  # inside the interval of 1,500 images, which reaches about 0.014
    model.save(place / "borderline.keras")
    _worse(model, accuracy, lambda found: found < target - 0.05, step=0.1)
    model.save(place / "below.keras")

    def save(name, *parts):
        keras.Sequential([keras.Input((28, 28, 1)), *parts, layers.Dense(10, "softmax")]).save(place / f"{name}.keras")

    keras.utils.set_random_seed(0)  # some untrained networks are better than the largest class, by luck
    save("untrained", layers.Flatten())
    keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(10)]).save(place / "wrong_shape.keras")
    marker = str(folder / "was_here")
    save("malicious", layers.Lambda(lambda x: [open(marker, "w").close(), x][1], name="innocent"), layers.Flatten())
    Path(marker).unlink()
    heavy = [layers.Conv2D(64, 15, padding="same") for _ in range(20)]  # 40 GFLOP an image, in little memory
    save("too_slow", *heavy, layers.GlobalMaxPool2D())
    save("too_large", layers.UpSampling2D(1000), layers.GlobalMaxPool2D())
    with zipfile.ZipFile(place / "untrained.keras") as archive, zipfile.ZipFile(place / "bomb.keras", "w", 8) as bomb:
        bomb.writestr("config.json", archive.read("config.json"))
        with bomb.open("model.weights.h5", "w", force_zip64=True) as weights:
            for _ in range(22):
                weights.write(bytes(10**8))
    (place / "not_a_model.keras").mkdir()
    return folder


def _worse(model, accuracy, enough, step):
    """Disturbs the last layer, ever more, until the accuracy is low enough."""
    generator = np.random.default_rng(1)
    kernel, bias = model.layers[-1].get_weights()
    noise = generator.standard_normal(kernel.shape) * kernel.std()
    for strength in np.arange(step, 20, step):
        model.layers[-1].set_weights([kernel + strength * noise, bias])
        if enough(accuracy()):
            return
    raise AssertionError("no noise was strong enough")


@pytest.fixture(scope="module")
def graded(exercise):
    """All of them at once, from a folder in which a student put a module of a common name."""
    place = exercise / "submissions"
    trap = exercise / "trap"
    trap.mkdir()
    (trap / "h5py.py").write_text(f"open({str(exercise / 'trapped')!r}, 'w')\n")
    here = Path.cwd()
    os.chdir(trap)
    try:
        content = kerasexp.grade(*sorted(place.iterdir()), rubric=exercise / "rubric.yaml", out=exercise / "grades")
    finally:
        os.chdir(here)
    return content, {result["name"]: result for result in content["submissions"]}


def criterion(result, check):
    return next(one for one in result["criteria"] if one["check"] == check)


@pytest.mark.slow
def test_every_submission_has_a_grade_and_the_good_ones_pass(graded):
    content, by_name = graded
    assert len(by_name) == 13
    assert {name for name, result in by_name.items() if result["passed"]} == {
        "good",
        "borderline.keras",
        "missing_artifact",
    }
    assert content["passed"] == 3


@pytest.mark.slow
def test_good(graded):
    result = graded[1]["good"]
    assert (result["points"], result["status"], result["kind"]) == (100, "graded", "run")
    assert "reaches the target" in criterion(result, "metric")["reason"]
    assert criterion(result, "integrity")["reason"] == "Model, state, history, metrics and data agree."


@pytest.mark.slow
def test_borderline_gets_the_benefit_of_the_doubt_and_is_marked(graded):
    result = graded[1]["borderline.keras"]
    metric = criterion(result, "metric")
    assert (result["points"], metric["points"], metric["verdict"]) == (70, 60, "borderline")
    assert "cannot tell; the benefit of the doubt" in metric["reason"]
    assert criterion(result, "integrity")["verdict"] == "not judged"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "points", "check", "words"),
    [
        ("below.keras", 10, "metric", "is below the target"),
        ("untrained.keras", 10, "metric", "No better than always naming the largest class"),
        ("wrong_shape.keras", 10, "metric", "Wrong shape: the model takes 32x32x3, the images are 28x28x1."),
        ("missing_artifact", 95, "artifacts", "Missing or empty: report.html."),
        ("edited", 0, "integrity", "metrics.json says a test accuracy of 99."),
        ("truncated", 0, "metric", "model.keras is damaged"),
    ],
)
def test_what_is_wrong_costs_points_and_is_said(graded, name, points, check, words):
    result = graded[1][name]
    assert result["status"] == "graded"
    assert result["points"] == points
    assert words in criterion(result, check)["reason"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("malicious.keras", "refused", "'innocent' (Lambda) holds code, which is never run"),
        ("bomb.keras", "refused", "more than a model may hold here"),
        ("too_slow.keras", "failed", "Too slow: not evaluated within 1 min 30 s."),
        ("too_large.keras", "failed", "Too large: its evaluation needs more than 2 GB of memory."),
        ("not_a_model.keras", "failed", "There is no run folder"),
    ],
)
def test_what_cannot_be_evaluated_gets_no_points(graded, name, status, words):
    result = graded[1][name]
    assert (result["status"], result["points"], result["passed"]) == (status, 0, False)
    assert words in result["reason"]
    assert {one["verdict"] for one in result["criteria"]} == {"not judged"}


@pytest.mark.slow
def test_nothing_of_a_submission_ran_and_nothing_was_written_beside_it(graded, exercise):
    assert not (exercise / "was_here").exists()
    assert not (exercise / "trapped").exists()
    assert len(list((exercise / "submissions").iterdir())) == 13


@pytest.mark.slow
def test_the_files(graded, exercise):
    content, by_name = graded
    out = exercise / "grades"
    for name, result in by_name.items():
        assert files.read_json(out / "submissions" / name / "grade.json") == result
    gradescope = files.read_json(out / "submissions/borderline.keras/results.json")
    assert gradescope["score"] == sum(test["score"] for test in gradescope["tests"]) == 70
    assert sum(test["max_score"] for test in gradescope["tests"]) == 100
    assert [test["status"] for test in gradescope["tests"]] == ["failed", "passed", "failed", "failed", "passed"]
    with open(out / "grades.csv", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert rows["edited"]["points"] == "0"
    assert rows["edited"]["reasons"].startswith("No points without integrity; integrity: metrics.json says")
    assert rows["good"]["reasons"] == ""
    json.dumps(content)


def rubric_with(tmp_path, hidden: str) -> Path:
    text = RUBRIC.format(target=0.9).replace("student.npz", "mnist5k").replace("{data: hidden.npz}", hidden)
    (tmp_path / "rubric.yaml").write_text(text)
    return tmp_path / "rubric.yaml"


def test_what_the_grader_does_wrong_is_said_before_anything_is_graded(tmp_path):
    rubric = rubric_with(tmp_path, "{data: hidden.npz}")
    (tmp_path / "a.keras").touch()
    with pytest.raises(DataError, match=r"b\.keras is missing"):
        kerasexp.grade(tmp_path / "a.keras", tmp_path / "b.keras", rubric=rubric)
    with pytest.raises(UsageError, match="given twice"):
        kerasexp.grade(tmp_path / "a.keras", tmp_path / "a.keras", rubric=rubric)
    with pytest.raises(UsageError, match="Nothing to grade"):
        kerasexp.grade(rubric=rubric)
    with pytest.raises(DataError, match=r"hidden\.npz is missing"):
        kerasexp.grade(tmp_path / "a.keras", rubric=rubric)
    np.savez(tmp_path / "hidden.npz", x=np.zeros((4, 8, 8), "uint8"), y=np.array([0, 1, 1, 3]))
    with pytest.raises(DataError, match=r"hidden\.npz hold 3"):
        kerasexp.grade(tmp_path / "a.keras", rubric=rubric)
    rubric.write_text(rubric.read_text().replace("mnist5k", "kmnist"))
    with pytest.raises(DataError, match="The rubric's data kmnist is not there"):
        kerasexp.grade(tmp_path / "a.keras", rubric=rubric, data_dir=tmp_path)


@pytest.mark.slow
def test_names_that_are_no_utf8_stop_nobody(tmp_path):
    labels = np.arange(30) % 3
    x = np.broadcast_to((20 + 100 * labels)[:, None, None], (30, 8, 8)).astype("uint8")
    np.savez(tmp_path / "hidden.npz", x=x, y=labels)
    criteria = "{check: parameters, at_most: 1000, points: 1}"
    (tmp_path / "rubric.yaml").write_text(
        f"title: t\nhidden: {{data: hidden.npz}}\npass_mark: 1\ncriteria: [{criteria}]\n"
    )
    strange = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/J\xfcrgen", b"/J\xf6rgen")]
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    for place in strange:
        Path(place).mkdir()
        model.save(Path(place) / "model.keras")
    content = kerasexp.grade(*strange, rubric=tmp_path / "rubric.yaml", out=tmp_path / "grades")
    assert content["passed"] == 2
    assert [one["name"] for one in content["submissions"]] == ["J_rgen", "J_rgen-2"]
    assert (tmp_path / "grades/submissions/J_rgen-2/grade.json").exists()
    json.dumps(content, ensure_ascii=False).encode()


def test_names_are_text_and_tell_the_submissions_apart():
    paths = [Path(os.fsdecode(b"/x/" + name)) for name in (b"J\xfcrgen", b"J\xf6rgen", b"J_rgen", b"a/b\n", b"a/b")]
    assert grading._names(paths) == ["J_rgen", "J_rgen-2", "J_rgen-3", "a/b_", "a/b"]
    assert grading._names(paths[:1]) == ["J_rgen"]


def test_only_a_result_of_the_process_itself_counts(tmp_path):
    rubric = load_rubric(rubric_with(tmp_path, "{data: hidden.npz}"))
    (tmp_path / "errors.txt").write_text("")
    result = {"status": "graded", "kind": "model", "criteria": []}

    def status(code: int, content: object) -> str:
        files.write_json(tmp_path / "result.json", content)
        return grading._evaluated(Ended("itself", code, 1.0, 1), tmp_path, rubric, "secret")["status"]

    assert status(0, {**result, "word": "secret"}) == "graded"
    assert status(1, {**result, "word": "secret"}) == "failed"
    assert status(-6, {**result, "word": "secret"}) == "failed"
    assert status(0, {**result, "word": "guess"}) == status(0, result) == status(0, [result]) == "failed"


def test_a_bare_model_lacks_only_what_it_could_have_shown():
    def lacks(check: str, verdict: str, kind: str) -> bool:
        return grading._lacks({"check": check, "verdict": verdict, "must": True}, kind)

    for check in ("experiment", "integrity", "epochs", "faults", "artifacts"):
        assert not lacks(check, "not judged", "model")
        assert lacks(check, "not judged", "run")
    for check in ("metric", "parameters"):
        assert lacks(check, "not judged", "model")
        assert not lacks(check, "borderline", "model")


@pytest.mark.parametrize(("cores", "threads"), [(256, "8"), (2, "2")])
def test_many_cores_do_not_fill_the_memory_with_threads(monkeypatch, cores, threads):
    monkeypatch.setattr(environment, "cores", lambda: cores)
    variables = grading._environment()
    assert (variables["TF_NUM_INTRAOP_THREADS"], variables["TF_NUM_INTEROP_THREADS"]) == (threads, "2")
