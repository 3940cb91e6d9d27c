"""The notebooks: what a project page shows of them, and that they run from top to bottom."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

import kerasexp
from kerasexp.published import studies

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 400_000  # bytes
# What a reader is to learn has to come out again, on whatever machine: of two lines of tables, the first one's last
# number is smaller.
LESSONS = {
    "cifar_eurosat": ("cifar10_cnnbase", "cifar10_cnnv2"),
    "deep_kmeans": ("accuracy, one to one, the rest is 0", "accuracy, majority of each cluster"),
    "kmnist": ("0.001", "1.0"),
    "simple_cnn": ("afterwards, without dropout", "in training, with dropout"),
    "vgg16_beans": ("rate 0.0001", "solved"),
}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook) -> str:
    """All that the outputs say in words."""
    found = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            found += [output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
    return "\n".join(found)


def last_number(notebook, label: str) -> float:
    """In the first line of a table with a cell of this label."""
    lines = ([cell.strip() for cell in line.strip("| ").split("|")] for line in texts(notebook).splitlines())
    return next(float(re.match(r"[\d.]+", cells[-1]).group()) for cells in lines if label in cells)


def test_every_study_has_one():
    assert [path.stem for path in NOTEBOOKS] == sorted(studies())
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((.+?)\)", page)) == {path.name for path in NOTEBOOKS}


@each
def test_it_opens_with_its_results(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("text/markdown" in output.get("data", {}) for output in outputs)
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert path.stat().st_size < LARGEST


@each
def test_its_outputs_tell_nothing_of_the_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(output.get("name") != "stderr" for cell in code_cells(notebook) for output in cell.outputs)
    said = texts(notebook)
    assert not re.search(r"(?:^|[\s\"'(`])/[A-Za-z]", said), "an absolute path"
    assert "Warning" not in said
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert not any(cell.metadata for cell in notebook.cells)


@each
def test_it_only_uses_what_is_public(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [getattr(node, "module", None) or alias.name for alias in node.names]
                assert not [module for module in modules if module.startswith("kerasexp.")]
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "kerasexp":
                assert node.attr in kerasexp.__all__


@pytest.mark.slow
@each
def test_it_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASEXP_DATA_DIR", str(tmp_path / "no data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    again = execute.executed(path, tmp_path)
    stored = nbformat.read(path, as_version=4)
    for cell, before in zip(code_cells(again), code_cells(stored), strict=True):
        assert [output.output_type for output in cell.outputs] == [output.output_type for output in before.outputs]
    low, high = LESSONS[path.stem]
    for notebook in (stored, again):
        assert last_number(notebook, low) < last_number(notebook, high)
