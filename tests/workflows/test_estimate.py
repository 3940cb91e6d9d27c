"""How long a run will take, from what others took."""

from __future__ import annotations

import pytest

from kerasexp import environment
from kerasexp.config.loading import load_experiment
from kerasexp.runs import create_run
from kerasexp.workflows.estimate import estimate, published_epochs


@pytest.fixture
def made(tmp_path):
    """Makes a run folder as a training on 1,000 images leaves it."""

    def make(experiment, seconds: float, images: int = 0, **changes) -> None:
        counts = {"train": [400, 600], "test": [10, 10]}
        data = {"name": experiment.data.name, "digest": "d", "class_names": ["0", "1"], "counts": counts}
        manifest = {"hardware": environment.hardware(), "seconds": seconds, "images_seen": images, "data": data}
        create_run(experiment, tmp_path, **{"precision": "float32", **manifest, **changes})

    return make


def test_a_finished_run_of_equal_settings_tells_most(made, tmp_path):
    wanted = load_experiment("kmnist_cnn", variants=["bench12"])
    assert estimate(wanted, tmp_path) is None
    made(load_experiment("kmnist_cnn", variants=["lr1"]), 7.0, images=1000, status="complete")
    made(wanted, 100.0, status="complete")
    made(wanted, 110.0, status="complete")
    made(wanted, 5.0, status="interrupted")
    elsewhere = environment.hardware() | {"processor": "abacus"}
    made(wanted, 1.0, status="complete", hardware=elsewhere)
    assert estimate(wanted, tmp_path) == pytest.approx(105)


def test_else_what_other_runs_took_for_each_image(made, tmp_path):
    made(load_experiment("kmnist_cnn", variants=["lr1"]), 20.0, images=4000, status="interrupted")
    made(load_experiment("kmnist_fcnn"), 999.0, images=1, status="complete")
    assert estimate(load_experiment("kmnist_cnn", variants=["bench12"]), tmp_path) == pytest.approx(12 * 1000 * 0.005)
    augmented = load_experiment("kmnist_cnn", variants=["bench12"], augment=10)
    assert estimate(augmented, tmp_path) == pytest.approx(12 * 10_000 * 0.005)


def test_where_early_stopping_decides_the_studys_epochs_count(made, tmp_path):
    made(load_experiment("kmnist_cnn", variants=["lr1"]), 20.0, images=4000)
    assert estimate(load_experiment("kmnist_cnn"), tmp_path) == pytest.approx(596 * 1000 * 0.005)
    assert estimate(load_experiment("kmnist_cnn", augment=3), tmp_path) is None  # nobody published it
    assert estimate(load_experiment("kmnist_cnn", "sound"), tmp_path) is None  # nor this


def test_the_epochs_of_a_model_that_is_published_under_a_variant_alone():
    bare, block5 = (load_experiment("beans_vgg16_finetune", variants=variants) for variants in ((), ("block5",)))
    assert bare.digest() == block5.digest()
    assert published_epochs(bare) == published_epochs(block5) == 27


def test_other_data_tells_nothing_of_the_number_of_images(made, tmp_path):
    made(load_experiment("kmnist_cnn", changes={"data": {"name": "mnist5k"}}), 20.0, images=4000)
    assert estimate(load_experiment("kmnist_cnn", variants=["bench12"]), tmp_path) is None
