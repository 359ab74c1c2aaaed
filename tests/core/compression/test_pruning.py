"""Pruning against torch's own and against networks that are truly cut."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from core.compression import compress
from core.compression.pruning import magnitude, structured, weights_of
from core.errors import InputError


def chain(seed=0):
    """Return a network whose channels can be cut out by hand, with lived-in norms."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, second = (nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 8), (8, 6)))
        norms = nn.BatchNorm2d(8), nn.BatchNorm2d(6)
        for norm in norms:
            for values in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(norm.running_var, 0.5, 2)
        return nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1], nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)).eval()


def weights(network):
    return [values.detach() for _, _, values in weights_of(network)]


@given(amount=st.floats(0, 0.99))
def test_the_smallest_weights_of_the_whole_network_go(amount):
    network = chain()
    small = magnitude(network, None, amount=amount)
    before, after = (torch.cat([w.flatten() for w in weights(each)]) for each in (network, small))
    gone = after == 0
    assert gone.sum() == round(amount * len(before)) and torch.equal(before[~gone], after[~gone])
    if gone.any():
        assert before[gone].abs().max() <= before[~gone].abs().min()


def test_magnitude_is_torchs_own(tiny):
    network = tiny("cifar_vgg11")
    expected = copy.deepcopy(network)
    chosen = [(m, "weight") for m in expected.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(chosen, prune.L1Unstructured, amount=0.6)
    for layer, small in zip(chosen, weights(magnitude(network, None, amount=0.6)), strict=True):
        assert torch.equal(layer[0].weight, small)


@pytest.mark.parametrize("norm", (1, 2))
def test_channels_are_those_of_torch(norm, tiny, pictures):
    network = tiny()
    small = structured(network, pictures, amount=0.5, norm=norm)
    layers = [m for m in copy.deepcopy(network).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer, found in zip(layers[:-1], weights(small), strict=False):
        assert torch.equal(prune.ln_structured(layer, "weight", amount=0.5, n=norm, dim=0).weight, found)
    assert torch.equal(weights(network)[-1], weights(small)[-1])  # every class keeps its output


def test_a_pruned_channel_is_as_good_as_cut_out(pictures):
    network = chain()
    small = structured(network, pictures, amount=0.5)
    first, second = (network[i].weight.detach().abs().sum((1, 2, 3)).argsort(descending=True) for i in (0, 3))
    kept, then = first[:4].sort().values, second[:3].sort().values
    cut = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3), *network[5:8])
    cut.append(nn.Linear(3, 4))
    state = {k: v for k, v in network.state_dict().items()}
    for name, value in state.items():
        layer = name.split(".")[0]
        rows = {"0": kept, "1": kept, "3": then, "4": then}.get(layer)
        value = value if rows is None or not value.ndim else value[rows]
        state[name] = value[:, kept] if name == "3.weight" else value[:, then] if name == "8.weight" else value
    cut.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(small(pictures), cut.eval()(pictures))
        assert not torch.allclose(small(pictures), network(pictures), atol=1e-3)


def test_where_a_residual_branch_is_pruned_the_shortcut_passes_alone(tiny, pictures):
    network = tiny()
    small, block = structured(network, pictures, amount=0.5), "layer1.1"
    gone = ~small.get_submodule(f"{block}.conv2").weight.detach().flatten(1).any(1)
    seen = {}
    small.get_submodule(block).register_forward_hook(lambda _, given, output: seen.update(before=given[0], after=output))
    with torch.no_grad():
        small(pictures)
    assert gone.sum() == 2
    torch.testing.assert_close(seen["after"][:, gone], seen["before"][:, gone].relu())
    assert not torch.allclose(seen["after"][:, ~gone], seen["before"][:, ~gone].relu(), atol=1e-3)


@pytest.mark.parametrize("name", ("magnitude", "structured"))
@pytest.mark.parametrize("amount", (-0.1, 1.0, 5))
def test_a_share_out_of_range_is_refused(name, amount, pictures):
    with pytest.raises(InputError, match="share to prune"):
        compress(name, chain(), pictures, amount=amount)


def test_nothing_pruned_is_the_same_network(pictures):
    network = chain()
    for name in ("magnitude", "structured"):
        small = compress(name, network, pictures, amount=0.0)
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), small.state_dict().values(), strict=True))
