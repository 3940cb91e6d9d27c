"""The numbers that PyTorch gives, for the tests of what kerasexp does in PyTorch's way.

    python benchmarks/torch_numbers.py [--out tests/models/numbers]

Writes `torch_layers.npz`: convolutions with padding and stride, adaptive pooling, batch normalisation over three
batches, bounds and spread of initial weights. Writes `torch_optimizers.npz`: a small network with batch normalisation
after one and after five steps of SGD and Adam with `weight_decay`. Arrays are in PyTorch's layout; the tests transpose.
Writes `alexnet.npz`: what torchvision's AlexNet makes of one image, with weights that NumPy draws from a seed. Writes
`state_dict.pth` and `state_dict_old.pth`: small files as `torch.save` writes them now, and wrote them before 1.6.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

Arrays = dict[str, np.ndarray]


def numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()


def convolutions() -> Arrays:
    """`conv_<kernel>_<stride>_<padding>_{x,weight,bias,y}`: the shapes that the networks use, on odd and even sizes."""
    found = {}
    for kernel, stride, padding, size in ((5, 2, 2, 32), (11, 4, 2, 35), (3, 2, 1, 14), (5, 1, 2, 8), (3, 1, 1, 7)):
        layer = nn.Conv2d(3, 4, kernel, stride, padding)
        x = torch.randn(2, 3, size, size)
        name = f"conv_{kernel}_{stride}_{padding}"
        for key, tensor in (("x", x), ("weight", layer.weight), ("bias", layer.bias), ("y", layer(x))):
            found[f"{name}_{key}"] = numpy(tensor)
    return found


def adaptive_pooling() -> Arrays:
    x = torch.randn(2, 3, 7, 7)
    return {"pool_x": numpy(x), "pool_y": numpy(nn.AdaptiveAvgPool2d(6)(x))}


def batch_normalization() -> Arrays:
    """Three training batches, the moving statistics after each, and one prediction."""
    layer = nn.BatchNorm2d(3)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5)
        layer.bias.uniform_(-0.5, 0.5)
    x = torch.randn(4, 8, 3, 5, 5) * 2 + 1
    found = {"bn_x": numpy(x), "bn_gamma": numpy(layer.weight), "bn_beta": numpy(layer.bias)}
    for batch in range(3):
        found[f"bn_y{batch}"] = numpy(layer(x[batch]))
        found[f"bn_mean{batch}"] = numpy(layer.running_mean)
        found[f"bn_variance{batch}"] = numpy(layer.running_var)
    found["bn_predicted"] = numpy(layer.eval()(x[3]))
    return found


def initial_weights() -> Arrays:
    """`init_<layer>_{weight,bias}`: smallest, largest value and standard deviation, over 200 fresh layers."""
    makers = {
        "conv": lambda: nn.Conv2d(32, 32, 3),
        "linear": lambda: nn.Linear(512, 64),
        "conv_he": lambda: _kaiming(nn.Conv2d(32, 32, 3)),
        "linear_glorot": lambda: _xavier(nn.Linear(512, 64)),
    }
    found = {}
    for name, make in makers.items():
        made = [make() for _ in range(200)]
        for part in ("weight", "bias"):
            values = torch.cat([getattr(layer, part).detach().flatten() for layer in made]).double()
            found[f"init_{name}_{part}"] = np.array([values.min(), values.max(), values.std()])
    return found


def _kaiming(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _xavier(layer: nn.Linear) -> nn.Linear:
    nn.init.xavier_normal_(layer.weight, gain=nn.init.calculate_gain("relu"))
    nn.init.zeros_(layer.bias)
    return layer


class Small(nn.Module):
    """Convolution, batch normalisation, ReLU, dense layer: every kind of parameter that a decay can act on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.dense = nn.Linear(4 * 6 * 6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.conv(x)))
        return self.dense(x.permute(0, 2, 3, 1).flatten(1))  # flattened as Keras does, channels last


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "sgd_decay": lambda parameters: torch.optim.SGD(parameters, lr=0.1, weight_decay=0.05),
    "sgd_momentum_decay": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.05),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
    "adam_decay": lambda parameters: torch.optim.Adam(parameters, lr=1e-2, weight_decay=0.05),
}


def optimizer_steps() -> Arrays:
    """The network's parameters before, after one and after five steps, on the same five batches for each optimizer."""
    start = Small()
    with torch.no_grad():  # a decay of gamma 1 and beta 0 would show less
        start.bn.weight.uniform_(0.5, 1.5)
        start.bn.bias.uniform_(-0.5, 0.5)
    x, labels = torch.randn(5, 8, 2, 6, 6), torch.randint(0, 3, (5, 8))
    found = {"x": numpy(x), "labels": numpy(labels)}
    found |= {f"start/{name}": numpy(tensor) for name, tensor in start.named_parameters()}
    for optimizer_name, make in OPTIMIZERS.items():
        model = Small()
        model.load_state_dict(start.state_dict())
        optimizer = make(model.parameters())
        for step in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[step]), labels[step])
            loss.backward()
            optimizer.step()
            if step in (0, 4):
                key = f"{optimizer_name}/step{step + 1}"
                found |= {f"{key}/{name}": numpy(tensor) for name, tensor in model.named_parameters()}
                found[f"{key}/loss"] = numpy(loss)
    return found


def alexnet() -> nn.Sequential:
    """torchvision.models.alexnet, with its names of the parameters."""
    pool = {"kernel_size": 3, "stride": 2}
    features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(**pool)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(**pool)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(**pool)),
    )
    classifier = nn.Sequential(
        *(nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)),
    )
    network = nn.Sequential()
    network.add_module("features", features)
    network.add_module("avgpool", nn.AdaptiveAvgPool2d(6))
    network.add_module("flatten", nn.Flatten())
    network.add_module("classifier", classifier)
    return network.eval()


def alexnet_outputs() -> Arrays:
    """`features` (channels first) and `logits` of an image; the tests draw the same weights and the same image."""
    generator = np.random.default_rng(7)
    network = alexnet()
    weights = {}
    for name, tensor in network.state_dict().items():
        values = generator.standard_normal(tuple(tensor.shape), np.float32)
        weights[name] = torch.tensor(values * np.sqrt(2 / max(1, tensor[0].numel())) if tensor.ndim > 1 else values)
    network.load_state_dict(weights)
    image = np.random.default_rng(8).integers(0, 256, (224, 224, 3), np.uint8)
    x = torch.tensor(image.transpose(2, 0, 1)[None] / 255, dtype=torch.float32)
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        return {"features": numpy(network.features(x)[0]), "logits": numpy(network(x)[0])}


def write_state_dicts(out: Path) -> None:
    """Tensors in several number formats, one of them a part of another's storage."""
    whole = torch.arange(24, dtype=torch.float32)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    content = {
        **model.state_dict(),
        "whole": whole,
        "part": whole[6:18].view(3, 4),
        "half": torch.tensor([0.5, 2.0], dtype=torch.float16),
        "double": torch.tensor([[1 / 3]], dtype=torch.float64),
        "parameter": nn.Parameter(torch.tensor([7.0])),
    }
    torch.save(content, out / "state_dict.pth")
    torch.save(content, out / "state_dict_old.pth", _use_new_zipfile_serialization=False)
    np.savez_compressed(out / "state_dict.npz", **{name: numpy(tensor) for name, tensor in content.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("tests/models/numbers"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    written = {
        "torch_layers": convolutions() | adaptive_pooling() | batch_normalization() | initial_weights(),
        "torch_optimizers": optimizer_steps(),
        "alexnet": alexnet_outputs(),
    }
    for name, arrays in written.items():
        np.savez_compressed(out / f"{name}.npz", torch=np.array(torch.__version__), **arrays)
        print(out / f"{name}.npz")
    write_state_dicts(out)


if __name__ == "__main__":
    main()
