"""ViM by hand, against pytorch-ood, and under changes that must not matter."""

import math
from dataclasses import replace

import pytest
import torch

from core.detectors import make
from core.detectors.vim import principal_dim
from core.errors import InputError


def refitted(clusters, features, logits, head, fresh, **parameters):
    reference = replace(clusters.reference, bank=replace(clusters.reference.bank, features=features, logits=logits), head=head)
    return make("vim", **parameters).fit(reference).score(replace(clusters.fresh, features=fresh, logits=fresh @ head[0].T + head[1]))


def test_by_hand(clusters):
    # one class that reads the first axis, logit 2 x - 6: u = (3, 0). The bank lies along the first axis, with 1 up and down:
    # the principal direction is the first, the rest is the second, of mean length 1; the mean of the highest logits is 4
    head = (torch.tensor([[2.0, 0.0]]), torch.tensor([-6.0]))
    features = torch.tensor([[1.0, 1.0], [1.0, -1.0], [9.0, 1.0], [9.0, -1.0]])
    found = refitted(clusters, features, features @ head[0].T + head[1], head, torch.tensor([[5.0, 0.0], [5.0, 0.5], [-2.0, 3.0]]), dim=1)
    assert found.tolist() == pytest.approx([4, 4 - 4 * 0.5, -10 - 4 * 3])


@pytest.mark.parametrize("dim", [0, 5, 12, 23])
def test_as_pytorch_ood(dim, exact, oracles):
    oracle = oracles.ViM(None, dim, exact.head.weight, exact.head.bias).fit_features(exact.reference.bank.features, exact.reference.bank_labels)
    ours = make("vim", dim=dim).fit(exact.reference).score(exact.fresh)
    torch.testing.assert_close(ours, -oracle.predict_features(exact.fresh.features), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("width", "dim"), [(1, 0), (2, 1), (24, 12), (256, 128), (512, 256), (767, 383), (768, 512), (1536, 512), (2048, 1000)])
def test_the_default_leaves_something_over(width, dim):
    assert principal_dim(width) == dim < width


def test_as_many_directions_as_features_are_explained(clusters):
    with pytest.raises(InputError, match="ViM cannot take 24 principal directions of 24 features; choose fewer than 24"):
        make("vim", dim=24).fit(clusters.reference)


def test_turning_the_features_with_the_head_changes_nothing(exact, clusters, generator):
    turn = torch.linalg.qr(torch.randn(24, 24, generator=generator, dtype=torch.float64)).Q
    (weight, bias), bank, fresh = exact.reference.head, exact.reference.bank, exact.fresh
    turned = refitted(clusters, bank.features @ turn, bank.logits, (weight @ turn, bias), fresh.features @ turn)
    torch.testing.assert_close(turned, make("vim").fit(exact.reference).score(fresh), rtol=1e-7, atol=1e-7)


def test_known_features_without_anything_left_over_give_numbers(clusters):
    """Features along two axes fill two principal directions: what is left over is rounding, and unknown features have more."""
    features = torch.zeros(50, 4)
    features[:, :2] = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) + 1
    head = (torch.eye(4)[:2], torch.zeros(2))
    known, unknown = refitted(clusters, features, features[:, :2], head, torch.tensor([[1.5, 1.5, 0.0, 0.0], [1.5, 1.5, 0.5, 0.0]]), dim=2)
    assert math.isfinite(known) and math.isfinite(unknown)
    assert known == pytest.approx(1.5 + math.log(2), abs=1e-3) and unknown < -100
