"""Training speed on the CPU: kerasexp against plain `model.fit` and a plain PyTorch loop, networks of the KMNIST study.

    python benchmarks/train_speed.py [--torch-python PYTHON] [--only cnn|fcnn] [--rounds 10] [--images N] [--json]

Each contestant is a process of its own that stays alive, because thread pools and precision flags belong to a process.
They take turns, round by round, each with one segment: a short epoch over N random images of 28x28. "ours" is what
`kerasexp train` runs: the pipeline from uint8 images, the compiled step, the fused optimizer. `model.fit` and PyTorch
get float32 arrays scaled beforehand and their own optimizers with the recipe's settings, and run in float32. All keep a
running loss and accuracy. None augments, so that all do the same work; "ours augmented" is `fast` as the recipe is.

Ratios are seconds of the other over seconds of ours: of the best segments, and of the medians. The peak is that of a
4096x4096x4096 `tf.matmul`, which takes its turn too. PyTorch's threads wait for each other busily, which other load on
the machine makes very slow; "PyTorch patient" lets them sleep (OMP_WAIT_POLICY=PASSIVE). The faster of them counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from workers import MATMUL_FLOP, Worker, matmul, take_turns, work

IMAGES = {"kmnist_cnn": 5120, "kmnist_fcnn": 25_600}  # of a segment; `fit` takes about 0.1 s to start
FLOP = {  # of training on one image: thrice the forward work of every layer, without the gradient of the images
    "kmnist_cnn": 2 * (3 * (26**2 * 9 * 32 + 24**2 * 9 * 32 * 64 + 9216 * 128 + 128 * 10) - 26**2 * 9 * 32),
    "kmnist_fcnn": 2 * (3 * (784 * 1024 + 1024 * 512 + 512 * 10) - 784 * 1024),
}
RIVALS = ("model.fit", "PyTorch", "PyTorch patient")
GOALS = {
    ("kmnist_cnn, published", "ours float32"): {"model.fit": "target 1.05, goal 1.2", "PyTorch": "target 1.5"},
    ("kmnist_fcnn, published", "ours float32"): {"model.fit": "target 1.4", "PyTorch": "target 1.4"},
    ("kmnist_cnn, fast", "ours bfloat16"): {"model.fit": "target 2.6", "PyTorch": "target 2.6"},
}


def random_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8), np.arange(count) % 10


def ours(settings: dict[str, Any], count: int, precision: str) -> Callable[[], Any]:
    """Sets a contestant up, in its process, and returns its segment."""
    from kerasexp import environment

    environment.start_tensorflow(environment.resolve_precision(precision))
    import tensorflow as tf

    from kerasexp.config.schema import Experiment
    from kerasexp.data.dataset import Split
    from kerasexp.data.pipeline import TrainingImages, resident_device
    from kerasexp.training.compiled import compile_model, compiled_steps
    from kerasexp.training.state import build_seeded

    experiment = Experiment.model_validate(settings)
    split = Split(*random_images(count), np.arange(count))
    device = resident_device(split, experiment.augmentation)
    images = TrainingImages(split, 10, experiment.batch_size, experiment.seed, experiment.augmentation, device=device)
    model = build_seeded(experiment, (28, 28, 1), 10)
    compile_model(model, experiment, images, epochs=1000)
    run_steps = compiled_steps(model.train_step, images)
    epochs = itertools.count()

    def segment() -> float:
        model.reset_metrics()
        run_steps(iter(images.epoch(next(epochs))), tf.constant(images.steps_per_epoch))
        return float(model.get_metrics_result()["loss"])

    return segment


def model_fit(settings: dict[str, Any], count: int) -> Callable[[], Any]:
    import keras

    from kerasexp.config.schema import Experiment
    from kerasexp.models import build

    keras.utils.set_random_seed(0)
    experiment = Experiment.model_validate(settings)
    model = build(experiment, (28, 28, 1), 10)
    model = keras.Model(model.get_layer("rescaling").output, model.output)  # scaled beforehand, as the study did
    optimizer = {"adadelta": keras.optimizers.Adadelta, "adamw": keras.optimizers.AdamW}[experiment.optimizer.name]
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=experiment.loss.label_smoothing)
    model.compile(optimizer(**experiment.optimizer.model_dump(exclude={"name"})), loss, metrics=["accuracy"])
    x, y = random_images(count)
    scaled, one_hot = x.astype(np.float32) / 255, np.eye(10, dtype=np.float32)[y]
    return lambda: model.fit(scaled, one_hot, batch_size=experiment.batch_size, verbose=0)


def pytorch(settings: dict[str, Any], count: int) -> Callable[[], Any]:
    import torch
    from torch import nn

    if settings["network"] == "cnn.kmnist_cnn":
        layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
        layers += [nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
    else:
        layers = [nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Dropout(0.25)]
        layers += [nn.Linear(1024, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10)]
    model = nn.Sequential(*layers)
    criterion = nn.CrossEntropyLoss(label_smoothing=settings["loss"]["label_smoothing"])
    torch_names = {"learning_rate": "lr", "epsilon": "eps"}
    given = {torch_names.get(key, key): value for key, value in settings["optimizer"].items()}
    if "beta_1" in given:
        given["betas"] = (given.pop("beta_1"), given.pop("beta_2"))
    optimizer_class: Any = {"adadelta": torch.optim.Adadelta, "adamw": torch.optim.AdamW}[given.pop("name")]
    optimizer = optimizer_class(model.parameters(), **given)
    images, labels = random_images(count)
    x, y = torch.from_numpy(images.astype(np.float32).transpose(0, 3, 1, 2) / 255), torch.from_numpy(labels)

    def segment() -> tuple[float, float]:
        loss_sum, correct = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(count).split(settings["batch_size"]):
            target = y[rows]
            optimizer.zero_grad()
            logits = model(x[rows])
            loss = criterion(logits, target)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(rows)
            correct += (logits.detach().argmax(1) == target).sum()
        return loss_sum.item() / count, correct.item() / count

    return segment


CONTESTANTS = {"ours": ours, "model.fit": model_fit, "PyTorch": pytorch, "matmul": matmul}


def compare(recipe: str, name: str, options: argparse.Namespace, bfloat16: bool) -> dict[str, Any]:
    """Lets the contestants of one recipe and network take turns."""
    from kerasexp.config.loading import load_experiment

    count = options.images or IMAGES[name]
    given = [load_experiment(name, recipe, augment=0), load_experiment(name, recipe)]
    plain, as_it_is = ({"settings": each.model_dump(mode="json"), "count": count} for each in given)
    precisions = ["bfloat16", "float32"] if recipe == "fast" and bfloat16 else ["float32"]
    contestants: dict[str, Any] = {f"ours {precision}": {**plain, "precision": precision} for precision in precisions}
    if recipe == "fast":
        contestants[f"ours {precisions[0]} augmented"] = {**as_it_is, "precision": precisions[0]}
    contestants |= dict.fromkeys(RIVALS, plain) | {f"matmul {each}": {"precision": each} for each in precisions}
    workers = []
    for title, arguments in contestants.items():
        worker = Worker(__file__, title, options.torch_python if "PyTorch" in title else sys.executable, arguments)
        if worker.error is None:
            workers.append(worker)
        elif "Error: No module named 'torch" in worker.error:
            print(f"{title}: left out, no torch here. Name a Python that has it with --torch-python.", file=sys.stderr)
        else:
            raise SystemExit(f"{title}: {worker.error}")
    take_turns(workers, options.rounds)
    return {"recipe": recipe, "experiment": name, "images": count, "seconds": {w.name: w.seconds for w in workers}}


def show(comparison: dict[str, Any]) -> None:
    recipe, name, images, seconds = comparison.values()
    best, median = ({key: of(values) for key, values in seconds.items()} for of in (min, statistics.median))
    print(f"\n{name}, {recipe}: segments of {images:,} images")
    print(f"{'':28}{'best s':>9}{'median s':>10}{'images/s':>10}{'GFLOP/s':>9}{'of peak':>9}")
    speeds = {key: (MATMUL_FLOP if "matmul" in key else images * FLOP[name]) / best[key] for key in seconds}
    for key, speed in speeds.items():
        peak = speeds["matmul bfloat16" if "bfloat16" in key else "matmul float32"]
        rate = "" if "matmul" in key else f"{images / best[key]:,.0f}"
        print(f"{key:28}{best[key]:9.3f}{median[key]:10.3f}{rate:>10}{speed / 1e9:9,.0f}{speed / peak:9.0%}")
    print(f"{'times as fast':50}{'best':>8}{'median':>8}")
    for mine, rival in itertools.product(seconds, (*RIVALS, "ours float32")):
        if mine.startswith("ours") and rival in seconds and mine != rival:
            goal = GOALS.get((f"{name}, {recipe}", mine), {}).get(rival.split()[0], "")
            ratios = f"{best[rival] / best[mine]:8.2f}{median[rival] / median[mine]:8.2f}"
            print(f"{mine + ' / ' + rival:50}{ratios}  {goal}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["cnn", "fcnn"], help="one of the two networks")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--images", type=int, help=f"per segment; {', '.join(f'{k}: {v}' for k, v in IMAGES.items())}")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON", help="interpreter that has PyTorch")
    parser.add_argument("--json", action="store_true", help="all segments as JSON")
    arguments = parser.parse_args()
    from kerasexp import environment

    bfloat16 = environment.has_bfloat16()
    if not arguments.json:
        units = "" if bfloat16 else " without units for bfloat16 (so fast is in float32)"
        print(f"{environment.processor_name()}{units}, {environment.cores()} cores; {arguments.rounds} rounds")
    comparisons = []
    for recipe, name in itertools.product(("published", "fast"), IMAGES):
        if arguments.only in (None, name.removeprefix("kmnist_")):
            comparisons.append(compare(recipe, name, arguments, bfloat16))
            if not arguments.json:
                show(comparisons[-1])
    if arguments.json:
        print(json.dumps({"rounds": arguments.rounds, "bfloat16": bfloat16, "comparisons": comparisons}, indent=2))


if __name__ == "__main__":
    work(CONTESTANTS) if sys.argv[1:] == ["--worker"] else main()
