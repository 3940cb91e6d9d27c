"""The figures of clusters, each from plain arrays."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from kerasexp.reporting.figures import clusters, embedding

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(6, 8, 8, 1)).astype(np.uint8)


def texts(figure: Figure) -> list[str]:
    """Every text in the figure, once."""
    found = [one.get_text() for one in figure.findobj(Text)]
    return [text for text in dict.fromkeys(found) if text]


def history(epochs: int = 40, annealed: bool = True) -> dict[str, list[float]]:
    counted = range(1, epochs + 1)
    return {
        "epoch": list(counted),
        "alpha": [0.1 * 1.15**epoch if annealed else 300.0 for epoch in counted],
        "reconstruction_loss": [8 + 20 / epoch for epoch in counted],
        "clustering_loss": [0.1 + 1 / epoch for epoch in counted],
    }


def test_f1_stands_beside_the_published_where_there_is_one() -> None:
    per_class = [{"name": name, "f1": {"value": 0.5, "interval": [0.4, 0.6]}} for name in "abc"]
    figure = clusters.f1_beside(per_class, [0.25, None, 0.0])
    words = texts(figure)
    assert words.count("0.500") == 1
    assert {"0.250", "0.000", "published"} <= set(words)
    ours, theirs = (container.patches for container in figure.axes[0].containers if hasattr(container, "patches"))
    assert [bar.get_width() for bar in ours] == [0.5] * 3
    assert [bar.get_width() for bar in theirs][::2] == [0.25, 0.0]
    assert "published, not comparable" in texts(clusters.f1_beside(per_class, [0.25, None, 0.0], comparable=False))


def test_alpha_is_logarithmic_only_where_it_spans_much() -> None:
    assert clusters.alpha(history()).axes[0].get_yscale() == "log"
    flat = clusters.alpha(history(annealed=False)).axes[0]
    assert flat.get_yscale() == "linear"
    assert flat.get_ylim()[0] == 0


def test_losses_tell_alpha_where_it_changes_and_the_stages_where_there_are_some() -> None:
    annealed = clusters.loss_part(history(), "clustering_loss")
    assert {"clustering loss", "epoch"} <= set(texts(annealed))
    assert [axis.get_xlabel() for axis in annealed.axes[0].child_axes] == ["alpha"]
    staged = clusters.loss_part(history(annealed=False), "reconstruction_loss", [(1, "autoencoder"), (30, "joint")])
    assert " joint" in texts(staged)
    assert staged.axes[0].child_axes == []
    both = history() | {"val_clustering_loss": history()["clustering_loss"]}
    assert "all images after it" in texts(clusters.loss_part(both, "clustering_loss"))
    assert clusters.loss_part(history(1), "clustering_loss").axes[0].lines[0].get_marker() == "o"


def test_members_are_green_where_right_and_red_where_wrong() -> None:
    figure = clusters.members(IMAGES, [0, 0, 0, 2, 2, 2], list("aabbbb"), list("aaabbb"))
    found = {one.get_text(): one.get_color() for one in figure.findobj(Text)}
    assert found["real: b, pred: a"] == clusters.RED
    assert found["real: b, pred: b"] == clusters.GREEN
    assert {"Cluster: 0", "Cluster: 2"} <= set(found)
    red, green = (figure.axes[0].images[number].get_array()[..., :3].reshape(-1, 3)[0] for number in (2, 0))
    assert red[0] > red[1]
    assert green[1] > green[0]


def test_members_without_labels_and_in_colour() -> None:
    words = texts(clusters.members(IMAGES, [0, 0, 1, 1, 1, 1], None, None))
    assert words == ["Cluster: 0", "Cluster: 1"]
    colour = np.repeat(IMAGES, 3, axis=-1)
    figure = clusters.members(colour, [0] * 6, ["a"] * 6, ["b"] * 6)
    assert (figure.axes[0].images[0].get_array() == colour[0]).all()
    assert {line.get_color() for line in figure.axes[0].lines} == {clusters.RED}


@pytest.mark.parametrize("count", [2, 12, 20])
def test_representatives_fit_whatever_their_number(count: int) -> None:
    images = RNG.integers(256, size=(count, 8, 8, 1)).astype(np.uint8)
    figure = clusters.representatives(images, [f"{cluster} → a" for cluster in range(count)])
    assert len(figure.axes[0].images) == count
    assert f"{count - 1} → a" in texts(figure)


def test_reconstructions_lie_below_the_originals() -> None:
    black = np.zeros_like(IMAGES)
    pixels = np.asarray(clusters.reconstructions(IMAGES, black).axes[0].images[0].get_array())
    half = len(pixels) // 2
    assert pixels[:half, :, :3].max() > 0
    assert pixels[half + 1 :, :, :3].max() == 0


def test_a_map_shows_the_representatives_by_name() -> None:
    points, marks = RNG.normal(size=(50, 2)), np.array([[9.0, 9.0], [-9.0, 0.0]])
    figure = embedding.embedding(points, np.arange(50) % 3, ["a", "b", "c"], marks=marks, mark_names=["0 → 7", "1 → –"])
    assert {"0 → 7", "1 → –"} <= set(texts(figure))
    assert figure.axes[0].get_xlim()[1] > 9 > -9 > figure.axes[0].get_xlim()[0]
