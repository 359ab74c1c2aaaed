import math

import pytest
import torch
from torch.nn import functional as F

from core.adaptation import make, rmt


def test_contrast_by_loops():
    views = torch.randn(3, 3, 5, generator=torch.Generator().manual_seed(0))
    rows = [(i, views[i, v] / views[i, v].norm()) for i in range(3) for v in range(3)]
    losses = []
    for a, (i, x) in enumerate(rows):
        others = [(j, math.exp(x @ y / 0.1)) for b, (j, y) in enumerate(rows) if b != a]
        total = sum(e for _, e in others)
        losses.append(-sum(math.log(e / total) for j, e in others if j == i) / 2)
    assert rmt.contrastive(views, temperature=0.1).item() == pytest.approx(sum(losses) / 9, rel=1e-4)


def test_a_batch_of_one_has_a_contrast():
    assert rmt.contrastive(torch.randn(1, 3, 4), temperature=0.1).isfinite()


def test_the_prediction_is_student_and_teacher_before_the_step(network, preprocessing, source, images):
    method = make("rmt", network, preprocessing, source=source, warmup=2, source_batch=16)
    with torch.no_grad():
        expected = (method.classify(images) + method.classify(images, method.teacher)) / 2
    assert torch.allclose(method.adapt(images), expected, atol=1e-5)


def test_a_step_by_hand_without_replay(network, preprocessing, source, images, monkeypatch):
    monkeypatch.setattr(rmt, "augment", lambda x, generator: x.flip(3))
    method = make("rmt", network, preprocessing, source=source, warmup=0, source_batch=40, replay=0.0, contrast=0.5)
    start = [p.detach().clone() for p in method.network.parameters()]
    features, logits = method.features(images)
    other, other_logits = method.features(images.flip(3))
    taught = method.classify(images, method.teacher).detach()
    nearest = torch.stack([F.cosine_similarity(method.means, f[None]).argmax() for f in features])
    p, q, t = (x.softmax(1) for x in (logits, other_logits, taught))
    agree = -0.25 * (t * p.log() + p * t.log() + t * q.log() + q * t.log()).sum(1).mean()
    views = method.projector(torch.stack([method.means[nearest], features, other], 1))
    loss = agree + 0.5 * rmt.contrastive(views, temperature=0.1)
    gradients = torch.autograd.grad(loss, list(method.network.parameters()))
    method.adapt(images)
    for then, g, now in zip(start, gradients, method.network.parameters(), strict=True):
        sure = g.abs() > 1e-6  # where it is all but zero its sign is rounding
        assert torch.allclose(now[sure], (then - 1e-3 * g / (g.abs() + 1e-8))[sure], atol=1e-5)


def test_class_means_are_those_of_source_features(network, preprocessing, source):
    method = make("rmt", network, preprocessing, source=source, warmup=0, source_batch=40)
    with torch.no_grad():
        features, _ = method.features(source.images.float() / 255)
    for c in range(3):
        assert torch.allclose(method.means[c], features[source.labels == c].mean(0), atol=1e-5)


def test_a_class_without_pictures_has_no_mean(network, preprocessing, source, images):
    few = type(source)(source.images[source.labels < 2], source.labels[source.labels < 2], (), (), ())
    method = make("rmt", network, preprocessing, source=few, warmup=1, source_batch=16)
    assert len(method.means) == 2 and method.adapt(images).isfinite().all()
