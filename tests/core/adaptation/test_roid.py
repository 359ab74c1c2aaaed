import math

import pytest
import torch

from core.adaptation import make, roid
from tests.core.adaptation.test_tent import norm_parameters


def test_weights_by_hand():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 4.0], [0.1, 0.0, 0.0]])
    average = torch.tensor([0.6, 0.2, 0.2])
    p = logits.softmax(1).tolist()
    unlike = [1 - sum(a * b for a, b in zip(row, average.tolist(), strict=True)) / (math.hypot(*row) * math.hypot(*average.tolist())) for row in p]
    unlike = [(u - min(unlike)) / (max(unlike) - min(unlike)) for u in unlike]
    sure = [sum(x * math.log(x) for x in row) for row in p]
    sure = [(s - min(sure)) / (max(sure) - min(sure)) for s in sure]
    expected = [0 if u < sum(unlike) / 4 else math.exp(u * s * 3) for u, s in zip(unlike, sure, strict=True)]
    assert roid.weights(logits, average, temperature=1 / 3).tolist() == pytest.approx(expected, rel=1e-4)
    assert 0 in expected and max(expected) > 1


def test_a_batch_of_one_counts_once():
    assert roid.weights(torch.tensor([[1.0, 2.0]]), torch.tensor([0.5, 0.5]), temperature=1 / 3).tolist() == [1]


def test_soft_likelihood_ratio_by_hand():
    p = [0.7, 0.2, 0.1]
    expected = -sum(x * math.log(x / (1 - x) + 1e-5) for x in p)
    assert roid.soft_likelihood_ratio(torch.tensor([p]).log()).item() == pytest.approx(expected, rel=1e-4)
    sure = torch.tensor([[50.0, 0.0]])
    assert roid.soft_likelihood_ratio(sure).item() == pytest.approx(-0.99 * math.log(99 + 1e-5), rel=1e-4)


def test_prior_by_hand():
    logits = torch.tensor([[3.0, 0.0], [2.0, 0.0]])
    prior = [(math.exp(3) / (1 + math.exp(3)) + math.exp(2) / (1 + math.exp(2))) / 2]
    prior.append(1 - prior[0])
    smooth = 0.5 / prior[0]
    expected = [[x * (q + smooth) / (1 + 2 * smooth) for x, q in zip(row, prior, strict=True)] for row in logits.tolist()]
    assert torch.allclose(roid.with_prior(logits), torch.tensor(expected), atol=1e-6)


def test_a_step_by_hand(network, preprocessing, batch_norms, images, monkeypatch):
    monkeypatch.setattr(roid, "augment", lambda x, generator, **_: x.flip(3))
    method = make("roid", network, preprocessing)
    found = method.adapt(images)
    twin = batch_norms(network)
    logits = twin(preprocessing.normalise(images))
    weight = roid.weights(logits.detach(), torch.full((3,), 1 / 3), temperature=1 / 3)
    loss = 0
    view = twin(preprocessing.normalise(images[weight > 0].flip(3)))
    p, q = logits.softmax(1), view.softmax(1)
    for j, i in enumerate(weight.nonzero()[:, 0].tolist()):
        both = -0.5 * ((p[i] * q[j].log()).sum() + (q[j] * p[i].log()).sum())
        loss = loss + weight[i] * (roid.soft_likelihood_ratio(logits[i : i + 1])[0] + both) / 24
    gradients = torch.autograd.grad(loss, norm_parameters(twin))
    for start, g, now in zip(norm_parameters(twin), gradients, norm_parameters(method.network), strict=True):
        stepped = start - 1e-3 * g / (g.abs() + 1e-8)
        assert torch.allclose(now, 0.99 * stepped + 0.01 * start, atol=2e-6)
    assert torch.allclose(found, roid.with_prior(logits.detach()), atol=1e-5)
    assert torch.allclose(method.average, 0.9 / 3 + 0.1 * p.mean(0), atol=1e-6)
