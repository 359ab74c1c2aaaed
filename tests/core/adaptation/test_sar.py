import math

import pytest
import torch

from core.adaptation import make
from tests.core.adaptation.test_tent import norm_parameters


def entropy(logits):
    p = logits.softmax(1)
    return -(p * p.log()).sum(1)


def slow_step(twin, inputs, velocity, *, margin, rho=0.05, lr=1e-3, inertia=0.9):
    """Take the two steps with tensors written out. Returns: (logits, second loss, velocity)."""
    parameters = norm_parameters(twin)
    logits = twin(inputs)
    kept = entropy(logits) < margin * math.log(3)
    first = torch.autograd.grad(entropy(logits)[kept].mean(), parameters)
    length = sum((g**2).sum() for g in first).sqrt()
    start = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for p, g in zip(parameters, first, strict=True):
            p += rho * g / length
    again = entropy(twin(inputs))[kept]
    again = again[again < margin * math.log(3)]
    second = torch.autograd.grad(again.mean(), parameters)
    velocity = [inertia * v + g for v, g in zip(velocity, second, strict=True)] if velocity else list(second)
    with torch.no_grad():
        for p, then, v in zip(parameters, start, velocity, strict=True):
            p.copy_(then - lr * v)
    return logits.detach(), again.mean().item(), velocity


def test_two_batches_of_climb_and_descent(network, preprocessing, batch_norms, images):
    method, twin, velocity, average = make("sar", network, preprocessing, margin=0.8, floor=0.0), batch_norms(network), None, None
    for batch in (images[:14], images[10:]):
        logits, loss, velocity = slow_step(twin, preprocessing.normalise(batch), velocity, margin=0.8)
        average = loss if average is None else 0.9 * average + 0.1 * loss
        assert torch.allclose(method.adapt(batch), logits, atol=1e-5)
        assert method.average == pytest.approx(average, rel=1e-4)
        assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(norm_parameters(method.network), norm_parameters(twin), strict=True))


def test_a_low_average_starts_it_anew(network, preprocessing, images):
    method = make("sar", network, preprocessing, margin=1.0, floor=math.log(3))
    method.adapt(images)
    assert method.average is None and all(torch.equal(p, q) for p, q in zip(method.network.parameters(), network.parameters(), strict=True))


def test_without_a_sure_picture_nothing_moves(network, preprocessing, images):
    method = make("sar", network, preprocessing, margin=0.0)
    method.adapt(images)
    assert all(torch.equal(p, q) for p, q in zip(method.network.parameters(), network.parameters(), strict=True))


def test_the_top_stage_stays(tiny, preprocessing):
    method = make("sar", tiny("cifar_resnet18", width=4), preprocessing)
    tuned = {name for name, p in method.network.named_parameters() if p.requires_grad}
    assert "layer3.0.bn1.weight" in tuned and not any(name.startswith("layer4") for name in tuned)
