"""What the clusters of a run are called."""

from __future__ import annotations

from kerasexp.runs import Run


def cluster_names(run: Run) -> list[str]:
    """A name for each cluster, with the class that the evaluation mapped it to: `cluster 3 (7)`.

    Raises:
        DataError: if the run was not evaluated.
    """
    clustering = run.metrics["clustering"]
    classes = run.manifest["data"]["class_names"]
    labels = clustering["mapping"] or [None] * clustering["clusters"]
    return [
        f"cluster {number}" + ("" if label is None else f" ({classes[label]})") for number, label in enumerate(labels)
    ]
