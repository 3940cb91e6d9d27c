"""What an experiment is: every setting of a run, validated and frozen."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator

from kerasexp.config.faults import FAULTS
from kerasexp.files import digest

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
NO_SETTINGS = {"title", "recipe", "variants", "seed", "save_seconds", "faults", "measured", "embedding"}
Backbone = Literal["vgg16", "mobilenet_v2", "alexnet", "resnet50"]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Frozen):
    """Which images, and what validates the training.

    Attributes:
        name: catalog entry, `.npz` file or folder of class folders.
        validation: `test` (the study's mistake: the test set decides when to stop), `split` (a seeded part of the
            training set, or the data set's own validation images), or `none`.
        validation_fraction: share of the training images that `split` takes.
        draw: how it takes them: the same share of every class, or `shuffled` as scikit-learn's `train_test_split`.
        split_seed: what the draw depends on; `null`: the run's seed.
        image_size: side in pixels that images are resized to; `null` keeps the data's own size.
        images_per_class: at most so many training images of each class, drawn from the seed; `null` takes all.
        imbalance: how many times the first class has the images of the last one, which the classes between go down to
            by equal factors (a long tail); 1 leaves them as they are.
        joined: training and test images together, to train on all and to test on all (a clustering). `split` then only
            divides what is tested: all images are trained on, and those that do not validate are tested on.
    """

    name: str
    validation: Literal["test", "split", "none"]
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    draw: Literal["stratified", "shuffled"] = "stratified"
    split_seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] | None = None
    image_size: Annotated[StrictInt, Field(ge=8, le=1024)] | None = None
    images_per_class: Count | None = None
    imbalance: Annotated[float, Field(ge=1, le=1000)] = 1.0
    joined: StrictBool = False

    @property
    def thinned(self) -> str | None:
        """The setting that leaves training images out; None if all are trained on."""
        if self.images_per_class is not None:
            return "data.images_per_class"
        return "data.imbalance" if self.imbalance != 1 else None


def _zoom(value: Any) -> float | tuple[float, float]:
    """A share, or two factors."""
    if type(value) in (int, float) and 0 <= value < 1:
        return float(value)
    if isinstance(value, list | tuple) and [type(factor) in (int, float) for factor in value] == [True, True]:
        low, high = float(value[0]), float(value[1])
        if 0 < low <= high < 2:
            return low, high
    raise ValueError(
        "augmentation.zoom: expected a share from 0 to below 1, or two factors [low, high] above 0 and below 2, "
        f"received: {value!r}"
    )


class Augmentation(Frozen):
    """How a training image is changed: moved in one resampling, then recoloured, then cut out.

    A part of strength 0 does nothing and costs nothing.

    Attributes:
        copies: augmented copies of every training image in an epoch, the originals not among them; 0 trains on the
            originals.
        static: the same copies in every epoch (copies 0..N-1), or new ones (epoch * N + k).
        rotation: largest angle in degrees, drawn from U(-rotation, rotation).
        shift: largest shift as a share of the side, vertical and horizontal drawn apart.
        shear: largest shear angle in degrees.
        zoom: largest change of scale, vertical and horizontal drawn apart from U(1 - zoom, 1 + zoom); or the two ends
            `[low, high]` of the range. The factor is the share of the side that the result shows: below 1 zooms in.
        fill: what lies outside the image: the nearest pixel of the border, black, or the image reflected at its border
            (`c b a | a b c`).
        flip: mirrors half of the copies left to right; `both` also half of them upside down, drawn apart.
        brightness: largest change of brightness, the factor drawn from U(1 - brightness, 1 + brightness).
        contrast: largest change of contrast, about the image's mean grey; the factor drawn likewise.
        saturation: largest change of saturation; the factor drawn likewise. Grey images have none.
        hue: largest shift of the hue as a share of the colour circle. Grey images have none.
        colour_probability: share of the copies whose contrast, saturation and hue change; the brightness of all does.
        cutout: side of one square that is painted over with the image's mean colour, as a share of the shorter side.
        elastic: how far pixels move in an elastic distortion (small pictures of handwriting): the standard deviation in
            pixels, vertical and horizontal drawn apart. Near pixels move together, within a seventh of the side.
    """

    copies: Annotated[StrictInt, Field(ge=0, le=1000)]
    static: StrictBool
    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Share
    shear: Annotated[float, Field(ge=0, lt=90)]
    zoom: Annotated[float | tuple[float, float], BeforeValidator(_zoom)]
    fill: Literal["nearest", "black", "reflect"]
    flip: Literal["none", "horizontal", "both"] = "none"
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    colour_probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    cutout: Share = 0.0
    elastic: NotNegative = 0.0


class CrossEntropy(Frozen):
    """Cross-entropy against one-hot labels; smoothing moves that share of each label to all classes."""

    name: Literal["categorical_crossentropy"]
    label_smoothing: Share


class DeepKMeansLoss(Frozen):
    """Reconstruction plus `clustering_weight` times clustering, sums per image; weight 0 is an autoencoder's loss."""

    name: Literal["deep_kmeans"]
    clustering_weight: NotNegative


class Alpha(Frozen):
    """How sharply Deep k-Means assigns images to clusters.

    Attributes:
        first: alpha of the first epochs.
        growth: `constant`, or `annealing`: alpha i+1 is alpha i times 2^(1 / ln(i+1)^2).
        epochs_each: epochs that one value stays.
    """

    first: Positive
    growth: Literal["constant", "annealing"]
    epochs_each: Count


class Adadelta(Frozen):
    name: Literal["adadelta"]
    learning_rate: Positive
    rho: Annotated[float, Field(gt=0, lt=1)]
    epsilon: Positive


class Adam(Frozen):
    """Adam; `weight_decay` is coupled, as PyTorch's: it is added to the gradient of every trained weight."""

    name: Literal["adam"]
    learning_rate: Positive
    weight_decay: NotNegative
    beta_1: Share
    beta_2: Share
    epsilon: Positive


class AdamW(Frozen):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    learning_rate: Positive
    weight_decay: NotNegative
    beta_1: Share
    beta_2: Share
    epsilon: Positive


class Sgd(Frozen):
    """Stochastic gradient descent; `weight_decay` is coupled: it is added to the gradient of every trained weight."""

    name: Literal["sgd"]
    learning_rate: Positive
    weight_decay: NotNegative
    momentum: Share
    nesterov: StrictBool


class LinearSvm(Frozen):
    """A linear support vector machine instead of gradient descent, for a stage that trains the last layer alone.

    Solved once, by scikit-learn, on the standardised features.

    Attributes:
        c: how much a wrongly placed image costs.
        max_iterations: of the solver.
    """

    name: Literal["linear_svm"]
    c: Positive
    max_iterations: Count


class KMeans(Frozen):
    """k-means++ on the embedded images instead of gradient descent: it places Deep k-Means' representatives.

    Solved once, by scikit-learn.

    Attributes:
        restarts: from how many random starts; the best solution is taken.
        max_iterations: of each.
    """

    name: Literal["kmeans"]
    restarts: Count
    max_iterations: Count


class Triangular(Frozen):
    """The rate climbs in a line to `optimizer.learning_rate` over the share `warmup` of all steps, then falls to 0."""

    name: Literal["triangular"]
    warmup: Annotated[float, Field(ge=0, le=1)]


class EarlyStopping(Frozen):
    """Ends the training when `monitor` has not improved by more than `min_delta` for `patience` epochs."""

    monitor: Literal["val_loss", "val_accuracy"]
    patience: Count
    min_delta: NotNegative


class ReduceLearningRate(Frozen):
    """Multiplies the rate by `factor` when `monitor` has not improved for `patience` epochs."""

    monitor: Literal["val_loss", "val_accuracy"]
    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Count
    min_delta: NotNegative
    cooldown: Annotated[StrictInt, Field(ge=0)]
    min_learning_rate: NotNegative


class Stage(Frozen):
    """How the weights are trained. An experiment's top level is its one stage, or what its stages have in common.

    Attributes:
        stage: its name, where there are several.
        trainable_from: the first layer that is trained: all that it stands on is frozen. `null` trains every layer.
        batch_norm: in the frozen part, `frozen` (statistics and weights as they are) or `adapting` (batch statistics in
            training, moving averages that follow them: PyTorch's `requires_grad=False` in a model in training mode).
        epochs: how many epochs at the most; or
        passes: how many image passes (training images seen, copies counted) at the most, rounded down to whole epochs.
        passes_per_image: with `passes`, no image is seen more often than this (small data gains nothing from more).
        alpha: of Deep k-Means.
        shared: whether an autoencoder is kept, so that runs that begin with the very same one train it once.
    """

    stage: str = ""
    trainable_from: str | None = None
    batch_norm: Literal["frozen", "adapting"] = "frozen"
    loss: CrossEntropy | DeepKMeansLoss = Field(discriminator="name")
    optimizer: Adadelta | Adam | AdamW | Sgd | LinearSvm | KMeans = Field(discriminator="name")
    schedule: Triangular | None = None
    batch_size: Count
    epochs: Count | None = None
    passes: Annotated[StrictInt, Field(ge=1)] | None = None
    passes_per_image: Count | None = None
    early_stopping: EarlyStopping | None = None
    reduce_learning_rate: ReduceLearningRate | None = None
    alpha: Alpha | None = None
    shared: StrictBool = False

    @property
    def is_solved(self) -> bool:
        """Whether scikit-learn solves the stage at once; its one epoch only measures."""
        return isinstance(self.optimizer, LinearSvm | KMeans)

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if (self.epochs is None) == (self.passes is None):
            raise ValueError("exactly one of epochs and passes must be set")
        if self.passes_per_image is not None and self.passes is None:
            raise ValueError("passes_per_image belongs to passes")
        if self.schedule and self.reduce_learning_rate:
            raise ValueError("schedule and reduce_learning_rate exclude each other")
        if self.optimizer.name == "linear_svm" and (self.trainable_from is None or self.epochs != 1):
            raise ValueError("linear_svm needs trainable_from, the last layer, and epochs: 1")
        clustering = isinstance(self.loss, DeepKMeansLoss)
        if clustering != (self.alpha is not None):
            raise ValueError("the loss deep_kmeans needs alpha, and no other loss has one")
        if self.optimizer.name == "kmeans" and not (clustering and self.epochs == 1):
            raise ValueError("kmeans needs the loss deep_kmeans and epochs: 1")
        if self.shared and getattr(self.loss, "clustering_weight", 1) != 0:
            raise ValueError("only an autoencoder is shared: the loss deep_kmeans with clustering_weight: 0")
        return self

    def epochs_for(self, images: int, copies: int) -> int:
        """Whole epochs to train on `images` images with `copies` augmented copies (0: the originals once)."""
        if self.epochs is not None:
            return self.epochs
        assert self.passes is not None
        passes = self.passes
        if self.passes_per_image is not None:
            passes = min(passes, self.passes_per_image * images)
        return max(1, passes // (images * max(1, copies)))


def _without_none(value: Any) -> Any:
    """A mapping without its empty entries: how a variant takes a backbone away."""
    return {key: found for key, found in value.items() if found is not None} if isinstance(value, dict) else value


class Embedding(Frozen):
    """Which t-SNE maps the evaluation draws: of this layer's output, and beside it of the logits.

    Attributes:
        intermediate: name of a layer.
        images: the first so many test images.
        separating_line: whether data of two classes get the line of a linear SVM on each map.
    """

    intermediate: str
    images: Annotated[StrictInt, Field(ge=20, le=20_000)] = 5000
    separating_line: StrictBool = False


class Measured(Frozen):
    """A recipe's own result, written from runs: what `list` shows beside it."""

    metric: str
    mean: float
    spread: float | None = None
    seeds: Count
    seconds: Positive
    hardware: str
    data: str


class Experiment(Stage):
    """One experiment, resolved: recipe, variants and overrides applied.

    Attributes:
        network: function in `kerasexp.models` that builds the network, as `file.function`.
        model: its keyword arguments.
        pretrained: backbones of the network (`vgg16`, `mobilenet_v2`, `alexnet`, `resnet50`) and where their weights
            come from: `imagenet`, `random`, or a path.
        stages: trained one after the other, each with its own differences from the top level; none trains the top level
            itself.
        weights: which weights the recipe's table uses: of the last epoch, or of the best by `monitor`.
        precision: `auto` is tensorfloat32 on a GPU, or bfloat16 on a processor, that has units for it, else float32.
        save_seconds: how often the exact state is saved, at the latest.
        faults: the mistakes that the recipe carries (`kerasexp.config.faults`).
        embedding: maps that the evaluation draws; they change no weight.
    """

    name: str
    title: str
    study: str
    recipe: str
    variants: tuple[str, ...] = ()
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)]
    data: Data
    network: str
    model: dict[str, Any]
    pretrained: Annotated[dict[Backbone, str], BeforeValidator(_without_none)] = {}
    stages: tuple[Stage, ...] = ()
    augmentation: Augmentation
    weights: Literal["last", "best"]
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    precision: Literal["auto", "float32", "bfloat16", "tensorfloat32"]
    save_seconds: NotNegative = 60.0
    faults: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    embedding: Embedding | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        unknown = [fault for fault in self.faults if fault not in FAULTS]
        if unknown:
            raise ValueError(f"unknown fault {unknown[0]!r}; valid: {', '.join(FAULTS)}")
        watches = [
            (part, getattr(stage, part).monitor)
            for stage in (self, *self.stages)
            for part in ("early_stopping", "reduce_learning_rate")
            if getattr(stage, part)
        ]
        if self.weights == "best":
            watches.append(("weights: best", self.monitor))
        if self.data.validation == "none" and watches:
            raise ValueError(f"{watches[0][0]} needs validation data, but data.validation is none")
        accuracy = [what for what, monitor in watches if monitor == "val_accuracy"]
        if self.task == "clustering" and accuracy:
            raise ValueError(f"{accuracy[0]}: a clustering has no val_accuracy; expected the monitor val_loss")
        if len({stage.loss.name for stage in self.training_stages}) > 1:
            raise ValueError("stages: all have the same kind of loss")
        if self.data.joined and self.task != "clustering":
            raise ValueError("data.joined tests on the training images: it belongs to a clustering")
        if self.data.joined and self.data.thinned:
            raise ValueError(f"{self.data.thinned} leaves training images out, but data.joined trains on all of them")
        return self

    @property
    def task(self) -> Literal["classification", "clustering"]:
        """What the network learns: the classes of images, or a grouping of its own."""
        return "clustering" if self.loss.name == "deep_kmeans" else "classification"

    @property
    def training_stages(self) -> tuple[Stage, ...]:
        """What the trainer runs, in order."""
        return self.stages or (self,)

    def settings(self) -> dict[str, Any]:
        """What decides the result, apart from the seed: two runs with equal settings answer the same question."""
        return self.model_dump(mode="json", exclude=NO_SETTINGS)

    def digest(self) -> str:
        """The digest of `settings()`, without those that equal their default.

        So a setting which comes into kerasexp later changes no digest of the runs before it; and a default in this file
        never changes.
        """
        return digest(self.model_dump(mode="json", exclude=NO_SETTINGS, exclude_defaults=True))
