"""Models written for other programs: preprocessing and class names inside, any number of images at once."""

from __future__ import annotations

import json
import logging
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasexp.environment import silent_stderr
from kerasexp.models.exported import INPUT, SIGNATURE
from kerasexp.models.saved import CARD

OPSET = 17  # of ONNX; what ONNX Runtime reads since 1.12 (2022)


def write_model(model: keras.Model, name: str, path: Path, class_names: list[str]) -> None:
    """Writes a model in one of the formats, without its card.

    The input `image` takes float32 images `[n, height, width, channels]` with values 0 to 255. A classifier has the one
    output `probabilities`; a model that gives a dictionary has an output for each of its keys.

    Args:
        model: from images to outputs.
        name: one of `exported.FORMATS`.
        path: a file, or a folder that does not exist yet.
        class_names: of the outputs, in their order; a SavedModel gives them by its signature `class_names`.
    """
    with silent_stderr():
        match name:
            case "keras":
                model.save(path)
            case "savedmodel":
                _write_savedmodel(model, path, class_names)
            case "litert":
                path.write_bytes(_litert(model))
            case "onnx":
                path.write_bytes(_onnx(model).SerializeToString())
            case _:
                raise ValueError(f"name must be a format, received: {name}")


def add_card(path: Path, name: str, card: dict[str, Any]) -> None:
    """Puts the card into what `write_model` wrote, where programs of that format look for such things.

    Keras and LiteRT files hold it as the file `kerasexp.json` of a zip archive (LiteRT's way of packing files with a
    model is an archive behind it), ONNX files as the metadata `kerasexp`, SavedModel folders in `assets.extra/`.
    """
    text = json.dumps(card, ensure_ascii=False, indent=2)
    match name:
        case "keras" | "litert":
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(CARD, text)
        case "onnx":
            _add_metadata(path, kerasexp=text, class_names=json.dumps(card["class_names"], ensure_ascii=False))
        case "savedmodel":
            (path / "assets.extra").mkdir()
            (path / "assets.extra" / CARD).write_text(text, encoding="utf-8")


def _function(model: keras.Model) -> Any:
    """The model as a TensorFlow function from `image` to a dictionary."""

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=INPUT)])
    def serve(image: Any) -> dict[str, Any]:
        outputs = model(image, training=False)
        return outputs if isinstance(outputs, dict) else {"probabilities": outputs}

    return serve


def _write_savedmodel(model: keras.Model, path: Path, class_names: list[str]) -> None:
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(SIGNATURE, _function(model))
    archive.add_endpoint(
        "class_names", lambda: {"class_names": tf.constant(class_names, tf.string)}, input_signature=[]
    )
    archive.write_out(str(path), verbose=False)


def _litert(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        _write_savedmodel(model, Path(folder), [])
        return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE]).convert()


def _onnx(model: keras.Model) -> Any:
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # frozen here: tf2onnx takes the constants that a Normalization layer holds for further inputs
    concrete = _function(model).get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete)
    names = dict(zip([output.name for output in frozen.outputs], sorted(concrete.structured_outputs), strict=True))
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    proto, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        name=model.name,
        input_names=[f"{INPUT}:0"],
        output_names=list(names),
        opset=OPSET,
        custom_op_handlers={"ResizeBilinear": (_resize, [])},
        tensors_to_rename={f"{INPUT}:0": INPUT, **names},
    )
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return proto


def _resize(graph: Any, node: Any, name: str, _: list[Any]) -> None:
    """Resizes to a size in pixels; tf2onnx 1.17 writes a scale instead, which may lose a row and a column.

    ONNX takes the size as the whole part of size times scale, and the scale is a float32: 40 pixels times 5.6 are
    223.99999.

    Args:
        graph: tf2onnx's, of the whole model.
        node: a ResizeBilinear of TensorFlow, from images `[n, height, width, channels]` and a size.
        name: the name of the node.
    """

    from onnx import TensorProto
    from tf2onnx.utils import make_name

    def constant(values: list[int]) -> str:
        return graph.make_const(make_name("const"), np.array(values, np.int64)).output[0]

    def made(kind: str, inputs: list[str], **attributes: Any) -> str:
        return graph.make_node(kind, inputs, attr=attributes).output[0]

    images, size = node.input
    images = made("Transpose", [images], perm=[0, 3, 1, 2])
    rest = made("Slice", [made("Shape", [images]), constant([0]), constant([2])])  # how many images and channels
    size = made("Concat", [rest, made("Cast", [size], to=TensorProto.INT64)], axis=0)
    resized = made("Resize", [images, "", "", size], mode="linear", coordinate_transformation_mode="half_pixel")
    shapes, dtypes, outputs = node.output_shapes, node.output_dtypes, node.output
    graph.remove_node(name)
    attributes = {"perm": [0, 2, 3, 1]}
    graph.make_node("Transpose", [resized], attributes, name=name, outputs=outputs, shapes=shapes, dtypes=dtypes)


def _add_metadata(path: Path, **entries: str) -> None:
    import onnx

    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, entries)
    path.write_bytes(proto.SerializeToString())
