"""`kerasexp grade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kerasexp.commands.options import DataDir, Debug, Json
from kerasexp.commands.output import print_json, print_table


def grade(
    submissions: Annotated[
        list[Path],
        typer.Argument(
            metavar="SUBMISSION...",
            help="Run folders, .keras models, or folders that hold exactly one of these.",
        ),
    ],
    rubric: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="What is graded: a YAML file, or a rubric of kerasexp by its name.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of the results: JSON, Gradescope's results.json, CSV. Default: none is written",
            rich_help_panel="Output",
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Grades students' runs and models on images that they have not.

    No code of a submission is run, and nothing is fetched. Each is evaluated
    in a process of its own, with a limit on time and memory.
    The exit code is 4 if any is below the pass mark.

    [bold]Examples[/]

      kerasexp grade submissions/* --rubric exercise.yaml --out grades
      kerasexp grade runs/kmnist_cnn/20260101T120000-1a2b3c --rubric mnist5k_cnn
    """
    from kerasexp.workflows.grade import grade

    content = grade(*submissions, rubric=rubric, out=out, data_dir=data_dir)
    if json:
        print_json(content)
    else:
        _show(content)
    if content["passed"] < len(content["submissions"]):
        raise typer.Exit(4)


def _show(content: dict[str, Any]) -> None:
    from kerasexp.workflows.grade_files import outcome

    results = content["submissions"]
    for result in results:
        reason = f" {result['reason']}" if result["reason"] else ""
        print(f"{result['name']}: {_points(result)}, {outcome(result)}.{reason}")
        if result["status"] == "graded":
            rows = [
                [criterion["title"], f"{criterion['points']:g} of {criterion['of']:g}", criterion["verdict"]]
                + [criterion["reason"]]
                for criterion in result["criteria"]
            ]
            print_table(["criterion", "points", "verdict", "reason"], rows)
        print()
    if len(results) > 1:
        titles = [criterion["title"] for criterion in results[0]["criteria"]]
        table = [
            [result["name"], *map(_cell, result["criteria"])] + [_points(result), outcome(result)] for result in results
        ]
        print_table(["submission", *titles, "together", ""], table)
        print()
    passed = f"{content['passed']} of {len(results)} passed"
    print(f"{content['rubric']}: {passed}, pass mark {content['pass_mark']:g} of {content['of']:g} points")


def _points(result: dict[str, Any]) -> str:
    return f"{result['points']:g} of {result['of']:g} points"


def _cell(criterion: dict[str, Any]) -> str:
    doubt = " borderline" if criterion["verdict"] == "borderline" else ""
    return f"{criterion['points']:g}{doubt}"
