"""What a person sees of a run's result."""

from __future__ import annotations

import re
import sys
from collections import Counter

import pytest
from rich.cells import cell_len

from kerasexp import files
from kerasexp.commands.output import print_table, show_run, summary


def test_a_clustering_tells_its_clusters_and_both_kinds_of_scores(clustered_run, capsys):
    test = files.read_json(clustered_run.path("metrics.json"))["weights"]["last"]["test"]
    show_run(clustered_run, as_json=False)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith(f"{test['clusters_used']} of 10 clusters used, accuracy of the mapped labels ")
    assert f"NMI {test['nmi']:.4f}, ARI {test['ari']:.4f}, silhouette {test['silhouette']:.4f}, n = 1,000" in line
    assert summary(clustered_run)["test"]["clusters_used"] == test["clusters_used"]


def test_a_classification_tells_its_test_scores(trained_run, capsys):
    show_run(trained_run, as_json=False)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("test accuracy ")
    assert line.endswith(", n = 1,000")


TABLE = [
    ["study and experiments", "measured", "variants"],
    ["  mnist_deep_kmeans_pretrained", "0.9445 (0.8231 to 0.9812)", "printed_rate block5"],
    ["  kmnist_cnn", "0.9", "o お, ki き, su す, tsu つ /data/alien_vs_predator"],
]


@pytest.fixture
def printed(capsys, monkeypatch):
    """The lines of the table in a terminal of some columns."""

    def make(columns: int) -> list[str]:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        print_table(TABLE[0], TABLE[1:])
        return re.sub("\x1b[^m]*m", "", capsys.readouterr().out).splitlines()  # without bold letters

    return make


def test_a_table_in_a_wide_terminal_has_a_line_for_each_row(printed):
    assert len(printed(160)) == 4


def test_a_narrower_terminal_breaks_cells_between_words(printed):
    lines = printed(80)
    assert max(map(cell_len, lines)) == 80
    assert set(" ".join(lines).split()) >= {word for row in TABLE for cell in row for word in cell.split()}


def test_names_stay_whole_longer_than_other_words(printed):
    lines = printed(62)
    assert max(map(cell_len, lines)) == 62
    assert any(line.startswith("  mnist_deep_kmeans_pretrained ") for line in lines)
    assert not any("/data/alien_vs_predator" in line for line in lines)


@pytest.mark.parametrize("columns", [60, 40, 20])
def test_no_character_is_lost_in_a_narrow_terminal(printed, columns):
    lines = printed(columns)
    assert max(map(cell_len, lines)) == columns
    shown = Counter("".join(lines))
    assert all(shown[sign] == many for sign, many in Counter("".join(map("".join, TABLE))).items() if sign != " ")
