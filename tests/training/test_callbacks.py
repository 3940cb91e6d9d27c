"""History without gaps or doubles, best weights by the monitored metric, Keras' callbacks as configured."""

import keras
import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.errors import DataError
from kerasexp.runs import read_history
from kerasexp.training.callbacks import BestWeights, History, keras_callbacks

ROWS = [{"epoch": e, "loss": 1 / 3 / e, "accuracy": 0.1 * e, "learning_rate": 1e-3, "seconds": 1.25} for e in (1, 2, 3)]


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return sorted((tag, event.step) for tag in accumulator.Tags()["tensors"] for event in accumulator.Tensors(tag))


@pytest.fixture
def history(tmp_path):
    history = History(tmp_path / "history.csv", tmp_path / "events")
    history.cut_to(0)
    for row in ROWS:
        history.append(row)
    history.close()
    return history


def test_floats_read_back_exactly(history):
    assert read_history(history.csv_path) == ROWS


def test_cut_back_and_continued(history):
    again = History(history.csv_path, history.events)
    again.cut_to(1)
    again.append(ROWS[1])
    again.close()
    assert read_history(history.csv_path) == ROWS[:2]
    tags = ("accuracy", "learning_rate", "loss", "seconds")
    assert events(history.events) == [(tag, step) for tag in tags for step in (1, 2)]


def test_a_second_stage_goes_on_in_the_same_events(tmp_path):
    staged = [{"epoch": row["epoch"], "stage": stage, "loss": 0.5} for row, stage in zip(ROWS, (1, 1, 2), strict=True)]
    history = History(tmp_path / "history.csv", tmp_path / "events")
    history.cut_to(0)
    for row in staged[:2]:
        history.append(row)
    history.cut_to(2)  # as the trainer does at the start of every stage
    history.append(staged[2])
    history.close()
    assert events(history.events) == [(tag, step) for tag in ("loss", "stage") for step in (1, 2, 3)]
    lines = history.csv_path.read_text().splitlines()
    assert lines[1:] == ["1,1,0.5", "2,1,0.5", "3,2,0.5"]


def test_a_last_row_cut_short_by_a_kill_is_left_out(history):
    with history.csv_path.open("a") as file:
        file.write("4,0.1,0.")
    assert read_history(history.csv_path) == ROWS


def test_a_history_that_cannot_be_read_is_damaged(tmp_path):
    (tmp_path / "latin.csv").write_bytes(b"epoch,loss\n1,\xe9\n")
    (tmp_path / "folder.csv").mkdir()
    for name in ("latin.csv", "folder.csv"):
        with pytest.raises(DataError, match=f"{name} is damaged and cannot be read"):
            read_history(tmp_path / name)


def test_lost_rows_are_noticed(history):
    with pytest.raises(DataError, match="3 of 5 epochs"):
        History(history.csv_path, history.events).cut_to(5)


def test_a_fresh_start_leaves_nothing_of_the_old_one(history):
    History(history.csv_path, history.events).cut_to(0)
    assert not history.csv_path.exists()
    assert not history.events.exists()


@pytest.mark.parametrize(
    ("monitor", "value", "best", "better"),
    [
        ("val_loss", 0.5, None, True),
        ("val_loss", 0.4, 0.5, True),
        ("val_loss", 0.5, 0.5, False),
        ("val_loss", float("nan"), None, False),
        ("val_accuracy", 0.6, 0.5, True),
        ("val_accuracy", 0.4, 0.5, False),
    ],
)
def test_the_first_of_equals_is_the_best(monitor, value, best, better):
    assert BestWeights(monitor, ()).is_better({monitor: value}, best) is better


def test_without_validation_nothing_is_best():
    assert not BestWeights("val_loss", ()).is_better({"loss": 0.1}, None)


def test_keras_callbacks_are_those_of_the_study():
    early, plateau = keras_callbacks(load_experiment("kmnist_cnn"))
    assert isinstance(early, keras.callbacks.EarlyStopping)
    assert (early.monitor, early.patience, early.min_delta, early.restore_best_weights) == ("val_loss", 10, 0, False)
    assert isinstance(plateau, keras.callbacks.ReduceLROnPlateau)
    assert (plateau.factor, plateau.patience, plateau.min_delta, plateau.cooldown, plateau.min_lr) == (
        0.1,
        5,
        1e-4,
        0,
        0,
    )
    assert keras_callbacks(load_experiment("kmnist_cnn", variants=["bench12"])) == []
