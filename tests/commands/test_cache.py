"""`kerasexp cache`: what is kept, and none of it after a clear."""

from __future__ import annotations

import json

import numpy as np

from kerasexp.cli import main
from kerasexp.training.cache import FeatureCache


def test_listed_and_cleared(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    blocks = iter([np.ones((4, 8), "float32")])
    FeatureCache().fill("0a1b", "test images: (4, 8) after features", (4, 8), np.float32, 4, lambda first: blocks)
    images = tmp_path / "kerasexp" / "images"
    images.mkdir()
    np.save(images / "9f8e.npy", np.zeros((2, 3), "uint8"))
    autoencoders = tmp_path / "kerasexp" / "autoencoders"
    autoencoders.mkdir()
    np.savez(autoencoders / "7c6d.npz", np.zeros(3))
    unfinished = images / ".5e5e.4711.part.npy"  # by another process
    np.save(unfinished, np.zeros((2, 3), "uint8"))
    assert main(["cache", "list", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert {entry["key"] for entry in kept["entries"] if entry["whole"]} == {"0a1b", "9f8e", "7c6d"}
    assert len(kept["entries"]) == 3
    assert 128 < kept["features_bytes"] < kept["features_bytes"] + kept["images_bytes"] < kept["bytes"]
    assert main(["cache", "list"]) == 0
    assert "after features" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert "freed" in capsys.readouterr().out
    assert main(["cache", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == []
    assert unfinished.exists()
