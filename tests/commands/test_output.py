"""What a person sees of a run's result."""

from __future__ import annotations

from kerasexp import files
from kerasexp.commands.output import show_run, summary


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
