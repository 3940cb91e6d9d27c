"""The chief of a search over workers: it is reached, and it ends, whatever its surroundings."""

from __future__ import annotations

import math
import threading

import grpc
import pytest

from kerasexp.config.space import parse_space
from kerasexp.errors import KerasexpError
from kerasexp.workflows.tuning_loop import stop_after_failures
from kerasexp.workflows.tuning_oracles import make_oracle
from kerasexp.workflows.tuning_record import SearchRecord
from kerasexp.workflows.tuning_workers import DEATHS, _Chief

SPACE = parse_space({"rate": {"log": [1e-3, 1.0]}}, "space")


@pytest.fixture
def chief(tmp_path):
    record = SearchRecord.opened(tmp_path, {"what": "this"})
    oracle = make_oracle("random", SPACE, 0, record, 50)
    oracle.check = lambda: stop_after_failures(record)
    return _Chief(oracle, {}, "float32", 0, lambda text: None, math.inf, None)


def test_the_end_after_three_failures_leaves_nobody_waiting(chief):
    """The third one is failed by dead workers while another worker asks for a trial."""
    for _ in range(2):
        proposed = chief.oracle.create_trial("worker1")
        proposed.status = "FAILED"
        chief.oracle.end_trial(proposed)
    number = int(chief.oracle.create_trial("worker1").trial_id)
    chief.deaths[number] = DEATHS - 1
    with pytest.raises(KerasexpError, match="3 trials failed one after the other"):
        chief._died("worker1", -9)
    asks = threading.Thread(target=chief.oracle.create_trial, args=["worker2"], daemon=True)
    asks.start()
    asks.join(10)
    assert not asks.is_alive()


def test_only_workers_that_die_one_after_the_other_before_a_trial_end_the_search(chief):
    for number in range(DEATHS):
        for _ in range(DEATHS - 1):
            chief._died("worker1", 1)
        chief.oracle.create_trial(f"other worker {number}")
    for _ in range(DEATHS - 1):
        chief._died("worker1", 1)
    with pytest.raises(KerasexpError, match="3 workers ended with exit code 1.* before they had a trial"):
        chief._died("worker1", 1)


@pytest.mark.parametrize("known", [{}, {"no_proxy": "example.org"}, {"no_grpc_proxy": "example.org", "no_proxy": "x"}])
def test_no_proxy_is_asked_for_the_chief(chief, known, monkeypatch):
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"http_proxy": "http://127.0.0.1:9", **known}.items():  # where nobody answers
        monkeypatch.setenv(name, value)

    def answers() -> bool:
        with grpc.insecure_channel(f"{chief.host}:{chief.port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=2)
            except grpc.FutureTimeoutError:
                return False
            return True

    with chief.serving():
        assert not answers()
        variables = chief._variables("worker1")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert answers()
    assert variables["no_grpc_proxy"] == ("example.org,127.0.0.1" if known else "127.0.0.1")
