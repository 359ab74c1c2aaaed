"""The losses and scores of the comparison with CSI, by hand and by loops."""

import math

import pytest
import torch

from benchmarks.csi import TURNS, Heads, contrast, csi, scores, turned
from core.images.preprocess import Preprocessing


def test_the_contrast_by_loops(generator):
    z, labels = torch.randn(7, 3, generator=generator), torch.tensor([0, 1, 0, 2, 1, 0, 3])  # 2 and 3 have nothing alike
    unit, losses = [v / v.norm() for v in z], []
    for i in range(7):
        alike = [j for j in range(7) if j != i and labels[j] == labels[i]]
        total = sum(math.exp(unit[i] @ unit[k] / 0.5) for k in range(7) if k != i)
        if alike:
            losses.append(-sum(math.log(math.exp(unit[i] @ unit[j] / 0.5) / total) for j in alike) / len(alike))
    assert contrast(z, labels, 0.5).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_scores_by_hand():
    """Two known pictures of length 1 along the axes; one picture of length 3 along the first, turned with logits twice the usual."""
    bank = torch.eye(2).expand(TURNS, 2, 2), torch.full((TURNS, 2), 2.0)
    found = scores((torch.tensor([3.0, 0.0]).expand(TURNS, 1, 2), torch.full((TURNS, 1), 4.0)), bank)
    assert {name: value.item() for name, value in found.items()} == {"s_con, upright": 3, "s_con-SI": 12, "s_cls-SI": 8, "s_CSI": 20}


def test_heads_share_the_features_and_leave_the_logits_alone(tiny, generator):
    network = tiny(width=4)
    heads, images = Heads(network), torch.randint(0, 256, (3, 3, 32, 32), generator=generator, dtype=torch.uint8)
    inputs = Preprocessing().normalise(images)
    heads.eval()
    assert torch.equal(heads(inputs), network(inputs))
    z, shift = turned(heads, images, Preprocessing())
    heads.network.linear, head = torch.nn.Identity(), heads.network.linear
    upside_down = heads.network(torch.rot90(inputs, 2, (2, 3)))
    heads.network.linear = head
    torch.testing.assert_close(z[2], heads.project(upside_down).detach())
    torch.testing.assert_close(shift[2], heads.shift(upside_down)[:, 2].detach())
    heads.train()
    loss = csi(lambda pixels: heads(Preprocessing().normalise(pixels)), images.float() / 255, torch.tensor([0, 1, 1]), generator=generator)
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for layer in (heads.shift, heads.project[2], heads.network.linear) for p in layer.parameters())
