"""How much sooner `fast` reaches the quality that the KMNIST study published: wall time against wall time.

    python benchmarks/time_to_quality.py [--data kmnist | FILE.npz] [--passes 840000] [--parts 5]

The published result to reach is that of `kmnist_cnn --augment 10`. `published`: one of its epochs (600,000 images,
float32) is timed in part and scaled, times the epochs that the study needed. The fastest part counts, and neither the
start nor the validation after each epoch does: that time is a lower bound. `fast`: one whole `kerasexp.train`, from the
call to the report. Its learning rate follows a schedule that is good only at its end, so "to reach" means that the
finished run's macro F1 on the test images is at or above the published one; if it is not, the exit code is 1. The time
per image does not depend on which images they are: published may be timed on a part of the data set. The import of
TensorFlow counts in neither.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from kerasexp import environment, files, train
from kerasexp.config.loading import load_experiment
from kerasexp.published import claims_for

EXPERIMENT, COPIES = "kmnist_cnn", 10
STUDY_IMAGES = 60_000
WARM_UP_STEPS = 20
STEPS = 100  # of a part


def published_claims() -> tuple[float, int]:
    """The study's macro F1 on the test images, and the epochs that it needed."""
    values = {claim.metric: claim.value for claim in claims_for(EXPERIMENT, [f"augment{COPIES}"])}
    return float(values["test.macro.f1"] or 0), int(values["epochs_run"] or 0)


def published_seconds_per_image(data: str | None, parts: int) -> list[float]:
    """Seconds per image of training as published, one number per part of an epoch."""
    environment.start_tensorflow("float32")
    import tensorflow as tf

    from kerasexp.data.pipeline import TrainingImages, resident_device
    from kerasexp.training.compiled import compile_model, compiled_steps
    from kerasexp.training.state import build_seeded
    from kerasexp.workflows.prepare import prepare_data

    changes = {"data": {"name": data}} if data else {}
    experiment = load_experiment(EXPERIMENT, variants=[f"augment{COPIES}"], changes=changes)
    dataset = prepare_data(experiment)
    classes = len(dataset.class_names)
    device = resident_device(dataset.train, experiment.augmentation)
    images = TrainingImages(
        dataset.train, classes, experiment.batch_size, experiment.seed, experiment.augmentation, device=device
    )
    model = build_seeded(experiment, dataset.image_shape, classes)
    compile_model(model, experiment, images, epochs=1)
    run_steps = compiled_steps(model.train_step, images)
    seconds = []
    for part in range(parts):
        iterator = iter(images.epoch(part))
        run_steps(iterator, tf.constant(WARM_UP_STEPS))
        start = time.perf_counter()
        run_steps(iterator, tf.constant(STEPS))
        seconds.append((time.perf_counter() - start) / (STEPS * experiment.batch_size))
    return seconds


def duration(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="catalog name or .npz, as for kerasexp train; KMNIST by default")
    parser.add_argument("--passes", type=int, help="image passes of fast, instead of the recipe's")
    parser.add_argument("--parts", type=int, default=5, help="parts of the published epoch that are timed")
    arguments = parser.parse_args()

    wanted, epochs = published_claims()
    parts = published_seconds_per_image(arguments.data, arguments.parts)
    epoch = min(parts) * COPIES * STUDY_IMAGES
    published = epochs * epoch

    passes = [f"passes={arguments.passes}", "passes_per_image=null"] if arguments.passes else []
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        run = train(EXPERIMENT, recipe="fast", data=arguments.data, set=passes, out=Path(out))
        fast = time.perf_counter() - start
        manifest = run.manifest
        reached = files.read_json(run.path("metrics.json"))["weights"]["last"]["test"]["macro"]["f1"]["value"]

    print(f"\n{environment.processor_name()}, {environment.cores()} cores; data: {manifest['data']['source']}")
    print(f"published: {epochs} epochs of {COPIES * STUDY_IMAGES:,} images, macro F1 {wanted:.4f} in the study")
    median = statistics.median(parts) * COPIES * STUDY_IMAGES
    print(f"           an epoch: {duration(epoch)} (best of {len(parts)} parts; median {duration(median)})")
    print(f"           {epochs} epochs: {duration(published)}")
    print(f"fast:      {manifest['images_seen']:,} image passes in {manifest['precision']}, macro F1 {reached:.4f}")
    print(f"           the whole run: {duration(fast)}, of them training: {duration(manifest['seconds'])}")
    if reached < wanted:
        print("fast did not reach the published macro F1: no time to quality.")
        return 1
    print(f"time to quality: fast is {published / fast:,.0f} times as fast")
    return 0


if __name__ == "__main__":
    sys.exit(main())
