"""NCI by hand and against pytorch-ood."""

from dataclasses import replace

import pytest
import torch

from core.detectors import make


def test_by_hand(clusters):
    # the mean feature is (5, 6): (8, 10) is (3, 4) from it, 5 long, and reaches 3 / 5 and 4 / 5 along the two rows
    head = (torch.eye(2), torch.zeros(2))
    reference = replace(clusters.reference, bank=replace(clusters.reference.bank, features=torch.tensor([[5.0, 4.0], [5.0, 8.0]])), head=head)
    features = torch.tensor([[8.0, 10.0], [8.0, 10.0], [2.0, 2.0]])
    seen = replace(clusters.fresh, features=features, logits=torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    assert make("nci", alpha=0.01).fit(reference).score(seen).tolist() == pytest.approx([0.8 + 0.18, 0.6 + 0.18, -0.8 + 0.04])


@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.3])
def test_as_pytorch_ood(exact, oracles, alpha):
    oracle = oracles.NCI(None, exact.head, alpha=alpha).fit_features(exact.reference.bank.features)
    ours = make("nci", alpha=alpha).fit(exact.reference).score(exact.fresh)
    torch.testing.assert_close(ours.float(), -oracle.predict_features(exact.fresh.features).float(), rtol=1e-5, atol=1e-5)


def test_a_feature_at_the_mean_gives_a_number(exact):
    at_mean = exact.reference.bank.features.mean(0, keepdim=True)
    weight, bias = exact.reference.head
    seen = replace(exact.fresh, features=at_mean, logits=at_mean @ weight.T + bias)
    assert make("nci", alpha=0.0).fit(exact.reference).score(seen).tolist() == [0.0]
