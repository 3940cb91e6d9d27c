"""Every claim of a study beside several runs of it, and the study's questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from kerasexp.evaluation.statistics import prediction_interval
from kerasexp.published import claims, tally
from kerasexp.published.answers import Answer, answers
from kerasexp.published.tables import StudyRow, candidates, runs_of, study_rows
from kerasexp.runs import Run, find_runs
from tests.published.runs import made_run

ACCURACIES = (0.945, 0.947, 0.949)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Three seeds of a published variant, one of them twice; one of the plain CNN, a fast one, a stopped one."""
    folder = tmp_path_factory.mktemp("runs")
    made = [made_run(folder, "kmnist_cnn", value, "lr1", seed=seed) for seed, value in enumerate(ACCURACIES)]
    made[0].update_manifest(created="2026-01-01T00:00:00+00:00")
    again = made_run(folder, "kmnist_cnn", 0.930, "lr1", seed=0)
    again.update_manifest(created="2025-01-01T00:00:00+00:00")
    plain = made_run(folder, "kmnist_cnn", 0.887, seed=42, manifest={"epochs_run": 40})
    fast = made_run(folder, "kmnist_cnn", 0.96, recipe="fast", seed=1)
    stopped = made_run(folder, "kmnist_fcnn", 0.5, seed=1, manifest={"status": "stopped", "stop_reason": "the time"})
    return [*made, again, plain, fast, stopped]


@pytest.fixture(scope="module")
def rows(runs: list[Run]) -> list[StudyRow]:
    return study_rows("kmnist", candidates("kmnist", runs))


def _row(rows: Sequence[StudyRow], metric: str, experiment: str, *variants: str) -> StudyRow:
    wanted = (metric, experiment, tuple(sorted(variants)))
    (found,) = [row for row in rows if (row.claim.metric, row.claim.experiment, row.claim.variants) == wanted]
    return found


def _statement(rows: Sequence[StudyRow], text: str) -> StudyRow:
    (found,) = [row for row in rows if row.claim.text.startswith(text)]
    return found


def test_a_row_for_every_claim(rows: list[StudyRow]) -> None:
    assert [row.claim for row in rows] == list(claims("kmnist"))
    counts = tally(rows)
    assert sum(counts.values()) == len(rows)
    assert counts["no check"] == 10
    # every row is judged or says why not
    assert all((row.verdict is None) == bool(row.reasons) for row in rows)
    assert all(not row.comparable or row.verdict or row.claim.scope == "several" for row in rows)


def test_a_verdict_over_seeds_counts_a_seed_once(rows: list[StudyRow], runs: list[Run]) -> None:
    row = _row(rows, "test.accuracy", "kmnist_cnn", "lr1")
    assert [one.seed for one in row.comparable] == [0, 1, 2]
    assert row.comparable[0].run == str(runs[0])  # the newer of the two with this seed
    assert [one.value for one in row.comparable] == list(ACCURACIES)
    assert row.ours == pytest.approx(0.947)
    assert row.ours_interval == pytest.approx(prediction_interval(ACCURACIES))
    assert row.verdict is not None
    # d = 0.0007, s = 0.002: h = 4.30265 * 0.002 * sqrt(4/3) = 0.0099
    assert (row.status, row.verdict.provisional) == ("reproduced", "")
    assert row.verdict.interval == pytest.approx((0.0007 - 0.0099365, 0.0007 + 0.0099365), abs=1e-6)
    assert "test_as_validation" in row.faults
    assert "adadelta_default_rate" not in row.faults  # the variant repairs it


def test_one_seed_is_provisional(rows: list[StudyRow]) -> None:
    row = _row(rows, "test.accuracy", "kmnist_cnn")
    assert [one.seed for one in row.comparable] == [42]
    assert row.ours_interval is not None
    assert row.verdict is not None
    assert row.verdict.provisional == "provisional: one seed"
    assert "adadelta_default_rate" in row.faults


def test_runs_that_are_not_comparable_stand_beside_without_a_verdict(rows: list[StudyRow], runs: list[Run]) -> None:
    row = _row(rows, "test.accuracy", "kmnist_cnn")
    (fast,) = row.others
    assert (fast.run, fast.recipe, fast.value) == (str(runs[5]), "fast", pytest.approx(0.96))
    assert fast.reasons == ("the recipe fast instead of published",)
    stopped = _row(rows, "test.accuracy", "kmnist_fcnn")
    assert (stopped.verdict, stopped.ours, stopped.status) == (None, None, "not comparable")
    assert stopped.reasons == ("fewer epochs: 12, ended by the time",)
    assert stopped.others[0].value == pytest.approx(0.5)
    nothing = _row(rows, "test.accuracy", "kmnist_cnn_nopool")
    assert (nothing.reasons, nothing.others) == (("no run yet",), ())


def test_a_stopped_run_serves_the_epochs_that_it_passed(rows: list[StudyRow]) -> None:
    assert _row(rows, "history.val_accuracy@12", "kmnist_fcnn").verdict is not None
    assert _row(rows, "history.val_accuracy@25", "kmnist_fcnn").verdict is None


def test_runs_that_never_reached_a_milestone_are_not_left_out(tmp_path: Path) -> None:
    accuracies = (0.75, 0.60, 0.60)
    runs = [made_run(tmp_path, "kmnist_fcnn", value, "augment10", seed=seed) for seed, value in enumerate(accuracies)]
    rows = study_rows("kmnist", candidates("kmnist", runs))
    reached = _row(rows, "history.reaches.val_accuracy@0.7", "kmnist_fcnn", "augment10")
    assert reached.verdict is not None
    assert (reached.status, reached.ours) == ("cannot tell", None)
    assert reached.verdict.reason == "in 2 of 3 runs it never happened"
    assert _row(rows, "history.reaches.val_accuracy@0.85", "kmnist_fcnn", "augment10").status == "not reproduced"
    assert _row(rows, "history.reaches.val_accuracy@0.5", "kmnist_fcnn", "augment10").ours == 1


def test_the_data_is_decided_by_any_run(rows: list[StudyRow]) -> None:
    (row,) = [row for row in rows if row.claim.metric == "data.train.images"]
    assert row.status == "reproduced"
    assert len(row.comparable) == 4  # seeds 0, 1, 2 and 42
    assert _statement(rows, "The classes are equally large").status == "reproduced"


def test_statements_about_several_models(rows: list[StudyRow]) -> None:
    control = _statement(rows, "The rate of 0.001")
    assert control.verdict is not None
    assert control.verdict.provisional == "provisional: one seed"
    assert "kmnist_cnn + lr1 minus kmnist_cnn +6.00 pp" in control.verdict.reason
    missing = _statement(rows, "Augmentation helps the CNN")
    assert missing.reasons == ("models without a comparable run: kmnist_cnn + augment10",)
    assert (missing.verdict, missing.status) == (None, "not comparable")
    unchecked = _statement(rows, "The filters of both")
    assert (unchecked.status, unchecked.reasons) == ("no check", ("no check decides this statement",))


def test_one_seed_on_the_same_images_is_paired(tmp_path: Path) -> None:
    """Whatever the CNN has wrong the other has too: unpaired, the interval would be five times as wide."""
    runs = [
        made_run(tmp_path, "kmnist_cnn", 0.887, seed=3, manifest={"epochs_run": 40}),
        made_run(tmp_path, "kmnist_fcnn", 0.880, seed=3, manifest={"epochs_run": 40}),
    ]
    row = _statement(study_rows("kmnist", candidates("kmnist", runs)), "Fully connected network and CNN do")
    assert row.verdict is not None
    assert row.verdict.reason.startswith("kmnist_fcnn minus kmnist_cnn -0.70 pp, 95 % interval -0.8")


def test_runs_with_other_maps_speak_for_a_model_in_all_but_its_maps(tmp_path: Path) -> None:
    manifest = {"data": {"name": "mnist", "image_shape": [28, 28, 1]}, "epochs_run": 25}
    for changes in ({}, {"embedding": {"intermediate": "dropout", "images": 100}}):
        made_run(tmp_path, "mnist_simplecnn", 0.99, seed=len(changes), manifest=manifest, changes=changes)
    known = candidates("simple_cnn", find_runs(tmp_path))
    assert [one.experiment.seed for one in runs_of("simple_cnn", "mnist_simplecnn", known)] == [0, 1]
    purity = "embedding.maps.final.knn_purity.map"
    assert [one.experiment.seed for one in runs_of("simple_cnn", "mnist_simplecnn", known, purity)] == [0]


def test_runs_of_other_studies_are_left_out(runs: list[Run]) -> None:
    rows = study_rows("vgg16_beans", candidates("vgg16_beans", runs))
    assert all(not row.comparable and not row.others for row in rows)
    assert set(tally(rows)) == {"not comparable", "no check"}


def _answer(found: Sequence[Answer], start: str) -> Answer:
    (one,) = [answer for answer in found if answer.question.question.startswith(start)]
    return one


def test_questions_are_answered_from_our_numbers(rows: list[StudyRow], runs: list[Run]) -> None:
    found = answers("kmnist", rows, candidates("kmnist", runs))
    control = _answer(found, "Was it the learning rate?")
    (metric, (plain, lr1)), _ = control.numbers
    assert (metric, plain.model, lr1.model) == ("test.accuracy", "kmnist_cnn", "kmnist_cnn + lr1")
    assert (lr1.ours, lr1.seeds, lr1.status) == (pytest.approx(0.947), 3, "reproduced")
    assert plain.claim is not None
    assert (plain.claim.value, plain.seeds) == (0.8872, 1)
    assert [row.claim.text[:12] for row in control.statements] == ["The rate of "]
    assert control.answered
    first = _answer(found, "Q1.")
    assert first.numbers[0][1][1].status == "not comparable"  # the stopped run's number, marked
    assert first.numbers[0][1][1].ours == pytest.approx(0.5, abs=0.01)
    assert _answer(found, "Q2.").numbers[0][1][0].ours == 60_000  # a claim about every run
    times = _answer(found, "What does augmentation do?").numbers[-1][1]
    assert (times[0].claim, times[0].ours) == (None, 60.0)  # nobody published it
    filters = _answer(found, "Q6.")
    assert (filters.asks_runs, filters.answered) == (False, False)


def test_without_runs_no_question_is_answered() -> None:
    assert not any(answer.answered for answer in answers("kmnist", study_rows("kmnist", []), []))
