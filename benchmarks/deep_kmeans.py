"""Speed of Deep k-Means on the CPU: an epoch of the joint training against ClustPy's DKM and plain `model.fit`.

    python benchmarks/deep_kmeans.py [--torch-python PYTHON] [--rounds 10] [--images 6400] [--json]

The network of the study (784-500-500-2000-10 and back), 10 clusters, batches of 256, Adam. Each contestant is a process
of its own that stays alive; they take turns, round by round, each with one segment: an epoch over N random images.
"ours" is what `kerasexp train` runs: the pipeline from uint8 images, the compiled step, the fused optimizer.
`model.fit` trains our network with Keras' own loop and Adam on the same images as a float32 array. ClustPy runs the
training loop of its `DKM` on its own network and its own loader, with images scaled beforehand, in float32.

Ratios are seconds of the other over seconds of ours: of the best segments, and of the medians. The peak is that of a
4096x4096x4096 `tf.matmul`, which takes its turn too. PyTorch's threads wait for each other busily, which other load on
the machine makes very slow; "ClustPy patient" lets them sleep (OMP_WAIT_POLICY=PASSIVE). The faster of them counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
from workers import MATMUL_FLOP, Worker, matmul, take_turns, work

WIDTHS = [784, 500, 500, 2000, 10]
CLUSTERS, BATCH, ALPHA = 10, 256, 300.0
# of training on one image: thrice the forward work of both halves, without the gradient of the images
FLOP = 2 * (3 * 2 * sum(a * b for a, b in itertools.pairwise(WIDTHS)) - WIDTHS[0] * WIDTHS[1])
RIVALS = ("ClustPy", "ClustPy patient", "model.fit")
GOALS = {"ours float32": "target 1.1, goal 1.5", "ours bfloat16": "target 2.0, goal 3"}


def random_images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def ours(count: int, precision: str) -> Callable[[], Any]:
    """Sets a contestant up, in its process, and returns its segment."""
    from kerasexp import environment

    environment.start_tensorflow(environment.resolve_precision(precision))
    import tensorflow as tf

    from kerasexp.config.loading import load_experiment
    from kerasexp.data.dataset import Split
    from kerasexp.data.pipeline import TrainingImages, resident_device
    from kerasexp.training.compiled import compile_model, compiled_steps
    from kerasexp.training.state import build_seeded

    experiment = load_experiment("mnist_deep_kmeans_pretrained")
    joint = experiment.stages[-1]
    split = Split(random_images(count), np.zeros(count, np.int64), np.arange(count))
    device = resident_device(split, experiment.augmentation)
    images = TrainingImages(split, 10, joint.batch_size, experiment.seed, experiment.augmentation, device=device)
    model = build_seeded(experiment, (28, 28, 1), 10)
    model.alpha.assign(ALPHA)
    compile_model(model, joint, images, epochs=1000)
    run_steps = compiled_steps(model.train_step, images)
    epochs = itertools.count()

    def segment() -> float:
        model.reset_metrics()
        run_steps(iter(images.epoch(next(epochs))), tf.constant(images.steps_per_epoch))
        return float(model.get_metrics_result()["loss"])

    return segment


def model_fit(count: int) -> Callable[[], Any]:
    import keras

    from kerasexp.models.deep_kmeans import deep_kmeans

    keras.utils.set_random_seed(0)
    model = deep_kmeans((28, 28, 1), clusters=CLUSTERS, hidden=WIDTHS[1:-1], embedding=WIDTHS[-1])
    model.alpha.assign(ALPHA)
    model.compile(keras.optimizers.Adam(1e-3), clustering_weight=1.0)
    images = random_images(count).astype(np.float32)
    return lambda: model.fit(images, batch_size=BATCH, verbose=0)


def clustpy(count: int) -> Callable[[], Any]:
    import torch

    # ClustPy imports torchvision for a transform that is not used here, and a torchvision made for another build of
    # torch fails in this module alone
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("left_out")
    from clustpy.deep import get_dataloader
    from clustpy.deep._utils import mean_squared_error
    from clustpy.deep.dkm import _DKM_Module
    from clustpy.deep.neural_networks import FeedforwardAutoencoder

    torch.manual_seed(0)
    network = FeedforwardAutoencoder(WIDTHS, activation_fn=torch.nn.ReLU)
    centres = np.random.default_rng(0).uniform(-1, 1, (CLUSTERS, WIDTHS[-1])).astype(np.float32)
    module = _DKM_Module(centres, [ALPHA])
    optimizer = torch.optim.Adam([*network.parameters(), *module.parameters()], lr=1e-3)
    loader = get_dataloader(random_images(count).reshape(count, -1) / 255, BATCH)
    return lambda: module.fit(network, loader, 1, torch.device("cpu"), optimizer, mean_squared_error, 1.0, 1.0)


CONTESTANTS = {"ours": ours, "model.fit": model_fit, "ClustPy": clustpy, "matmul": matmul}


def compare(options: argparse.Namespace, bfloat16: bool) -> dict[str, list[float]]:
    """The seconds of every segment, by contestant."""
    precisions = ["float32", *(["bfloat16"] if bfloat16 else [])]
    contestants: dict[str, Any] = {f"ours {each}": {"count": options.images, "precision": each} for each in precisions}
    contestants |= {rival: {"count": options.images} for rival in RIVALS}
    contestants |= {f"matmul {each}": {"precision": each} for each in precisions}
    workers = []
    for title, arguments in contestants.items():
        python = options.torch_python if "ClustPy" in title else sys.executable
        worker = Worker(__file__, title, python, arguments)
        if worker.error is None:
            workers.append(worker)
        elif "ClustPy" in title and "Error: No module named" in worker.error:
            print(f"{title}: left out ({worker.error}). Name a Python with --torch-python.", file=sys.stderr)
        else:
            raise SystemExit(f"{title}: {worker.error}")
    take_turns(workers, options.rounds)
    return {worker.name: worker.seconds for worker in workers}


def show(seconds: dict[str, list[float]], images: int) -> None:
    best, median = ({key: of(values) for key, values in seconds.items()} for of in (min, statistics.median))
    print(f"\nDeep k-Means, joint training: segments of {images:,} images")
    print(f"{'':20}{'best s':>9}{'median s':>10}{'images/s':>10}{'GFLOP/s':>9}{'of peak':>9}")
    speeds = {key: (MATMUL_FLOP if "matmul" in key else images * FLOP) / best[key] for key in seconds}
    for key, speed in speeds.items():
        peak = speeds["matmul bfloat16" if "bfloat16" in key else "matmul float32"]
        rate = "" if "matmul" in key else f"{images / best[key]:,.0f}"
        print(f"{key:20}{best[key]:9.3f}{median[key]:10.3f}{rate:>10}{speed / 1e9:9,.0f}{speed / peak:9.0%}")
    print(f"{'times as fast':40}{'best':>8}{'median':>8}")
    for mine, rival in itertools.product(GOALS, RIVALS):
        if mine in seconds and rival in seconds:
            goal = GOALS[mine] if "ClustPy" in rival else ""
            ratios = f"{best[rival] / best[mine]:8.2f}{median[rival] / median[mine]:8.2f}"
            print(f"{mine + ' / ' + rival:40}{ratios}  {goal}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--images", type=int, default=6400, help="per segment; 6400 by default")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON", help="interpreter that has ClustPy")
    parser.add_argument("--json", action="store_true", help="all segments as JSON")
    arguments = parser.parse_args()
    from kerasexp import environment

    bfloat16 = environment.has_bfloat16()
    seconds = compare(arguments, bfloat16)
    if arguments.json:
        print(json.dumps({"rounds": arguments.rounds, "images": arguments.images, "seconds": seconds}, indent=2))
        return
    units = "" if bfloat16 else " without units for bfloat16 (so float32 alone is compared)"
    print(f"{environment.processor_name()}{units}, {environment.cores()} cores; {arguments.rounds} rounds")
    show(seconds, arguments.images)


if __name__ == "__main__":
    work(CONTESTANTS) if sys.argv[1:] == ["--worker"] else main()
