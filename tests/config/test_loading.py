"""Experiments resolve as written, and every mistake gets one clear line."""

import pytest

from kerasexp.config.faults import touched
from kerasexp.config.loading import (
    experiment_from_yaml,
    experiment_names,
    experiment_to_yaml,
    load_experiment,
    read_config,
)
from kerasexp.errors import UsageError

RECIPES = [(name, recipe) for name in experiment_names() for recipe in read_config(name)["recipes"]]


def test_the_three_kmnist_experiments_are_there():
    assert {"kmnist_cnn", "kmnist_cnn_nopool", "kmnist_fcnn"} <= set(experiment_names())


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_every_recipe_resolves_and_survives_yaml(name, recipe):
    experiment = load_experiment(name, recipe)
    assert experiment_from_yaml(experiment_to_yaml(experiment), "config.yaml") == experiment


@pytest.mark.parametrize("name", experiment_names())
def test_a_recipe_never_changes_the_network_or_the_data(name):
    experiments = [load_experiment(name, recipe) for recipe in read_config(name)["recipes"]]
    # dropout has no weights and does nothing in the finished network: how much of it is a matter of training
    networks = {(e.network, str({**e.model, "dropout": None}), e.data.name) for e in experiments}
    assert len(networks) == 1


def test_published_is_the_study_to_the_letter():
    experiment = load_experiment("kmnist_cnn")
    assert experiment.data.validation == "test"
    assert experiment.optimizer.model_dump() == {
        "name": "adadelta",
        "learning_rate": 1e-3,
        "rho": 0.95,
        "epsilon": 1e-7,
    }
    assert (experiment.batch_size, experiment.epochs, experiment.weights) == (128, 10000, "last")
    assert experiment.early_stopping.model_dump() == {"monitor": "val_loss", "patience": 10, "min_delta": 0.0}
    plateau = experiment.reduce_learning_rate
    assert (plateau.factor, plateau.patience, plateau.min_delta, plateau.cooldown) == (0.1, 5, 1e-4, 0)
    augmentation = experiment.augmentation
    assert (augmentation.rotation, augmentation.shift, augmentation.shear, augmentation.zoom) == (10, 0.1, 0.1, 0.1)
    assert (augmentation.copies, augmentation.static, augmentation.fill) == (0, True, "nearest")


def test_bench12_and_augment10_together():
    experiment = load_experiment("kmnist_cnn", variants=["bench12", "augment10"])
    assert (experiment.epochs, experiment.early_stopping, experiment.augmentation.copies) == (12, None, 10)
    assert experiment.variants == ("augment10", "bench12")


def test_overrides_find_the_optional_parts_of_the_augmentation():
    overrides = ["augmentation.flip=both", "augmentation.zoom=[0.85, 0.95]", "augmentation.cutout=0.25"]
    experiment = load_experiment("kmnist_cnn", overrides=overrides)
    augmentation = experiment.augmentation
    assert (augmentation.flip, augmentation.zoom, augmentation.cutout) == ("both", (0.85, 0.95), 0.25)
    assert (augmentation.brightness, augmentation.colour_probability) == (0, 1)
    assert experiment_from_yaml(experiment_to_yaml(experiment), "config.yaml") == experiment


def test_the_digest_knows_settings_not_labels():
    plain = load_experiment("kmnist_cnn")
    flag = load_experiment("kmnist_cnn", overrides=["augmentation.copies=10"])
    assert load_experiment("kmnist_cnn", variants=["augment10"]).digest() == flag.digest() != plain.digest()
    assert load_experiment("kmnist_cnn", augment=10) == load_experiment("kmnist_cnn", variants=["augment10"])
    assert load_experiment("kmnist_cnn", overrides=["seed=1"]).digest() == plain.digest()


def test_a_setting_that_comes_later_changes_no_digest():
    """Every part of the schema may get new settings: what equals its default is not in the digest."""
    experiment = load_experiment("kmnist_cnn")
    assert experiment.settings()["augmentation"]["elastic"] == 0.0
    written = experiment.model_dump(exclude_defaults=True)
    assert "elastic" not in written["augmentation"]
    assert type(experiment).model_validate(written).digest() == experiment.digest()
    changed = load_experiment("kmnist_cnn", overrides=["augmentation.elastic=1.0"])
    assert changed.digest() != experiment.digest()


def test_the_depth_of_an_autoencoder_is_free_other_lists_keep_their_length():
    shallow = load_experiment("mnist_deep_kmeans_pretrained", overrides=["model.hidden=[64,64]"])
    assert shallow.model["hidden"] == [64, 64]
    with pytest.raises(UsageError, match="expected 3 values"):
        load_experiment("mnist_deep_kmeans_pretrained", overrides=["model.hidden=[]"])


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        (["epochs=3"], '"epochs" is set by each stage itself: at the top level it would change nothing. Use --epochs'),
        (["epochs=null", "passes=70000"], '"epochs" is set by each stage'),
        (["stage=all"], "Override stages instead"),
        (["stages=[{optimizer: {learning_rate: 0.1}}]", "optimizer.learning_rate=1"], 'learning_rate" is'),
    ],
)
def test_an_override_that_no_stage_takes_is_refused(overrides, hint):
    with pytest.raises(UsageError) as caught:
        load_experiment("mnist_deep_kmeans_pretrained", overrides=overrides)
    assert hint in str(caught.value)


def test_an_override_that_some_stage_takes_is_not_refused():
    """k-means has an optimizer and a length of its own, the autoencoder a loss of its own."""
    overrides = ["optimizer.learning_rate=0.01", "loss.clustering_weight=0.5", "batch_size=64"]
    _, k_means, joint = load_experiment("mnist_deep_kmeans_pretrained", overrides=overrides).stages
    assert (joint.optimizer.learning_rate, joint.loss.clustering_weight) == (0.01, 0.5)
    assert (k_means.optimizer.name, k_means.batch_size) == ("kmeans", 64)
    head, block5 = load_experiment("avp_finetune", "sound", overrides=["epochs=3"]).stages
    assert (head.epochs, block5.epochs) == (3, 15)


def test_another_kind_of_part_replaces_the_old_one():
    fast = load_experiment("kmnist_cnn", "fast")
    assert "rho" not in fast.optimizer.model_dump()


def test_length_in_passes():
    fast = load_experiment("kmnist_cnn", "fast", overrides=["passes=1000", "passes_per_image=5"])
    assert fast.epochs_for(images=100, copies=0) == 5
    assert fast.epochs_for(images=300, copies=1) == 3
    assert fast.epochs_for(images=300, copies=2) == 1
    assert load_experiment("kmnist_cnn").epochs_for(images=5, copies=9) == 10000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "kmnist_cn"}, 'Unknown experiment "kmnist_cn". Did you mean "kmnist_cnn"?'),
        ({"name": "nowhere.yaml"}, "nowhere.yaml is missing"),
        ({"recipe": "fats"}, 'no recipe "fats". Did you mean "fast"?'),
        ({"variants": ["bench21"]}, 'no variant "bench21". Did you mean "bench12"?'),
        ({"augment": -1}, "--augment: expected 0 to 1000 copies, received: -1"),
        ({"recipe": "fast", "variants": ["lr1"]}, "belongs to the recipe published"),
        (
            {"variants": ["augment5"], "augment": 10},
            'The variants "augment10" and "augment5" of kmnist_cnn set augmentation.copies to different values',
        ),
        ({"name": "avp_finetune", "variants": ["augmented"], "augment": 5}, "set augmentation.copies to different"),
        ({"name": "beans_vgg16_finetune", "variants": ["block1", "block4"]}, "set trainable_from to different values"),
        ({"overrides": ["epochs"]}, '"epochs" is no override'),
        ({"overrides": ["epcohs=3"]}, 'Did you mean "epochs"?'),
        ({"overrides": ["optimizer.lr=3"]}, 'no "lr" in optimizer'),
        ({"overrides": ["epochs.x=3"]}, '"epochs" has no settings of its own'),
        ({"overrides": ["epochs=0"]}, "epochs: input should be greater than or equal to 1"),
        ({"overrides": ["epochs=2.5"]}, "epochs: input should be a valid integer"),
        ({"overrides": ["batch_size=-1"]}, "batch_size: input should be greater"),
        ({"overrides": ["optimizer.learning_rate=.nan"]}, "optimizer.learning_rate"),
        ({"overrides": ["optimizer.learning_rate=fast"]}, "optimizer.learning_rate: input should be a valid number"),
        ({"overrides": ["optimizer.name=adamx"]}, 'optimizer: unknown name "adamx". Did you mean "adam"?'),
        (
            {"overrides": ["optimizer.name=sgd"]},
            'optimizer sgd lacks weight_decay, momentum, nesterov. Give it whole: "optimizer={name: sgd, '
            'learning_rate: 0.001, weight_decay: ..., momentum: ..., nesterov: ...}"',
        ),
        ({"overrides": ["model.dense=wide"]}, "model.dense: expected int as in 128"),
        ({"overrides": ["model.dropout=[0.1]"]}, "model.dropout: expected 2 values"),
        ({"overrides": ["augmentation.zoom=[0.9]"]}, "augmentation.zoom: expected a share from 0 to below 1, or two"),
        ({"overrides": ["augmentation.zoom=[1.1, 0.9]"]}, "received: [1.1, 0.9]"),
        ({"overrides": ["augmentation.zoom=1"]}, "augmentation.zoom: expected a share"),
        ({"overrides": ["augmentation.zoom=true"]}, "augmentation.zoom: expected a share"),
        ({"overrides": ["augmentation.flop=both"]}, 'no "flop" in augmentation. Did you mean "flip"?'),
        ({"overrides": ["augmentation.flip=up"]}, "augmentation.flip: input should be 'none', 'horizontal' or 'both'"),
        ({"overrides": ["augmentation.hue=0.6"]}, "augmentation.hue: input should be less than or equal to 0.5"),
        ({"overrides": ["passes=3"]}, "exactly one of epochs and passes"),
        ({"overrides": ["data.validation=none"]}, "early_stopping needs validation data"),
        ({"overrides": ["epochs=[1"]}, "no valid YAML"),
        ({"overrides": ["title=2024-13-45"]}, "no valid YAML: month must be in 1..12"),
        ({"overrides": ["title=!!bool x"]}, "no valid YAML"),
        ({"overrides": ["title=\udcff"]}, "no valid YAML"),
        ({"overrides": ["title=" + "[" * 100_000]}, "no valid YAML: it is nested deeper than 100 levels"),
        ({"overrides": ["model={{x}}"]}, "line 1: {'x': None} cannot be a key"),
        ({"overrides": ["model={a: 1}"]}, "model: expected the settings filters, kernel_size"),
        ({"overrides": ["model={}"]}, "received: none"),
        ({"overrides": ["model.filters=[a, b]"]}, "model.filters: expected int as in 32, received: 'a'"),
        ({"overrides": ["model.dropout=&a [*a, *a]"]}, "model.dropout: expected float as in 0.25"),
        ({"name": None}, "Expected the name of an experiment"),
        ({"name": "KMNIST_cnn"}, 'Did you mean "kmnist_cnn"?'),
        ({"name": __file__}, "is a file, but no experiment"),
        ({"augment": "ten"}, "expected 0 to 1000 copies, received: 'ten'"),
        ({"overrides": ["faults=[]"]}, "faults says what the experiment is and cannot be set"),
        ({"overrides": ["schedule.name=cosine"]}, 'Give it whole: --set "schedule={name: ..., warmup: ...}"'),
        ({"overrides": ["stages=3"]}, "stages: expected a list of settings, e.g. [{epochs: 3}], received: 3"),
        ({"overrides": ["stages=[3]"]}, "received: [3]"),
        ({"overrides": ["stages=[{optimizer: 3}]"]}, "stages.0.optimizer: input should be a valid dictionary"),
    ],
)
def test_a_mistake_gets_one_clear_line(arguments, message):
    with pytest.raises(UsageError) as caught:
        load_experiment(**{"name": "kmnist_cnn", **arguments})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


KMEANS = "{name: kmeans, restarts: 1, max_iterations: 1}"


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("mnist_deep_kmeans_annealing", "alpha.first=0", "alpha.first: input should be greater than 0, received: 0"),
        ("mnist_deep_kmeans_annealing", "alpha.first=-0.1", "alpha.first: input should be greater than 0"),
        ("mnist_deep_kmeans_annealing", "alpha.first=.inf", "alpha.first: input should be a finite number"),
        ("mnist_deep_kmeans_annealing", "alpha.epochs_each=0", "alpha.epochs_each: input should be greater"),
        (
            "mnist_deep_kmeans_annealing",
            "alpha.growth=linear",
            "alpha.growth: input should be 'constant' or 'annealing'",
        ),
        ("mnist_deep_kmeans_annealing", "alpha=null", "the loss deep_kmeans needs alpha"),
        ("mnist_deep_kmeans_annealing", "loss.clustering_weight=-1", "loss.clustering_weight: input should be greater"),
        ("mnist_deep_kmeans_annealing", "shared=true", "only an autoencoder is shared"),
        ("mnist_deep_kmeans_annealing", f"optimizer={KMEANS}", "kmeans needs the loss deep_kmeans and epochs: 1"),
        ("mnist_deep_kmeans_annealing", "weights=best", "weights: best needs validation data"),
        ("mnist_deep_kmeans_annealing", "model.clusters=ten", "model.clusters: expected int as in 10"),
        ("mnist_deep_kmeans_annealing", "data.images_per_class=10", "data.images_per_class leaves training images out"),
        (
            "mnist_deep_kmeans_annealing",
            "data.imbalance=2",
            "data.imbalance leaves training images out",
        ),
        ("mnist_simplecnn", f"optimizer={KMEANS}", "kmeans needs the loss deep_kmeans"),
        ("mnist_simplecnn", "data.joined=true", "it belongs to a clustering"),
        ("mnist_simplecnn", "shared=true", "only an autoencoder is shared"),
    ],
)
def test_a_mistaken_clustering_gets_one_clear_line(name, override, message):
    with pytest.raises(UsageError) as caught:
        load_experiment(name, overrides=[override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


WATCH = "monitor: val_accuracy, patience: 1, min_delta: 0.0"
PLATEAU = f"{{{WATCH}, factor: 0.1, cooldown: 0, min_learning_rate: 0.0}}"


@pytest.mark.parametrize(
    ("overrides", "watching"),
    [
        ([f"early_stopping={{{WATCH}}}"], "early_stopping"),
        ([f"reduce_learning_rate={PLATEAU}"], "reduce_learning_rate"),
        (["monitor=val_accuracy", "weights=best"], "weights: best"),
    ],
)
def test_a_clustering_cannot_watch_the_accuracy(overrides, watching):
    with pytest.raises(UsageError) as caught:
        load_experiment("mnist_deep_kmeans_pretrained", "sound", overrides=overrides)
    assert f"{watching}: a clustering has no val_accuracy; expected the monitor val_loss" in str(caught.value)


def test_a_runs_own_settings_are_no_experiment(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(experiment_to_yaml(load_experiment("kmnist_cnn")))
    with pytest.raises(UsageError, match="holds the settings of one run"):
        load_experiment(str(file))


def test_epochs_of_a_clustering_leave_k_means_alone():
    experiment = load_experiment("mnist_deep_kmeans_pretrained", changes={"epochs": 3})
    assert [(stage.stage, stage.epochs) for stage in experiment.stages] == [
        ("autoencoder", 3),
        ("k-means", 1),
        ("joint", 3),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed: 42", "seed: 42\nseed: 43"), "duplicate key 'seed'"),
        (("seed: 42", "sead: 42"), 'unknown key "sead". Did you mean "seed"?'),
        (("rotation:", "rotatoin:"), 'unknown key "augmentation.rotatoin". Did you mean "rotation"?'),
        (("learning_rate:", "learning_rat:"), 'unknown key "optimizer.learning_rat". Did you mean "learning_rate"?'),
        (("batch_size:", "stages: [{epochs: 3}, {epochs: 3, passes: 8}]\nbatch_size:"), "stages.1: exactly one of"),
        (("seed: 42", "name: mine"), "name is set by kerasexp"),
        (("variants:", "variants:\n  small: {measured: []}"), "variants.small: measured is set by kerasexp"),
        (("recipes:", "recipies:"), "expected a mapping with the key recipes"),
        (("[test_as_validation,", "[test_as_validatoin,"), "unknown fault"),
        (("variants:", "variants:\n  small:"), "variants.small: expected settings, e.g. {epochs: 3}, received: None"),
        (("variants:", "variants: [small]\nnone:"), "variants: expected a mapping, received: ['small']"),
        (("variants:", "variants:\n  3: {epochs: 3}"), "3 is no name of a recipe or variant. Write it in quotes"),
        (("variants:", "variants:\n  small: {recipes: fast}"), "variants.small.recipes: expected a list"),
        (("recipes:", "recipes: {published: x}\nnone:"), "recipes.published: expected settings"),
        (("recipes:", "recipes: {}\nnone:"), "expected a mapping with the key recipes"),
        (("title: KMNIST", "title: caf\xe9"), "cannot be read: it is no UTF-8 text"),
    ],
)
def test_a_config_file_of_ones_own_is_checked(tmp_path, change, message):
    from importlib import resources

    text = (resources.files("kerasexp.configs") / "kmnist_cnn.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert load_experiment(str(file)).name == "mine"
    file.write_bytes(text.replace(*change, 1).encode("latin-1"))
    with pytest.raises(UsageError, match="mine.yaml") as caught:
        load_experiment(str(file))
    assert message in str(caught.value)


@pytest.mark.parametrize("stages", ["null", "3", "[3]"])
def test_stages_that_are_none_are_refused_whatever_else_is_asked_for(tmp_path, stages):
    file = tmp_path / "mine.yaml"
    file.write_text(f"stages: {stages}\nrecipes: {{published: }}\n")
    with pytest.raises(UsageError, match="stages: expected a list of settings"):
        load_experiment(str(file), changes={"epochs": 3})


@pytest.mark.parametrize("name", experiment_names())
def test_the_file_names_every_argument_of_the_builder(name):
    import inspect

    from kerasexp.models import network

    content = read_config(name)
    arguments = list(inspect.signature(network(content["network"])).parameters)[2:]
    assert sorted(content["model"]) == sorted(arguments)


def test_a_report_names_only_the_faults_that_it_touched():
    def names(**arguments):
        return {name for name, _ in touched(load_experiment("kmnist_cnn", **arguments))}

    assert names() == {"test_as_validation", "adadelta_default_rate", "last_epoch_weights", "single_seed"}
    assert names(augment=10) - names() == {"static_augmentation"}
    assert names() - names(variants=["lr1"]) == {"adadelta_default_rate"}
    assert names(recipe="sound", augment=10) == set()
