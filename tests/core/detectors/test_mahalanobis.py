"""Mahalanobis and RMDS by hand, under changes that must not matter, and against pytorch-ood."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.detectors import make
from core.detectors.mahalanobis import class_statistics, squared_distances
from core.errors import InputError
from core.metrics import measure

ALL = ("mahalanobis", "mahalanobis_middle", "rmds")


def of(activations, change):
    means = {name: change(mean) for name, mean in activations.means.items()}
    return replace(activations, features=change(activations.features), means=means)


def changed(clusters, change, name="mahalanobis_middle"):
    """Fit and score with every feature and mean changed in one way. Returns: scores of known and of unknown pictures."""
    reference = replace(clusters.reference, bank=of(clusters.reference.bank, change))
    fitted = make(name).fit(reference)
    return fitted.score(of(clusters.fresh, change)), fitted.score(of(clusters.shifted, change))


def two_crosses():
    """Two classes, each with two points one unit left and right (variance 1) and half a unit up and down (variance 1/4)."""
    cross = torch.tensor([[1.0, 0.5], [-1.0, -0.5], [1.0, -0.5], [-1.0, 0.5]])
    return torch.cat([cross, cross + torch.tensor([10.0, 0.0])]), torch.tensor([0] * 4 + [1] * 4)


def test_statistics_and_distances_by_hand():
    x, labels = two_crosses()
    means, root = class_statistics(x, labels, ridge=0)
    assert means.tolist() == [[0, 0], [10, 0]]
    torch.testing.assert_close(root @ root.T, torch.diag(torch.tensor([1.0, 4.0])).double())
    found = squared_distances(torch.tensor([[3.0, 0.0], [10.0, 2.0], [0.0, 0.0]]), means, root)
    assert found.tolist() == [pytest.approx(row) for row in ([9, 49], [116, 16], [0, 100])]
    _, shrunk = class_statistics(x, labels, ridge=0.4)  # mean variance 0.625: adds 0.25 to both
    torch.testing.assert_close(shrunk @ shrunk.T, torch.diag(torch.tensor([1 / 1.25, 1 / 0.5])).double())


def test_relative_by_hand(clusters):
    x, labels = two_crosses()
    reference = replace(clusters.reference, bank=replace(clusters.reference.bank, features=x), bank_labels=labels)
    scores = make("rmds", ridge=0).fit(reference).score(replace(clusters.fresh, features=torch.tensor([[3.0, 0.0], [5.0, 1.0]])))
    # as one class: mean (5, 0), variances 26 and 1/4, so that MD_0 is 4/26 and 4; the nearest classes are 9 and 25 + 4 away
    assert scores.tolist() == pytest.approx([4 / 26 - 9, 4 - 29])


def test_distances_equal_a_loop(clusters):
    bank, labels, fresh = clusters.reference.bank.features.double(), clusters.reference.bank_labels, clusters.fresh.features[:20].double()
    classes = [bank[labels == c] for c in range(3)]
    covariance = sum((c - c.mean(0)).T @ (c - c.mean(0)) for c in classes) / len(bank)
    precision = torch.linalg.inv(covariance + 1e-3 * covariance.trace() / 24 * torch.eye(24))
    expected = [max(-((f - c.mean(0)) @ precision @ (f - c.mean(0))).item() for c in classes) for f in fresh]
    assert make("mahalanobis").fit(clusters.reference).score(clusters.fresh[:20]).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("name", "theirs", "half"), [("mahalanobis", "Mahalanobis", 2), ("rmds", "RMD", 1)])
def test_as_pytorch_ood(name, theirs, half, exact, oracles):
    bank, labels = exact.reference.bank.features, exact.reference.bank_labels
    oracle = getattr(oracles, theirs)(None).fit_features(bank, labels)
    ours = make(name, ridge=0).fit(exact.reference).score(exact.fresh)
    # theirs is half the distance (not of RMD), under a covariance that is a sum over pictures and not their mean, plus 1e-6
    torch.testing.assert_close(ours, -half * len(bank) * oracle.predict_features(exact.fresh.features), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
@given(power=st.floats(-5, 5))
def test_the_scale_does_not_matter(name, clusters, power):
    plain, scaled = changed(clusters, lambda x: x.double(), name), changed(clusters, lambda x: 10**power * x.double(), name)
    torch.testing.assert_close(scaled[0], plain[0], rtol=1e-6, atol=1e-6)
    assert measure(*scaled).auroc == pytest.approx(measure(*plain).auroc, abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_where_the_origin_lies_does_not_matter(name, clusters):
    plain, moved = changed(clusters, lambda x: x, name), changed(clusters, lambda x: x + 5, name)
    torch.testing.assert_close(moved[0], plain[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_a_silent_feature_does_not_matter(name, clusters):
    """Collapsed features, whose covariance is singular, still give numbers."""
    known, unknown = changed(clusters, lambda x: torch.cat([x, x.new_zeros(len(x), 1), x[:, :2]], 1), name)
    assert known.isfinite().all() and measure(known, unknown).auroc > 0.9


def test_more_channels_than_pictures_can_be_fitted(generator):
    x = torch.randn(20, 64, generator=generator)
    means, root = class_statistics(x, torch.arange(20) % 2)
    known, far = (squared_distances(y, means, root).amin(1) for y in (x, x + 50))
    assert torch.isfinite(known).all() and far.min() > known.max()


def test_relative_ignores_what_makes_every_picture_unusual(clusters):
    """A picture far out where classes do not differ is as near to its class as to all of them."""
    out = replace(clusters.fresh, features=clusters.fresh.features + 3 * torch.eye(24)[20])  # a feature that no class turns on
    found = {name: make(name).fit(clusters.reference) for name in ("mahalanobis", "rmds")}
    auroc = {name: measure(f.score(clusters.fresh), f.score(out)).auroc for name, f in found.items()}
    assert auroc["mahalanobis"] > 0.9 and auroc["rmds"] < 0.8


def test_another_block_can_be_chosen_and_must_be_probed(clusters):
    with pytest.raises(InputError, match="The means of block 'early' were not probed; ask the probe for them"):
        make("mahalanobis_middle", block="early").fit(clusters.reference)
    fitted = make("mahalanobis_middle", block="middle").fit(replace(clusters.reference, middle="early"))
    assert torch.equal(fitted.score(clusters.fresh), make("mahalanobis_middle").fit(clusters.reference).score(clusters.fresh))
    with pytest.raises(InputError, match="The means of block 'middle' were not probed"):
        fitted.score(replace(clusters.fresh, means={}))
