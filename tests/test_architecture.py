"""Rooms import only to their left; the straight line of the design, held by walking every import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kerasexp"
ROOMS = (
    ("errors", "files", "environment"),
    ("config",),
    ("runs",),
    ("data",),
    ("models",),
    ("training",),
    ("evaluation",),
    ("published",),
    ("reporting",),
    ("workflows",),
    ("commands",),
    ("cli", "__main__"),
)
PLACE = {room: place for place, rooms in enumerate(ROOMS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The first part of a file's path inside the package, without `.py`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(source: str) -> Iterator[tuple[int, str]]:
    """Line and room of every import of kerasexp, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "kerasexp":
                yield node.lineno, rest.partition(".")[0]


def backward_imports(room: str, source: str) -> list[str]:
    return [
        f"line {line}: {room} imports {imported}"
        for line, imported in imported_rooms(source)
        if imported != "__version__" and PLACE[imported] > PLACE[room]
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_imports_one_to_its_right(path):
    if path == PACKAGE / "__init__.py":
        pytest.skip("the Python interface reaches the workflows, lazily")
    assert room_of(path) in PLACE, "a new room needs its place in the order"
    assert backward_imports(room_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("config", "from kerasexp.runs import Run"),
        ("data", "import kerasexp.models.cnn"),
        ("training", "def f():\n    from kerasexp import workflows"),
        ("errors", "if TYPE_CHECKING:\n    from kerasexp.config import schema"),
    ],
)
def test_a_backward_import_is_found(room, source):
    assert len(backward_imports(room, source)) == 1


def test_the_lazy_interface_imports_nothing_at_run_time():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    at_run_time = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {getattr(node, "module", None) or node.names[0].name for node in at_run_time}
    assert modules <= {"__future__", "importlib", "typing"}


def test_the_rooms_are_all_there():
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert found <= set(PLACE)
