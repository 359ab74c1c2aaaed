"""Curves, places and correlations by hand, against scipy, and on a network whose evidence is known."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from core.explanation import explain
from core.explanation.common import classes_of
from core.explanation.faithfulness import (
    area,
    deletion,
    edge_maps,
    energy,
    hits,
    insertion,
    probability_of,
    random_maps,
    randomised,
    sanity,
    spearman,
)
from core.images import toybox


@pytest.fixture
def corner(generator):
    """Return (measure, pictures, true map): the measure is what the upper left quarter of a picture sums to."""
    true = torch.zeros(8, 8)
    true[:4, :4] = 1 + torch.rand(4, 4, generator=generator)
    return (lambda images: images[:, 0, :4, :4].sum((1, 2))), torch.ones(2, 3, 8, 8), true.expand(2, -1, -1)


def test_deletion_falls_at_once_by_the_true_map_and_at_last_by_its_opposite(corner):
    measure, images, true = corner
    best = deletion(measure, images, true, steps=4)
    assert best.tolist() == [[16, 0, 0, 0, 0]] * 2
    assert deletion(measure, images, -true, steps=4).tolist() == [[16, 16, 16, 16, 0]] * 2
    assert area(best).tolist() == [2, 2]  # one triangle of height 16 over a quarter


def test_insertion_ends_with_the_picture_and_rises_at_once(corner, generator):
    measure, _, true = corner
    images = torch.randn(2, 3, 8, 8, generator=generator)
    curve = insertion(measure, images, true, steps=4)
    torch.testing.assert_close(curve[:, 1:], measure(images)[:, None].expand(-1, 4))
    assert not torch.allclose(curve[:, 0], curve[:, 1])  # it begins with a blur


def test_the_probability_is_of_the_class_that_was_asked_for(tiny, pictures):
    network, classes = tiny(), torch.tensor([3, 1, 4, 1, 5, 9])
    with torch.no_grad():
        expected = network.eval()(pictures).softmax(1)[range(6), classes]
        torch.testing.assert_close(probability_of(network, classes)(pictures), expected)


def test_hits_and_energy_by_hand():
    maps = torch.tensor([[[3.0, 1.0], [-5.0, 0.0]], [[3.0, 4.0], [1.0, 0.0]], [[-1.0, -2.0], [-3.0, -4.0]]])
    masks = torch.tensor([[True, False], [True, False]]).expand(3, -1, -1)
    assert hits(maps, masks).tolist() == [True, False, True]
    assert energy(maps, masks).tolist() == pytest.approx([0.75, 0.5, 0.0])


def test_the_mask_of_a_toy_is_its_own_explanation():
    toys = [toybox.draw("test", i, size=32) for i in range(8)]
    masks = torch.stack([torch.from_numpy(toy.mask) for toy in toys])
    assert hits(masks.float(), masks).all() and energy(masks.float(), masks).tolist() == [1.0] * 8
    assert not hits(-masks.float(), masks).any()


def test_rank_correlation_is_scipys(generator):
    a = torch.randn(3, 6, 6, generator=generator).round(decimals=1)  # with ties
    b = a + torch.randn(3, 6, 6, generator=generator).round(decimals=1)
    expected = [spearmanr(one.flatten(), other.flatten()).statistic for one, other in zip(a, b, strict=True)]
    assert spearman(a, b).tolist() == pytest.approx(expected)
    assert spearman(a, torch.zeros_like(a)).tolist() == [0, 0, 0]


def test_shuffled_weights_are_the_same_values_elsewhere_from_the_head_down(tiny, generator):
    network = tiny()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    head, half, whole = (randomised(network, share, generator=torch.Generator().manual_seed(0)).state_dict() for share in (0.01, 0.5, 1.0))
    changed = [{k for k in before if not torch.equal(before[k], other[k])} for other in (head, half, whole)]
    assert changed[0] == {"linear.weight", "linear.bias"} and changed[0] < changed[1] < changed[2]
    assert "conv1.weight" in changed[2] and "conv1.weight" not in changed[1] and not any("bn" in k for k in changed[2])
    assert all(torch.equal(before[k].flatten().sort()[0], whole[k].flatten().sort()[0]) for k in before)
    assert all(torch.equal(half[k], whole[k]) for k in changed[1]) and all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_sanity_tells_a_map_of_the_picture_from_one_of_the_network(tiny, pictures):
    network = tiny()
    same = sanity(lambda network, images, *, target: edge_maps(images), network, pictures)
    torch.testing.assert_close(same, torch.ones(3, 6, dtype=torch.float64))
    learnt = sanity(lambda *given, **target: explain("gradcam", *given, **target), network, pictures)
    assert learnt[-1].abs().mean() < 0.6 and learnt.abs().max() <= 1


def test_sanity_holds_to_the_class_of_the_trained_network(tiny, pictures):
    network, asked = tiny(), []
    sanity(lambda network, images, *, target: asked.append(target) or edge_maps(images), network, pictures)
    assert len(asked) == 4 and all(torch.equal(target, classes_of(network, pictures)) for target in asked)


def test_floors_know_nothing_of_the_network(generator):
    images = torch.zeros(1, 3, 8, 8)
    images[..., 4:] = 1
    assert edge_maps(images)[0].nonzero()[:, 1].unique().tolist() == [3, 4]
    noise = random_maps(images, generator=generator)
    assert noise.shape == (1, 8, 8) and noise.std() > 0.2


def test_a_linear_network_is_explained_faithfully(generator):
    """The logit is a sum over pixels, so that the best order is known: Integrated Gradients find it."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.randn(2, 192, generator=generator))
    images = torch.randn(4, 3, 8, 8, generator=generator)
    classes = torch.zeros(4, dtype=torch.int64)
    maps = explain("integrated_gradients", network, images, target=0, steps=2)
    torch.testing.assert_close(maps, (images * network[1].weight[0].view(3, 8, 8)).sum(1).detach())
    logit = lambda x: network(x)[range(len(x)), classes]  # noqa: E731
    assert (area(deletion(logit, images, maps)) < area(deletion(logit, images, random_maps(images, generator=generator)))).all()
