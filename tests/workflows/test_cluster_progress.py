"""What a person sees of a plan on a cluster, as lines and as a table."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from kerasexp.workflows.cluster_progress import REPORT, LiveTable, PlainTable, Report, ReportingProgress
from kerasexp.workflows.plan import Outcome
from kerasexp.workflows.planned import plan_run


@pytest.fixture(scope="module")
def plan():
    return [plan_run("kmnist_fcnn", recipe="fast", data="mnist5k", seed=seed) for seed in (1, 2, 3, 4)]


def test_a_training_is_reported_twice_a_second_and_every_line_at_once(plan):
    told, now = [], [0.0]
    progress = ReportingProgress(told.append, clock=lambda: now[0])
    progress.started(plan[0].experiment, epochs=3, steps_per_epoch=100, images_per_epoch=1000)
    assert told.pop().line == "kmnist_fcnn fast: 3 epochs of 1,000 images"
    for step in range(1, 11):
        now[0] += REPORT / 5
        progress.advanced(0, step, {"loss": 0.5}, 100.0)
    assert [report.done for report in told] == [0.01, 0.06]
    assert (told[0].epoch, told[0].metrics, told[0].line) == ("epoch 1/3", "loss 0.5000", "")
    progress.epoch_ended(0, {"loss": 0.4}, 12.0)
    assert told[-1].line.startswith("epoch 1/3  loss 0.4000")


def feed(table: PlainTable, plan) -> None:
    """A plan in the middle: one run has failed, one is lost and waits, one trains, one waits."""
    with table:
        for number in (0, 1, 2):
            table.started(number)
        table.ended(0, Outcome(plan[0], "failed", None, "The loss became nan"))
        table.lost(1, "its worker has died (WorkerCrashedError)")
        line = Report("node7", "Starting TensorFlow")
        table.reported({2: [line, Report("node7", "", "epoch 3/20", 0.5, "12 s left", "loss 0.5123")], 1: [line]})


def test_plain_lines_name_run_and_machine(plan):
    file = io.StringIO()
    feed(PlainTable(plan, file), plan)
    assert file.getvalue().splitlines() == [
        "run 1 of 4: kmnist_fcnn fast seed 1",
        "run 2 of 4: kmnist_fcnn fast seed 2",
        "run 3 of 4: kmnist_fcnn fast seed 3",
        "run 1 of 4: failed: The loss became nan",
        "run 2: its worker has died (WorkerCrashedError); it goes on from its last saved state",
        "run 3 on node7: Starting TensorFlow",
        "run 2 on node7: Starting TensorFlow",
    ]


def drawn(table: LiveTable, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    table.console = console
    console.print(table.table())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_table_has_every_run(plan):
    console = Console(file=io.StringIO(), force_terminal=True, width=110, height=30)
    table = LiveTable(plan, console)
    feed(table, plan)
    title, _, *rows = drawn(table, 110, 30)
    assert title == "1 of 4 runs done, 1 running, 2 waiting"
    assert [row.split()[:5] for row in rows] == [[str(n), "kmnist_fcnn", "fast", "seed", str(n)] for n in (1, 2, 3, 4)]
    assert [row.split()[-1] for row in rows[:2]] == ["failed", "waiting"]
    assert rows[2].endswith("node7    epoch 3/20 ━━━━━━━━╌╌╌╌╌╌╌╌  12 s left  loss 0.5123")


def test_where_not_all_rows_fit_the_table_has_those_that_run(plan):
    table = LiveTable(plan, Console(file=io.StringIO(), force_terminal=True))
    feed(table, plan)
    assert len(drawn(table, 80, 5)) == 3
    assert all(len(line) <= 40 for line in drawn(table, 40, 5))
