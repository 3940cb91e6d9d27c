"""What the report of a clustering has of its own."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kerasexp import files
from kerasexp.config.loading import load_experiment
from kerasexp.reporting.clustering import caveats, cluster_table

NAMES = [str(digit) for digit in range(10)]


def found(counts: list[list[int]], mapping: list[int | None]) -> dict:
    table = np.array(counts)
    return {
        "clusters": len(table),
        "sizes": table.sum(axis=1).tolist(),
        "labelled": True,
        "mapping": mapping,
        "counts": table.tolist(),
    }


def told(of: dict, used: int, names: list[str], nmi_mapped: float = 0.5, nmi: float = 0.5) -> str:
    experiment = load_experiment("mnist_deep_kmeans_annealing")
    return " ".join(caveats(experiment, of, {"clusters_used": used, "nmi_mapped": nmi_mapped, "nmi": nmi}, names))


def test_the_table_names_the_classes_of_each_cluster() -> None:
    rows = cluster_table(found([[90, 10, 0], [6, 5, 89], [0, 0, 0]], [0, 2, None]), ["a", "b", "c"])
    assert rows[0] == {"cluster": 0, "size": 100, "label": "a", "purity": 0.9, "classes": [("a", 0.9)]}
    assert rows[1]["classes"] == [("c", 0.89)]
    assert rows[2] == {"cluster": 2, "size": 0, "label": None, "purity": None, "classes": []}


def test_the_table_without_labels() -> None:
    assert cluster_table({"sizes": [3, 0], "labelled": False}, []) == [
        {"cluster": 0, "size": 3},
        {"cluster": 1, "size": 0},
    ]


def test_caveats_stand_where_they_apply() -> None:
    good = told(found([[9, 0], [0, 9]], [0, 1]), 2, ["a", "b"])
    assert "There is no test set" in good
    for word in ("collapsed", "no image", "no class of", "never predicted", "mutual information"):
        assert word not in good
    assert "collapsed: all images are in one of the 3 clusters" in told(
        found([[9, 9], [0, 0], [0, 0]], [0, None, None]), 1, ["a", "b"]
    )
    assert "1 of the 3 clusters holds no image" in told(found([[9, 0], [0, 9], [0, 0]], [0, 1, None]), 2, ["a", "b"])
    surplus = told(found([[9, 0], [0, 9], [0, 4]], [0, 1, None]), 3, ["a", "b"], nmi_mapped=0.4)
    assert "1 cluster has no class of its own and counts as a, as in the study: 4 images" in surplus
    assert "of the mapped labels (0.4000); of the clusters themselves it is 0.5000" in surplus
    assert "No cluster is taken for b, c, so they are never predicted" in told(
        found([[9, 0, 0], [0, 0, 0]], [0, None]), 1, ["a", "b", "c"]
    )


@pytest.fixture(scope="module")
def page(clustered_run) -> str:
    return clustered_run.path("report.html").read_text(encoding="utf-8")


def test_has_its_own_sections_and_the_shared_ones(page) -> None:
    ids = re.findall(r'id="([^"]+)"', page)
    links = re.findall(r'href="#([^"]+)"', page)
    own = {"worth", "baselines", "clusters", "classes", "embedding", "curves"}
    shared = {"summary", "published", "faults", "data", "network", "training", "environment", "repeat"}
    assert own | shared <= set(ids)
    assert own | shared <= set(links) <= set(ids)
    assert len(ids) == len(set(ids))
    assert "mistakes" not in ids


def test_shows_the_numbers_mapped_and_raw(page, clustered_run) -> None:
    test = files.read_json(clustered_run.path("metrics.json"))["weights"]["last"]["test"]
    words = " ".join(re.sub("<[^>]+>", " ", page).split())
    for number in (test["nmi"], test["nmi_mapped"], test["ari"], test["silhouette"], test["reconstruction_loss"]):
        assert f"{number:.4f}" in words
    for share in (test["accuracy"]["value"], test["majority_accuracy"]["value"]):
        assert f"{100 * share:.2f}" in words
    assert "k-means on the pixels" in words
    assert "before the joint training" in words
    assert "Left out: autoencoder, UMAP" in words


def test_every_method_has_its_intervals(page, clustered_run) -> None:
    metrics = files.read_json(clustered_run.path("metrics.json"))
    found, test = metrics["clustering"], metrics["weights"]["last"]["test"]
    words = " ".join(re.sub("<[^>]+>", " ", page.partition('id="baselines"')[2].partition("</section>")[0]).split())
    for row in (test, found["before_joint"], *found["baselines"]):
        intervals = {**row["intervals"], "purity": row["majority_accuracy"]["interval"]}
        for name in ("nmi", "ari", "purity"):
            low, high = intervals[name]
            assert low <= row[name] <= high
            assert f"{row[name]:.4f} {low:.4f} to {high:.4f}" in words


def test_numbers_of_clusters_are_not_taken_for_classes(page, clustered_run) -> None:
    mapping = files.read_json(clustered_run.path("metrics.json"))["clustering"]["mapping"]
    words = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "by the number of their cluster, which is no class" in words
    assert f"0 → {'–' if mapping[0] is None else mapping[0]}" in page.partition('id="figure-map"')[2]
    assert "before the joint training after the training" in words


def test_every_figure_is_in_the_page_and_in_the_folder(page, clustered_run) -> None:
    drawn = {path.stem for path in clustered_run.path("figures").glob("*.png")}
    assert drawn == {
        *("reconstruction_loss", "clustering_loss", "alpha", "learning_rate", "f1", "confusion", "confusion_by_row"),
        *("members", "reconstructions", "representatives", "map", "classes", "samples", "network"),
    }
    assert set(re.findall(r'id="figure-([^"]+)"', page)) == drawn
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
