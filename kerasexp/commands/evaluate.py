"""`kerasexp evaluate`."""

from __future__ import annotations

from typing import Any

from kerasexp.commands.options import DataDir, Debug, Json, Offline, RunFolder
from kerasexp.commands.output import print_json, print_table, score


def evaluate(
    run: RunFolder,
    data_dir: DataDir = None,
    offline: Offline = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measures a run's models again, with 95 % intervals.

    The numbers of its metrics.json are written anew, from the run's own data.

    [bold]Examples[/]

      kerasexp evaluate runs/kmnist_cnn/20260101T120000-1a2b3c
      kerasexp evaluate runs/kmnist_cnn/20260101T120000-1a2b3c --json
    """
    from kerasexp.workflows.evaluate import evaluate

    metrics = evaluate(run, data_dir=data_dir, offline=offline)
    if json:
        print_json(metrics)
        return
    test = metrics["weights"][metrics["table_weights"]]["test"]
    if "clustering" in metrics:
        _show_clusters(metrics["clustering"], test)
    if "accuracy" not in test:
        return  # images without labels
    rows = [
        [
            f"{name} (epoch {weights['epoch']})",
            split,
            f"{weights[split]['n']:,}",
            score(weights[split]["accuracy"], percent=True),
            score(weights[split]["macro"]["f1"]),
        ]
        for name, weights in metrics["weights"].items()
        for split in ("train", "validation", "test")
        if weights.get(split)
    ]
    print_table(["weights", "images", "n", "accuracy (95 % interval)", "macro F1 (95 % interval)"], rows)
    print(f"\ntest images, {metrics['table_weights']} weights")
    classes = [
        [
            entry["name"],
            f"{entry['support']:,}",
            f"{entry['precision']:.4f}",
            f"{entry['recall']:.4f}",
            score(entry["f1"]),
        ]
        for entry in test["per_class"]
    ]
    print_table(["class", "n", "precision", "recall", "F1 (95 % interval)"], classes)


LOSSES = {
    "loss": "loss",
    "of the reconstruction": "reconstruction_loss",
    "of the clustering": "clustering_loss",
    "silhouette": "silhouette",
}


def _show_clusters(clustering: dict[str, Any], test: dict[str, Any]) -> None:
    """This run, what it started from and the plain ways to cluster, a row each."""
    methods = {"this run": test}
    if "before_joint" in clustering:
        methods["autoencoder, then k-means"] = clustering["before_joint"]
    methods |= {row["name"]: row for row in clustering["baselines"]}
    rows = [
        [
            name,
            f"{of['clusters_used']} of {clustering['clusters']}",
            *([score(of["accuracy"], percent=True), f"{of['nmi']:.4f}", f"{of['ari']:.4f}"] if "nmi" in of else []),
        ]
        for name, of in methods.items()
    ]
    scores = ["accuracy, mapped (95 % interval)", "NMI", "ARI"] if "nmi" in test else []
    print_table(["clustering", "clusters used", *scores], rows)
    told = {name: test[key] for name, key in LOSSES.items() if test.get(key) is not None}
    print(f"\nthis run: {', '.join(f'{name} {value:.4f}' for name, value in told.items())}, n = {test['n']:,}\n")
