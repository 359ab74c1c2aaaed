"""RSP: the totals that its rules must keep, on single steps and through whole networks."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.vgg import VGG, make_layers

from core.errors import InputError
from core.explanation.rsp import add_step, conv_step, first_step, move_step, pool_step, purge, rsp, seed
from core.networks.build import create

OPTIONS = {"stride": 1, "padding": 1}


@pytest.fixture
def step(generator):
    """Return (input, weight, relevance at the output) of a convolution."""
    x = torch.randn(1, 5, 9, 9, generator=generator, dtype=torch.float64)
    return x, torch.randn(4, 5, 3, 3, generator=generator, dtype=torch.float64), torch.randn(1, 4, 9, 9, generator=generator, dtype=torch.float64)


def test_a_convolution_keeps_the_total_and_leaves_silent_inputs_out(step):
    x, weight, relevance = step
    sent = conv_step(x, weight, relevance, OPTIONS)
    torch.testing.assert_close(sent.sum(), relevance.sum())
    assert (sent[x <= 0] == 0).all() and (sent[x > 0] != 0).all()
    narrow = conv_step(x.abs(), weight[..., :1, :1], relevance, {"stride": 1, "padding": 0})
    torch.testing.assert_close(narrow.sum(), relevance.sum())


def test_a_convolution_by_hand():
    """One output: the gradient weighs each input by itself, so relevance goes by their squares, 2 and 8 of 10; then twice that, less 10 shared by two."""
    x = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64).view(1, 1, 1, 3)
    sent = conv_step(x, torch.zeros(1, 1, 1, 3), torch.full((1, 1, 1, 1), 10.0, dtype=torch.float64), {"stride": 1, "padding": 0})
    assert sent.flatten().tolist() == pytest.approx([2 * 2 - 5, 2 * 8 - 5, 0])


def test_uniform_shift_turns_weak_units_negative(step):
    x, weight, relevance = step
    sent = conv_step(x, weight, relevance.abs(), OPTIONS)
    assert (sent < 0).any() and sent.sum() > 0


def test_purging_keeps_both_totals_and_drops_what_contradicts(step):
    relevance = step[2]
    kept, place = purge(relevance), relevance.sum(1, keepdim=True)
    for sign in (1, -1):
        torch.testing.assert_close((sign * kept).relu().sum(), (sign * relevance).relu().sum())
    assert not (kept * place < 0).any()
    assert torch.equal(purge(relevance.abs()), relevance.abs())


def test_the_first_layer_keeps_the_total_and_is_linear(step):
    x, weight, relevance = step
    sent = first_step(x, weight, relevance, OPTIONS)
    torch.testing.assert_close(sent.sum(), relevance.sum())
    torch.testing.assert_close(first_step(x, weight, -2 * relevance, OPTIONS), -2 * sent)


def test_the_seed_has_the_totals_of_its_tilt_and_turns_with_the_classes(generator):
    one, other = torch.randn(2, 3, 6, 4, 4, generator=generator)
    found = seed(one, [other], tilt=2.0).sum(1)
    torch.testing.assert_close(found.relu().sum((1, 2)), torch.full((3,), 2.0))
    torch.testing.assert_close((-found).relu().sum((1, 2)), torch.ones(3))
    torch.testing.assert_close(seed(one, [other], tilt=1.0), -seed(other, [one], tilt=1.0))


def test_the_seed_goes_to_channels_that_respond(generator):
    one, other = torch.randn(2, 1, 6, 4, 4, generator=generator)
    one[:, 2:], other[:, 2:] = 0, 0
    assert (seed(one, [other])[:, 2:] == 0).all()


def test_sums_pools_and_joints_by_hand():
    one, other, relevance = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, -1.0, -1.0], [3.0, 2.0, -5.0], [4.0, -6.0, 8.0]))
    assert [part.tolist() for part in add_step(one, other, relevance)] == [[1, 0, 4], [3, -6, 4]]
    x = torch.tensor([1.0, 3.0, -2.0, 4.0], dtype=torch.float64).view(1, 1, 2, 2)
    there = torch.full((1, 1, 1, 1), 8.0, dtype=torch.float64)
    assert pool_step(lambda x: F.avg_pool2d(x, 2), x, there).flatten().tolist() == [1, 3, 0, 4]
    assert pool_step(lambda x: F.max_pool2d(x, 2), x, there).flatten().tolist() == [0, 0, 0, 8]
    parts = move_step(lambda tensors: torch.cat(tensors, 1), [x.clone(), -x], torch.arange(8.0, dtype=torch.float64).view(1, 2, 2, 2))
    assert [part.flatten().tolist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("tilt", (2.0, 3.0))
@pytest.mark.parametrize("arch", ("cifar_resnet20", "cifar_resnet18", "cifar_vgg11_bn"))
def test_our_networks_keep_the_total_down_to_the_pixels(arch, tilt, tiny, pictures):
    maps = rsp(tiny(arch), pictures[:2], tilt=tilt)
    torch.testing.assert_close(maps.sum((1, 2)), torch.full((2,), tilt - 1), rtol=0, atol=0.01)
    assert (maps > 0).any() and (maps < 0).any()


@pytest.mark.parametrize("arch", ("resnet18", "vgg", "squeezenet1_0"))
def test_networks_of_torchvision_keep_the_total(arch, generator):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create(arch, classes=4) if arch != "vgg" else _narrow_vgg()
    maps = rsp(network, torch.randn(2, 3, 64, 64, generator=generator))
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2), rtol=0, atol=0.01)


def _narrow_vgg():
    """Return torchvision's VGG with few channels and one layer in its head: the whole has 130 million weights."""
    network = VGG(make_layers([8, "M", 16, "M", 16, 16, "M"]), num_classes=4)
    network.classifier = nn.Linear(16 * 49, 4)
    return network.eval()


def test_a_layer_without_a_rule_is_named(pictures):
    with pytest.raises(InputError, match="has no rule for hardtanh"):
        rsp(create("mobilenet_v2", classes=4), pictures[:1])


def test_as_many_rivals_as_there_are_other_classes(tiny, pictures):
    assert torch.isfinite(rsp(tiny(), pictures[:1], rivals=9)).all()
    with pytest.raises(InputError, match="10 rivals were asked for, of 10 classes; choose 1 to 9"):
        rsp(tiny(), pictures[:1], rivals=10)


def test_other_threads_run_undisturbed(tiny, pictures):
    network = tiny()
    alone, logits = rsp(network, pictures), network(pictures)
    with ThreadPoolExecutor(4) as threads:
        maps = [threads.submit(rsp, network, pictures) for _ in range(3)]
        passes = [threads.submit(network, pictures) for _ in range(12)]
    assert all(torch.equal(found.result(), alone) for found in maps) and all(torch.equal(found.result(), logits) for found in passes)
