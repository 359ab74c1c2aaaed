"""Rounding against integer arithmetic."""

import copy

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.compression.int8 import Rounded, int8, integers, restored, tensors
from core.compression.size import bytes_of


@given(seed=st.integers(0, 10**6), factor=st.floats(1e-3, 1e3))
def test_weights_move_by_half_a_step_at_most_and_scale_with_their_channel(seed, factor):
    weight = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    weight[3] = 0
    values, scale = integers(weight)
    assert values.dtype == torch.int8 and values.abs().max() == 127 and scale.shape == (5,)
    assert ((restored(values, scale) - weight).abs() <= scale.view(-1, 1, 1, 1) * 0.5001).all()
    assert torch.equal(integers(restored(values, scale))[0], values)  # rounding again changes nothing
    scaled, larger = integers(weight * factor)
    assert (scaled - values).abs().max() <= 1 and torch.allclose(larger[:3], scale[:3] * factor)
    assert not values[3].any()


def test_a_layer_computes_what_integers_would(generator):
    layer = nn.Conv2d(3, 4, 3, padding=1, stride=2)
    images = torch.randn(4, 3, 9, 9, generator=generator)
    small = int8(nn.Sequential(layer), images)
    low, high = images.min().item(), images.max().item()
    step = (high - low) / 255
    zero = round(-low / step)
    read = (images / step).round().double() + zero
    values, scale = integers(layer.weight)
    total = F.conv2d(read.clamp(0, 255) - zero, values.double(), stride=2, padding=1)  # exact: whole numbers below 2 ** 53
    expected = total * step * scale.double().view(1, -1, 1, 1) + layer.bias.double().view(1, -1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(small(images).double(), expected, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(small(images), layer(images), atol=1e-4)


def test_folding_the_norm_first_would_round_the_same(tiny):
    network = tiny()
    folded = fuse_conv_bn_eval(network.conv1, network.bn1)
    values, others = (integers(weight)[0].int() for weight in (network.conv1.weight, folded.weight))
    sign = network.bn1.weight.sign().int().view(-1, 1, 1, 1)
    assert (values * sign - others).abs().max() <= 1 and (values * sign != others).float().mean() < 0.01


def test_zero_is_exact_and_ranges_are_clipped():
    layer = Rounded(0.5, 10)
    (found,) = layer(None, (torch.tensor([0.0, 0.2, 0.3, -100.0, 1000.0]),))
    assert found.tolist() == [0, 0, 0.5, -5, 122.5]


def test_gradients_pass_and_nothing_stays_on_the_network(tiny, pictures):
    network = tiny()
    before = copy.deepcopy(network.state_dict())
    small = int8(network, pictures)
    x = pictures.clone().requires_grad_()
    (found,) = torch.autograd.grad(small(x)[:, 0].sum(), x)
    (expected,) = torch.autograd.grad(network.eval()(x)[:, 0].sum(), x)
    assert torch.cosine_similarity(found.flatten(1), expected.flatten(1)).min() > 0.8
    assert all(torch.equal(a, b) for a, b in zip(before.values(), network.state_dict().values(), strict=True))
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_a_file_holds_what_was_counted_and_gives_the_weights_back(tiny, pictures):
    small = int8(tiny(), pictures)
    state = tensors(small)
    stored = sum(v.numel() * v.element_size() for k, v in state.items() if not k.endswith(("num_batches_tracked", "input_scale", "input_zero")))
    assert stored == bytes_of(small, bits=8)
    assert state["conv1.weight"].dtype == torch.int8
    torch.testing.assert_close(restored(state["conv1.weight"], state["conv1.weight.scale"]), small.conv1.weight.detach())
    assert state["linear.input_scale"] > 0 and 0 <= state["linear.input_zero"] <= 255
