from __future__ import annotations

import io
import os
import re
import sys

import pytest
from rich.console import Console

from kerasexp.config.loading import load_experiment
from kerasexp.training.progress import LiveProgress, Pace, PlainProgress, Progress, console_progress, duration

LOGS = {"loss": 0.51234, "accuracy": 0.871}


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def train(progress, clock, epochs=3, steps=100, seconds_per_step=0.1, validation=1.0, first_epoch=0, first_step=0):
    """Reports like the trainer: a slow first call, then calls of a second, validation at the end of an epoch."""
    clock.now += 2.0
    call, step = 1, first_step
    for epoch in range(first_epoch, epochs):
        while step < steps:
            done = min(call, steps - step)
            step, call = step + done, 10
            clock.now += done * seconds_per_step
            progress.advanced(epoch, step, LOGS, 640.0)
        clock.now += validation
        progress.epoch_ended(epoch, {**LOGS, "val_loss": 0.4}, steps * seconds_per_step + validation)
        step = 0


def begin(progress, name="kmnist_cnn", recipe="fast", epochs=3, published_epochs=None, **kwargs):
    progress.started(load_experiment(name, recipe), epochs, 100, 6400, published_epochs=published_epochs, **kwargs)


def lines_of(file: io.StringIO) -> list[str]:
    return file.getvalue().splitlines()


def test_the_base_class_is_silent(capfd):
    with Progress() as progress:
        begin(progress)
        train(progress, Clock(), epochs=1)
        progress.note("x")
        progress.finished("y")
    assert capfd.readouterr() == ("", "")


def test_a_stage_is_named_and_its_time_left_is_its_own(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, "mnist_deep_kmeans_pretrained", "published", epochs=2, stage=0)
    train(progress, clock, epochs=2)
    begin(progress, "mnist_deep_kmeans_pretrained", "published", epochs=2, stage=2)
    train(progress, clock, epochs=2)
    first, _, epoch, _, last, _, last_epoch, _ = lines_of(file)
    assert first == "mnist_deep_kmeans_pretrained published, stage 1 of 3 (autoencoder): 2 epochs of 6,400 images"
    assert epoch.endswith("11 s  11 s left of this stage")
    assert "stage 3 of 3 (joint): 2 epochs" in last
    assert last_epoch.endswith("11 s  11 s left")


def test_early_stopping_of_a_later_stage_leaves_the_first_its_length(clock):
    early = "{monitor: val_loss, patience: 3, min_delta: 0.0}"
    stages = f"stages=[{{stage: head, epochs: 5}}, {{stage: rest, epochs: 15, early_stopping: {early}}}]"
    experiment = load_experiment("kmnist_cnn", overrides=["early_stopping=null", stages])
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    progress.started(experiment, 5, 100, 6400, stage=0)
    train(progress, clock, epochs=1)
    progress.started(experiment, 15, 100, 6400, stage=1)
    first, _, epoch, second = lines_of(file)
    assert "stage 1 of 2 (head): 5 epochs of" in first
    assert epoch.startswith("epoch 1/5 ")
    assert epoch.endswith(" left of this stage")
    assert "stage 2 of 2 (rest): at most 15 epochs" in second


def test_plain_lines_one_per_epoch(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress)
    train(progress, clock)
    progress.finished("done")
    assert lines_of(file) == [
        "kmnist_cnn fast: 3 epochs of 6,400 images",
        "about 640 images/s, 10 s per epoch; 28 s left.",
        "epoch 1/3  loss 0.5123  accuracy 0.8710  val_loss 0.4000  11 s  22 s left",
        "epoch 2/3  loss 0.5123  accuracy 0.8710  val_loss 0.4000  11 s  11 s left",
        "epoch 3/3  loss 0.5123  accuracy 0.8710  val_loss 0.4000  11 s",
        "done",
    ]


@pytest.mark.parametrize("seconds_per_step", [0.001, 0.1, 3.0])
def test_the_first_estimate_comes_within_ten_seconds(clock, seconds_per_step):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, epochs=1000)
    began, position = clock.now, 0
    clock.now += 2.0  # compiling
    while len(lines_of(file)) < 2:
        steps = 1 if position == 0 else max(1, round(1 / seconds_per_step))
        clock.now += steps * seconds_per_step
        position += steps
        progress.advanced(position // 100, position % 100, LOGS, steps * 64 / seconds_per_step)
    assert clock.now - began <= 10
    assert "images/s" in lines_of(file)[1]


def test_a_slow_compilation_makes_no_estimate(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress)
    clock.now += 9.0  # one step, and the network is compiled for it
    progress.advanced(0, 1, LOGS, 7.0)
    assert len(lines_of(file)) == 1
    clock.now += 1.0
    progress.advanced(0, 11, LOGS, 640.0)
    assert lines_of(file)[1].startswith("about 640 images/s, 10 s per epoch")


@pytest.mark.parametrize("published_epochs", [None, 3])
def test_an_estimate_that_comes_with_the_last_step_leaves_no_gap(clock, published_epochs):
    """A training that is over within seconds, in one call for each epoch."""
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, epochs=3, published_epochs=published_epochs)
    for epoch in range(3):
        clock.now += 1.5
        progress.advanced(epoch, 100, LOGS, 4267.0)
    words = lines_of(file)[1]
    assert words.startswith("about 4,267 images/s, 1.5 s per epoch")
    assert ";." not in words.replace(" ", "")
    assert "()" not in words


def test_early_stopping_takes_the_published_count_as_its_horizon(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, recipe="published", epochs=10_000, published_epochs=20)
    train(progress, clock, epochs=21)
    lines = lines_of(file)
    assert lines[0] == "kmnist_cnn published: at most 10,000 epochs of 6,400 images"
    assert lines[1].endswith("early stopping decides the end (3 min 18 s to the study's 20 epochs).")
    assert lines[2].startswith("epoch 1  loss")
    assert lines[2].endswith("11 s  3 min 29 s to the study's 20 epochs")
    assert "study" not in lines[22], "the study's count is used up"
    assert "hours" not in file.getvalue()


def test_early_stopping_without_a_published_count_names_the_latest_end(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, recipe="sound", epochs=100)
    train(progress, clock, epochs=1)
    assert "early stopping decides the end, after 16 min at the latest." in lines_of(file)[1]


@pytest.mark.parametrize("published_epochs", [None, 3])
def test_early_stopping_decides_nothing_once_the_last_epoch_is_trained(clock, published_epochs):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, recipe="sound", epochs=2, published_epochs=published_epochs)
    for epoch in range(2):
        clock.now += 2.0
        progress.advanced(epoch, 100, LOGS, 3200.0)
    assert lines_of(file)[1] == "about 3,200 images/s, 2.0 s per epoch."


def test_a_published_run_of_hours_says_so_at_once(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, recipe="published", epochs=10_000, published_epochs=596)
    train(progress, clock, epochs=1)
    lines = lines_of(file)
    assert "1 h 39 min to the study's 596 epochs" in lines[1]
    assert "hours" in lines[2]
    assert "--recipe fast" in lines[2]
    assert "--max-time" in lines[2]
    assert file.getvalue().count("hours") == 1


def test_a_fast_run_of_hours_is_not_told_to_be_fast(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, recipe="fast", epochs=596)
    train(progress, clock, epochs=1)
    assert "--recipe fast" not in file.getvalue()


def test_a_resumed_run_counts_only_what_is_left(clock):
    file = io.StringIO()
    progress = PlainProgress(file, clock)
    begin(progress, epochs=10, first_epoch=8, first_step=50)
    train(progress, clock, epochs=10, first_epoch=8, first_step=50)
    lines = lines_of(file)
    assert lines[0] == "kmnist_cnn fast: 10 epochs of 6,400 images, from epoch 9"
    assert lines[1].endswith("10 s per epoch; 13 s left.")
    assert lines[2].startswith("epoch 9/10")


def test_pace_leaves_out_the_call_that_compiles(clock):
    pace = Pace(100, 0, clock)
    clock.now += 4.0
    pace.advanced(1)
    assert pace.seconds_per_epoch == pytest.approx(400)  # nothing better is known yet
    clock.now += 1.0
    pace.advanced(11)
    assert pace.seconds_per_epoch == pytest.approx(10)
    assert pace.seconds_left(2) == pytest.approx(18.9)


def live(clock, width=120):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None)
    return LiveProgress(console, clock), file


def test_the_live_display_draws_a_bar_and_keeps_the_lines(clock):
    progress, file = live(clock)
    with progress:
        begin(progress)
        train(progress, clock)
        progress.finished("done")
    text = file.getvalue()
    assert "━" in text
    assert "640 images/s" in text
    assert "epoch 3/3  loss 0.5123" in text
    assert text.rstrip().endswith("done")


def test_the_live_display_gives_the_cursor_back_after_an_error(clock):
    progress, file = live(clock)

    def fail():
        with progress:
            begin(progress)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert file.getvalue().count(hide) == 1
    assert file.getvalue().rindex(show) > file.getvalue().rindex(hide)


def test_a_narrow_terminal_gets_one_line(clock):
    progress, file = live(clock, width=60)
    with progress:
        begin(progress)
        train(progress, clock, epochs=1)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    bars = [line for line in re.split(r"[\r\n]+", text) if "╌" in line or "━" in line]
    assert len(bars) > 10
    assert all(line.startswith("epoch 1/3 ") and len(line) <= 60 for line in bars)


def test_without_a_terminal_the_lines_are_plain(capsys):
    progress = console_progress()
    assert type(progress) is PlainProgress
    progress.note("to stderr")
    assert capsys.readouterr() == ("", "to stderr\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59, "59 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (754, "12 min"),
        (3599, "59 min"),
        (15_725, "4 h 22 min"),
        (200_000, "2 days 8 h"),
    ],
)
def test_durations_are_in_human_form(seconds, text):
    assert duration(seconds) == text


def test_progress_that_nobody_reads_any_more_ends_no_training(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        progress = console_progress()
        progress.note("epoch 1/2")
        progress.note("epoch 2/2")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # what the file still holds can be written as it closes
