"""Mahalanobis by hand, under changes that must not matter, and against pytorch-ood."""

from dataclasses import replace

import pytest
import torch

from core.detectors import make
from core.detectors.mahalanobis import class_statistics, nearest_distance
from core.errors import InputError
from core.metrics import measure


def of(activations, change):
    return replace(activations, means={name: change(mean) for name, mean in activations.means.items()})


def changed(clusters, change):
    """Fit and score with every mean changed in one way. Returns: scores of known and of unknown pictures."""
    reference = replace(clusters.reference, bank=of(clusters.reference.bank, change))
    fitted = make("mahalanobis_middle").fit(reference)
    return fitted.score(of(clusters.fresh, change)), fitted.score(of(clusters.shifted, change))


def test_statistics_and_distance_by_hand():
    # two classes, each with two points one unit left and right (variance 1) and half a unit up and down (variance 1/4)
    cross = torch.tensor([[1.0, 0.5], [-1.0, -0.5], [1.0, -0.5], [-1.0, 0.5]])
    x = torch.cat([cross, cross + torch.tensor([10.0, 0.0])])
    means, precision = class_statistics(x, torch.tensor([0] * 4 + [1] * 4), ridge=0)
    assert means.tolist() == [[0, 0], [10, 0]]
    torch.testing.assert_close(precision, torch.diag(torch.tensor([1.0, 4.0])).double())
    found = nearest_distance(torch.tensor([[3.0, 0.0], [10.0, 2.0], [0.0, 0.0]]), means, precision)
    assert found.tolist() == pytest.approx([9, 16, 0])
    shrunk = class_statistics(x, torch.tensor([0] * 4 + [1] * 4), ridge=0.4)[1]  # mean variance 0.625: adds 0.25 to both
    torch.testing.assert_close(shrunk, torch.diag(torch.tensor([1 / 1.25, 1 / 0.5])).double())


def test_as_pytorch_ood(clusters):
    detectors = pytest.importorskip("pytorch_ood.detector")
    bank, labels = clusters.reference.bank.means["middle"], clusters.reference.bank_labels
    oracle = detectors.Mahalanobis(None).fit_features(bank, labels)
    ours = make("mahalanobis_middle", ridge=1e-9).fit(clusters.reference).score(clusters.fresh)
    # theirs is half the distance, under a covariance that is a sum over pictures and not their mean
    theirs = -2 * len(bank) * oracle.predict_features(clusters.fresh.means["middle"])
    torch.testing.assert_close(ours, theirs.double(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_the_scale_of_means_does_not_matter(clusters, factor):
    plain, scaled = changed(clusters, lambda x: x), changed(clusters, lambda x: factor * x)
    torch.testing.assert_close(scaled[0], plain[0], rtol=1e-4, atol=1e-4)
    assert measure(*scaled).auroc == pytest.approx(measure(*plain).auroc, abs=1e-6)


def test_where_the_origin_lies_does_not_matter(clusters):
    plain, moved = changed(clusters, lambda x: x), changed(clusters, lambda x: x + 5)
    torch.testing.assert_close(moved[0], plain[0], rtol=1e-4, atol=1e-4)


def test_more_channels_than_pictures_can_be_fitted(generator):
    x = torch.randn(20, 64, generator=generator)
    means, precision = class_statistics(x, torch.arange(20) % 2)
    known, far = nearest_distance(x, means, precision), nearest_distance(x + 50, means, precision)
    assert torch.isfinite(known).all() and far.min() > known.max()


def test_another_block_can_be_chosen_and_must_be_probed(clusters):
    with pytest.raises(InputError, match="The means of block 'early' were not probed; ask the probe for them"):
        make("mahalanobis_middle", block="early").fit(clusters.reference)
    fitted = make("mahalanobis_middle", block="middle").fit(replace(clusters.reference, middle="early"))
    assert torch.equal(fitted.score(clusters.fresh), make("mahalanobis_middle").fit(clusters.reference).score(clusters.fresh))
    with pytest.raises(InputError, match="The means of block 'middle' were not probed"):
        fitted.score(replace(clusters.fresh, means={}))
