import pytest
import torch
from torch import nn

from core.adaptation import make
from core.adaptation.norms import BlendedNorm, MovingNorm, batch_statistics, inside, norm_parameters
from core.errors import InputError


def lived_in():
    layer = nn.BatchNorm2d(4).eval()
    with torch.no_grad():
        for p in (layer.weight, layer.bias, layer.running_mean):
            p.normal_(generator=torch.Generator().manual_seed(0))
        layer.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
    return layer


def test_names_match_by_whole_parts():
    assert inside("layer1.1.conv1.weight", "layer1.1") and inside("layer1.1", "layer1.1")
    assert not inside("layer1.10.conv1.weight", "layer1.1") and not inside("norm1", "norm")


def test_batch_statistics_are_those_of_train_mode_and_no_longer_the_sources(network, preprocessing, batch_norms, images):
    expected = batch_norms(network)(preprocessing.normalise(images))
    assert torch.allclose(make("bn", network, preprocessing).adapt(images), expected, atol=1e-6)
    assert torch.allclose(make("source", network, preprocessing).adapt(images), network(preprocessing.normalise(images)), atol=1e-6)


def test_blended_statistics_by_hand(pictures):
    layer, x = lived_in(), pictures[:, :1].repeat(1, 4, 1, 1) * torch.arange(1, 5).view(1, 4, 1, 1)
    once = nn.BatchNorm2d(4, momentum=0.1).train()  # torch's own blend, unbiased variance
    once.load_state_dict(layer.state_dict())
    once(x)
    expected = once.eval()(x)
    assert torch.allclose(BlendedNorm(layer, alpha=0.1)(x), expected, atol=1e-5)
    assert torch.allclose(BlendedNorm(layer, alpha=0.0)(x), layer(x), atol=1e-5)
    one = x[:1, :, :1, :1]
    assert torch.allclose(BlendedNorm(layer, alpha=0.1)(one), layer(one), atol=1e-5)  # one value has no variance


def test_bn_alpha_does_not_move(network, preprocessing, images):
    method = make("bn_alpha", network, preprocessing)
    assert torch.equal(method.adapt(images), method.adapt(images))


def test_moving_statistics_by_hand(pictures):
    layer, x = lived_in(), pictures[:, :1].repeat(1, 4, 1, 1) + torch.arange(4).view(1, 4, 1, 1)
    moving = MovingNorm(layer, alpha=0.05)
    assert torch.allclose(moving(x), layer(x), atol=1e-5) and torch.equal(moving.running_mean, layer.running_mean)
    moving.train()
    found = moving(x)
    mean = 0.95 * layer.running_mean + 0.05 * x.mean((0, 2, 3))
    var = 0.95 * layer.running_var + 0.05 * x.var((0, 2, 3), correction=0)
    shape = (1, 4, 1, 1)
    expected = (x - mean.view(shape)) / (var.view(shape) + layer.eps).sqrt() * layer.weight.view(shape) + layer.bias.view(shape)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(moving.running_mean, mean) and torch.allclose(moving.running_var, var)
    assert not torch.equal(layer.running_mean, moving.running_mean)  # the layer it stands in for keeps its own


def test_only_scales_and_shifts_take_gradients(network):
    found = norm_parameters(batch_statistics(network))
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {"1.weight", "1.bias", "4.weight", "4.bias"} and len(found) == 4
    assert len(norm_parameters(network, without=("1",))) == 2
    with pytest.raises(InputError, match="no normalisation with a scale"):
        norm_parameters(network, without=("1", "4"))


def test_a_batch_norm_that_keeps_no_statistics(preprocessing):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(144, 3))
    with pytest.raises(InputError, match="keeps no statistics"):
        make("bn_alpha", network, preprocessing)
