"""Every experiment trains for one epoch on a few small pictures, is evaluated and reported."""

from __future__ import annotations

import shutil

import pytest

import kerasexp
from kerasexp.config.loading import experiment_names, load_experiment

# large networks on small pictures; the fusion's head alone would take 3.7 GB with its optimizer
SIZES = {"alexnet.alexnet": 96, "fusion.alexnet_mobilenet_v2": 224}
DENSE = {"alexnet.alexnet": "[64,32]", "fusion.alexnet_mobilenet_v2": "[64,32]"}


@pytest.fixture(scope="module")
def leaves(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaves")
    for part, count in (("train", 6), ("test", 3)):
        for source in sorted((data_dir / "beans" / part).iterdir()):
            target = folder / part / source.name
            target.mkdir(parents=True)
            for picture in sorted(source.iterdir())[:count]:
                shutil.copy(picture, target)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", experiment_names())
def test_one_epoch(name, leaves, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    experiment = load_experiment(name)
    settings = ["batch_size=8"]
    if experiment.data.name in ("mnist", "kmnist"):
        settings += ["data.name=mnist5k"]
        given = {"max_time": 2.0}
    else:
        settings += ["data.image_size=32", "data.validation_fraction=0.25"]
        given = {"data": leaves, "epochs": 1}
    if "input_size" in experiment.model:
        settings.append(f"model.input_size={SIZES.get(experiment.network, 32)}")
    if experiment.network in DENSE:
        settings.append(f"model.dense={DENSE[experiment.network]}")
    if experiment.embedding:
        settings.append("embedding=null")
    weights = "random" if experiment.pretrained else None
    run = kerasexp.train(name, weights=weights, set=settings, out=tmp_path / "runs", offline=True, **given)
    assert run.manifest["status"] in ("complete", "stopped")
    assert run.path("report.html").exists()
