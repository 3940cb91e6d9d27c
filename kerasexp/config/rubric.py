"""What a submission is graded by: criteria with points, a pass mark, and the limits of its evaluation."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, ValidationError, model_validator

from kerasexp.config.faults import FAULTS
from kerasexp.config.loading import experiment_names
from kerasexp.config.schema import Frozen, NotNegative, Positive
from kerasexp.config.yaml_text import parse_yaml, read_text
from kerasexp.errors import UsageError, did_you_mean

Fraction = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[StrictInt, Field(ge=0)]


class Criterion(Frozen):
    """What all criteria have in common.

    Attributes:
        check: its kind.
        title: its name in the results; empty: its kind.
        points: for meeting it.
        must: a run or model that does not meet it gets no points at all. A bare model is excused only from what a run
            folder alone can tell; it loses the criterion's own points.
    """

    check: str
    title: str = ""
    points: NotNegative
    must: StrictBool = False

    @property
    def label(self) -> str:
        """The title, or what is checked."""
        return self.title or self.check


class ExperimentIs(Criterion):
    """The run is one of this experiment, with its network."""

    check: Literal["experiment"]
    name: str

    @model_validator(mode="after")
    def _known(self) -> ExperimentIs:
        if self.name not in experiment_names():
            raise ValueError(f'unknown experiment "{self.name}". {did_you_mean(self.name, experiment_names())}')
        return self


class _Range(Criterion):
    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _limited(self) -> _Range:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a range needs at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least:,} is above at_most {self.at_most:,}")
        return self


class Parameters(_Range):
    """The number of weights, moving statistics included, both ends allowed."""

    check: Literal["parameters"]


class Epochs(_Range):
    """The number of finished epochs of all stages, both ends allowed."""

    check: Literal["epochs"]


class Artifacts(Criterion):
    """What the run folder must hold; a share of the points for the share that is there.

    Attributes:
        files: paths inside the folder, not empty; `figures/*.png` stands for at least one such file.
    """

    check: Literal["artifacts"]
    files: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _inside(self) -> Artifacts:
        for name in self.files:
            if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f'files: expected paths inside the run folder, received: "{name}"')
        return self


class NoFaults(Criterion):
    """Named mistakes (`kerasexp.config.faults`) that the run's settings must not have."""

    check: Literal["faults"]
    forbidden: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> NoFaults:
        unknown = [fault for fault in self.forbidden if fault not in FAULTS]
        if unknown:
            raise ValueError(f'unknown fault "{unknown[0]}". {did_you_mean(unknown[0], FAULTS)}')
        return self


class Integrity(Criterion):
    """The run folder agrees with itself and with an evaluation of its model on the data that it names.

    Attributes:
        data: what the students train on: catalog entry, `.npz` or folder of class folders; the grader has it too.
    """

    check: Literal["integrity"]
    data: str
    must: StrictBool = True


class Metric(Criterion):
    """A score on the hidden images against a target.

    At the target or above: all points. Below it but inside the tolerance, or with the target inside the score's 95 %
    interval: borderline, nobody can tell. Below that: no points, or fewer the farther below.

    Attributes:
        metric: `accuracy` or `macro_f1`.
        target: from 0 to 1.
        tolerance: how far below the target a score is still borderline, whatever its interval.
        borderline: share of the points for a borderline score; 1 gives the benefit of the doubt.
        zero_at: partial credit: from no points at this score up in a straight line towards the target, for scores
            below the borderline; `null` gives none.
    """

    check: Literal["metric"]
    metric: Literal["accuracy", "macro_f1"]
    target: Fraction
    tolerance: Fraction = 0.0
    borderline: Fraction = 1.0
    zero_at: Fraction | None = None

    @property
    def label(self) -> str:
        """The title, or the metric's name."""
        return self.title or self.metric.replace("_", " ")

    @model_validator(mode="after")
    def _ordered(self) -> Metric:
        if self.zero_at is not None and self.zero_at >= self.target:
            raise ValueError(f"zero_at {self.zero_at} must be below the target {self.target}")
        return self


AnyCriterion = Annotated[
    ExperimentIs | Parameters | Epochs | Artifacts | NoFaults | Integrity | Metric, Field(discriminator="check")
]


class Hidden(Frozen):
    """The images that decide, which no student has.

    Attributes:
        data: catalog entry, folder of class folders, or `.npz` with `x` and `y` (or all of `x_train, y_train, x_test,
            y_test`), and `class_names` if the classes have names; a relative path starts at the rubric's folder.
        split: which part of it. A folder of class folders without parts, or an `.npz` with `x` and `y`: `all`.
        image_size: side in pixels that its images are resized to; `null` keeps their own size.
    """

    data: str
    split: Literal["test", "train", "all"] = "test"
    image_size: Annotated[StrictInt, Field(ge=8, le=1024)] | None = None


class ModelInput(Frozen):
    """How a bare `.keras` model wants its images; one that kerasexp saved takes 0 to 255, whatever this says.

    Attributes:
        scale: pixels run from 0 to this: 255, or 1.
    """

    scale: Literal[1, 255] = 255


class Limits(Frozen):
    """What the evaluation of one submission may take.

    Attributes:
        seconds: of wall time, the start of TensorFlow (3 to 15 s) included.
        memory_gb: resident memory in 2**30 bytes; TensorFlow itself takes about one.
    """

    seconds: Positive = 300.0
    memory_gb: Annotated[float, Field(ge=1.5)] = 4.0


class Rubric(Frozen):
    """How submissions are graded.

    Attributes:
        title: of the exercise.
        hidden: the images that decide.
        model_input: how bare models want them.
        criteria: each with its points.
        pass_mark: points that are enough.
        limits: of the evaluation of one submission.
    """

    title: str
    hidden: Hidden
    model_input: ModelInput = ModelInput()
    criteria: Annotated[tuple[AnyCriterion, ...], Field(min_length=1)]
    pass_mark: NotNegative
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _attainable(self) -> Rubric:
        if self.pass_mark > self.points:
            raise ValueError(f"pass_mark {self.pass_mark:g} is above the {self.points:g} points of all criteria")
        return self

    @property
    def points(self) -> float:
        """Of all criteria together."""
        return sum(criterion.points for criterion in self.criteria)


def _folder() -> Traversable:
    return resources.files("kerasexp.configs") / "grading"


def rubric_names() -> list[str]:
    """The names of the rubrics that come with kerasexp, sorted."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def load_rubric(name: str | Path) -> Rubric:
    """Reads a rubric.

    Args:
        name: the path of a YAML file, or the name of a rubric that comes with kerasexp.

    Raises:
        UsageError: if there is no such rubric, or it is none.
    """
    path = Path(name).expanduser()
    if str(name) in rubric_names():
        text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    elif path.is_file():
        text = read_text(path)
    elif path.suffix in (".yaml", ".yml"):
        raise UsageError(f"{path} is missing. Expected the YAML file of a rubric.")
    else:
        raise UsageError(f'Unknown rubric "{name}", and no such file. {did_you_mean(str(name), rubric_names())}')
    content = parse_yaml(text, str(name))
    if not isinstance(content, dict):
        raise UsageError(f"{name} is no rubric: expected a mapping with the keys {', '.join(Rubric.model_fields)}.")
    try:
        return Rubric.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{name}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    """The first problems in the words of the file."""
    kinds = {"experiment", "parameters", "epochs", "artifacts", "faults", "integrity", "metric"}
    lines = []
    for problem in error.errors()[:3]:
        # `criteria.0.metric.target`: the validator's own step into the union is left out, criteria count from 1
        steps: list[Any] = [step for place, step in enumerate(problem["loc"]) if not (place == 2 and step in kinds)]
        path = ".".join(str(step + 1) if isinstance(step, int) else step for step in steps)
        message = problem["msg"].removeprefix("Value error, ").rstrip(".")
        if problem["type"] == "extra_forbidden":
            lines.append(f'unknown key "{path}".')
        elif problem["type"] == "missing":
            lines.append(f'"{path}" is missing.')
        elif problem["type"] == "union_tag_invalid":
            lines.append(f"{path}: unknown check. {did_you_mean(str(problem['input'].get('check')), kinds)}")
        elif problem["type"] == "union_tag_not_found":
            lines.append(f'"{path}.check" is missing. Valid: {", ".join(sorted(kinds))}.')
        elif problem["type"] == "value_error":
            lines.append(f"{path}: {message}." if path else f"{message}.")
        else:
            lines.append(f"{path}: {message[0].lower() + message[1:]}, received: {problem['input']!r}.")
    return " ".join(lines)
