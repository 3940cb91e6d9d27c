"""Training speed on the CPU: kerasexp against plain `model.fit` and a plain PyTorch loop, networks of the KMNIST study.

    python benchmarks/train_speed.py [--torch-python PYTHON] [--only cnn|fcnn] [--rounds 10] [--images N] [--json]

Each contestant is a process of its own that stays alive, because thread pools and precision flags belong to a process.
They take turns, round by round, each with one segment: a short epoch over N random images of 28x28. Ours is what
`kerasexp train` runs: the pipeline from uint8 images, the compiled step, the fused optimizer. `model.fit` and PyTorch get
float32 arrays scaled beforehand, Keras' and PyTorch's own optimizers with the recipe's settings, and both run in float32.
All three keep a running loss and accuracy. `published` does not augment. For `fast`, "ours" does not augment either, so
that all do the same work; "ours, augmented" is the recipe as it is, against contestants that do not augment.

Ratios are seconds of the other over seconds of ours, of the best segments and of the medians: machines are noisy.
GFLOP/s counts the multiplications and additions of the network's layers, beside the peak of a 4096x4096x4096 `tf.matmul`
that takes its turn in the same rounds. PyTorch may live in another environment: name its interpreter.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CLASSES = 10
IMAGES = {"kmnist_cnn": 2560, "kmnist_fcnn": 6400}  # of a segment
MATMUL = 4096
WARM_UP = 2  # segments
REST = 0.2  # seconds before each segment: threads of the last contestant may still spin for work
GOALS = {  # against model.fit and PyTorch
    ("published", "kmnist_cnn"): {"model.fit": "target 1.05, goal 1.2", "PyTorch": "target 1.5"},
    ("published", "kmnist_fcnn"): {"model.fit": "target 1.4", "PyTorch": "target 1.4"},
    ("fast", "kmnist_cnn"): {"model.fit": "target 2.6", "PyTorch": "target 2.6"},
}


def random_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images `[count, 28, 28, 1]` and their labels."""
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8), np.arange(count) % CLASSES


# What a worker runs: each function sets a contestant up and returns its segment, and the work in it in FLOP.


def ours(settings: dict[str, Any], count: int, precision: str) -> tuple[Callable[[], Any], float]:
    from kerasexp import environment

    environment.start_tensorflow(precision)
    import tensorflow as tf

    from kerasexp.config.schema import Experiment
    from kerasexp.data.dataset import Split
    from kerasexp.data.pipeline import TrainingImages
    from kerasexp.training.state import build_seeded
    from kerasexp.training.trainer import _compile, _compiled_training

    experiment = Experiment.model_validate(settings)
    x, y = random_images(count)
    split = Split(x, y, np.arange(count))
    images = TrainingImages(split, CLASSES, experiment.batch_size, experiment.seed, experiment.augmentation)
    model = build_seeded(experiment, (28, 28, 1), CLASSES)
    _compile(model, experiment, images, epochs=1000)
    run_steps = _compiled_training(model)
    epochs = itertools.count()

    def segment() -> float:
        model.reset_metrics()
        run_steps(iter(images.epoch(next(epochs))), tf.constant(images.steps_per_epoch))
        return float(model.get_metrics_result()["loss"])

    return segment, count * flop_per_image(model)


def model_fit(settings: dict[str, Any], count: int) -> tuple[Callable[[], Any], float]:
    import keras

    from kerasexp.config.schema import Experiment
    from kerasexp.models import build

    keras.utils.set_random_seed(0)
    experiment = Experiment.model_validate(settings)
    model = build(experiment, (28, 28, 1), CLASSES)
    model = keras.Model(model.get_layer("rescaling").output, model.output)  # scaled beforehand, as the study did
    optimizer = {"adadelta": keras.optimizers.Adadelta, "adamw": keras.optimizers.AdamW}[experiment.optimizer.name]
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=experiment.loss.label_smoothing)
    model.compile(optimizer(**experiment.optimizer.model_dump(exclude={"name"})), loss, metrics=["accuracy"])
    x, y = random_images(count)
    scaled, one_hot = x.astype(np.float32) / 255, np.eye(CLASSES, dtype=np.float32)[y]

    def segment() -> Any:
        return model.fit(scaled, one_hot, batch_size=experiment.batch_size, verbose=0)

    return segment, count * flop_per_image(model)


def pytorch(settings: dict[str, Any], count: int) -> tuple[Callable[[], Any], None]:
    import torch
    from torch import nn

    config = settings["model"]
    rates = config["dropout"]
    if settings["network"] == "cnn.kmnist_cnn":
        (first, second), side = config["filters"], config["kernel_size"]
        features = second * ((28 - 2 * (side - 1)) // 2) ** 2
        layers = [nn.Conv2d(1, first, side), nn.ReLU(), nn.Conv2d(first, second, side), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Dropout(rates[0]), nn.Flatten(), nn.Linear(features, config["dense"]), nn.ReLU()]
        layers += [nn.Dropout(rates[1]), nn.Linear(config["dense"], CLASSES)]
    else:
        widths = [28 * 28, *config["units"]]
        layers = [nn.Flatten()]
        for before, after, rate in zip(widths, widths[1:], rates, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(rate)]
        layers += [nn.Linear(widths[-1], CLASSES)]
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    criterion = nn.CrossEntropyLoss(label_smoothing=settings["loss"]["label_smoothing"])
    arguments = settings["optimizer"]
    common = {"lr": arguments["learning_rate"], "eps": arguments["epsilon"]}
    optimizer: torch.optim.Optimizer
    if arguments["name"] == "adadelta":
        optimizer = torch.optim.Adadelta(model.parameters(), rho=arguments["rho"], **common)
    else:
        betas, decay = (arguments["beta_1"], arguments["beta_2"]), arguments["weight_decay"]
        optimizer = torch.optim.AdamW(model.parameters(), betas=betas, weight_decay=decay, **common)
    images, labels = random_images(count)
    x, y = torch.from_numpy(images.astype(np.float32).transpose(0, 3, 1, 2) / 255), torch.from_numpy(labels)

    def segment() -> tuple[float, float]:
        loss_sum, correct = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(count).split(settings["batch_size"]):
            batch, target = x[rows], y[rows]
            optimizer.zero_grad()
            logits = model(batch)
            loss = criterion(logits, target)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(rows)
            correct += (logits.detach().argmax(1) == target).sum()
        return loss_sum.item() / count, correct.item() / count

    return segment, None


def matmul(precision: str) -> tuple[Callable[[], Any], float]:
    import tensorflow as tf

    a, b = (tf.cast(tf.random.stateless_normal([MATMUL, MATMUL], [0, i]), precision) for i in range(2))
    multiply = tf.function(lambda: tf.reduce_sum(tf.matmul(a, b)[0]))
    return lambda: float(multiply()), 2.0 * MATMUL**3


def flop_per_image(model: Any) -> float:
    """Of training on one image: twice the forward work for the gradients, but none for the input's."""
    forward = []
    for layer in model.layers:
        if kernels := [weight for weight in layer.weights if weight.name == "kernel"]:
            positions = np.prod(layer.output.shape[1:-1]) if len(layer.output.shape) == 4 else 1
            forward.append(2.0 * np.prod(kernels[0].shape) * positions)
    return float(3 * sum(forward) - forward[0])


def work() -> None:
    """The life of a worker: one JSON line says what to set up, every further line asks for a segment."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    task = json.loads(sys.stdin.readline())
    contestants = {"ours": ours, "model.fit": model_fit, "PyTorch": pytorch, "matmul": matmul}
    try:
        segment, flop = contestants[task["contestant"]](**task["arguments"])
        for _ in range(WARM_UP):
            segment()
    except Exception as error:  # the parent tells it
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)
        return
    print(json.dumps({"flop": flop}), file=answers)
    for _ in sys.stdin:
        time.sleep(REST)
        start = time.perf_counter()
        segment()
        print(json.dumps(time.perf_counter() - start), file=answers)


@dataclasses.dataclass
class Worker:
    """A contestant's process and the seconds of its segments."""

    name: str
    process: subprocess.Popen[str]
    flop: float | None = None
    seconds: list[float] = dataclasses.field(default_factory=list)

    def ask(self, line: str) -> Any:
        assert self.process.stdin and self.process.stdout
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name}: the process died with exit code {self.process.wait()}.")
        return json.loads(answer)


def start_worker(name: str, contestant: str, arguments: dict[str, Any], python: str) -> Worker | None:
    """A warmed-up worker, or None if its library is not there."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    worker = Worker(name, subprocess.Popen([python, __file__, "--worker"], text=True, env=environment, **pipes))
    answer = worker.ask(json.dumps({"contestant": contestant, "arguments": arguments}))
    if "error" not in answer:
        worker.flop = answer["flop"]
        return worker
    if "ModuleNotFoundError: No module named 'torch" not in answer["error"]:
        raise SystemExit(f"{name}: {answer['error']}")
    print(f"{name} is left out: {python} has no torch. Name one that has with --torch-python.", file=sys.stderr)
    return None


def compare(recipe: str, name: str, count: int, rounds: int, torch_python: str, bfloat16: bool) -> dict[str, Any]:
    """Lets the contestants of one recipe and network take turns."""
    from kerasexp.config.loading import load_experiment

    def arguments(copies: int) -> dict[str, Any]:
        experiment = load_experiment(name, recipe, overrides=[f"augmentation.copies={copies}"])
        return {"settings": experiment.model_dump(mode="json"), "count": count}

    main_precision = "bfloat16" if recipe == "fast" and bfloat16 else "float32"
    precisions = list(dict.fromkeys([main_precision, "float32"]))
    contestants = [(f"ours {p}", "ours", {**arguments(0), "precision": p}) for p in precisions]
    if recipe == "fast":
        augmented = {**arguments(1), "precision": main_precision}
        contestants.append((f"ours {main_precision}, augmented", "ours", augmented))
    contestants += [(each, each, arguments(0)) for each in ("model.fit", "PyTorch")]
    contestants += [(f"matmul {p}", "matmul", {"precision": p}) for p in precisions]
    workers: list[Worker] = []
    try:
        for title, contestant, given in contestants:
            worker = start_worker(title, contestant, given, torch_python if contestant == "PyTorch" else sys.executable)
            workers += [worker] if worker else []
        for number in range(rounds):
            first = number % len(workers)  # nobody always follows the same one
            for worker in workers[first:] + workers[:first]:
                worker.seconds.append(worker.ask("segment"))
    finally:
        for worker in workers:
            worker.process.kill()
    flop = workers[0].flop  # of every contestant that trains
    results = {w.name: {"seconds": w.seconds, "gflop": (w.flop or flop or 0) / 1e9} for w in workers}
    return {"recipe": recipe, "experiment": name, "images": count, "results": results}


def show(comparison: dict[str, Any]) -> None:
    recipe, name, results = comparison["recipe"], comparison["experiment"], comparison["results"]
    best = {key: min(result["seconds"]) for key, result in results.items()}
    median = {key: statistics.median(result["seconds"]) for key, result in results.items()}
    print(f"\n{name}, {recipe}: segments of {comparison['images']:,} images")
    print(f"{'':28}{'best s':>9}{'median s':>10}{'images/s':>10}{'GFLOP/s':>9}{'of peak':>9}")
    for key, result in results.items():
        speed = result["gflop"] / best[key]
        precision = "bfloat16" if "bfloat16" in key else "float32"
        peak = results[f"matmul {precision}"]["gflop"] / best[f"matmul {precision}"]
        images = "" if key.startswith("matmul") else f"{comparison['images'] / best[key]:,.0f}"
        print(f"{key:28}{best[key]:9.3f}{median[key]:10.3f}{images:>10}{speed:9,.0f}{speed / peak:9.0%}")
    rivals = [key for key in results if not key.startswith(("matmul", "ours"))]
    mine = [key for key in results if key.startswith("ours")]
    pairs = [(own, rival) for own in mine for rival in rivals]
    pairs += [("ours bfloat16", "ours float32")] if "ours bfloat16" in results else []
    print(f"{'times as fast':50}{'best':>8}{'median':>8}")
    for own, rival in pairs:
        goal = GOALS.get((recipe, name), {}).get(rival, "") if own == mine[0] else ""
        print(f"{own + ' / ' + rival:50}{best[rival] / best[own]:8.2f}{median[rival] / median[own]:8.2f}  {goal}")


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
        print(f"{environment.processor_name()}, {environment.cores()} cores; {arguments.rounds} alternating rounds")
        if not bfloat16:
            print("The processor has no units for bfloat16: fast is shown in float32 only.")
    comparisons = []
    for recipe, name in itertools.product(("published", "fast"), IMAGES):
        if arguments.only in (None, name.removeprefix("kmnist_")):
            count = arguments.images or IMAGES[name]
            found = compare(recipe, name, count, arguments.rounds, arguments.torch_python, bfloat16)
            comparisons.append(found)
            if not arguments.json:
                show(found)
    if arguments.json:
        print(json.dumps({"rounds": arguments.rounds, "bfloat16": bfloat16, "comparisons": comparisons}, indent=2))


if __name__ == "__main__":
    work() if sys.argv[1:] == ["--worker"] else main()
