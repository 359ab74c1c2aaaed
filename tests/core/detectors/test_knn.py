"""KNN by hand, by a loop, and against pytorch-ood."""

import math

import pytest
import torch

from core.detectors import knn, make
from core.detectors.knn import highest_products, kth_distance, unit
from core.errors import InputError


def test_distances_by_hand():
    bank = unit(torch.tensor([[2.0, 0.0], [0.0, 5.0], [-3.0, 0.0]]))
    assert [kth_distance(torch.tensor([[7.0, 0.0]]), bank, k=k).item() for k in (1, 2, 3)] == pytest.approx([0, math.sqrt(2), 2])
    assert kth_distance(torch.zeros(1, 2), bank, k=1).item() == pytest.approx(math.sqrt(2))  # a silent picture is like none


def test_distances_equal_a_loop(clusters):
    bank, fresh = unit(clusters.reference.bank.features), clusters.fresh.features[:20].double()
    expected = [sorted((f / f.norm() - b).norm().item() for b in bank)[6] for f in fresh]
    assert kth_distance(fresh, bank, k=7).tolist() == pytest.approx(expected, abs=1e-7)


def test_as_pytorch_ood(clusters):
    detectors = pytest.importorskip("pytorch_ood.detector")
    oracle = detectors.KNN(None, k=50).fit_features(clusters.reference.bank.features.double(), clusters.reference.bank_labels)
    ours = make("knn").fit(clusters.reference).score(clusters.fresh)
    torch.testing.assert_close(ours, -oracle.predict_features(clusters.fresh.features.double()))


def test_the_length_of_features_does_not_matter(clusters):
    bank, fresh = clusters.reference.bank.features, clusters.fresh.features
    torch.testing.assert_close(kth_distance(7 * fresh, unit(bank / 3)), kth_distance(fresh, unit(bank)), rtol=0, atol=1e-6)


def test_comparing_part_by_part_changes_nothing(clusters, monkeypatch):
    bank, fresh = unit(clusters.reference.bank.features), clusters.fresh.features
    at_once = highest_products(fresh, bank, k=5)
    monkeypatch.setattr(knn, "ROWS", 7)
    torch.testing.assert_close(highest_products(fresh, bank, k=5), at_once, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [0, 4])
def test_a_bank_smaller_than_k_is_explained(k):
    with pytest.raises(InputError, match=f"The {k}-th neighbour cannot be found in a bank of 3 pictures; choose a smaller k"):
        kth_distance(torch.ones(1, 2), torch.ones(3, 2).double(), k=k)
