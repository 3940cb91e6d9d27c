"""`kerasexp cache list` and `clear`."""

from __future__ import annotations

import typer

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table

cache = typer.Typer(
    help="What frozen parts and autoencoders came to, and decoded images of large data sets, to use again.",
    no_args_is_help=True,
)


@cache.command("list")
def list_cache(json: Json = False, debug: Debug = False) -> None:
    """What is kept, how much room it takes, and where.

    [bold]Examples[/]

      kerasexp cache list
    """
    from kerasexp.workflows.cache import list_cache

    kept = list_cache()
    if json:
        print_json(kept)
        return
    if kept["entries"]:
        rows = [
            [
                entry["key"],
                entry["what"] + ("" if entry["whole"] else " (not whole yet)"),
                f"{entry['bytes'] / 1e6:,.1f}",
                entry["used"],
            ]
            for entry in kept["entries"]
        ]
        print_table(["key", "what", "MB", "last used"], rows)
        print()
    print(f"{_size(kept['bytes'])} in {kept['folder']}")
    parts = f"features {_size(kept['features_bytes'])}, decoded images {_size(kept['images_bytes'])}"
    print(f"{parts}, each at the most {_size(kept['bound'])} (KERASEXP_CACHE_GB)")


@cache.command("clear")
def clear_cache(json: Json = False, debug: Debug = False) -> None:
    """Removes everything that is kept; the next runs compute it again.

    [bold]Examples[/]

      kerasexp cache clear
    """
    from kerasexp.workflows.cache import clear_cache

    freed = clear_cache()
    if json:
        print_json({"freed": freed})
    else:
        print(f"{_size(freed)} freed.")


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
