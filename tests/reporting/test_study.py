"""The page of a study."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kerasexp import files
from kerasexp.errors import DataError, UsageError
from kerasexp.published import claims, studies
from kerasexp.published.tables import candidates, study_rows
from kerasexp.reporting.study import behind_the_tally, write_study
from tests.published.runs import made_run

VOID = {"meta", "br", "wbr"}


class _Page(HTMLParser):
    """Ids, links and whether every element is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> in line {self.getpos()[0]}"


def _checked(text: str) -> _Page:
    """A page that is whole, opens without network or JavaScript, and whose links lead somewhere."""
    page = _Page(text)
    assert not page.open
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert "default-src 'none'" in text
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    runs = [made_run(folder, "kmnist_cnn", 0.945 + seed / 500, "lr1", seed=seed) for seed in range(3)]
    runs.append(made_run(folder, "kmnist_cnn", 0.80, seed=42, manifest={"epochs_run": 40}))
    runs.append(made_run(folder, "kmnist_cnn", 0.96, recipe="fast", seed=7))
    again = made_run(folder, "kmnist_cnn", 0.93, "lr1", seed=0)
    again.update_manifest(created="2025-01-01T00:00:00+00:00")
    runs.append(again)
    plan = [
        {"run": "kmnist_cnn lr1 seed 0", "what": "trained", "reason": "", "folder": str(runs[0]), "seconds": 61.0},
        {"run": "kmnist_fcnn <seed 0>", "what": "failed", "reason": "no data", "folder": None, "seconds": None},
    ]
    page, _ = write_study("kmnist", runs, folder / "page", plan)
    return page


def test_the_page_is_whole(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = _checked(text)
    assert {"summary", "plan", "questions", "claims", "faults", "runs"} <= set(found.ids)
    assert "fault-adadelta_default_rate" in found.ids
    assert "kmnist_fcnn &lt;seed 0&gt;" in text
    assert text.count('class="claims-of"') == len({claim.table for claim in claims("kmnist")})


def test_the_page_says_what_there_is(page: Path) -> None:
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))
    assert "497 published numbers and statements beside 6 runs of ours." in words
    assert "94.63 % 94.70 % ✓" in words
    assert "accuracy, test, kmnist_cnn: difference -8.72 pp" in words
    assert "What may explain it, faults of the recipe: test as validation , adadelta default rate" in words
    assert "the recipe fast instead of published" in words
    assert "88.72 % 80.00 % ✗ 79.20 to 80.77 % one seed fast: 96.00 %" in words  # beside it, without a verdict
    assert "88.72 % 80.00 % ✗ 79.20 to 80.77 % one seed 94.63 % 94.70 % ✓" in words  # in the answer of a question
    assert "words that no number of a run decides. The report of each run draws the filters" in words


def test_a_number_without_a_verdict_says_that_it_is_not_comparable(tmp_path: Path) -> None:
    run = made_run(tmp_path, "kmnist_cnn", 0.96, recipe="fast")
    text = write_study("kmnist", [run], tmp_path / "page")[0].read_text(encoding="utf-8")
    questions = text.partition('id="questions"')[2].partition('id="claims"')[0]
    assert re.search('96.00 %</span><br><small title="the recipe fast[^"]*">not comparable</small>', questions)
    assert not re.search("%</span> <span[^>]*>–", questions)


def test_verdicts_of_few_seeds_are_provisional_wherever_they_are_counted(tmp_path: Path) -> None:
    digits = {"name": "mnist", "counts": {"train": [7000] * 10, "test": [7000] * 10}}
    run = made_run(tmp_path, "mnist_deep_kmeans_pretrained", 0.8, "alpha3", manifest={"data": digits})
    text = write_study("deep_kmeans", [run], tmp_path / "page")[0].read_text(encoding="utf-8")
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    rows = files.read_json(tmp_path / "page" / "study.json")["rows"]
    few = [row for row in rows if row["verdict"] and row["verdict"]["provisional"]]
    assert f"{len(few)} verdicts are provisional: of one or two seeds." in words
    assert "1,200 of them are cells of confusion matrices" in words
    assert "100 cannot tell , – 1,100 not comparable ; 100 provisional ." in words
    assert "Confusion matrix, pretrained, alpha 3 ? 100 cannot tell ; 100 provisional heat map" in words
    assert words.count("F1 per digit: ? 10 cannot tell , – 110 not comparable ; 10 provisional") == 1  # of a question
    assert "Cannot tell: no verdict below 3 seeds (100)." in words


def test_counts_of_images_and_parameters_are_told_from_what_a_training_decides(tmp_path: Path) -> None:
    unfinished = made_run(tmp_path, "kmnist_cnn", 0.9, manifest={"status": "stopped", "epochs_run": 1})
    text = write_study("kmnist", [unfinished], tmp_path / "page")[0].read_text(encoding="utf-8")
    assert files.read_json(tmp_path / "page" / "study.json")["tally"]["reproduced"] == 7
    assert "7 of the 7 reproduced are counts of images and parameters: the data and the network decide them" in text
    trained = made_run(tmp_path, "kmnist_cnn", 0.945, "lr1")
    assert behind_the_tally(study_rows("kmnist", candidates("kmnist", [trained]))) == [
        "7 of the 8 reproduced are counts of images and parameters: the data and the network decide them, no training.",
        "1 verdict is provisional: of one or two seeds.",
    ]
    assert behind_the_tally(study_rows("kmnist", [])) == []


def test_the_json_holds_every_claim(page: Path) -> None:
    content = files.read_json(page.with_name("study.json"))
    assert len(content["rows"]) == content["claims"] == len(claims("kmnist"))
    assert sum(content["tally"].values()) == content["claims"]
    assert content["tally"]["no check"] == 10
    (row,) = [
        row
        for row in content["rows"]
        if row["claim"].get("metric") == "test.accuracy" and row["claim"].get("variants") == ["lr1"]
    ]
    assert row["status"] == row["verdict"]["status"] == "reproduced"
    assert row["verdict"]["interval"][0] < 0 < row["verdict"]["interval"][1]
    assert [one["seed"] for one in row["comparable"]] == [0, 1, 2]
    assert row["published"] == 0.9463
    assert len(content["questions"]) == 10
    assert [one["what"] for one in content["plan"]] == ["trained", "failed"]
    decides = {(one["recipe"], one["seed"], one["comparable"] > 0, *one["reasons"]) for one in content["runs"]}
    assert decides == {
        ("published", 0, True),
        ("published", 0, False, "another run with the same seed counts"),
        ("published", 1, True),
        ("published", 2, True),
        ("published", 42, True),
        ("fast", 7, True, "the recipe fast instead of published"),  # it has the same network
    }


@pytest.mark.parametrize("study", studies())
def test_every_study_has_a_page_before_any_run(study: str, tmp_path: Path) -> None:
    text = write_study(study, [], tmp_path / "new" / "folder")[0].read_text(encoding="utf-8")
    _checked(text)
    assert "no run yet" in text
    assert f"kerasexp reproduce {study}" in text


def test_bad_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written to"):
        write_study("kmnist", [], tmp_path / "file" / "page")
    with pytest.raises(UsageError, match="Unknown study"):
        write_study("kmnis", [], tmp_path)
