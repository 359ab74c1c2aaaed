import math

import pytest
import torch

from core.adaptation import make
from core.adaptation.lame import affinity, smooth


def draws(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=g), torch.randn(n, 3, generator=g).softmax(1)


def test_affinity_by_loops():
    features, _ = draws(7)
    unit = [row / row.norm() for row in features]
    distance = [[(a - b).norm().item() for b in unit] for a in unit]
    width = sum(sorted(row)[4] for row in distance) / 7  # the fifth nearest, itself counted
    expected = [[math.exp(-(d**2) / (2 * width**2)) for d in row] for row in distance]
    assert torch.allclose(affinity(features, neighbours=5), torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_smoothing_by_loops(n):
    features, p = draws(n, 1)
    kernel = affinity(features, neighbours=5)
    y = p.double()
    for _ in range(100):
        new = []
        for i in range(n):
            row = [p[i, c].item() * math.exp(sum(kernel[i, j].item() * y[j, c].item() for j in range(n))) for c in range(3)]
            new.append([value / sum(row) for value in row])
        y = torch.tensor(new, dtype=torch.float64)
    assert torch.allclose(smooth(p, kernel, steps=100).double(), y, atol=1e-3)


def test_it_draws_alike_pictures_to_one_class(network, preprocessing, images):
    method = make("lame", network, preprocessing)
    found = method.adapt(images)
    features, logits = method.features(images)
    assert torch.allclose(found.softmax(1), smooth(logits.softmax(1), affinity(features, neighbours=5), steps=100), atol=1e-6)
    assert torch.allclose(found.exp().sum(1), torch.ones(24), atol=1e-5)
    assert torch.equal(method.adapt(images), found)  # nothing is learnt


def test_pictures_that_are_all_the_same_are_handled():
    kernel = affinity(torch.ones(4, 3), neighbours=5)
    assert torch.equal(kernel, torch.ones(4, 4)) and smooth(torch.full((4, 3), 1 / 3), kernel, steps=10).isfinite().all()
