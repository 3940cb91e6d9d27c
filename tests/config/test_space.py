"""What a search varies: the forms of a space, its mistakes, and that the spaces that ship fit their experiments."""

from __future__ import annotations

import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.config.space import load_space, parse_space, space_names
from kerasexp.errors import UsageError

SPACE = {
    "optimizer.learning_rate": {"log": [1e-4, 1e-2]},
    "model.extra_layers": {"int": [0, 2]},
    "augmentation.rotation": {"linear": [0, 20]},
    "batch_size": [32, 64],
    "loss.label_smoothing": [0, 0.1],
    "model.units": [[16, 8], [32, 16]],
    "size": {"points": {"small": {"batch_size": 16, "model.units": [4, 4]}, "large": {"batch_size": 256}}},
}
VALUES = {
    "optimizer.learning_rate": 0.001,
    "model.extra_layers": 1,
    "augmentation.rotation": 5.0,
    "batch_size": 64,
    "loss.label_smoothing": 0.1,
    "model.units": "[32, 16]",
    "size": "small",
}


def test_every_form_becomes_overrides():
    assert parse_space(SPACE, "mine").overrides(VALUES) == [
        "optimizer.learning_rate=0.001",
        "model.extra_layers=1",
        "augmentation.rotation=5.0",
        "batch_size=64",
        "loss.label_smoothing=0.1",
        "model.units=[32, 16]",
        "batch_size=16",
        "model.units=[4, 4]",
    ]


def test_places_and_kinds():
    dimensions = {one.name: one for one in parse_space(SPACE, "mine").dimensions}
    places = {name: dimensions[name].place(VALUES[name]) for name in VALUES}
    assert places == pytest.approx(
        {
            "optimizer.learning_rate": 0.5,
            "model.extra_layers": 0.5,
            "augmentation.rotation": 0.25,
            "batch_size": 1.0,
            "loss.label_smoothing": 1.0,
            "model.units": 1.0,
            "size": 0.0,
        }
    )
    assert [name for name, one in dimensions.items() if not one.is_number] == ["model.units", "size"]
    assert dimensions["loss.label_smoothing"].examples() == [0.0, 0.1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no search space"),
        (["batch_size"], "no search space"),
        ({"batch_size": 32}, "batch_size: expected {log:"),
        ({"batch_size": {"int": [1, 2], "log": [1, 2]}}, "expected {log:"),
        ({"batch_size": {"lgo": [1, 2]}}, 'unknown kind "lgo". Did you mean "log"?'),
        ({"batch_size": {"int": [1.5, 2]}}, "int needs two whole numbers"),
        ({"batch_size": {"linear": [1]}}, "linear needs two numbers"),
        ({"batch_size": {"linear": [True, 3]}}, "linear needs two numbers"),
        ({"batch_size": {"log": [0, 1]}}, "expected low < high above 0"),
        ({"batch_size": {"int": [2, 2]}}, "expected low < high"),
        ({"batch_size": {"linear": [0, float("inf")]}}, "expected low < high"),
        ({"batch_size": []}, "one or more different choices"),
        ({"batch_size": [32, 32]}, "one or more different choices"),
        ({"size": {"points": {"small": 3}}}, "points need a name and settings each"),
        ({"size": {"points": []}}, "points need a name and settings each"),
    ],
)
def test_a_mistake_gets_one_clear_line(content, message):
    with pytest.raises(UsageError) as caught:
        parse_space(content, "mine.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("mine.yaml")
    assert "\n" not in str(caught.value)


def test_where_there_is_no_space(tmp_path):
    with pytest.raises(
        UsageError, match="mnist_simplecnn has no search space of its own; .*kmnist_fcnn.* --space FILE"
    ):
        load_space("mnist_simplecnn")
    with pytest.raises(UsageError, match="nowhere.yaml is missing"):
        load_space("kmnist_cnn", tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes("# café".encode("latin-1"))
    with pytest.raises(UsageError, match="latin.yaml cannot be read: it is no UTF-8 text"):
        load_space("kmnist_cnn", tmp_path / "latin.yaml")


@pytest.mark.parametrize("name", space_names())
def test_every_value_of_a_space_that_ships_fits_its_experiment(name):
    for one in load_space(name).dimensions:
        for value in one.examples():
            load_experiment(name, "sound", overrides=one.overrides(value))


def test_the_spaces_that_the_studies_left_open():
    assert {"kmnist_cnn", "kmnist_fcnn", "cifar10_cnnv3", "cifar10_alexnet48"} == set(space_names())
    (points,) = load_space("cifar10_cnnv3").dimensions
    published = [
        load_experiment("cifar10_cnnv3", "published", [name], overrides=["model.dropout=0.3"])
        for name in points.examples()
    ]
    rates = [(one.optimizer.learning_rate, one.optimizer.weight_decay) for one in published]
    assert rates == [
        (sets["optimizer.learning_rate"], sets["optimizer.weight_decay"]) for sets in points.settings.values()
    ]
