"""Every training method does what its equation says, and learns."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.training import METHODS, adversarial_mixup, m_tlat, mixup, standard
from core.training.draw import blend, blended_cross_entropy, shares
from core.training.fgsm import fgsm
from core.training.trainer import Recipe, train


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def classify():
    """Return a small network without batch statistics, so that passes do not change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 3))


@pytest.fixture
def batch():
    generator = seeded(7)
    return torch.rand(12, 3, 8, 8, generator=generator), torch.randint(0, 3, (12,), generator=generator)


def soft(logits, target):
    return -(target * logits.log_softmax(1)).sum(1)


def gradient(classify, images, labels):
    moved = images.clone().requires_grad_()
    F.cross_entropy(classify(moved), labels).backward()
    return moved.grad


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_are_beta(alpha):
    drawn = shares(20_000, alpha, seeded()).double()
    assert torch.equal(drawn, shares(20_000, alpha, seeded()).double()) and not torch.equal(drawn, shares(20_000, alpha, seeded(1)).double())
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.01)
    assert drawn.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_a_blend_by_hand():
    one, other = torch.ones(2, 3, 1, 1), torch.zeros(2, 3, 1, 1)
    assert torch.equal(blend(torch.tensor([0.25, 1.0]), one, other), torch.tensor([0.25, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1))


@given(st.integers(0, 1000))
def test_blended_cross_entropy_is_that_of_the_blended_label(seed):
    generator = seeded(seed)
    logits, share = torch.randn(5, 4, generator=generator), torch.rand(5, generator=generator)
    one, other = torch.randint(0, 4, (2, 5), generator=generator)
    target = share[:, None] * F.one_hot(one, 4) + (1 - share[:, None]) * F.one_hot(other, 4)
    assert torch.allclose(blended_cross_entropy(logits, share, one, other), soft(logits, target), atol=1e-6)


def test_the_attack_is_a_step_of_eps_by_the_sign_of_the_gradient(classify, batch):
    images, labels = batch
    found = fgsm(classify, images, lambda logits: F.cross_entropy(logits, labels, reduction="sum"), 0.03)
    expected = (images + 0.03 * gradient(classify, images, labels).sign()).clamp(0, 1)
    assert torch.allclose(found, expected) and not found.requires_grad
    down = fgsm(classify, images, lambda logits: F.cross_entropy(logits, labels, reduction="sum"), 0.03, down=True)
    before, up, low = (F.cross_entropy(classify(x), labels).item() for x in (images, found, down))
    assert low < before < up


def test_each_picture_can_have_its_own_step(classify, batch):
    images, labels = batch
    steps = torch.linspace(0, 0.1, 12)
    found = fgsm(classify, images, lambda logits: F.cross_entropy(logits, labels, reduction="sum"), steps)
    change = (found - images).abs().flatten(1).amax(1)
    assert torch.equal(found[0], images[0]) and (change <= steps + 1e-6).all() and (change[1:] > 0).all()


def test_an_attack_leaves_pictures_and_gradients_alone(classify, batch):
    images, labels = batch
    before = images.clone()
    with torch.no_grad():
        fgsm(classify, images, lambda logits: F.cross_entropy(logits, labels), 0.1)
    assert torch.equal(images, before) and all(p.grad is None for p in classify.parameters())


def test_mixup_is_the_loss_of_blends_with_blended_labels(classify, batch):
    images, labels = batch
    generator = seeded(3)
    share, other = shares(12, 0.4, generator), torch.randperm(12, generator=generator)
    target = share[:, None] * F.one_hot(labels, 3) + (1 - share[:, None]) * F.one_hot(labels[other], 3)
    mixed = share.view(-1, 1, 1, 1) * images + (1 - share).view(-1, 1, 1, 1) * images[other]
    found = mixup.loss(classify, images, labels, generator=seeded(3), alpha=0.4)
    assert found.item() == pytest.approx(soft(classify(mixed), target).mean().item(), rel=1e-5)


def test_adversarial_mixup_blends_a_picture_with_its_own_copy(classify, batch):
    images, labels = batch
    share = shares(12, 0.5, seeded(3))
    copies = (images + 0.1 * gradient(classify, images, labels).sign()).clamp(0, 1)
    blended = share.view(-1, 1, 1, 1) * images + (1 - share).view(-1, 1, 1, 1) * copies
    found = adversarial_mixup.loss(classify, images, labels, generator=seeded(3), alpha=0.5, eps=0.1)
    assert found.item() == pytest.approx(F.cross_entropy(classify(blended), labels).item(), rel=1e-5)
    own, theirs = (F.cross_entropy(classify(x), labels, reduction="none") for x in (images, copies))
    two = adversarial_mixup.loss(classify, images, labels, generator=seeded(3), alpha=0.5, eps=0.1, reading="two-term")
    assert two.item() == pytest.approx((share * own + (1 - share) * theirs).mean().item(), rel=1e-5)
    assert two.item() != pytest.approx(found.item(), rel=1e-4)


@pytest.mark.parametrize("reading", adversarial_mixup.READINGS)
def test_without_an_attack_adversarial_mixup_is_standard_training(classify, batch, reading):
    found = adversarial_mixup.loss(classify, *batch, generator=seeded(), eps=0.0, reading=reading)
    assert found.item() == pytest.approx(standard.loss(classify, *batch, generator=seeded()).item(), rel=1e-5)


def test_another_reading_is_answered_by_the_known_ones(classify, batch):
    with pytest.raises(InputError, match="blend, two-term"):
        adversarial_mixup.loss(classify, *batch, generator=seeded(), reading="three-term")


def test_m_tlat_labels_the_attacked_blend_with_a_part_of_its_target(classify, batch):
    images, labels = batch
    seen = []

    def spy(pixels):
        seen.append(pixels.detach())
        return classify(pixels)

    found = m_tlat.loss(spy, images, labels, generator=seeded(3), alpha=0.7, eps=0.05, part=0.3)
    blended, attacked = seen
    generator = seeded(3)
    second, third, fourth = (torch.randperm(12, generator=generator) for _ in range(3))
    share, aim = (shares(12, 0.7, generator)[:, None] for _ in range(2))
    steps = 0.05 * torch.rand(12, generator=generator)
    hot = F.one_hot(labels, 3).float()
    label, target = share * hot + (1 - share) * hot[second], aim * hot[third] + (1 - aim) * hot[fourth]
    assert torch.allclose(blended, share[..., None, None] * images + (1 - share[..., None, None]) * images[second])
    assert ((attacked - blended).abs().flatten(1).amax(1) <= steps + 1e-6).all()
    assert (soft(classify(attacked), target) <= soft(classify(blended), target) + 1e-6).all()
    assert found.item() == pytest.approx(soft(classify(attacked), 0.7 * label + 0.3 * target).mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_from_its_seed_alone(name, generator):
    labels = torch.arange(64) % 2
    images = torch.randint(0, 180, (64, 3, 8, 8), generator=generator)
    images[labels == 0, 0] += 70
    images[labels == 1, 2] += 70
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    entry = METHODS[name]
    recipe = Recipe(epochs=6, batch_size=16, peak=0.1, crop=1, method=name, settings=dict(entry.parameters))
    task = {"loss": entry.load(), "validation": (images.to(torch.uint8), labels)}
    one, other = (train(network, images.to(torch.uint8), labels, Preprocessing(8), recipe, **copy.copy(task)) for _ in range(2))
    assert one[1].accuracy[-1] > 0.9 and all(math.isfinite(x) for x in one[1].loss)
    assert all(torch.equal(a, b) for a, b in zip(one[0].state_dict().values(), other[0].state_dict().values(), strict=True))
