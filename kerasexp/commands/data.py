"""`kerasexp data list`, `get` and `check`."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated, Any

import typer

from kerasexp.commands.options import DataDir, Debug, Json, Offline
from kerasexp.commands.output import print_json, print_table

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
        shape = "x".join(map(str, entry["image_shape"]))
        classes = [f"{name} {glyph}" for name, glyph in zip_longest(entry["classes"], entry["glyphs"], fillvalue="")]
        images = " + ".join(f"{count:,} {part}" for part, count in entry["images"].items())
        rows.append([entry["name"], images, shape, ", ".join(map(str.strip, classes)), entry["present"] or "not here"])
    print_table(["name", "images", "shape", "classes", "here"], rows)
    print()
    for entry in entries:
        print(f"{entry['name']}: {entry['title']}. Licence: {entry['licence']}.")
        print(f"  {entry['citation']} {entry['home']}")


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
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Reads a data set whole and runs every check on it; never uses the network.

    [bold]Examples[/]

      kerasexp data check kmnist
      kerasexp data check my_images/
    """
    from kerasexp.workflows.data import check_data

    _show(check_data(data, data_dir), json)


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
