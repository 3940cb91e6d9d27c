"""Runs the notebooks from top to bottom and stores what they show.

    python notebooks/execute.py             all of them
    python notebooks/execute.py kmnist      some of them

The `.ipynb` files are the only source: change them in any editor of notebooks, then run this. Needs the extra
`notebooks`, no data and no network; about a minute for each on two quiet cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
# nothing of the machine on which it ran
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(path: Path, folder: str | Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of a run in `folder`, which takes its files.

    Progress goes to standard error: whoever runs a notebook sees it, the stored outputs do without.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(METADATA)
    NotebookClient(
        notebook,
        timeout=1800,  # seconds for a cell
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb"))
    for name in names:
        path = HERE / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(path, folder), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
