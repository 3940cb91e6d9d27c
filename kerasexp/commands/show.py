"""`kerasexp show`."""

from __future__ import annotations

from kerasexp.commands.list import MEASURED, measured_rows
from kerasexp.commands.options import Augment, Debug, Experiment, Json, Recipe, Set, Variant
from kerasexp.commands.output import print_json, print_table


def show(
    experiment: Experiment,
    recipe: Recipe = None,
    variant: Variant = None,
    augment: Augment = None,
    set_: Set = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """One experiment: its settings, layers, parameters and faults.

    Every setting has the name that [bold]--set[/] takes.

    [bold]Examples[/]

      kerasexp show kmnist_cnn
      kerasexp show kmnist_cnn --recipe fast --augment 10
    """
    from kerasexp.workflows import describe

    shown = describe.show(experiment, recipe=recipe, variant=variant or (), augment=augment, set=set_ or ())
    if json:
        print_json(shown)
        return
    print(f"{shown['title']} ({shown['study']})")
    print(f"\n{shown['configuration_yaml']}")
    shape = "x".join(map(str, shown["image_shape"]))
    print(f"network for {shape} images and {shown['classes']} classes")
    layers = [
        [
            layer["name"],
            layer["type"],
            "x".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:,}",
            "" if layer["trained"] else "frozen",
        ]
        for layer in shown["layers"]
    ]
    print_table(["layer", "type", "output", "parameters", ""], layers)
    total, stages = shown["parameters"]["total"], shown["parameters"]["stages"]
    counts = [f"{stage['trainable']:,}" + (f" ({stage['name']})" if stage["name"] else "") for stage in stages]
    print(f"{total:,} parameters, {', then '.join(counts)} of them trained\n")
    print("faults that this recipe carries" if shown["faults"] else "This recipe carries no known fault.")
    for fault in shown["faults"]:
        print(f"  {fault['name']}: {fault['explanation']}")
    named = {fault["name"] for fault in shown["faults"]}
    others = [fault for fault in shown["configuration"]["faults"] if fault not in named]
    if others:
        print(f"  not with these settings: {', '.join(others)}")
    print(f"\nrecipes: {' '.join(shown['recipes'])}")
    print(f"variants of this recipe: {' '.join(shown['variants']) or 'none'}, and --augment N")
    measured = measured_rows(shown["measured"])
    if measured:
        print()
        print_table(["measured", *MEASURED[1:]], measured)
    else:
        print("not measured yet")
