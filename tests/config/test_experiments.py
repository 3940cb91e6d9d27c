"""Every experiment that ships: its file, its recipes, its variants."""

from __future__ import annotations

import pytest

from kerasexp.config.loading import experiment_names, load_experiment, read_config
from kerasexp.data.catalog import CATALOG
from kerasexp.models import network

# EXPERIMENTS 0.4: what a study ran, under the name it has here
PUBLISHED = {
    "mnist_simplecnn": ["epochs20"],
    "mnist_simplecnn_lite": [],
    "cifar10_alexnet48": [],
    "avp_scratch": [],
    "avp_svm": [],
    "avp_finetune": ["augmented"],
    "cifar10_cnnbase": [],
    "cifar10_cnnv2": [],
    "cifar10_cnnv3": ["c1", "c2", "c3", "c4"],
    "eurosat_alexnet_scratch": [],
    "eurosat_mobilenetv2_scratch": [],
    "eurosat_alexnet_pretrained": [],
    "eurosat_mobilenetv2_pretrained": [],
    "eurosat_fusion": [],
    "kmnist_cnn": ["bench12", "lr1"],
    "kmnist_cnn_nopool": [],
    "kmnist_fcnn": [],
    "beans_vgg16_scratch": ["relu", "printed_rate"],
    "beans_vgg16_features": ["printed_rate"],
    "beans_vgg16_finetune": ["block5", "block4", "block1", "printed_rate"],
}


@pytest.mark.parametrize("name", experiment_names())
def test_every_recipe_and_variant_resolves(name):
    content = read_config(name)
    for recipe in content["recipes"]:
        for variant, change in {"": {}, **(content.get("variants") or {})}.items():
            if recipe not in change.get("recipes", [recipe]):
                continue
            experiment = load_experiment(name, recipe, [variant] if variant else [])
            assert experiment.data.name in CATALOG
            assert callable(network(experiment.network))
        assert load_experiment(name, recipe, augment=3).augmentation.copies == 3


@pytest.mark.parametrize(("name", "variants"), PUBLISHED.items())
def test_what_a_study_ran_is_there(name, variants):
    for variant in [None, *variants]:
        experiment = load_experiment(name, variants=[variant] if variant else [])
        assert experiment.recipe == "published"
        assert experiment.faults


def test_cnnv3s_configurations_are_those_of_table_2():
    rows = {
        variant: (experiment.optimizer.learning_rate, experiment.model["dropout"], experiment.optimizer.weight_decay)
        for variant in ("c1", "c2", "c3", "c4")
        if (experiment := load_experiment("cifar10_cnnv3", variants=[variant]))
    }
    assert rows == {
        "c1": (0.001, 0.3, 0.0001),
        "c2": (0.0005, 0.4, 0.0005),
        "c3": (0.0001, 0.3, 0.0001),
        "c4": (0.0001, 0.5, 0.0005),
    }


def test_what_is_frozen_is_what_the_study_froze():
    frozen = {
        (name, variant): experiment.trainable_from
        for name, variants in PUBLISHED.items()
        for variant in [None, *variants]
        if (experiment := load_experiment(name, variants=[variant] if variant else [])).pretrained
    }
    assert frozen[("beans_vgg16_features", None)] == "logits"
    assert [frozen["beans_vgg16_finetune", block] for block in ("block5", "block4", "block1")] == [
        "block5_conv1",
        "block4_conv1",
        None,
    ]
    assert frozen["eurosat_fusion", None] == frozen["eurosat_alexnet_pretrained", None] == "flatten"
    adapting = load_experiment("eurosat_mobilenetv2_pretrained")
    assert (adapting.trainable_from, adapting.batch_norm) == ("logits", "adapting")
    assert load_experiment("eurosat_mobilenetv2_pretrained", "sound").batch_norm == "frozen"


def test_stages_lie_over_the_top_level():
    head, block = load_experiment("avp_finetune", "sound").training_stages
    assert (head.stage, head.trainable_from, head.epochs, head.optimizer.learning_rate) == ("head", "logits", 5, 1e-3)
    assert (block.stage, block.epochs, block.optimizer.learning_rate) == ("block5", 15, 1e-5)
    assert block.optimizer.beta_1 == head.optimizer.beta_1
    shorter = load_experiment("avp_finetune", "sound", changes={"epochs": 2})
    assert [stage.epochs for stage in shorter.training_stages] == [2, 2]


def test_an_experiment_without_a_published_recipe_takes_its_first(tmp_path):
    text = read_text("avp_svm").replace("  published:", "  ours:")
    (tmp_path / "own.yaml").write_text(text)
    assert load_experiment(str(tmp_path / "own.yaml")).recipe == "ours"


def read_text(name: str) -> str:
    from importlib import resources

    return (resources.files("kerasexp.configs") / f"{name}.yaml").read_text()
