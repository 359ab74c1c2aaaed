import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from core.adaptation.losses import entropy, min_max, symmetric_cross_entropy


def draw(seed, shape=(5, 4)):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 1000), st.floats(-50, 50))
def test_entropy_is_that_of_torch_and_does_not_see_a_shift(seed, shift):
    logits = draw(seed)
    assert torch.allclose(entropy(logits), torch.distributions.Categorical(logits=logits).entropy())
    assert torch.allclose(entropy(logits + shift), entropy(logits))
    assert ((entropy(logits) >= 0) & (entropy(logits) <= math.log(4) + 1e-9)).all()


@given(st.integers(0, 1000))
def test_symmetric_cross_entropy_is_half_each_way(seed):
    one, other = draw(seed), draw(seed + 1)
    expected = 0.5 * (F.cross_entropy(one, other.softmax(1), reduction="none") + F.cross_entropy(other, one.softmax(1), reduction="none"))
    assert torch.allclose(symmetric_cross_entropy(one, other), expected)
    assert torch.allclose(symmetric_cross_entropy(one, other), symmetric_cross_entropy(other, one))
    assert torch.allclose(symmetric_cross_entropy(one, one), entropy(one))


@given(st.integers(0, 1000))
def test_min_max_keeps_the_order(seed):
    values = draw(seed, (6,))
    scaled = min_max(values)
    assert scaled.min() == 0 and scaled.max() == 1 and torch.equal(scaled.argsort(), values.argsort())


@pytest.mark.parametrize("equal", [0.0, 1.0])
def test_equal_values_become_what_is_asked_for(equal):
    assert min_max(torch.full((3,), 0.7), equal=equal).tolist() == [equal] * 3
    assert min_max(torch.tensor([2.0]), equal=equal).tolist() == [equal]
