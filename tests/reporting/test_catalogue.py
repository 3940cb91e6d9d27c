"""The page of experiments in `docs/` is what the claims and the kept numbers of our runs give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kerasexp import files
from kerasexp.config import measured
from kerasexp.config.loading import experiment_names, experiment_to_yaml, load_experiment
from kerasexp.config.measured import measurements
from kerasexp.reporting import catalogue
from kerasexp.runs import Run
from tests.published.runs import made_run

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page() -> str:
    kept = DOCS / "experiments.json"
    return catalogue.page(files.read_json(kept) if kept.exists() else None)


def test_the_committed_page_is_what_the_generator_writes(page):
    written = (DOCS / "experiments.md").read_text(encoding="utf-8")
    assert written == page, "write it again: python -m kerasexp.reporting.catalogue"


def section(text: str, experiment: str) -> str:
    return text.partition(f"### {experiment}\n")[2].partition("\n### ")[0]


def test_every_experiment_has_a_section_with_its_command(page):
    for name in experiment_names():
        assert f"kerasexp train {name}\n" in section(page, name), name


def test_a_published_number_stands_with_interval_n_margin_and_source(page):
    line = next(line for line in section(page, "kmnist_cnn").splitlines() if "`--augment 10` | 92.24 %" in line)
    assert line.startswith(
        "|  | `--augment 10` | 92.24 % | 91.70 to 92.75 % | 10,000 | 1.00 points | result files (O) |"
    )


def test_all_tables_are_rectangular(page):
    width = 0
    for line in page.splitlines():
        width = 0 if not line.startswith("|") else width or line.count("|")
        assert not width or line.count("|") == width, line


def test_our_numbers_stand_beside_the_published_ones(trained_run):
    verdicts = catalogue.our_verdicts([trained_run])
    verdict = verdicts["kmnist | kmnist_cnn | parameters.total"]
    assert (verdict["status"], verdict["seeds"]) == ("reproduced", 1)
    text = catalogue.page(verdicts)
    assert "| 1,199,882 | 1 | ✓ reproduced |" in section(text, "kmnist_cnn")
    assert "reproduced |" not in section(text, "kmnist_cnn_nopool")


def test_a_verdict_of_one_seed_is_provisional(tmp_path):
    text = section(
        catalogue.page(catalogue.our_verdicts([made_run(tmp_path, "kmnist_cnn", 0.945, "lr1")])), "kmnist_cnn"
    )
    assert "| 94.50 % | 94.04 to 94.93 % | 1 | ✓ reproduced, provisional: one seed |" in text
    assert "| 1,199,882 |  | 1 | ✓ reproduced |" in text  # no training decides it


def test_no_measurement_is_of_a_recipe_that_has_changed():
    assert catalogue.our_measurements([], measurements()) == list(measurements())


def test_a_run_that_was_made_shorter_than_its_recipe_measures_none(trained_run):
    assert catalogue.our_measurements([trained_run]) == []


def test_runs_of_an_unchanged_recipe_are_summed_up_over_their_seeds(trained_run, tmp_path, monkeypatch):
    runs = []
    for number, seed in enumerate((1, 2, 2)):  # the same seed twice is one
        run = Run(shutil.copytree(trained_run.folder, tmp_path / str(number)))
        experiment = load_experiment("kmnist_cnn").model_copy(update={"seed": seed})
        run.path("config.yaml").write_text(experiment_to_yaml(experiment), encoding="utf-8")
        runs.append(run)
    earlier = [{**one, "seeds": 1} for one in measurements()] + [{**measurements()[0], "settings": "of another time"}]
    kept = catalogue.our_measurements(runs, earlier)
    found = next(one for one in kept if one["data"] == "mnist5k")
    accuracy = files.read_json(trained_run.path("metrics.json"))["weights"]["last"]["test"]["accuracy"]["value"]
    assert (found["experiment"], found["recipe"], found["seeds"]) == ("kmnist_cnn", "published", 2)
    assert found["scores"]["test.accuracy"] == {"mean": round(accuracy, 4), "spread": 0.0, "interval": None}
    assert [one for one in kept if one is not found] == earlier[:-1]

    monkeypatch.setattr(measured, "measurements", lambda: tuple(kept))
    assert f"| mnist5k | {100 * accuracy:.2f} % |" in section(catalogue.page(), "kmnist_cnn")
    assert load_experiment("kmnist_cnn").measured[0].mean == round(accuracy, 4)
    assert load_experiment("kmnist_cnn", overrides=["batch_size=64"]).measured == ()
