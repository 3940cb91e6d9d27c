"""What the documentation shows works, and what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kerasexp
import kerasexp.models

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
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_real(page):
    """Every `kerasexp WORD` is a command of the program."""
    from kerasexp.cli import app

    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    for block in re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for word in re.findall(r"^(?:\.venv/bin/)?kerasexp ([a-z]+)", block, re.MULTILINE):
            assert word in names, word
