"""Run folders: made, opened, locked."""

import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.errors import DataError, UsageError
from kerasexp.files import write_json
from kerasexp.runs import create_run, find_runs, open_run

MANIFEST = {
    "precision": "float32",
    "data": {"name": "kmnist", "digest": "d", "class_names": ["0", "1"], "counts": {"train": [4, 6], "test": [1, 1]}},
}


@pytest.fixture
def run(tmp_path):
    return create_run(load_experiment("kmnist_cnn", variants=["augment10"]), tmp_path, **MANIFEST)


def test_a_run_tells_what_it_is(run, tmp_path):
    again = open_run(run.folder)
    assert run.folder.parent == tmp_path / "kmnist_cnn"
    assert again.experiment == load_experiment("kmnist_cnn", variants=["augment10"])
    assert again.manifest["status"] == "running"
    assert again.manifest["precision"] == "float32"
    again.update_manifest(status="complete")
    assert run.manifest["status"] == "complete"


def test_metrics_are_those_of_the_evaluation(run):
    with pytest.raises(DataError, match=r"metrics\.json is missing: .* Go on with: kerasexp resume"):
        run.metrics  # noqa: B018
    write_json(run.path("metrics.json"), {"table_weights": "last"})
    assert run.metrics == {"table_weights": "last"}
    write_json(run.path("metrics.json"), [])
    with pytest.raises(DataError, match=r"metrics\.json is damaged: expected names and values, found \[\]"):
        run.metrics  # noqa: B018


def test_runs_are_found_oldest_first_and_what_is_none_is_passed_over(run, tmp_path):
    grouped = create_run(load_experiment("kmnist_fcnn"), tmp_path, **MANIFEST, group="seeds")
    damaged, other = (create_run(load_experiment("kmnist_cnn"), tmp_path, **MANIFEST) for _ in range(2))
    damaged.path("manifest.json").write_text("{")
    other.update_manifest(format=99)
    (tmp_path / "groups" / "x").mkdir(parents=True)
    assert {str(one) for one in find_runs(tmp_path)} == {str(run), str(grouped)}
    names = [one.folder.name for one in find_runs(tmp_path)]
    assert names == sorted(names)
    assert [str(one) for one in find_runs(tmp_path, "kmnist_cnn")] == [str(run)]
    assert [str(one) for one in find_runs(tmp_path, group="seeds")] == [str(grouped)]
    assert find_runs(tmp_path / "nowhere") == []


def test_no_run_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"manifest\.json is missing"):
        open_run(tmp_path)


def test_a_run_of_another_version_is_refused(run):
    run.update_manifest(format=99)
    with pytest.raises(DataError, match="run format 99"):
        open_run(run.folder)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"data": None}, "data"),
        ({"data": {}}, "data.name"),
        ({"status": None}, "status"),
        ({"seed": "42"}, "seed"),
        ({"hardware": []}, "hardware"),
        ({"seconds": "long"}, "seconds"),
    ],
)
def test_a_run_with_a_damaged_manifest_is_refused(run, change, part):
    run.update_manifest(**change)
    with pytest.raises(DataError, match=f"is damaged or of another version: {part} of its manifest.json"):
        open_run(run.folder)
    assert find_runs(run.folder.parent.parent) == []


def test_a_half_written_run_is_refused(run):
    run.path("manifest.json").write_text('{"format": 1,')
    with pytest.raises(DataError, match="cannot be read as JSON"):
        open_run(run.folder)


@pytest.mark.parametrize("damage", ["", "just: wrong", "a: 1\na: 2", "title: caf\xe9"])
def test_a_damaged_configuration_is_refused(run, damage):
    run.path("config.yaml").write_bytes(damage.encode("latin-1"))
    with pytest.raises(DataError, match="damaged"):
        open_run(run.folder).experiment  # noqa: B018


def test_a_locked_run_is_refused(run):
    with run.locked(), pytest.raises(UsageError, match="is locked"), open_run(run.folder).locked():
        pass
    with run.locked():
        assert open_run(run.folder).is_locked
    assert not run.is_locked
    with run.locked():
        pass


def test_only_the_lock_is_told_as_locked(run):
    with pytest.raises(BlockingIOError), run.locked():
        raise BlockingIOError


def test_an_unwritable_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Choose another folder with --out"):
        create_run(load_experiment("kmnist_cnn"), tmp_path / "file")


def test_a_run_folder_that_cannot_be_written_to_is_refused(run):
    run.path("lock").mkdir()  # stands for a read-only folder, which does not stop root
    with pytest.raises(DataError, match="cannot be written to"), run.locked():
        pass


def test_a_folder_of_runs_names_the_newest(tmp_path):
    for name in ("20260101T000000-aaaaaa", "20260102T000000-bbbbbb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match=r"It holds 2 of them; the newest is .*20260102T000000-bbbbbb\.$"):
        open_run(tmp_path)
    with pytest.raises(DataError, match="it is a file"):
        open_run(tmp_path / "20260101T000000-aaaaaa" / "manifest.json")


def test_a_history_that_lost_epochs_is_refused(tmp_path):
    run = create_run(load_experiment("kmnist_cnn"), tmp_path, epochs_run=2)
    run.path("history.csv").write_text("epoch,loss\n1,2.5\n2,2.25\n3,2.")  # a third epoch that a kill cut short
    assert run.history == [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 2.25}]
    run.path("history.csv").write_text("epoch,loss\n1,2.5\n")
    with pytest.raises(DataError, match=r"history.csv has 1 of 2 epochs.*Restore the file"):
        run.history  # noqa: B018
