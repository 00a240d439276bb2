"""One small PyTorch network, with fixed random weights, that every library is asked about.

Axes as everywhere: n image, t target (class), m copy, h row, w column, c channel; channels last in
numpy, channels first in PyTorch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

SIZE = (13, 17)
"""Height and width differ, so that no library can mistake one for the other."""

CLASSES = 4


class SmallNetwork(nn.Module):
    """Two convolutions, each with a ReLU of its own, pooling between, a flattened linear head."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.first_relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.second = nn.Conv2d(5, 7, 3, padding=1)
        self.second_relu = nn.ReLU()
        self.head = nn.Linear(7 * 6 * 8, CLASSES)

    def forward(self, images):
        early = self.pool(self.first_relu(self.first(images)))
        return self.head(self.second_relu(self.second(early)).flatten(1))


def small_network():
    """The network in evaluation mode; its weights are drawn by numpy, so they never change."""
    network = SmallNetwork().eval()
    generator = np.random.default_rng(20)
    with torch.no_grad():
        for parameter in network.parameters():
            values = 0.5 * generator.standard_normal(tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(values))
    return network


def photos(count=2):
    """Images (n, h, w, c), frozen, and the same as a PyTorch tensor (n, c, h, w)."""
    images = np.random.default_rng(21).standard_normal((count, *SIZE, 3)).astype(np.float32)
    images.flags.writeable = False
    return images, to_torch(images)


def to_torch(images):
    return torch.from_numpy(np.moveaxis(images, -1, 1).copy())


def to_numpy(tensor):
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def layer_by_autograd(network, layer, images, target):
    """Activations of a layer and their gradients, for one class, by plain autograd."""
    held = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: held.append(output))
    try:
        scores = network(to_torch(images))
    finally:
        handle.remove()
    (gradients,) = torch.autograd.grad(scores[:, target].sum(), held[0])
    return to_numpy(held[0]), to_numpy(gradients)


def gradient_by_autograd(network, targets):
    """A method's `gradient`: values and gradients of copies, for several classes."""

    def gradient(copies):
        pixels = to_torch(copies).requires_grad_(True)
        scores = network(pixels)
        by_target = [
            to_numpy(torch.autograd.grad(scores[:, target].sum(), pixels, retain_graph=True)[0])
            for target in targets
        ]
        return scores[:, targets].detach().numpy(), np.stack(by_target, axis=1)

    return gradient


def score_by_torch(network, targets):
    """A method's `score`: the values of copies, for several classes."""

    def score(copies):
        with torch.no_grad():
            return network(to_torch(copies))[:, targets].numpy()

    return score


class GuidedReLU(torch.autograd.Function):
    """Springenberg et al., figure 1c: R_before = (f > 0) · (R_behind > 0) · R_behind."""

    @staticmethod
    def forward(context, values):
        context.save_for_backward(values)
        return values.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        (values,) = context.saved_tensors
        return gradient * (values > 0) * (gradient > 0)


def guided_network():
    """The same network with the guided rule in its ReLUs."""
    network = small_network()
    network.first_relu.forward = GuidedReLU.apply
    network.second_relu.forward = GuidedReLU.apply
    return network
