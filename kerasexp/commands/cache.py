"""`kerasexp cache list` and `clear`."""

from __future__ import annotations

import typer

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table

cache = typer.Typer(
    help="What frozen parts of networks computed and large data sets decoded: kept, to be used again.",
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
    print(f"{kept['bytes'] / 1e9:,.2f} GB in {kept['folder']}")
    print(
        f"{kept['features_bytes'] / 1e9:,.2f} GB of it features, of {kept['features_bound'] / 1e9:,.1f} GB at the most "
        "(KERASEXP_CACHE_GB)"
    )


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
        print(f"{freed / 1e9:,.2f} GB freed.")
