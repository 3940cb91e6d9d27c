"""What is no export, is damaged, or whose runtime is missing gets one clear message."""

from __future__ import annotations

import sys

import keras
import pytest

from kerasexp.errors import DataError, KerasexpError
from kerasexp.models.exported import FORMATS, format_of, needs, open_exported
from kerasexp.models.exporting import add_card, write_model


@pytest.fixture(scope="module", params=FORMATS)
def made(request, tmp_path_factory):
    """Format, and a function that makes a fresh export in a folder."""
    name = request.param
    for module in (*FORMATS[name].opens, *FORMATS[name].writes):
        pytest.importorskip(module)
    image = keras.Input((4, 4, 1), name="image")
    model = keras.Model(image, keras.layers.Dense(300)(keras.layers.Flatten()(image)))
    path = tmp_path_factory.mktemp("exported") / ("model" + FORMATS[name].suffix)
    write_model(model, name, path, [])
    add_card(path, name, {"class_names": [], "input": {}, "run": "r"})
    return name, path


def test_the_format_is_seen(made):
    name, path = made
    assert format_of(path) == name


def test_a_cut_file_is_refused(made, tmp_path):
    name, path = made
    cut = path / "saved_model.pb" if name == "savedmodel" else path
    content = cut.read_bytes()
    target = tmp_path / path.name
    if name == "savedmodel":
        target.mkdir()
    for length in (0, 10, len(content) // 2, len(content) - 10):
        (target / cut.name if name == "savedmodel" else target).write_bytes(content[:length])
        with pytest.raises(DataError, match=r"is damaged and cannot be read as|is no export of kerasexp"):
            open_exported(target)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match=r"model\.onnx is missing"):
        open_exported(tmp_path / "model.onnx")
    with pytest.raises(DataError, match=r"is no exported model. Expected a file ending in \.keras, \.tflite, \.onnx"):
        open_exported(tmp_path / "model.h5")


def test_a_missing_runtime_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "model.onnx").touch()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # Python's own way to say that there is none
    with pytest.raises(
        KerasexpError, match=r"needs onnxruntime, which is not installed: pip install 'kerasexp\[export"
    ):
        open_exported(tmp_path / "model.onnx")
    needs(["json"], "this")
