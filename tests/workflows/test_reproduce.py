"""What is planned for a study, and what is made of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import kerasexp
from kerasexp import files
from kerasexp.errors import UsageError
from kerasexp.published import claims
from kerasexp.published.tables import candidates, study_rows
from kerasexp.runs import create_run, find_runs
from kerasexp.workflows.reproduce import _lines, plan_studies
from tests.published.runs import made_run


def test_the_plan_is_every_model_of_the_claims_seed_by_seed(small_data, tmp_path, capsys):
    content = kerasexp.reproduce("kmnist", seeds=2, max_time=0.001, data=small_data, out=tmp_path)
    (study,) = content["studies"]
    runs = [run["run"] for run in study["plan"]]
    first = [run for run in runs if run.endswith("seed 42")]
    assert runs == first + [run.replace("seed 42", "seed 43") for run in first]
    assert len(first) == len(set(first))
    for name in ("kmnist_cnn published", "kmnist_cnn published augment10 bench12", "kmnist_fcnn published augment10"):
        assert f"{name} seed 42" in first
    assert [run["what"] for run in study["plan"]] == ["trained"] + ["not started"] * (len(runs) - 1)
    assert len(find_runs(tmp_path)) == 1
    assert study["page"] == str(tmp_path / "studies" / "kmnist-thirds" / "study.html")
    assert files.read_json(tmp_path / "studies" / "kmnist-thirds" / "study.json")["plan"] == study["plan"]
    assert sum(study["tally"].values()) == len(claims("kmnist"))
    told = capsys.readouterr().err
    assert f"{len(runs)} runs planned, to do: {len(runs)} runs of unknown length" in told
    assert told.index("runs planned") < told.index("run 1 of")


def test_finished_runs_are_held_against_the_claims(trained_run, tmp_path, capsys):
    (planned,) = plan_studies("kmnist", only="kmnist_cnn:lr1", data="mnist5k")["kmnist"]
    kept = ("code", "git", "data", "hardware", "precision", "parameters", "epochs_run", "seconds", "images_seen")
    manifest = {key: trained_run.manifest[key] for key in kept}
    run = create_run(planned.experiment, tmp_path, **manifest, status="complete")
    for name in ("metrics.json", "history.csv"):
        shutil.copy(trained_run.path(name), run.path(name))
    content = kerasexp.reproduce("kmnist", only="kmnist_cnn:lr1", data="mnist5k", out=tmp_path)
    (study,) = content["studies"]
    assert [(one["what"], one["folder"]) for one in study["plan"]] == [("reused", str(run))]
    line = next(line for line in study["lines"] if line["model"] == "kmnist_cnn")
    shown = {"claim": "parameters", "published": "1,199,882", "ours": "1,199,882", "verdict": "reproduced"}
    assert line == {"model": "kmnist_cnn", **shown, "why": "", "faults": []}
    assert study["tally"]["reproduced"] == len(study["lines"])
    assert study["without"]["other data"] > 0
    count = len(study["lines"])
    assert f"kmnist: {count} of the {count} reproduced are counts of images and parameters" in capsys.readouterr().err
    # nothing is told about models that were not asked for
    about = {"kmnist_cnn + lr1", ""}
    rows = files.read_json(Path(study["page"]).with_name("study.json"))["rows"]
    assert sum(study["tally"].values()) == len(rows) < len(claims("kmnist"))
    shown = [row for row in rows if row["status"] == "not comparable" and "compares" not in row["claim"]]
    models = [[row["claim"].get("experiment", ""), *row["claim"].get("variants", ())] for row in shown]
    assert {" + ".join(model) for model in models} <= about
    assert "Only what the study claims about kmnist_cnn + lr1 stands here." in Path(study["page"]).read_text()


def test_counted_verdicts_of_few_seeds_are_provisional(tmp_path):
    runs = [made_run(tmp_path, "kmnist_fcnn", 0.9, seed=42)]
    rows = study_rows("kmnist", candidates("kmnist", runs))
    counted = [line for line in _lines([row for row in rows if row.verdict]) if line["claim"].endswith(" claims")]
    assert counted
    for line in counted:
        total = line["claim"].split()[-2]
        assert line["verdict"].endswith(f"; {total} provisional")


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("kmnist_cnn:lr1", ["kmnist_cnn published lr1"]),
        ("kmnist_cnn:bench12+augment10", ["kmnist_cnn published augment10 bench12"]),
        (["kmnist_fcnn:", "kmnist_cnn_nopool"], ["kmnist_cnn_nopool published", "kmnist_fcnn published"]),
    ],
)
def test_only_some_of_them(only, names):
    assert sorted(map(str, plan_studies("kmnist", only=only)["kmnist"])) == [f"{name} seed 42" for name in names]


def test_a_data_set_of_two_studies():
    plans = plan_studies("all", only="cifar10")
    assert set(plans) == {"simple_cnn", "cifar_eurosat"}
    assert [planned.experiment.name for planned in plans["simple_cnn"]] == ["cifar10_alexnet48"]
    assert {planned.experiment.data.name for planned in plans["cifar_eurosat"]} == {"cifar10"}


def test_another_recipe_runs_what_it_has():
    plan = plan_studies("kmnist", recipe="sound")["kmnist"]
    assert {planned.experiment.recipe for planned in plan} == {"sound"}
    assert {planned.experiment.variants for planned in plan} == {(), ("augment10",)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kmnis",), 'Did you mean "kmnist"?.*all'),
        (("kmnist", "fats"), 'Nothing to run with the recipe "fats". Did you mean "fast"?'),
        (("kmnist", "published", 0), "--seeds: expected 1 or more"),
        (("kmnist", "published", 1, "kmnist_cnm"), '--only: the study has no "kmnist_cnm". Did you mean "kmnist_cnn"?'),
        (("kmnist", "published", 1, ["kmnist_fcnn:bench12"]), "--only: the study has no"),
        (("cifar_eurosat", "published", 1, (), "mnist5k"), "not for cifar10, eurosat. Choose one with --only"),
    ],
)
def test_wrong_words(words, message):
    with pytest.raises(UsageError, match=message.replace("?", "[?]", 1)):
        plan_studies(*words)
