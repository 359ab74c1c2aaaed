"""fDBD by hand, by a loop, and against pytorch-ood."""

from dataclasses import replace

import pytest
import torch

from core.detectors import make


def test_by_hand(clusters):
    # boundary between the classes: x = y, 2 sqrt(2) away from (5, 1); the mean feature is 5 away
    head = (torch.eye(2), torch.zeros(2))
    reference = replace(clusters.reference, bank=replace(clusters.reference.bank, features=torch.tensor([[5.0, 4.0], [5.0, 8.0]])), head=head)
    seen = replace(clusters.fresh, features=torch.tensor([[5.0, 1.0]]), logits=torch.tensor([[5.0, 1.0]]))
    assert make("fdbd").fit(reference).score(seen).tolist() == pytest.approx([2 * 2**0.5 / 5])


def test_by_a_loop(exact):
    weight, _ = exact.reference.head
    mean, expected = exact.reference.bank.features.mean(0), []
    for f, z in zip(exact.fresh.features[:10], exact.fresh.logits[:10], strict=True):
        first = z.argmax()
        to_boundaries = [(z[first] - z[c]) / (weight[first] - weight[c]).norm() for c in range(3) if c != first]
        expected.append((sum(to_boundaries) / 2 / (f - mean).norm()).item())
    assert make("fdbd").fit(exact.reference).score(exact.fresh[:10]).tolist() == pytest.approx(expected)


def test_as_pytorch_ood(exact, oracles):
    oracle = oracles.fDBD(None, exact.head).fit_features(exact.reference.bank.features)
    ours = make("fdbd").fit(exact.reference).score(exact.fresh)
    torch.testing.assert_close(ours, -oracle.predict_features(exact.fresh.features), rtol=1e-9, atol=1e-9)


def test_classes_with_identical_rows_give_numbers(exact):
    """Where rows are identical, so is pytorch-ood's 0 / 0; the boundaries to other classes still count."""
    weight, bias = (t.clone() for t in exact.reference.head)
    weight[1], bias[1] = weight[0], bias[0]
    fresh = replace(exact.fresh, logits=exact.fresh.features @ weight.T + bias)
    scores = make("fdbd").fit(replace(exact.reference, head=(weight, bias))).score(fresh)
    assert scores.isfinite().all() and scores.min() >= 0 and scores.max() > 0


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_the_scale_of_the_head_does_not_matter(exact, factor):
    weight, bias = exact.reference.head
    fitted = make("fdbd").fit(replace(exact.reference, head=(factor * weight, factor * bias)))
    scaled = fitted.score(replace(exact.fresh, logits=factor * exact.fresh.logits))
    torch.testing.assert_close(scaled, make("fdbd").fit(exact.reference).score(exact.fresh), rtol=1e-9, atol=1e-9)


def test_a_feature_at_the_mean_and_a_single_class_give_numbers(exact):
    at_mean = exact.reference.bank.features.mean(0, keepdim=True)
    weight, bias = exact.reference.head
    for classes in (3, 1):
        head = (weight[:classes], bias[:classes])
        seen = replace(exact.fresh, features=at_mean, logits=at_mean @ head[0].T + head[1])
        assert make("fdbd").fit(replace(exact.reference, head=head)).score(seen).isfinite().all()
