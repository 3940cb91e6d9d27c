from __future__ import annotations

import json

import pytest
import yaml


@pytest.mark.parametrize(
    ("name", "parameters"), [("kmnist_cnn", 1_199_882), ("kmnist_cnn_nopool", 4_738_826), ("kmnist_fcnn", 1_333_770)]
)
def test_the_parameters_of_the_study(kerasexp, name, parameters):
    shown = json.loads(kerasexp("show", name, "--json").out)
    assert shown["parameters"] == {
        "total": parameters,
        "trainable": parameters,
        "stages": [{"name": "", "trainable": parameters}],
    }
    assert sum(layer["parameters"] for layer in shown["layers"]) == parameters
    assert (shown["image_shape"], shown["classes"]) == ([28, 28, 1], 10)


def test_the_resolved_settings(kerasexp):
    words = ("--recipe", "sound", "--augment", 5, "--set", "optimizer.learning_rate=0.5")
    shown = json.loads(kerasexp("show", "kmnist_cnn", *words, "--json").out)
    assert shown["configuration"]["optimizer"]["learning_rate"] == 0.5
    assert shown["configuration"]["augmentation"]["copies"] == 5
    assert shown["configuration"]["variants"] == ["augment5"]
    assert yaml.safe_load(shown["configuration_yaml"]) == shown["configuration"]


def test_a_person_sees_layers_and_faults(kerasexp):
    answer = kerasexp("show", "kmnist_cnn")
    assert answer.code == 0
    assert "9216" in answer.out
    assert "1,199,882 parameters" in answer.out
    assert "test_as_validation: The test set also served as validation set" in answer.out
    assert "no known fault" in kerasexp("show", "kmnist_cnn", "--recipe", "fast").out


def test_another_catalog_entry(kerasexp):
    shown = json.loads(kerasexp("show", "kmnist_cnn", "--set", "data.name=mnist5k", "--json").out)
    assert shown["configuration"]["data"]["name"] == "mnist5k"


def test_an_unknown_name_is_exit_2(kerasexp):
    answer = kerasexp("show", "kmnist_ccn")
    assert (answer.code, answer.out) == (2, "")
    assert "Did you mean" in answer.err


def test_stages_and_what_is_frozen(kerasexp):
    out = kerasexp("show", "avp_finetune", "--recipe", "sound").out
    assert "14,715,714 parameters, 1,026 (head), then 7,080,450 (block5) of them trained" in out
    frozen = [line.split()[0] for line in out.splitlines() if line.rstrip().endswith("frozen")]
    assert frozen[-1] == "block4_pool"
