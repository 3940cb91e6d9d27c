"""Where a submission lies, and whether its model fits the hidden images."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasexp.config.rubric import Rubric
from kerasexp.errors import DataError
from kerasexp.models.built_in import RefusedModel
from kerasexp.models.saved import save_model
from kerasexp.workflows.grade_submission import open_submission, probabilities_of

layers = keras.layers


def rubric(scale: int = 255) -> Rubric:
    content = {
        "title": "t",
        "hidden": {"data": "x"},
        "model_input": {"scale": scale},
        "criteria": [{"check": "parameters", "at_most": 1, "points": 1}],
        "pass_mark": 0,
    }
    return Rubric.model_validate(content)


@pytest.fixture(scope="module")
def hidden():
    """Images of one brightness each; the class is whether it is below 64, below 128, or above."""
    level = np.array([10, 100, 200, 20, 110, 250], dtype="uint8")
    x = np.broadcast_to(level[:, None, None, None], (6, 8, 8, 1)).copy()
    return {"x": x, "y": np.array([0, 1, 2, 0, 1, 2]), "class_names": np.array(["dark", "grey", "light"])}


def thresholds(model_input, scale: float):
    """A model that names the three classes from the mean brightness."""
    x = layers.Flatten()(model_input) if len(model_input.shape) > 2 else model_input
    mean = layers.Dense(1, use_bias=False, kernel_initializer="ones")(x)
    mean = layers.Rescaling(255 / scale / 64)(mean)
    logits = layers.Dense(3)
    model = keras.Model(model_input, layers.Softmax()(logits(mean)))
    logits.set_weights([np.array([[0.0, 1.0, 2.0]]), np.array([0.0, -64.0, -192.0])])  # the lines cross at 64 and 128
    return model


def right(model, hidden, card=None, scale=255) -> list[bool]:
    names = hidden["class_names"].tolist()
    found = probabilities_of(model, card, hidden["x"], names, rubric(scale)).argmax(axis=1)
    return (found == hidden["y"]).tolist()


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8), (64,), (None, 8, 1)])
def test_images_get_the_shape_that_the_model_wants(hidden, shape):
    if None in shape:
        image = keras.Input(shape)
        model = thresholds(layers.GlobalAveragePooling2D()(image), 255 / 64)
        model = keras.Model(image, model(layers.GlobalAveragePooling2D()(image)))
    else:
        model = thresholds(keras.Input(shape), 255)
    assert right(model, hidden) == [True] * 6


def test_the_scale_is_the_rubrics_and_that_of_kerasexps_own_models_their_own(hidden):
    unit = thresholds(keras.Input((8, 8, 1)), 1)
    assert right(unit, hidden, scale=1) == [True] * 6
    assert right(unit, hidden, scale=255) != [True] * 6
    assert right(thresholds(keras.Input((8, 8, 1)), 255), hidden, card={}, scale=1) == [True] * 6


def test_classes_are_put_in_order_by_name(hidden):
    model = thresholds(keras.Input((8, 8, 1)), 255)
    turned = keras.Model(model.input, keras.ops.flip(model.output, axis=-1))
    assert right(turned, hidden) != [True] * 6
    assert right(turned, hidden, card={"class_names": ["light", "grey", "dark"]}) == [True] * 6
    assert right(model, hidden, card={"class_names": ["a", "b", "c"]}) == [True] * 6  # other names: by number


def test_one_output_for_two_classes(hidden):
    image = keras.Input((8, 8, 1))
    light = layers.Rescaling(1 / 255)(layers.GlobalAveragePooling2D()(image))
    found = probabilities_of(keras.Model(image, light), None, hidden["x"], ["dark", "light"], rubric())
    assert found.argmax(axis=1).tolist() == [0, 0, 1, 0, 0, 1]
    raw = keras.Model(image, layers.GlobalAveragePooling2D()(image))
    with pytest.raises(DataError, match="one output is no probability"):
        probabilities_of(raw, None, hidden["x"], ["dark", "light"], rubric())


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([(28, 28, 1)], [3], "the model takes 28x28x1, the images are 8x8x1"),
        ([(8, 8, 3)], [3], "the model takes 8x8x3, the images are 8x8x1"),
        ([(65,)], [3], "the model takes 65, the images are 8x8x1"),
        ([(8, 8, 1)], [10], "the model gives 10 for an image. Expected 3"),
        ([(8, 8, 1), (8, 8, 1)], [3], "The model has 2 inputs"),
        ([(8, 8, 1)], [3, 3], "The model has 2 outputs"),
    ],
)
def test_a_wrong_shape_is_said(hidden, inputs, outputs, message):
    images = [keras.Input(shape) for shape in inputs]
    flat = [layers.Flatten()(image) for image in images]
    x = layers.concatenate(flat) if len(flat) > 1 else flat[0]
    with pytest.raises(DataError) as error:
        right(keras.Model(images, [layers.Dense(units)(x) for units in outputs]), hidden)
    assert message in str(error.value)


def test_a_layer_with_several_outputs(hidden):
    image = keras.Input((8, 8, 1))
    _, state, _ = layers.LSTM(4, return_state=True)(layers.Reshape((8, 8))(image))
    found = probabilities_of(keras.Model(image, layers.Dense(3)(state)), None, hidden["x"], list("abc"), rubric())
    assert found.shape == (6, 3)


def test_what_fails_in_a_model_s_evaluation_is_a_reason(folder, hidden):
    image = keras.Input((8, 8, 1))
    x = keras.ops.reshape(keras.ops.reshape(image, (7, -1)), (-1, 64))  # six images are no seven rows
    keras.Model(image, layers.Dense(3)(x)).save(folder / "model.keras")
    problem = open_submission(folder, rubric(), hidden, 10**8).test_problem
    assert problem.startswith("The model cannot be evaluated: ")


def test_a_card_of_another_form_is_a_reason(folder, hidden):
    (folder / "model.keras").unlink()
    thresholds(keras.Input((8, 8, 1)), 255).save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras", "a") as archive:
        archive.writestr("kerasexp.json", json.dumps({"class_names": 5}))
    assert (
        "cannot be evaluated: 'int' object is not iterable."
        in open_submission(folder, rubric(), hidden, 10**8).test_problem
    )


def test_a_model_that_looks_at_the_images_beside_it(hidden):
    model = thresholds(keras.Input((8, 8, 1)), 255)
    mean = model.output * 0 + keras.ops.mean(model.output, axis=0, keepdims=True)
    with pytest.raises(DataError, match="depends on the images beside it, or on chance: of 6 images, [2-6] get"):
        right(keras.Model(model.input, mean), hidden)


def test_nobody_knows_which_images_come_together():
    seen = []

    class Watching(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_jit = False

        def call(self, x):
            tf.py_function(lambda images: seen.append(images.numpy()[:, 0, 0, 0]), [x], [])
            return x

    image = keras.Input((8, 8, 1))
    x = np.broadcast_to(np.arange(200, dtype="uint8")[:, None, None, None], (200, 8, 8, 1))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(Watching()(image)) / 255)
    found = probabilities_of(model, None, x, ["dark", "light"], rubric())
    assert np.allclose(found[:, 1] * 255, np.arange(200), atol=0.01)  # in the order of the images again
    assert len(seen[0]) == 100
    assert set(seen[0]) != set(range(100)) != set(seen[1])


def test_a_sequential_model(hidden):
    parts = thresholds(keras.Input((8, 8, 1)), 255).layers
    assert right(keras.Sequential([keras.Input((8, 8, 1)), *parts[1:]]), hidden) == [True] * 6


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "alice").mkdir()
    save_model(thresholds(keras.Input((8, 8, 1)), 255), tmp_path / "alice/model.keras", ["dark", "grey", "light"])
    return tmp_path / "alice"


def test_a_model_alone_or_in_a_folder(folder, hidden):
    for path in (folder, folder / "model.keras"):
        submission = open_submission(path, rubric(), hidden, 10**8)
        assert submission.kind == "model"
        assert submission.test["accuracy"]["value"] == 1.0


def test_a_run_folder_in_a_folder(trained_run, hidden, tmp_path):
    shutil.copytree(trained_run.folder, tmp_path / "bob/work/run")
    submission = open_submission(tmp_path / "bob", rubric(), hidden, 10**8)
    assert submission.kind == "run"
    assert submission.run.folder == tmp_path / "bob/work/run"
    assert submission.model is not None
    assert "Wrong shape: the model takes 28x28x1" in submission.test_problem


def test_weights_that_are_no_numbers(folder, hidden):
    model = keras.models.load_model(folder / "model.keras")
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    model.save(folder / "model.keras")
    assert "not finite" in open_submission(folder, rubric(), hidden, 10**8).test_problem


def test_a_truncated_model_is_a_reason(folder, hidden):
    path = folder / "model.keras"
    path.write_bytes(path.read_bytes()[:1000])
    submission = open_submission(folder, rubric(), hidden, 10**8)
    assert submission.model is None
    assert "model.keras is damaged" in submission.model_problem == submission.test_problem


def test_nothing_or_too_much_to_grade(folder, hidden):
    shutil.copy(folder / "model.keras", folder / "second.keras")
    with pytest.raises(DataError, match=r"found 2 of them: model\.keras, second\.keras"):
        open_submission(folder, rubric(), hidden, 10**8)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no run folder"):
        open_submission(folder, rubric(), hidden, 10**8)
    (folder / "model.h5").write_bytes(b"")
    with pytest.raises(DataError, match=r"model\.h5 is no submission"):
        open_submission(folder / "model.h5", rubric(), hidden, 10**8)


def test_a_folder_with_links_is_refused(folder, hidden):
    (folder / "metrics.json").symlink_to("/etc/hostname")
    with pytest.raises(RefusedModel, match=r"metrics\.json is refused: it is a link"):
        open_submission(folder, rubric(), hidden, 10**8)
