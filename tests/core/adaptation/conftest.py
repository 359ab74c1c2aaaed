"""A small network with batch norm, pictures of three kinds, and a source of them."""

import pytest
import torch
from torch import nn

from core.images.preprocess import Preprocessing
from core.images.sources import Batch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def toys(n, seed=0, size=8):
    """Return (n, 3, size, size) pixels in [0, 1], brighter in the channel of their label, and (n,) labels 0 to 2."""
    g = seeded(seed)
    labels = torch.arange(n) % 3
    images = 0.5 * torch.rand(n, 3, size, size, generator=g)
    images[torch.arange(n), labels] += 0.3
    return images, labels


def plain(*, norm=True):
    def layer(inputs, outputs, stride):
        return [nn.Conv2d(inputs, outputs, 3, stride, 1), *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU()]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*layer(3, 6, 1), *layer(6, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


@pytest.fixture(scope="session")
def trained():
    """Return the state of a network that tells the toys apart, so that its answers are neither all sure nor all alike."""
    network, (images, labels) = plain(), toys(96)
    inputs = Preprocessing(8).normalise(images)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(12):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimiser.step()
    return network.state_dict()


@pytest.fixture
def network(trained):
    made = plain()
    made.load_state_dict(trained)
    return made.eval()


@pytest.fixture
def without_norm():
    return plain(norm=False).eval()


@pytest.fixture
def preprocessing():
    return Preprocessing(8)


@pytest.fixture
def source():
    """Return 40 source pictures; batches of 16 do not divide them."""
    images, labels = toys(40, seed=1)
    return Batch((255 * images).round().to(torch.uint8), labels, (), (), ())


@pytest.fixture
def images():
    """Return 24 corrupted pictures."""
    clean, _ = toys(24, seed=2)
    return (clean + 0.3 * torch.rand(clean.shape, generator=seeded(3))).clamp(0, 1)


@pytest.fixture
def batch_norms():
    """Return a function: a copy of a network that normalises by the batch, written apart from core's."""
    import copy

    def made(network):
        twin = copy.deepcopy(network)
        for module in twin.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train()
                module.momentum = 0.0  # running statistics stay
        return twin

    return made
