"""What the documentation shows works, and what it links to is there."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

import kerasexp
import kerasexp.models
from kerasexp.config.faults import FAULTS
from kerasexp.config.loading import load_experiment
from kerasexp.config.rubric import Metric, Parameters, Rubric, load_rubric, rubric_names
from kerasexp.config.yaml_text import parse_yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_worked_example_of_an_experiment_trains(tmp_path, monkeypatch):
    (code,), (experiment,) = blocks("new-experiment.md", "python"), blocks("new-experiment.md", "yaml")
    (tmp_path / "tiny.py").write_text(code, encoding="utf-8")
    (tmp_path / "mnist_tiny.yaml").write_text(experiment, encoding="utf-8")
    monkeypatch.setattr(kerasexp.models, "__path__", [*kerasexp.models.__path__, str(tmp_path)])
    run = kerasexp.train(
        str(tmp_path / "mnist_tiny.yaml"), recipe="fast", variant="wide", epochs=1, out=tmp_path / "runs"
    )
    assert run.manifest["status"] == "complete"
    assert run.experiment.model == {"width": 32}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        leads_to = page.parent / target if target else page
        assert leads_to.exists(), target
        assert not anchor or anchor in anchors(leads_to), anchor


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_real(page):
    """Every `kerasexp WORD` is a command of the program."""
    from kerasexp.cli import app

    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    for block in re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for word in re.findall(r"^(?:\.venv/bin/)?kerasexp ([a-z]+)", block, re.MULTILINE):
            assert word in names, word


def test_the_rubric_shown_is_the_one_that_comes_with_kerasexp():
    """What the page calls `mnist5k_cnn` is the file of that name."""
    (shown,) = blocks("grading.md", "yaml")
    assert Rubric.model_validate(parse_yaml(shown, "grading.md")) == load_rubric("mnist5k_cnn")


def test_a_bare_model_cannot_pass_the_rubric_for_runs():
    rubric = load_rubric("mnist5k_cnn")
    told = (Parameters, Metric)  # what a bare model tells
    assert sum(criterion.points for criterion in rubric.criteria if isinstance(criterion, told)) < rubric.pass_mark


@pytest.mark.parametrize("name", [*FAULTS, *rubric_names()])
def test_faults_and_rubrics_are_named_as_they_are(name):
    assert any(f"`{name}`" in page.read_text(encoding="utf-8") for page in PAGES), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_commands_are_called_with_exists(page):
    """Experiments, recipes and options of the commands shown are those of the program."""
    options = option_names()
    for block in re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in re.findall(r"^(?:\.venv/bin/)?kerasexp (.*)$", block.replace("\\\n", " "), re.MULTILINE):
            command, *words = line.split()
            used = {word for word in words if re.fullmatch(r"--[a-z-]+", word)}
            assert used <= options[command], line
            if command in ("train", "show") and re.fullmatch(r"[a-z0-9_]+", words[0]) and words[0] != "mnist_tiny":
                asked = dict(itertools.pairwise(words))
                variant = asked.get("--variant", "all")
                load_experiment(words[0], asked.get("--recipe"), [variant] if variant != "all" else [])


def option_names() -> dict[str, set[str]]:
    """The long options of each command; those of a group's commands together."""
    from typer.main import get_command

    from kerasexp.cli import app

    def of(command) -> set[str]:
        inner = getattr(command, "commands", {}).values()
        own = {option for parameter in command.params for option in parameter.opts}
        return own.union(*map(of, inner))

    return {name: of(command) for name, command in get_command(app).commands.items()}
