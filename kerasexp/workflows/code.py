"""Which code a run's numbers came from."""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

# the rooms and files that a run's numbers come from, given its settings: images, networks, training, measures
DECIDE_NUMBERS = (
    *("config/schema.py", "data", "evaluation", "models", "training", "environment.py"),
    *("workflows/prepare.py", "workflows/pretrained.py", "workflows/execution.py"),
    *("workflows/evaluate.py", "workflows/evaluate_clusters.py", "workflows/clusters.py"),
)


@functools.cache
def code_digest() -> str:
    """Of the source files of `DECIDE_NUMBERS`: equal wherever the same settings and images come to the same numbers.

    An installed package has it as well as a checkout. A commit that changes a page or a command leaves it as it is, and
    so does one that changes comments, docstrings or the layout of lines.
    """
    root = Path(__file__).resolve().parents[1]
    content = hashlib.sha256()
    for path in sorted(path for part in DECIDE_NUMBERS for path in _sources(root / part)):
        content.update(f"{path.relative_to(root).as_posix()}\n".encode() + _statements(path))
    return content.hexdigest()[:16]


def _sources(part: Path) -> list[Path]:
    return [part] if part.suffix else list(part.rglob("*.py"))


def _statements(path: Path) -> bytes:
    """What a source file does, without what it says: no comments, no docstrings, one layout."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()  # a body may have nothing else
    return ast.unparse(ast.fix_missing_locations(tree)).encode()
