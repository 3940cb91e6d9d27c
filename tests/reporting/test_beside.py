"""Rows of claims arranged for reading."""

from __future__ import annotations

from kerasexp.published import Claim, Row
from kerasexp.published.verdicts import Verdict
from kerasexp.reporting.beside import beside, interval_words


def claim(metric: str, value: float | None = 0.9, **changes) -> Claim:
    told = {"unit": "share", "kind": "band", "margin": 0.01, "scope": "training", "table": "T", "source": "Table 1"}
    return Claim(study="s", metric=metric, value=value, provenance="S", **{**told, **changes})


def refused(metric: str, *reasons: str, **changes) -> Row:
    return Row(claim(metric, **changes), 0.9, None, 0.8, None, None, reasons)


def test_reasons_are_said_once():
    rows = [
        refused("data.train.images", "other data", scope="data"),
        refused("test.accuracy", "another recipe", "other data."),
        refused("history.val_accuracy@12", "another recipe", "other data", "fewer epochs", scope="epoch"),
    ]
    shown = beside(rows, [])
    assert shown.reasons == ("another recipe", "other data")
    assert shown.notes == ("another recipe", "other data")
    assert shown.tally == {"not comparable": 3}
    accuracy, images = shown.headline
    assert (accuracy.what, accuracy.notes, accuracy.reason) == ("accuracy, test", (1, 2), "")
    assert images.notes == (2,)
    others = shown.others[0].lines[0]
    assert (others.notes, others.reason) == ((1, 2), "fewer epochs")


def test_verdicts_keep_their_own_reason_and_share_a_common_one():
    needs = Verdict("cannot tell", "needs 3 seeds", 0.1, None, "provisional: one seed")
    judged = Verdict("reproduced", "difference +0.10 pp", 0.001, (-0.002, 0.004), "provisional: one seed")
    rows = [
        Row(claim("test.accuracy"), 0.9, (0.89, 0.91), 0.901, (0.89, 0.91), judged),
        Row(claim("epochs_run", 334, unit="epochs"), 334, None, 1330.0, None, needs),
        Row(claim("best_epoch", 324, unit="epochs"), 324, None, 320.0, None, needs),
    ]
    shown = beside(rows, [])
    accuracy, epochs, _ = shown.headline
    assert (accuracy.published, accuracy.published_interval) == ("90.00 %", "89.00 to 91.00 %")
    assert (accuracy.verdict, accuracy.provisional, accuracy.reason) == (
        "reproduced",
        "provisional: one seed",
        "difference +0.10 pp",
    )
    assert (epochs.ours, epochs.reason, epochs.notes) == ("1,330", "", (1,))
    assert shown.notes == ("needs 3 seeds",)
    assert shown.reasons == ()
    assert shown.tally == {"reproduced": 1, "cannot tell": 2}


def test_counts_that_no_training_decides_are_counted_apart():
    given = Verdict("reproduced", "equal", 0.0)
    rows = [
        Row(claim("parameters.total", 9.0, unit="count", scope="network"), 9.0, None, 9.0, None, given),
        Row(claim("data.train.images", 9.0, unit="count", scope="data"), 9.0, None, 9.0, None, given),
        Row(claim("history.val_accuracy@12", scope="epoch"), 0.9, None, 0.9, None, given),
        refused("test.accuracy", "another recipe"),
    ]
    told = "2 of the 3 reproduced are counts of images and parameters: the data and the network decide them"
    assert beside(rows, []).given == f"{told}, no training."
    assert beside(rows[2:], []).given == ""


def test_an_interval_of_two_equal_words_is_none():
    epochs = claim("epochs_run", 40, unit="epochs")
    assert interval_words(epochs, (40.0, 40.0)) == interval_words(epochs, (39.9, 40.1)) == ""
    assert interval_words(epochs, (39.0, 41.0)) == "39 to 41"


def test_classes_make_one_table():
    rows = [refused(f"test.per_class.{number}.{score}", "r") for score in ("f1", "recall") for number in (0, 1)]
    rows.append(refused("train.per_class.1.f1", "r"))
    shown = beside(rows, ["o お", "ki き"])
    assert shown.scores == ("F1, test", "recall, test", "F1, training")
    (first, lines), (second, _) = shown.classes
    assert (first, second) == ("o お", "ki き")
    assert [line.ours if line else None for line in lines] == ["0.8000", "0.8000", None]
    assert shown.headline == ()


def test_statements_have_no_numbers():
    statement = claim("", None, kind="qualitative", margin=0.0, unit=None, text="It is so.", note="Checked.")
    line = beside([Row(statement, None, None, None, None, Verdict("reproduced", "seen"))], []).headline[0]
    assert (line.what, line.published, line.ours, line.reason, line.remark) == ("It is so.", "", "", "seen", "Checked.")


def test_nothing_published():
    shown = beside([], ["a"])
    assert (shown.tally, shown.headline, shown.others, shown.classes) == ({}, (), (), ())
