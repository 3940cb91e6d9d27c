"""`kerasexp data list`, `get` and `check`."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated, Any

import typer

from kerasexp.commands.options import DataDir, Debug, Json, Offline
from kerasexp.commands.output import print_json, print_table

SHOWN_PAIRS = 20

data = typer.Typer(help="Data sets: what is known, what is here, and whether it is whole.", no_args_is_help=True)


@data.command("list")
def list_data(data_dir: DataDir = None, json: Json = False, debug: Debug = False) -> None:
    """The catalog: sizes, classes, licences, and which sets are here.

    [bold]Examples[/]

      kerasexp data list --data-dir ~/data
    """
    from kerasexp.workflows.data import list_data

    entries = list_data(data_dir)
    if json:
        print_json(entries)
        return
    rows = []
    for entry in entries:
        shape = "x".join(map(str, entry["image_shape"] or ["different sizes"]))
        classes = [f"{name} {glyph}" for name, glyph in zip_longest(entry["classes"], entry["glyphs"], fillvalue="")]
        images = " + ".join(f"{count:,} {part}" for part, count in entry["images"].items())
        here = "yes" if entry["present"] else "incomplete" if entry["incomplete"] else "not here"
        rows.append([entry["name"], images, shape, ", ".join(map(str.strip, classes)), here])
    print_table(["name", "images", "shape", "classes", "here"], rows)
    print()
    for entry in entries:
        print(f"{entry['name']}: {entry['title']}. Licence: {entry['licence']}.")
        print(f"  {entry['citation']} {entry['home']}")
        if entry["present"]:
            print(f"  here: {entry['present']}")


@data.command("get")
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of the catalog.")],
    data_dir: DataDir = None,
    offline: Offline = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetches a data set into the data folder, unless it is there, and checks it.

    [bold]Examples[/]

      kerasexp data get kmnist
    """
    from kerasexp.workflows.data import get_data

    _show(get_data(name, data_dir, offline), json)


@data.command("check")
def check(
    data: Annotated[
        str, typer.Argument(metavar="NAME_OR_PATH", help="A catalog name, an .npz file, or a folder of class folders.")
    ],
    data_dir: DataDir = None,
    duplicates: Annotated[
        bool,
        typer.Option("--duplicates", help="Look for images that are nearly equal too, across train and test first."),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Reads a data set whole and runs every check on it; never uses the network.

    [bold]Examples[/]

      kerasexp data check kmnist
      kerasexp data check my_images/ --duplicates
    """
    from kerasexp.workflows.data import check_data

    _show(check_data(data, data_dir, duplicates), json)


def _show(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    shape = "x".join(map(str, summary["image_shape"]))
    parts = ", ".join(f"{sum(counts):,} {part}" for part, counts in summary["counts"].items())
    print(f"{summary['name']}: {parts} images of {shape}, every check passed")
    print(f"from {summary['source']}")
    if summary.get("folder"):
        print(f"in {summary['folder']}")
    for remark in summary["remarks"]:
        print(f"not comparable with published numbers: {remark}")
    for note in summary["notes"]:
        print(f"note: {note}")
    parts_of = summary["counts"]
    rows = zip(summary["class_names"], *parts_of.values(), strict=True)
    print()
    print_table(["class", *parts_of], [[name, *(f"{count:,}" for count in counts)] for name, *counts in rows])
    print()
    if summary["imbalance"]:
        print(f"largest training class over smallest: {summary['imbalance']:.2f}")
    statistics = summary["channel_statistics"]
    names = {1: ["grey"], 3: ["red", "green", "blue"]}[len(statistics["mean"])]
    columns = zip(names, *(statistics[key] for key in ("mean", "std", "image_std")), strict=True)
    print_table(
        ["training images, 0 to 1", "mean", "standard deviation", "the same within an image, mean"],
        [[name, *(f"{value:.4f}" for value in values)] for name, *values in columns],
    )
    if "duplicates" in summary:
        print()
        _show_duplicates(summary["duplicates"], summary["class_names"])


def _show_duplicates(pairs: list[dict[str, Any]], class_names: list[str]) -> None:
    """The nearest pairs, those across splits first, and how many there are."""
    from kerasexp.data.duplicates import LIMIT

    across = [pair for pair in pairs if pair["first"]["split"] != pair["second"]["split"]]
    reached = "at least " if len(pairs) >= LIMIT else ""
    print(f"nearly equal images: {reached}{len(pairs):,} pairs, {reached}{len(across):,} of them across splits")
    if reached:
        print("with so many, the images are simple enough to be alike without being copies")
    if not pairs:
        return
    print("numbers are positions in the data set's own part; distance: 0 for equal, about 1.4 for unrelated images")
    rows = []
    for pair in pairs[:SHOWN_PAIRS]:
        places = [f"{place['split']} {place['index']}" for place in (pair["first"], pair["second"])]
        classes = dict.fromkeys(class_names[place["label"]] for place in (pair["first"], pair["second"]))
        rows.append([*places, " and ".join(classes), f"{pair['distance']:.3f}"])
    print_table(["one", "other", "class", "distance"], rows)
    if len(pairs) > SHOWN_PAIRS:
        print(f"{len(pairs) - SHOWN_PAIRS:,} more with --json")
