"""NNGuide by hand, by a loop, and against pytorch-ood."""

import math
from dataclasses import replace

import pytest
import torch

from core.detectors import make
from core.errors import InputError


def test_by_hand(clusters):
    # energies: log(1 + e^0) = log 2 and log(3 + 1) = log 4; directions: the first axis and the second
    bank = replace(clusters.reference.bank, features=torch.eye(2) * 5, logits=torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]))
    fitted = make("nnguide", k=1).fit(replace(clusters.reference, bank=bank))
    seen = replace(clusters.fresh, features=torch.tensor([[3.0, 4.0]]), logits=torch.tensor([[math.log(7), 0.0]]))
    guidance = max(0.6 * math.log(2), 0.8 * math.log(4))
    assert fitted.score(seen).tolist() == pytest.approx([guidance * math.log(8)])


def test_by_a_loop(clusters):
    bank, rows = clusters.reference.bank, clusters.fresh[:10]
    scaled = [f / f.norm() * z.logsumexp(0) for f, z in zip(bank.features.double(), bank.logits.double(), strict=True)]
    expected = []
    for f, z in zip(rows.features.double(), rows.logits.double(), strict=True):
        alike = sorted(((f / f.norm()) @ b).item() for b in scaled)[-10:]
        expected.append(sum(alike) / 10 * z.logsumexp(0).item())
    assert make("nnguide").fit(clusters.reference).score(rows).tolist() == pytest.approx(expected)


def test_as_pytorch_ood(exact, oracles):
    oracle = oracles.NNGuide(None, exact.head, k=10).fit_features(exact.reference.bank.features, exact.reference.bank_labels)
    ours = make("nnguide").fit(exact.reference).score(exact.fresh)
    torch.testing.assert_close(ours, -oracle.predict_features(exact.fresh.features), rtol=1e-9, atol=1e-9)


def test_a_bank_smaller_than_k_is_explained(make_clusters):
    with pytest.raises(InputError, match="The 10-th neighbour cannot be found in a bank of 8 pictures; choose a smaller k"):
        small = make_clusters(bank=8)
        make("nnguide").fit(small.reference).score(small.fresh)
