"""The oracles go on from the record as if they had never been stopped; KerasTuner's own files are not needed."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter

import pytest

from kerasexp import files
from kerasexp.config.space import parse_space
from kerasexp.errors import DataError, UsageError
from kerasexp.workflows.tuning_oracles import make_oracle
from kerasexp.workflows.tuning_record import SearchRecord, locked

SPACE = parse_space({"rate": {"log": [1e-3, 1.0]}, "width": [8, 16, 32], "kind": ["a", "b"]}, "space")


def score(trial) -> float:
    return (
        0.5
        + 0.05 * math.log10(trial.values["rate"])
        + 0.01 * trial.values["width"]
        + 0.02 * (trial.values.get("kind") == "b")
        + 0.001 * (trial.epochs or 0)
    )


def search(record, tuner, most, until=10**9, space=SPACE):
    """A search without a training; `until` begins and ends from now it is killed."""
    oracle = make_oracle(tuner, space, 0, record, most, epochs=3)
    while record.next_place() < until:
        proposed = oracle.create_trial("search")
        if proposed.status == "STOPPED":
            break
        trial = record.trials[int(proposed.trial_id)]
        if trial.number % 5 == 4:
            proposed.status = "FAILED"
        else:
            trial.score = score(trial)
            oracle.update_trial(proposed.trial_id, {})
            proposed.status = "COMPLETED"
        if record.next_place() >= until:
            break
        oracle.end_trial(proposed)
    return oracle


def opened(folder) -> SearchRecord:
    return SearchRecord.opened(folder, {"what": "this"})


@pytest.mark.parametrize("tuner", ["random", pytest.param("bayesian", marks=pytest.mark.slow), "hyperband", "grid"])
def test_a_search_killed_after_any_step_ends_as_if_it_had_not_been(tuner, tmp_path):
    space = parse_space({"rate": {"log": [1e-3, 1.0]}, "width": [8, 16]}, "space") if tuner == "bayesian" else SPACE
    most = {"hyperband": None, "bayesian": 9}.get(tuner, 6)
    whole = opened(tmp_path / "whole")
    search(whole, tuner, most, space=space)
    assert len(whole.trials) == (most or 6)
    assert all(trial.ended is not None for trial in whole.trials)
    tried = [(json.dumps(trial.values), trial.parent) for trial in whole.trials]
    assert len(set(tried)) == len(tried)
    places = range(whole.next_place()) if tuner != "bayesian" else (15,)  # its process takes a second for a trial
    for until in places:
        search(opened(tmp_path / str(until)), tuner, most, until, space)
        assert opened(tmp_path / str(until)).next_place() == until
        search(opened(tmp_path / str(until)), tuner, most, space=space)
        assert opened(tmp_path / str(until)).trials == whole.trials
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {"search.json"}


def test_more_trials_are_added_to_those_that_there_are(tmp_path):
    search(opened(tmp_path / "few"), "random", 9)
    search(opened(tmp_path / "few"), "random", 11)  # another number of digits
    search(opened(tmp_path / "many"), "random", 11)
    assert opened(tmp_path / "few").trials == opened(tmp_path / "many").trials


def test_a_grid_and_a_small_space_are_tried_once_each(tmp_path):
    space = parse_space({"rate": [0.1, 0.2], "width": [8, 16], "kind": ["a"]}, "space")
    for tuner in ("grid", "random", "bayesian"):
        record = opened(tmp_path / tuner)
        search(record, tuner, 50, space=space)
        assert len({json.dumps(trial.values) for trial in record.trials}) == len(record.trials)
        assert len(record.trials) == 4 if tuner == "grid" else 3 <= len(record.trials) <= 4


def test_hyperband_goes_on_with_the_best(tmp_path):
    record = opened(tmp_path)
    oracle = search(record, "hyperband", None, until=6)
    assert oracle.may_be_promoted() == {0, 1, 2}
    search(record, "hyperband", None)
    first, child = record.trials[:3], record.trials[3]
    assert [trial.epochs for trial in record.trials] == [1, 1, 1, 3, 3, 3]
    assert child.parent == max(first, key=lambda trial: trial.score).number
    assert child.values == first[child.parent].values
    assert make_oracle("hyperband", SPACE, 0, record, None, epochs=3).may_be_promoted() == set()


def hyperband_rounds(record, failing, workers=1):
    """A Hyperband of nine epochs without a training: how many trials of each length, and its oracle."""
    oracle = make_oracle("hyperband", SPACE, 0, record, None, epochs=9)
    oracle.collect = lambda trial: setattr(trial, "score", score(trial))
    running = {}
    while True:
        for worker in range(workers):
            proposed = oracle.create_trial(f"worker{worker}")
            if proposed.status == "RUNNING":
                running[worker] = proposed
        if not running:
            return Counter(trial.epochs for trial in record.trials), oracle
        proposed = running.pop(len(record.trials) % workers if len(running) == workers else min(running))
        proposed.status = "FAILED" if failing(int(proposed.trial_id)) else "COMPLETED"
        if proposed.status == "COMPLETED":
            oracle.update_trial(proposed.trial_id, {})
        oracle.end_trial(proposed)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("failing", [{3}, {2, 9}, {0, 10, 12}, {0, 1, 2, 3, 5, 6}])
def test_a_failed_trial_ends_no_bracket_of_hyperband(tmp_path, failing, workers):
    """One in a round or all that would be thrown out: as many are promoted as without a failure."""
    record = opened(tmp_path / "a")
    rounds, oracle = hyperband_rounds(record, failing.__contains__, workers)
    assert rounds == {1: 9, 3: 3 + 5, 9: 1 + 2 + 3}
    assert {trial.number for trial in record.trials if trial.status == "failed"} == failing
    assert not failing & {trial.parent for trial in record.trials}
    assert oracle.may_be_promoted() == set()
    again = make_oracle("hyperband", SPACE, 0, opened(tmp_path / "a"), None, epochs=9)  # refused if it differs
    assert again.create_trial("search").status == "STOPPED"


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("good", "longer"), [([], 0), ([4], 1)])
def test_hyperband_promotes_none_that_has_failed(tmp_path, good, longer, workers):
    """A bracket in which only failed ones are left is finished; the only one that has not goes all the way."""
    record = opened(tmp_path)
    rounds, oracle = hyperband_rounds(record, lambda number: number < 9 and number not in good, workers)
    assert rounds == {1: 9, 3: longer + 5, 9: longer + 2 + 3}
    assert oracle.may_be_promoted() == set()
    rounds, oracle = hyperband_rounds(opened(tmp_path / "all"), lambda number: True, workers)
    assert rounds == {1: 9, 3: 5, 9: 3}
    assert oracle.may_be_promoted() == set()


def test_a_worker_that_is_gone_leaves_its_trial_to_the_next(tmp_path):
    record = opened(tmp_path)
    oracle = make_oracle("random", SPACE, 0, record, 3)
    first, second = (oracle.create_trial(f"worker{number}").trial_id for number in range(2))
    oracle.release("worker0")
    assert oracle.create_trial("worker2").trial_id == first != second
    assert len(record.trials) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read as JSON"),
        (lambda text: "{}", "damaged"),
        (lambda text: text.replace('"began"', '"begun"'), "damaged"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format 2"),
    ],
)
def test_a_damaged_record_is_told(tmp_path, damage, message):
    record = opened(tmp_path)
    search(record, "random", 2)
    record.path.write_text(damage(record.path.read_text()))
    with pytest.raises(DataError, match=message):
        opened(tmp_path)


def test_a_write_that_a_kill_cut_short_is_nothing(tmp_path):
    record = opened(tmp_path)
    search(record, "random", 4, until=5)
    text = record.path.read_text()
    (tmp_path / ".search.4711.part.json").write_text(text[: len(text) // 3])
    search(opened(tmp_path), "random", 4)
    search(opened(tmp_path / "whole"), "random", 4)
    assert opened(tmp_path).trials == opened(tmp_path / "whole").trials


def test_a_record_whose_trials_another_version_proposed_is_refused(tmp_path):
    record = opened(tmp_path)
    search(record, "random", 2)
    changed = copy.deepcopy(record.trials)
    changed[1].values["rate"] = 0.123
    record.trials = changed
    with pytest.raises(DataError, match="another trial 1 than"):
        make_oracle("random", SPACE, 0, record, 2)


def test_two_searches_share_no_folder(tmp_path):
    opened(tmp_path)
    with pytest.raises(UsageError, match="another search: what differ"):
        SearchRecord.opened(tmp_path, {"what": "that"})
    with locked(tmp_path), pytest.raises(UsageError, match="locked"), locked(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="--out"):
        opened(tmp_path / "file" / "x")
    with pytest.raises(DataError, match="--out"), locked(tmp_path / "file" / "x"):
        pass
    assert files.read_json(tmp_path / "search.json")["trials"] == []
