"""Several runs as one answer: means, intervals, the page."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from kerasexp import files
from kerasexp.errors import DataError, UsageError
from kerasexp.evaluation.statistics import prediction_interval
from kerasexp.runs import Run
from kerasexp.workflows.group import plan_group, train_group, write_summary
from kerasexp.workflows.plan import Outcome
from kerasexp.workflows.planned import plan_run


@pytest.fixture
def outcome(trained_run, tmp_path):
    """A copy of the run that got so many of 1,000 test images right, as what became of a planned run."""

    def make(seed: int, right: int, variant: tuple[str, ...] = (), status: str = "complete") -> Outcome:
        run = Run(tmp_path / "runs" / "kmnist_cnn" / f"{'-'.join(variant)}{seed}")
        shutil.copytree(trained_run.folder, run.folder, ignore=shutil.ignore_patterns("state", "events", "figures"))
        run.update_manifest(seed=seed, status=status)
        metrics = files.read_json(run.path("metrics.json"))
        metrics["weights"]["last"]["test"]["accuracy"] = {"value": right / 1000, "interval": [0.1, 0.99]}
        files.write_json(run.path("metrics.json"), metrics)
        planned = plan_run("kmnist_cnn", augment=1, variant=variant, data="mnist5k", epochs=2, seed=seed)
        return Outcome(planned, "reused", run, "" if status == "complete" else "stopped by the time limit")

    return make


def test_mean_interval_and_spread_are_those_of_the_finished_seeds(outcome, tmp_path):
    outcomes = [outcome(1, 900), outcome(2, 910), outcome(3, 950), outcome(4, 100, status="stopped")]
    content = write_summary(outcomes, "name", tmp_path / "page")
    (setting,) = content["settings"]
    assert (setting["label"], setting["seeds"]) == ("augment1", 3)
    accuracy = setting["measures"]["test.accuracy"]
    assert accuracy["mean"] == pytest.approx(0.92)
    assert accuracy["deviation"] == pytest.approx(np.std([0.9, 0.91, 0.95], ddof=1))
    low, high = prediction_interval([0.9, 0.91, 0.95])
    assert high > 1
    assert accuracy["interval"] == pytest.approx([low, 1.0])
    assert (accuracy["least"], accuracy["most"]) == (0.9, 0.95)
    assert [run["label"] for run in content["runs"]] == ["seed 1", "seed 2", "seed 3", "seed 4"]
    assert content["runs"][3]["values"]["test.accuracy"] == {"value": 0.1, "interval": (0.1, 0.99)}
    assert json.loads((tmp_path / "page" / "group.json").read_text()) == json.loads(json.dumps(content))


def test_the_page_has_every_variant_and_links_to_every_report(outcome, tmp_path):
    failed = Outcome(plan_run("kmnist_cnn", variant="lr1", seed=2), "failed", None, "the loss became NaN")
    outcomes = [outcome(1, 900), outcome(2, 910), outcome(1, 940, ("bench12",)), outcome(2, 945, ("bench12",)), failed]
    content = write_summary(outcomes, "name", tmp_path / "page")
    assert [setting["seeds"] for setting in content["settings"]] == [2, 2, 0]
    source = (tmp_path / "page" / "group.html").read_text()
    text = " ".join(re.sub("<[^>]+>", " ", source).split())
    for words in ("kmnist_cnn: 3 variants", "94.25 %", "± 0.35 %", "lr1 seed 2 : failed, the loss became NaN"):
        assert words in text
    links = re.findall(r'href="([^#"]+)"', source)
    assert len(links) == 4
    assert all((tmp_path / "page" / link).resolve().is_file() for link in links)
    drawn = {path.stem for path in (tmp_path / "page" / "figures").glob("*.png")}
    curves = {"curves_loss", "curves_accuracy", "curves_val_loss", "curves_val_accuracy"}
    assert drawn == {"test_accuracy", "test_macro_f1"} | curves
    assert "<script" not in source
    ids = re.findall(r' id="([^"]+)"', source)
    assert len(ids) == len(set(ids))


def test_runs_without_labels_have_a_page_of_what_was_measured(outcome, tmp_path):
    outcomes = [outcome(1, 900), outcome(2, 910)]
    for one in outcomes:  # as the evaluation of a clustering leaves them where no image has a label
        metrics = one.run.metrics
        metrics["weights"]["last"]["test"] = {"n": 1000, "loss": 0.5}
        files.write_json(one.run.path("metrics.json"), metrics)
    content = write_summary(outcomes, "name", tmp_path / "page")
    assert list(content["measures"]) == ["test.loss", "epochs_run", "seconds"]
    assert not (tmp_path / "page" / "figures" / "test_accuracy.png").exists()
    assert (tmp_path / "page" / "figures" / "curves_loss.png").exists()
    assert "test loss" in (tmp_path / "page" / "group.html").read_text()


def test_one_seed_has_no_spread(outcome, tmp_path):
    content = write_summary([outcome(1, 900)], "name", tmp_path / "page")
    accuracy = content["settings"][0]["measures"]["test.accuracy"]
    assert (accuracy["mean"], accuracy["interval"], accuracy["deviation"]) == (0.9, None, None)


def test_where_every_run_failed_the_first_error_is_raised(tmp_path):
    errors = [DataError("no data"), UsageError("locked")]
    planned = plan_run("kmnist_cnn")
    outcomes = [Outcome(planned, "failed", None, str(error), error) for error in errors]
    with pytest.raises(DataError, match="no data"):
        write_summary(outcomes, "name", tmp_path / "page")
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(("seeds", "seed", "left_out"), [(1, None, ""), (1, 7, "seed 7"), (2, None, "seed 1")])
def test_a_variant_that_is_another_with_the_same_seed_is_left_out(capsys, seeds, seed, left_out):
    """`clusters10` is `alpha300` with the seed 1 in place of 0."""
    settings = [("alpha3",), ("alpha300",), ("clusters10",), ("clusters20",)]

    def planned(variants, seed):
        return plan_run("mnist_deep_kmeans_pretrained", variant=variants, seed=seed)

    plan = plan_group(settings, seeds, seed, planned)
    kept = [variants for variants in settings if not left_out or variants != ("clusters10",)]
    assert [run.experiment.variants for run in plan] == [variants for variants in kept for _ in range(seeds)]
    told = capsys.readouterr().err
    assert told.count("\n") == bool(left_out)
    assert not left_out or f"clusters10 is left out: with {left_out} it is the same run as alpha300" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"seeds": 0}, "--seeds: expected 1 or more, received: 0"),
        ({"variant": ["all", "lr1"]}, "stands for each variant by itself"),
        ({"variant": "all", "recipe": "fast"}, "no variants for the recipe fast"),
        ({"seeds": 2, "seed": 2**31 - 1}, "seed"),
    ],
)
def test_wrong_words_are_refused_before_anything_runs(tmp_path, words, message):
    with pytest.raises(UsageError, match=message):
        train_group("kmnist_cnn", out=tmp_path, **words)
    assert not any(tmp_path.iterdir())
