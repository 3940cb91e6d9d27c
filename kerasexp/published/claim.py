"""What a claim is: one published number or statement, with its source and its margin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from kerasexp.config.schema import Frozen
from kerasexp.errors import did_you_mean
from kerasexp.evaluation.statistics import Interval, wilson
from kerasexp.published.checks import CHECKS, LISTED
from kerasexp.published.words import metric_words

Number = StrictInt | StrictFloat
Provenance = Literal["S", "F", "O", "D", "A"]
Split = Literal["train", "validation", "test"]
Unit = Literal["share", "loss", "epochs", "count", "ratio", "seconds"]
Scope = Literal["data", "network", "start", "epoch", "training", "machine", "several"]


class Check(Frozen):
    """A function of `kerasexp.published.checks` and what it is asked.

    Attributes:
        name: of the function.
        metric: what it looks at, as in `Results.value`; `*` stands for every class or split.
        limit: what it compares with: a number, or several (bounds, or class numbers) for the checks that ask for them.
    """

    name: str
    metric: str
    limit: Number | tuple[Number, ...]

    @model_validator(mode="after")
    def _known(self) -> Check:
        if self.name not in CHECKS:
            raise ValueError(f"no check {self.name!r}. {did_you_mean(self.name, CHECKS)}")
        if isinstance(self.limit, tuple) != (self.name in LISTED):
            raise ValueError(f"{self.name}: limit must be {'a list' if self.name in LISTED else 'one number'}")
        return self


Group = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class Contrast(Frozen):
    """What the runs of several models must show for a statement about them to hold.

    Attributes:
        name: `greater` (each model of a group is greater than each of the next group, by more than `limit`), `near` (no
            two models lie further apart than `limit`), `narrower` (the models of the first group spread less than those
            of the second) or `mean_between` (the mean of all models lies between the two numbers of `limit`).
        metric: what is compared, as in `Results.value`.
        groups: of models, as the study's file or, in a claim, as `Claim.compares` names them.
        limit: in the metric's own unit.
    """

    name: Literal["greater", "near", "narrower", "mean_between"]
    metric: str
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    limit: Number | tuple[Number, Number] = 0

    @model_validator(mode="after")
    def _asks_something(self) -> Contrast:
        many = sum(len(group) for group in self.groups)
        expected = {"greater": len(self.groups) > 1, "near": many > 1, "narrower": len(self.groups) == 2}
        if not expected.get(self.name, True):
            raise ValueError(f"{self.name}: {len(self.groups)} groups of {many} models compare nothing")
        if isinstance(self.limit, tuple) != (self.name == "mean_between"):
            raise ValueError(f"{self.name}: limit must be {'two numbers' if self.name == 'mean_between' else 'one'}")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """All that are compared, in order, each once."""
        return tuple(dict.fromkeys(model for group in self.groups for model in group))


class Claim(Frozen):
    """One published number or statement.

    Attributes:
        study: whose claim it is.
        data: which of the study's data sets it is about; empty for several.
        experiment: which experiment it is about; None for any on this data set, or for several.
        variants: of that experiment, sorted.
        table: heading it stands under.
        metric: path of the number in a run, as in `Results.value`; empty for a statement.
        value: the published number; None for a statement.
        unit: `share` (0 to 1), `loss`, `epochs`, `count`, `ratio` or `seconds`.
        n: images that the number was measured on.
        proportion: whether it is k of n (`count`: k itself), so that binomial errors hold.
        split: images that it was measured on.
        protocol: how it was measured, where that matters.
        run: which of the study's runs of the same model, where its figures and tables come from different ones.
        margin: how far a rerun may be off; 0 for exact claims.
        band: between what a rerun may lie, where that is not as far up as down; then there is no margin.
        other_images: whether it was measured on test images that nobody can draw again.
        kind: `exact`, `small` (few test images: margin from their number), `band` or `qualitative`.
        source: where in the report.
        provenance: S stated in the report, F read off a figure, O from the author's code and files, D derived,
            A assumed.
        scope: what of a run decides it: its data, its network, its start (the network before the training, which no
            run of ours evaluates: without a check), its first epochs, its whole training, the machine (times: never
            comparable), or several runs.
        epoch: for the scope `epoch`, how many epochs a run needs.
        text: a statement in words.
        compares: for the scope `several`, the experiments that the statement is about.
        check: how one run decides a statement; None if none can.
        contrasts: how several runs decide a statement: all must hold; empty if none can.
        least_seeds: below so many seeds the claim gets no verdict; 1 by default. What the data or the network decides
            needs one run.
        note: what is known beyond the claim, for example that the study's own numbers contradict it.
    """

    study: str
    data: str = ""
    experiment: str | None = None
    variants: tuple[str, ...] = ()
    table: str = ""
    metric: str = ""
    value: Number | None = None
    unit: Unit | None = None
    n: StrictInt | None = None
    proportion: bool = False
    split: Split | None = None
    protocol: str = ""
    run: str = ""
    margin: Annotated[float, Field(ge=0)] = 0.0
    band: tuple[float, float] | None = None
    other_images: bool = False
    kind: Literal["exact", "small", "band", "qualitative"]
    source: str
    provenance: Provenance
    scope: Scope
    epoch: StrictInt | None = None
    text: str = ""
    compares: tuple[str, ...] = ()
    check: Check | None = None
    contrasts: tuple[Contrast, ...] = ()
    least_seeds: Annotated[StrictInt, Field(ge=1)] = 1
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        if (self.kind == "qualitative") != (self.value is None) or (self.kind == "qualitative") != bool(self.text):
            raise ValueError("a statement has a text and no value, every other claim a value and no text")
        if self.kind in ("small", "band") and (not self.margin) == (self.band is None):
            raise ValueError(f"{self.metric}: a {self.kind} claim needs a margin above 0, or a band instead")
        if self.kind == "exact" and (self.margin or self.band):
            raise ValueError(f"{self.metric}: an exact claim has no margin")
        if self.band and self.value is not None and not self.band[0] <= self.value <= self.band[1]:
            raise ValueError(f"{self.metric}: {self.value} lies outside its own band")
        if self.proportion and self.n is None:
            raise ValueError(f"{self.metric}: a proportion needs its n")
        if self.contrasts and (self.scope != "several" or self.check):
            raise ValueError("contrasts decide a statement about several runs, and nothing else does")
        return self

    @property
    def decidable(self) -> bool:
        """Whether numbers of runs decide it."""
        numbers = self.kind != "qualitative" and self.scope != "start"
        return numbers or self.check is not None or bool(self.contrasts)

    @property
    def model(self) -> str:
        """The experiment and its variants, as `compares` names them; empty for a claim about any or several."""
        return " + ".join([self.experiment, *self.variants]) if self.experiment else ""

    @property
    def what(self) -> str:
        """The claim in words, without its number."""
        run = f" ({self.run})" if self.run else ""
        return self.text or metric_words(self.metric) + run

    @property
    def tolerance(self) -> Interval:
        """Between what the difference of a rerun to the published number may lie."""
        if self.band is None or self.value is None:
            return -self.margin, self.margin
        return self.band[0] - self.value, self.band[1] - self.value

    @property
    def interval(self) -> Interval | None:
        """The Wilson interval of a published proportion, else None."""
        if not self.proportion or self.n is None or self.value is None:
            return None
        if self.unit == "count":
            low, high = wilson(self.value, self.n)
            return low * self.n, high * self.n
        return wilson(self.value * self.n, self.n)


class StudyData(Frozen):
    """The images that a study trained and tested on.

    Attributes:
        name: catalog entry.
        image_shape: height, width and channels, as the network gets them.
        classes: how many.
        train, validation, test: how many images; `validation` is 0 where the test images validated.
        other_images: whether the study drew its test images without a seed, so that ours are others.
    """

    name: str
    image_shape: tuple[int, int, int]
    classes: int
    train: int
    validation: int = 0
    test: int
    other_images: bool = False
