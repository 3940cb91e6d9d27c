"""What a claim is: one published number or statement, with its source and its margin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator

from kerasexp.config.schema import Frozen
from kerasexp.errors import did_you_mean
from kerasexp.evaluation.statistics import Interval, wilson
from kerasexp.published.checks import CHECKS, LISTED
from kerasexp.published.words import metric_words

Number = StrictInt | StrictFloat
Provenance = Literal["S", "F", "O", "D", "A"]
Split = Literal["train", "validation", "test"]
Unit = Literal["share", "loss", "epochs", "count", "ratio", "seconds"]
Scope = Literal["data", "network", "epoch", "training", "machine", "several"]


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
        scope: what of a run decides it: its data, its network, its first epochs, its whole training, the machine
            (times: never comparable), or several runs.
        epoch: for the scope `epoch`, how many epochs a run needs.
        text: a statement in words.
        compares: for the scope `several`, the experiments that the statement is about.
        check: how one run decides a statement; None if none can.
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
        return self

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
