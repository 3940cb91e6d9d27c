"""YAML as the configs, rubrics, spaces and claims are read."""

import pytest

from kerasexp.config.yaml_text import parse_yaml, read_text
from kerasexp.errors import UsageError


def test_yaml_numbers_are_numbers():
    assert parse_yaml("[1e-3, 1.5e3, 10, -2E5]", "text") == [0.001, 1500.0, 10, -200000.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "mine, line 4: duplicate key 'c'"),
        ("a: [1", "mine is no valid YAML"),
        ("? [a]\n: 1", "cannot be a key"),
        ("[" * 101, "nested deeper than 100 levels"),
        ("2024-13-45", "mine is no valid YAML"),
        ("!!python/object/apply:os.system [true]", "mine is no valid YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, message):
    with pytest.raises(UsageError, match=message):
        parse_yaml(text, "mine")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="no.yaml cannot be read: No such file"):
        read_text(tmp_path / "no.yaml")
