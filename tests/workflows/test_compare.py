"""Runs side by side, from their folders alone."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

import kerasexp
from kerasexp import files
from kerasexp.errors import DataError, UsageError
from kerasexp.runs import Run
from kerasexp.workflows.compare import find_run, labels


def change(run: Run, name: str, edit) -> None:
    content = json.loads(run.path(name).read_text(encoding="utf-8"))
    edit(content)
    run.path(name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def copy_of(trained_run, tmp_path):
    """Makes a copy of the run; with `right` it gets that many of its test images right."""

    def make(name: str, right: int | None = None, **settings) -> Run:
        folder = tmp_path / "runs" / "kmnist_cnn" / name
        kept = shutil.ignore_patterns("state", "events", "figures", "report.html")
        shutil.copytree(trained_run.folder, folder, ignore=kept)
        run = Run(folder)
        text = run.path("config.yaml").read_text()
        for key, value in settings.items():
            text, count = re.subn(rf"(?m)^(\s*{key}:).*$", rf"\1 {value}", text)
            assert count == 1
        run.path("config.yaml").write_text(text)
        if "seed" in settings:
            run.update_manifest(seed=settings["seed"])
        if right is not None:
            change(
                run,
                "metrics.json",
                lambda metrics: metrics["weights"]["last"]["test"]["accuracy"].update(value=right / 1000),
            )
        return run

    return make


def test_rows_settings_and_pairs(copy_of, tmp_path):
    first, second = copy_of("a", right=900), copy_of("b", right=950, seed=7, learning_rate=0.5)
    content = kerasexp.compare(first, second, out=tmp_path / "page")
    assert [row["label"] for row in content["runs"]] == ["seed 42", "seed 7"]
    row = content["runs"][0]
    table = files.read_json(first.path("metrics.json"))["weights"]["last"]
    assert row["test"]["macro_f1"] == table["test"]["macro"]["f1"]
    assert row["train"]["loss"] == table["train"]["loss"]
    assert row["parameters"] == {"total": 1_199_882, "trainable": 1_199_882}
    assert row["seconds_per_epoch"] == pytest.approx(first.manifest["seconds"] / 2)
    history = np.genfromtxt(first.path("history.csv"), delimiter=",", names=True)
    assert row["best_validation"] == {
        "accuracy": history["val_accuracy"].max(),
        "epoch": history["epoch"][history["val_accuracy"].argmax()],
    }
    differing = {row["setting"]: row["values"] for row in content["settings"]}
    assert differing == {"optimizer.learning_rate": [0.001, 0.5], "seed": [42, 7]}
    assert content["best"] == "seed 7"
    assert content["pairs"][0]["verdict"] == "seed 7"
    assert json.loads((tmp_path / "page" / "compare.json").read_text()) == content


@pytest.mark.parametrize(("right", "best"), [(905, None), (960, "b")])
def test_no_winner_inside_the_noise(copy_of, tmp_path, right, best):
    content = kerasexp.compare(copy_of("a", right=900), copy_of("b", right=right), out=tmp_path / "page")
    assert content["best"] == (best and "kmnist_cnn b")
    assert content["conclusion"].startswith("kmnist_cnn b is better" if best else "Cannot tell: kmnist_cnn b has")
    assert content["pairs"][0]["verdict"] == ("kmnist_cnn b" if best else "cannot tell")


def test_other_test_images_have_no_winner(copy_of, tmp_path):
    first, second = copy_of("a", right=100), copy_of("b", right=990)
    predictions = files.read_npz(second.path("predictions.npz"))
    files.write_npz(second.path("predictions.npz"), **{**predictions, "test_index": predictions["test_index"] + 1})
    content = kerasexp.compare(first, second, out=tmp_path / "page")
    assert content["best"] is None
    assert "not all tested on the same images" in content["conclusion"]
    assert content["pairs"][0]["verdict"] == "other test images"


def test_the_page_has_everything_and_needs_nothing(copy_of, tmp_path):
    first, second = copy_of("a"), copy_of("b", seed=7)
    points = np.random.default_rng(0).normal(size=(40, 2))
    files.write_npz(first.path("embedding.npz"), labels=np.arange(40) % 10, final=points)
    purity = {"neighbors": 10, "features": 0.8, "map": 0.9}
    final = {"layer": "probabilities", "width": 10, "knn_purity": purity, "trustworthiness": 0.9, "line": None}
    change(first, "metrics.json", lambda metrics: metrics.update(embedding={"images": 40, "maps": {"final": final}}))
    change(second, "manifest.json", lambda manifest: manifest.update(status="stopped"))
    content = kerasexp.compare(first, second, out=tmp_path / "page")
    source = (tmp_path / "page" / "compare.html").read_text()
    text = " ".join(re.sub("<[^>]+>", " ", source).split())
    assert content["page"] == str(tmp_path / "page" / "compare.html")
    for words in ("seed 42", "seed 7", "1,199,882", content["conclusion"], "was stopped after 2 epochs", "90.00 %"):
        assert words in text
    drawn = {path.stem for path in (tmp_path / "page" / "figures").glob("*.png")}
    assert drawn == {"val_loss", "val_accuracy", "train_loss", "train_accuracy", "f1", "map_final_1"}
    assert "<script" not in source
    assert not re.search(r"(src|href)=\"(?!#|data:image)", source)
    ids = re.findall(r' id="([^"]+)"', source)
    assert len(ids) == len(set(ids))
    assert len(source) < 1_000_000


def test_an_experiments_folder_is_its_newest_finished_run(copy_of):
    copy_of("1"), copy_of("2")
    newest = copy_of("3")
    newest.update_manifest(status="interrupted")
    folder = newest.folder.parent
    assert find_run(folder).folder.name == "2"
    for name in "12":
        Run(folder / name).update_manifest(status="running")
    with pytest.raises(DataError, match=r"no finished run \(3 unfinished\).*kerasexp resume .*3"):
        find_run(folder)


def test_names_tell_runs_apart(copy_of):
    runs = [copy_of("x00000a"), copy_of("x00000b"), copy_of("x00000c", seed=3)]
    assert labels(runs) == ["seed 42 00000a", "seed 42 00000b", "seed 3"]


def test_what_cannot_be_compared(copy_of, tmp_path):
    run = copy_of("a")
    with pytest.raises(UsageError, match="two or more runs, received: 1"):
        kerasexp.compare(run)
    with pytest.raises(UsageError, match="given twice"):
        kerasexp.compare(run, run.folder)
    unfinished = copy_of("b")
    unfinished.update_manifest(status="interrupted")
    unfinished.path("metrics.json").unlink()
    with pytest.raises(DataError, match=r"not finished \(status interrupted\).*kerasexp resume"):
        kerasexp.compare(run, unfinished.folder)
    with pytest.raises(DataError, match="no such folder"):
        kerasexp.compare(run, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made.*--out"):
        kerasexp.compare(run, copy_of("c"), out=tmp_path / "file" / "x")
