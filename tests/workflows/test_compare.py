"""Runs side by side, from their folders alone."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from scipy import stats

import kerasexp
from kerasexp import files
from kerasexp.config.loading import load_experiment
from kerasexp.data.load import load_dataset
from kerasexp.errors import DataError, UsageError
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.evaluation.significance import exact_mcnemar
from kerasexp.evaluation.statistics import mean_interval, paired_newcombe
from kerasexp.runs import Run, create_run
from kerasexp.workflows.compare import compared
from kerasexp.workflows.groups import differing_settings, find_runs_of, groups_of, labels_of


def change(run: Run, name: str, edit) -> None:
    content = json.loads(run.path(name).read_text(encoding="utf-8"))
    edit(content)
    run.path(name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def copy_of(trained_run, tmp_path):
    """Makes a copy of the run; with `wrong`, it gets the first test images wrong, that many, and all others right."""

    def make(name: str, wrong: int | None = None, **settings) -> Run:
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
        if wrong is not None:
            says(run, wrong)
        return run

    return make


def says(run: Run, wrong: int) -> None:
    """Lets a run get the first `wrong` of its 1,000 test images wrong."""
    arrays = files.read_npz(run.path("predictions.npz"))
    predicted = arrays["test_labels"].copy()
    predicted[:wrong] = (predicted[:wrong] + 1) % 10
    files.write_npz(run.path("predictions.npz"), **{**arrays, "test_probabilities": np.eye(10)[predicted]})
    scores = evaluate_predictions(np.eye(10)[predicted], arrays["test_labels"], list("0123456789"))
    change(run, "metrics.json", lambda metrics: metrics["weights"]["last"].update(test=scores))


def test_rows_settings_and_pairs(copy_of, tmp_path):
    first, second = copy_of("a", wrong=100), copy_of("b", wrong=50, seed=7, learning_rate=0.5)
    content = kerasexp.compare(first, second, out=tmp_path / "page")
    slow, fast = "kmnist_cnn learning_rate 0.001", "kmnist_cnn learning_rate 0.5"
    assert [row["label"] for row in content["runs"]] == [slow, fast]
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
    assert content["best"] == content["pairs"][0]["verdict"] == fast
    assert json.loads((tmp_path / "page" / "compare.json").read_text()) == content


def test_no_winner_inside_the_noise(copy_of):
    _, content, _ = compared(copy_of("a", wrong=100), copy_of("b", wrong=96))
    assert content["best"] is None
    assert content["pairs"][0]["verdict"] == "cannot tell"
    assert content["pairs"][0]["p"] == 0.125  # four images of four
    # ((1.96 sqrt(.004) + .8416 sqrt(.004 - .004^2)) / .004)^2 = 1,960
    assert content["pairs"][0]["images_needed"] == pytest.approx(1960, abs=10)
    assert content["conclusion"] == (
        "Cannot tell: kmnist_cnn b has the highest test accuracy, but kmnist_cnn a may be as good. "
        "About 2,000 test images instead of 1,000 would show a difference of this size."
    )


def test_a_winner_beyond_the_noise(copy_of):
    _, content, _ = compared(copy_of("a", wrong=100), copy_of("b", wrong=40))
    pair = content["pairs"][0]
    assert content["best"] == pair["verdict"] == "kmnist_cnn b"
    assert (pair["only_first"], pair["only_second"], pair["both"], pair["neither"]) == (0, 60, 900, 40)
    assert (pair["difference"], pair["p"]) == (-0.06, exact_mcnemar(0, 60))
    assert pair["interval"] == list(paired_newcombe(0, 60, 900, 40))
    assert pair["macro_f1"]["interval"][1] < 0
    assert content["conclusion"].startswith("kmnist_cnn b is better than kmnist_cnn a, beyond what the choice of the")
    assert "trained once" in content["conclusion"]
    _, equal, _ = compared(copy_of("c", wrong=40), copy_of("d", wrong=40))
    assert equal["pairs"][0]["advice"] == "equal: no number of images would show a difference"
    assert equal["conclusion"] == "Cannot tell: kmnist_cnn c and kmnist_cnn d have the same test accuracy."


def test_seeds_of_the_same_settings_are_one_entry(copy_of):
    seeds = [copy_of(f"s{seed}", wrong=wrong, seed=seed) for seed, wrong in ((1, 40), (2, 50), (3, 45))]
    others = [copy_of(f"o{seed}", wrong=wrong, seed=seed, learning_rate=0.5) for seed, wrong in ((1, 90), (2, 100))]
    _, content, _ = compared(seeds[0], others[0], seeds[1], seeds[2], others[1])
    assert len(content["runs"]) == 5
    first, second = content["entries"]
    assert (first["seeds"], second["seeds"]) == ([1, 2, 3], [1, 2])
    assert [entry["label"] for entry in content["entries"]] == [
        "kmnist_cnn learning_rate 0.001, 3 seeds",
        "kmnist_cnn learning_rate 0.5, 2 seeds",
    ]
    assert first["runs"] == [f"kmnist_cnn learning_rate 0.001, seed {seed}" for seed in (1, 2, 3)]
    accuracy = first["test"]["accuracy"]
    assert accuracy["value"] == pytest.approx(0.955)
    assert accuracy["interval"] == pytest.approx(mean_interval([0.96, 0.95, 0.955]))
    assert accuracy["deviation"] == pytest.approx(0.005)
    assert (accuracy["lowest"], accuracy["highest"]) == (0.95, 0.96)
    assert content["settings"] == [
        {"setting": "optimizer.learning_rate", "values": [0.001, 0.5]},
        {"setting": "seed", "values": [[1, 2, 3], [1, 2]]},
    ]
    (pair,) = content["pairs"]
    welch = stats.ttest_ind([0.96, 0.95, 0.955], [0.91, 0.9], equal_var=False)
    assert pair["over_seeds"]
    assert pair["p"] == pytest.approx(welch.pvalue)
    assert content["best"] == first["label"]
    assert "the seeds and the choice of the test images" in content["conclusion"]


def test_two_single_runs_beside_a_group_were_still_trained_once(copy_of):
    seeds = [copy_of(f"s{seed}", wrong=wrong, seed=seed) for seed, wrong in ((1, 400), (2, 402), (3, 404))]
    best, other = copy_of("a", wrong=40, learning_rate=0.5), copy_of("b", wrong=100, learning_rate=0.25)
    _, content, _ = compared(best, other, *seeds)
    assert [pair["over_seeds"] for pair in content["pairs"]] == [False, True, True]
    assert content["conclusion"] == (
        "kmnist_cnn learning_rate 0.5 is better than every other, beyond what the choice of the test images could do. "
        "kmnist_cnn learning_rate 0.5 and kmnist_cnn learning_rate 0.25 were trained once: other seeds may say "
        "otherwise."
    )


def test_one_group_alone_has_no_winner(copy_of):
    runs = [copy_of(f"s{seed}", wrong=wrong, seed=seed) for seed, wrong in ((1, 40), (2, 50))]
    _, content, _ = compared(*runs)
    assert (len(content["entries"]), content["pairs"], content["changes"], content["best"]) == (1, [], [], None)
    assert content["conclusion"].startswith("One group: 2 seeds of equal settings have a mean test accuracy of 95.50%")


def test_a_run_that_repeats_a_seed_is_left_out_of_its_group(copy_of):
    runs = [copy_of("a", wrong=90, seed=1), copy_of("b", wrong=10, seed=2), copy_of("c", wrong=90, seed=1)]
    groups, content, _ = compared(*runs)
    assert groups == [runs[:2]]
    assert content["best"] is None
    assert content["left_out"] == [f"{runs[2]} is left out: it repeats {runs[0]} with the same seed 1."]
    assert content["conclusion"].startswith("One group: 2 seeds of equal settings")
    assert content["conclusion"].endswith(content["left_out"][0])


def test_an_image_that_half_of_a_group_gets_right_shows_the_mistake_of_the_others(copy_of):
    alone = copy_of("a", wrong=10, learning_rate=0.5)
    group = [copy_of(f"s{seed}", wrong=wrong, seed=seed) for seed, wrong in ((1, 10), (2, 20))]
    _, content, _ = compared(alone, *group)
    won, lost = content["changes"]
    assert (won["count"], lost["count"]) == (10, 0)
    assert all(int(image["predicted"]) == (int(image["true"]) + 1) % 10 for image in won["images"])


def test_changed_images_with_pictures_from_the_data(copy_of):
    first, second = copy_of("a", wrong=3), copy_of("b", wrong=60)
    _, content, pictures = compared(first, second)
    won, lost = content["changes"]
    assert (won["right"], won["wrong"], won["count"]) == ("kmnist_cnn a", "kmnist_cnn b", 57)
    assert [image["row"] for image in won["images"]] == list(range(3, 17))
    arrays = files.read_npz(first.path("predictions.npz"))
    true = int(arrays["test_labels"][3])
    assert won["images"][0] == {
        "row": 3,
        "index": int(arrays["test_index"][3]),
        "true": str(true),
        "predicted": str((true + 1) % 10),
    }
    assert (lost["count"], lost["images"]) == (0, [])
    assert content["pictures_missing"] == ""
    test = load_dataset("mnist5k").test
    assert sorted(pictures) == list(range(3, 17))
    for row, picture in pictures.items():
        np.testing.assert_array_equal(picture, test.x[row])


def test_the_changed_images_shown_are_of_all_classes(copy_of, tmp_path):
    content = kerasexp.compare(copy_of("a", wrong=0), copy_of("b", wrong=1000), out=tmp_path / "page")
    won = content["changes"][0]
    assert won["count"] == 1000
    shown = [int(image["true"]) for image in won["images"]]
    assert np.bincount(shown).tolist() == [2, 2, 2, 2, 1, 1, 1, 1, 1, 1]
    rows = [image["row"] for image in won["images"]]
    assert rows == sorted(rows)
    assert '<p class="soft">14 of 1,000.</p>' in (tmp_path / "page" / "compare.html").read_text()


def test_the_page_of_seeds_and_a_clustering_without_the_data(copy_of, tmp_path):
    runs = [copy_of("a", wrong=5, seed=1), copy_of("b", wrong=7, seed=2), copy_of("c", wrong=10, learning_rate=0.5)]
    change(runs[2], "metrics.json", lambda metrics: metrics["weights"]["last"]["test"].update(nmi=0.8123, ari=0.7321))
    for run in runs:
        text = run.path("config.yaml").read_text()
        run.path("config.yaml").write_text(text.replace("mnist5k", str(tmp_path / "gone.npz")))
        images = files.read_npz(run.path("images.npz"))
        images |= {"mistake_index": np.array([1, 9]), "mistake_images": images["mistake_images"][:2]}
        files.write_npz(run.path("images.npz"), **images)
    content = kerasexp.compare(*runs, out=tmp_path / "page")
    assert content["pictures_missing"].startswith("2 of 3 are in no run folder, and the data cannot be read here.")
    source = (tmp_path / "page" / "compare.html").read_text()
    text = " ".join(re.sub("<[^>]+>", " ", source).split())
    words = ("s = 0.14; 99.30 to 99.50", "NMI", "0.8123", "0.7321", "the mean of one", "Seeds of one group", "Welch")
    for said in (*words, "Not all pictures can be shown", content["pairs"][0]["advice"], "1, 2"):
        assert said in text
    assert source.count("data:image/png") == 1


def test_clusterings_have_their_own_scores(copy_of):
    first, second = copy_of("a", wrong=100), copy_of("b", wrong=40)
    change(first, "metrics.json", lambda metrics: metrics["weights"]["last"]["test"].update(nmi=0.8123, ari=0.7321))
    predictions = files.read_npz(first.path("predictions.npz"))
    predicted = predictions["test_probabilities"].argmax(axis=1)
    assignment = np.roll(predictions.pop("test_probabilities"), 3, axis=1)  # a column for each cluster
    files.write_npz(first.path("predictions.npz"), **predictions, test_probabilities=assignment, mapped=predicted)
    _, content, _ = compared(first, second)
    assert (content["entries"][0]["test"]["nmi"], content["entries"][0]["test"]["ari"]) == (0.8123, 0.7321)
    assert content["pairs"][0]["only_second"] == 60


def test_the_page_of_runs_that_were_only_tested_has_no_empty_columns(copy_of, tmp_path):
    runs = [copy_of("a", wrong=100), copy_of("b", wrong=40)]
    for run in runs:
        text = run.path("config.yaml").read_text()
        run.path("config.yaml").write_text(re.sub(r"(?m)^(  validation:).*$", r"\1 test", text))
    kerasexp.compare(*runs, out=tmp_path / "whole")
    whole = (tmp_path / "whole" / "compare.html").read_text()
    for run in runs:
        change(run, "metrics.json", lambda metrics: metrics["weights"]["last"].pop("train"))
        change(run, "metrics.json", lambda metrics: metrics["weights"]["last"].pop("validation", None))
        history = run.path("history.csv").read_text()
        run.path("history.csv").write_text(history.replace("val_accuracy", "val_something"))
    kerasexp.compare(*runs, out=tmp_path / "page")
    page = (tmp_path / "page" / "compare.html").read_text()
    for words in (">training images<", ">validation images<", "best validation", "The test images validated"):
        assert words in whole
        assert words not in page
    assert "<code>runs/<wbr>" not in page
    assert "/<wbr>kmnist_<wbr>cnn/<wbr>a</code>" in page  # a long path is broken where a reader would


def test_predictions_that_do_not_give_the_stated_accuracy(copy_of):
    first, second = copy_of("a"), copy_of("b", wrong=40)
    change(second, "metrics.json", lambda metrics: metrics["weights"]["last"]["test"]["accuracy"].update(value=0.99))
    with pytest.raises(DataError, match="960 of 1,000 test images right, metrics.json 990 of 1,000.*kerasexp evaluate"):
        compared(first, second)


def test_other_test_images_have_no_winner(copy_of):
    first, second = copy_of("a", wrong=900), copy_of("b", wrong=10)
    predictions = files.read_npz(second.path("predictions.npz"))
    files.write_npz(second.path("predictions.npz"), **{**predictions, "test_index": predictions["test_index"] + 1})
    _, content, _ = compared(first, second)
    assert content["best"] is None
    assert "not all tested on the same images" in content["conclusion"]
    assert content["pairs"][0]["verdict"] == "other test images"


def test_data_outside_the_catalog_is_the_same_if_its_images_are(copy_of, tmp_path):
    first, second = copy_of("a", wrong=900), copy_of("b", wrong=10)
    for run in (first, second):
        text = run.path("config.yaml").read_text()
        run.path("config.yaml").write_text(text.replace("mnist5k", str(tmp_path / run.folder.name / "data.npz")))
        change(run, "manifest.json", lambda manifest: manifest["data"].update(name="data"))
    assert compared(first, second)[1]["best"] is not None
    change(second, "manifest.json", lambda manifest: manifest["data"].update(digest="0123456789abcdef"))
    _, content, _ = compared(first, second)
    assert content["pairs"][0]["verdict"] == "other test images"
    assert content["best"] is None


def test_settings_of_stages_differ_one_by_one(tmp_path):
    manifest = {"precision": "float32", "data": {"digest": "d"}, "kerasexp": "0", "hardware": {"processor": "p"}}

    def run(name: str, variant: str, changes=None) -> Run:
        experiment = load_experiment("mnist_deep_kmeans_pretrained", variants=[variant], changes=changes)
        return create_run(experiment, tmp_path / name, **manifest)

    *stages, joint = load_experiment("mnist_deep_kmeans_pretrained", variants=["alpha3"]).settings()["stages"]
    joint["loss"]["clustering_weight"] = 0.5
    changed = run("c", "alpha3", {"stages": [*stages, joint]})
    assert differing_settings([[run("a", "alpha3")], [run("b", "alpha300")]]) == [
        {"setting": "alpha.first", "values": [3.0, 300.0]}  # every stage has it from the top level
    ]
    assert differing_settings([[run("a", "alpha3")], [changed]]) == [
        {"setting": "stages.joint.loss.clustering_weight", "values": [1.0, 0.5]}
    ]
    assert labels_of([[run("a", "alpha3")], [changed]])[1] == "mnist_deep_kmeans_pretrained clustering_weight 0.5"


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
    assert [run.folder.name for run in find_runs_of(folder)] == ["2"]
    for name in "12":
        Run(folder / name).update_manifest(status="running")
    with pytest.raises(DataError, match=r"no finished run \(3 unfinished\).*kerasexp resume .*3"):
        find_runs_of(folder)


def test_a_damaged_run_in_an_experiments_folder_is_passed_over(copy_of):
    copy_of("1")
    damaged = copy_of("2")
    damaged.path("manifest.json").write_text('{"format": 1, "sta')
    folder = damaged.folder.parent
    assert [run.folder.name for run in find_runs_of(folder)] == ["1"]
    (folder / "1" / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"2.manifest\.json cannot be read as JSON"):
        find_runs_of(folder)


@pytest.mark.parametrize("words", [".", "../kmnist_cnn", "2/.."])
def test_an_experiments_folder_has_many_names(copy_of, monkeypatch, words):
    copy_of("1")
    monkeypatch.chdir(copy_of("2").folder.parent)
    assert [run.folder.name for run in find_runs_of(words)] == ["2"]


def test_an_experiments_folder_is_the_whole_group_of_its_newest_run(copy_of):
    runs = [copy_of("1", seed=1), copy_of("2", seed=2), copy_of("3", seed=2, learning_rate=0.5), copy_of("4", seed=3)]
    for run in runs[1:]:
        run.update_manifest(group="g")
    assert [run.folder.name for run in find_runs_of(runs[0].folder.parent)] == ["2", "4"]


def test_names_tell_runs_apart(copy_of):
    runs = [copy_of("x00000a"), copy_of("x00000b"), copy_of("x00000c", seed=3)]
    assert groups_of(runs[:2]) == [runs[:1], runs[1:2]]  # they share their seed: no sample of seeds
    alone = [[run] for run in runs]
    assert labels_of(alone) == ["kmnist_cnn seed 42 00000a", "kmnist_cnn seed 42 00000b", "kmnist_cnn seed 3"]
    assert groups_of(runs[1:]) == [runs[1:]]
    assert labels_of(groups_of(runs[1:])) == ["kmnist_cnn, 2 seeds"]


def test_what_cannot_be_compared(copy_of, tmp_path):
    run = copy_of("a")
    with pytest.raises(UsageError, match="two or more runs, received: 1"):
        kerasexp.compare(run)
    with pytest.raises(UsageError, match="given twice"):
        kerasexp.compare(run, run.folder)
    unfinished = copy_of("b")
    unfinished.update_manifest(status="interrupted")
    unfinished.path("metrics.json").unlink()
    with pytest.raises(DataError, match=r"not evaluated yet \(status interrupted\).*kerasexp resume"):
        kerasexp.compare(run, unfinished.folder)
    with pytest.raises(DataError, match="no such folder"):
        kerasexp.compare(run, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made.*--out"):
        kerasexp.compare(run, copy_of("c"), out=tmp_path / "file" / "x")
