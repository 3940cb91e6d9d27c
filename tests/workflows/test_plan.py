"""Plans run for real: what is finished is reused, what was stopped goes on, what fails does not stop the rest."""

from __future__ import annotations

import time

import pytest

from kerasexp import files
from kerasexp.errors import DataError, KerasexpError, UsageError
from kerasexp.runs import Run, create_run, find_runs
from kerasexp.workflows.code import code_digest
from kerasexp.workflows.plan import Outcome, Place, TimeLimit, earlier_run, run_one, run_plan
from kerasexp.workflows.planned import PlannedRun, plan_run


@pytest.fixture(scope="session")
def planned(small_data):
    """Plans a tiny run."""

    def plan(seed: int, *settings: str) -> PlannedRun:
        return plan_run("kmnist_fcnn", recipe="sound", data=small_data, epochs=2, seed=seed, set=settings)

    return plan


@pytest.fixture(scope="module")
def first(planned, tmp_path_factory) -> tuple[Place, list[PlannedRun], list[Outcome]]:
    """A plan whose second run must fail, run for the first time."""
    place = Place(tmp_path_factory.mktemp("runs"))
    plan = [planned(1), planned(1, "optimizer.learning_rate=1e38"), planned(2)]
    return place, plan, run_plan(plan, out=place.out, group="three")


def whats(outcomes: list[Outcome]) -> list[str]:
    return [outcome.what for outcome in outcomes]


def test_a_failed_run_does_not_stop_the_rest(first):
    place, _, outcomes = first
    assert whats(outcomes) == ["trained", "failed", "trained"]
    assert "The loss became nan" in outcomes[1].reason
    assert isinstance(outcomes[1].error, KerasexpError)
    assert [outcome.is_complete for outcome in outcomes] == [True, False, True]
    assert len(find_runs(place.out, group="three")) == 3
    assert find_runs(place.out, group="four") == []


def test_what_is_finished_is_not_run_again_and_a_stopped_run_goes_on(first, planned):
    place, plan, outcomes = first
    before = outcomes[0].run.path("manifest.json").read_bytes()
    plan = [planned(3), plan[0], planned(4)]
    again = run_plan(plan, out=place.out, max_time=0.001)
    assert whats(again) == ["trained", "reused", "not started"]
    assert str(again[1].run) == str(outcomes[0].run)
    assert outcomes[0].run.path("manifest.json").read_bytes() == before
    assert again[0].run.manifest["status"] == "stopped"
    assert [outcome.reason for outcome in again] == ["stopped by the time limit", "", "the time was up"]
    later = run_plan(plan[:2], out=place.out)
    assert whats(later) == ["resumed", "reused"]
    assert str(later[0].run) == str(again[0].run)
    assert later[0].is_complete


def test_unexpected_errors_and_locks_fail_one_run_only(planned, tmp_path):
    place = Place(tmp_path)
    made = make(planned(5), place)
    with made.locked():
        outcome = run_one(planned(5), place)
    assert (outcome.what, str(outcome.run)) == ("failed", str(made))
    assert "is locked" in outcome.reason
    made.update_manifest(devices="all")
    assert run_one(planned(5), place).reason == "AttributeError: 'str' object has no attribute 'get'"
    missing = plan_run("kmnist_fcnn", data=tmp_path / "no.npz")
    assert isinstance(run_one(missing, place).error, DataError)


def data(digest: str) -> dict:
    return {"name": "digits", "digest": digest, "folder": None, "class_names": [], "counts": {}}


def make(planned: PlannedRun, place: Place, **changes) -> Run:
    """A run folder as a killed training leaves it."""
    manifest = {
        "data": data(place.data_digest(planned.experiment)),
        "code": code_digest(),
        "precision": "float32",
    }
    return create_run(planned.experiment, place.out, **{**manifest, **changes})


def test_a_run_is_found_again_if_all_that_decides_it_is_equal(planned, tmp_path):
    place = Place(tmp_path)
    assert earlier_run(planned(1), place) is None
    killed = make(planned(1), place)
    assert str(earlier_run(planned(1), place)) == str(killed)
    finished = make(planned(1), place, status="complete")
    make(planned(1), place, status="interrupted")
    assert str(earlier_run(planned(1), place)) == str(finished)
    assert earlier_run(planned(2), place) is None
    assert earlier_run(planned(1, "batch_size=7"), place) is None


@pytest.mark.parametrize("change", [{"data": data("other")}, {"code": "other"}, {"code": None}])
def test_a_run_on_other_data_or_code_is_not_taken(planned, tmp_path, change):
    make(planned(1), Place(tmp_path), status="complete", **change)
    assert earlier_run(planned(1), Place(tmp_path)) is None


def test_a_run_from_other_weights_is_not_taken(small_data, tmp_path):
    weights = tmp_path / "vgg16.weights.h5"
    weights.write_bytes(b"weights")
    planned = plan_run("beans_vgg16_features", data=small_data, weights=weights)
    about = {"source": str(weights), "path": str(weights), "sha256": files.file_digest(weights)}
    run = make(planned, Place(tmp_path), status="complete", pretrained={"vgg16": about})
    assert str(earlier_run(planned, Place(tmp_path))) == str(run)
    weights.write_bytes(b"other weights")
    assert earlier_run(planned, Place(tmp_path)) is None


def test_data_that_cannot_be_read_is_an_error_only_where_it_matters(planned, tmp_path, small_data):
    copy = tmp_path / "copy.npz"
    copy.write_bytes(small_data.read_bytes())
    on_copy = plan_run("kmnist_fcnn", data=copy)
    make(on_copy, Place(tmp_path))
    copy.write_bytes(b"damaged")
    with pytest.raises(DataError):
        earlier_run(on_copy, Place(tmp_path))
    assert earlier_run(planned(1), Place(tmp_path)) is None


def test_shares_of_the_time_that_is_left():
    deadline = time.monotonic() + 600
    assert TimeLimit().seconds(3) is None
    assert TimeLimit(deadline).seconds(3) == pytest.approx(600, abs=5)
    shares = TimeLimit(deadline, shares=True)
    assert shares.seconds(6) == pytest.approx(100, abs=1)
    assert [shares.seconds(waiting, at_once=2) for waiting in (6, 5, 4)] == pytest.approx([200, 200, 300], abs=3)
    assert shares.seconds(1, at_once=4) == pytest.approx(600, abs=5)


def test_a_time_limit_that_is_none_is_refused(planned):
    with pytest.raises(UsageError, match="--max-time"):
        run_plan([planned(1)], max_time=0)
