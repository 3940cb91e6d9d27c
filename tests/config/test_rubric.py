"""A rubric is checked before anything is graded by it."""

import pytest

from kerasexp.config.rubric import Metric, Rubric, load_rubric, rubric_names
from kerasexp.errors import UsageError

RUBRIC = """
title: Exercise
hidden: {data: hidden.npz}
criteria:
  - {check: parameters, at_most: 1000, points: 10}
  - {check: metric, metric: accuracy, target: 0.9, tolerance: 0.02, zero_at: 0.5, points: 30}
pass_mark: 20
"""


@pytest.fixture
def rubric(tmp_path):
    def write(old: str = "", new: str = ""):
        assert old in RUBRIC
        path = tmp_path / "rubric.yaml"
        path.write_text(RUBRIC.replace(old, new))
        return load_rubric(path)

    return write


def test_a_rubric_and_its_defaults(rubric):
    found = rubric()
    assert found.points == 40
    assert (found.limits.seconds, found.limits.memory_gb) == (300, 4)
    metric = found.criteria[1]
    assert isinstance(metric, Metric)
    assert (metric.borderline, metric.must, metric.label) == (1.0, False, "accuracy")
    assert Rubric.model_validate(found.model_dump(mode="json")) == found  # as the evaluating process gets it


@pytest.mark.parametrize("name", rubric_names())
def test_the_rubrics_of_kerasexp_are_valid(name):
    found = load_rubric(name)
    assert found.points == 100
    assert 60 <= found.pass_mark < 100


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pass_mark: 20", "pass_mark: 41", "pass_mark 41 is above the 40 points"),
        ("check: parameters", "check: parameter", 'criteria.1: unknown check. Did you mean "parameters"'),
        ("check: parameters, ", "", 'criteria.1.check" is missing'),
        (", at_most: 1000", "", "criteria.1: a range needs at_least, at_most or both"),
        ("at_most: 1000", "at_most: 1000, at_least: 2000", "at_least 2,000 is above at_most 1,000"),
        ("target: 0.9", "target: 90", "criteria.2.target: input should be less than or equal to 1, received: 90"),
        ("zero_at: 0.5", "zero_at: 0.9", "zero_at 0.9 must be below the target 0.9"),
        ("metric: accuracy", "metric: acuracy", "criteria.2.metric"),
        ("points: 30", "point: 30", 'unknown key "criteria.2.point"'),
        ("title: Exercise\n", "", '"title" is missing'),
        ("hidden.npz}", "hidden.npz}\nlimits: {memory_gb: 1}", "limits.memory_gb: input should be greater"),
        ("hidden.npz}", "hidden.npz}\nmodel_input: {scale: 2}", "model_input.scale"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_file(rubric, old, new, message):
    with pytest.raises(UsageError) as error:
        rubric(old, new)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("{check: faults, forbidden: [test_validation], points: 1}", 'Did you mean "test_as_validation"'),
        ("{check: experiment, name: kmnist_cn, points: 1}", 'Did you mean "kmnist_cnn"'),
        ("{check: artifacts, files: [../x], points: 1}", "expected paths inside the run folder"),
        ("{check: artifacts, files: [], points: 1}", "criteria.3.files"),
    ],
)
def test_wrong_names(rubric, criterion, message):
    with pytest.raises(UsageError) as error:
        rubric("pass_mark", f"  - {criterion}\npass_mark")
    assert message in str(error.value)


def test_no_such_rubric(tmp_path):
    with pytest.raises(UsageError, match='Did you mean "mnist5k_cnn"'):
        load_rubric("mnist5k_cn")
    with pytest.raises(UsageError, match=r"nowhere\.yaml is missing"):
        load_rubric("nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes("# café".encode("latin-1"))
    with pytest.raises(UsageError, match=r"latin\.yaml cannot be read: it is no UTF-8 text"):
        load_rubric(tmp_path / "latin.yaml")
