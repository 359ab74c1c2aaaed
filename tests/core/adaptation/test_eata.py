import math

import pytest
import torch
from torch.nn import functional as F

from core.adaptation import make
from tests.core.adaptation.test_tent import norm_parameters


def spied(monkeypatch, method, kept):
    """Let a method note the entropies of the pictures that it keeps."""
    loss = type(method).loss
    monkeypatch.setattr(type(method), "loss", lambda self, unsure, classes: (kept.append(unsure.detach()), loss(self, unsure, classes))[1])


def test_pictures_are_kept_that_are_sure_and_new(network, preprocessing, source, images, monkeypatch):
    method, kept = make("eata", network, preprocessing, source=source, fisher=0.0, distance=0.9, margin=0.8), []
    spied(monkeypatch, method, kept)
    average = None
    for batch in (images[:12], images[12:]):
        logits = method.adapt(batch)
        expected = []
        for row in logits.softmax(1):
            if -(row * row.log()).sum() >= 0.8 * math.log(3):
                continue
            if average is not None and abs(F.cosine_similarity(row, average, dim=0)) >= 0.9:
                continue
            expected.append(row)
        assert kept and 0 < len(expected) < 12
        assert torch.allclose(kept[-1], torch.stack([-(row * row.log()).sum() for row in expected]), atol=1e-5)
        mean = torch.stack(expected).mean(0)
        average = mean if average is None else 0.9 * average + 0.1 * mean
        assert torch.allclose(method.average, average, atol=1e-6)


def test_the_loss_weighs_sure_pictures_and_pulls_to_the_source(network, preprocessing, source):
    method = make("eata", network, preprocessing, source=source, fisher=2.0)
    unsure = torch.tensor([0.1, 0.4], requires_grad=True)
    with torch.no_grad():
        for p in method.tuned:
            p.add_(0.5)
    bound = 0.4 * math.log(3)
    expected = (0.1 * math.exp(bound - 0.1) + 0.4 * math.exp(bound - 0.4)) / 2 + 2 * 0.25 * sum(w.sum().item() for w in method.importance)
    loss = method.loss(unsure, 3)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert unsure.grad.tolist() == pytest.approx([math.exp(bound - 0.1) / 2, math.exp(bound - 0.4) / 2], rel=1e-5)  # the weight itself is no path


def test_fisher_is_the_mean_square_of_each_batchs_gradient(network, preprocessing, source, batch_norms):
    method = make("eata", network, preprocessing, source=source, fisher_batch=16, fisher_pictures=36)
    twin, squares = batch_norms(network), []
    for first, last in ((0, 16), (16, 32), (32, 36)):
        logits = twin(preprocessing.normalise(source.images[first:last]))
        twin.zero_grad()
        F.cross_entropy(logits, logits.argmax(1)).backward()
        squares.append([p.grad**2 for p in norm_parameters(twin)])
    for found, each in zip(method.importance, zip(*squares, strict=True), strict=True):
        assert torch.allclose(found, sum(each) / 3, rtol=1e-3, atol=1e-9)


def test_without_a_picture_to_keep_nothing_moves(network, preprocessing, source, images):
    method = make("eata", network, preprocessing, source=source, margin=0.0)
    method.adapt(images)
    assert all(torch.equal(p, q) for p, q in zip(method.network.parameters(), network.parameters(), strict=True)) and method.average is None


def test_without_fisher_no_source_is_needed(network, preprocessing, images):
    assert make("eata", network, preprocessing, fisher=0.0).adapt(images).isfinite().all()
