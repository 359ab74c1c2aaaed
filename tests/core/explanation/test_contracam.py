"""ContraCAM against the same score worked out from numbers, and on pictures whose parts are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.errors import InputError
from core.explanation.contracam import contracam


def colours():
    """Return a network whose features are the mean red, green and blue, each after a ReLU, at block "1"."""
    network = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(3).view(3, 3, 1, 1))
    return network


def slow(images, others, iterations, temperature):
    """Work the masks out in NumPy for `colours`, whose features are means of its maps; gradients are finite differences of the score."""
    batch, count = np.concatenate([others, images]).astype(np.float64), len(others)
    mask, original, seen = np.zeros((len(batch), *batch.shape[2:])), None, []
    for _ in range(iterations):
        maps = np.maximum(batch * (1 - mask[:, None]), 0)
        z = maps.mean((2, 3))
        original = z if original is None else original
        seen.append(z[:count])
        for n in range(len(batch)):
            negatives = [kept[m] for kept in seen for m in range(count) if m != n]
            scores = [[score(z[n] + step, original[n], negatives, temperature) for step in (up, -up)] for up in 1e-6 * np.eye(3)]
            found = sum(max((more - less) / 2e-6, 0) * maps[n, k] for k, (more, less) in enumerate(scores))
            mask[n] = np.maximum(mask[n], (found - found.min()) / (found.max() - found.min()))
    return mask[count:]


def score(z, original, negatives, temperature):
    def alike(other):
        return z @ other / np.linalg.norm(z) / np.linalg.norm(other) / temperature

    return alike(original) - np.log(sum(np.exp(alike(other)) for other in negatives))


@pytest.mark.parametrize(("iterations", "temperature"), ((1, 1.0), (3, 1.0), (3, 0.1)))
def test_masks_are_those_of_the_score_worked_out_slowly(iterations, temperature, generator):
    images, others = (torch.rand(n, 3, 6, 6, generator=generator) ** 2 for n in (3, 4))
    found = contracam(colours(), images, block="1", others=others, iterations=iterations, temperature=temperature)
    torch.testing.assert_close(found.double(), torch.from_numpy(slow(images.numpy(), others.numpy(), iterations, temperature)), rtol=1e-3, atol=1e-3)


def test_what_the_others_have_too_is_left_out():
    """Green grass everywhere, and a red thing on one picture: the mask is the thing."""
    pictures = torch.zeros(4, 3, 8, 8)
    pictures[:, 1], pictures[3, :, 2:5, 3:6] = 1, torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    pictures[:3, 2, 0, :3] = 0.2 * torch.eye(3)  # some blue, so that the others differ
    mask = contracam(colours(), pictures[3:], block="1", others=pictures[:3])[0]
    assert (mask[2:5, 3:6] == 1).all() and mask.sum() == 9


@given(st.integers(1, 3), st.floats(0.1, 2))
def test_a_mask_only_grows_and_the_order_of_the_others_is_nothing(iterations, temperature):
    generator = torch.Generator().manual_seed(iterations)
    images, others = (torch.rand(n, 3, 4, 4, generator=generator) for n in (2, 4))
    short, long, turned = (
        contracam(colours(), images, block="1", others=among, iterations=count, temperature=temperature)
        for among, count in ((others, iterations), (others, iterations + 1), (others.flip(0), iterations))
    )
    assert (long >= short).all() and short.min() >= 0 and long.max() <= 1
    torch.testing.assert_close(turned, short, rtol=1e-3, atol=1e-3)


def test_a_network_without_a_linear_head_is_compared_by_its_logits(pictures):
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with torch.no_grad():
        network[2].bias.fill_(0.3)
    headed = nn.Sequential(*network, nn.Linear(4, 9))
    found = contracam(network, pictures[:2], block="1", others=pictures[2:])
    assert torch.equal(found, contracam(headed, pictures[:2], block="1", others=pictures[2:])) and found.std() > 0


def test_others_that_do_not_fit_are_answered(pictures):
    for others, shape in ((pictures[:1], "1x3x32x32"), (pictures[..., :16], "6x3x32x16"), (pictures[0], "3x32x32")):
        with pytest.raises(InputError, match=f"at least two other pictures of the same size, prepared alike; their shape is {shape}"):
            contracam(colours(), pictures, others=others)
