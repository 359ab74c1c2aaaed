"""FeatureNorm of a block, and features that take its length."""

import math
from dataclasses import replace

import pytest
import torch

from core.detectors import make
from core.detectors.logits import energy, msp
from core.detectors.selected_norm import logits_with_norm
from core.errors import InputError


def test_logits_by_hand():
    # (3, 4) has length 5; with length 10 it is (6, 8)
    weight, bias = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0.5, -1.0])
    found = logits_with_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([10.0, 10.0]), weight, bias)
    torch.testing.assert_close(found, torch.tensor([[6.5, 15.0], [0.5, -1.0]], dtype=torch.float64))


def test_a_feature_that_has_the_length_already_keeps_its_logits(clusters):
    features, (weight, bias) = clusters.fresh.features, clusters.reference.head
    torch.testing.assert_close(logits_with_norm(features, features.norm(dim=1), weight, bias).float(), clusters.fresh.logits)


def test_detectors_by_a_loop(clusters):
    rows = clusters.fresh[:10]
    weight, bias = clusters.reference.head
    logits = []
    for feature, norm in zip(rows.features.tolist(), rows.norm("late").tolist(), strict=True):
        length = math.sqrt(sum(v * v for v in feature))
        logits.append([sum(w * v / length * norm for w, v in zip(line, feature, strict=True)) for line in weight.tolist()])
    logits = torch.tensor(logits, dtype=torch.float64) + bias
    torch.testing.assert_close(make("msp_selected_norm").fit(clusters.reference).score(rows), msp(logits))
    torch.testing.assert_close(make("energy_selected_norm").fit(clusters.reference).score(rows), energy(logits))
    torch.testing.assert_close(make("energy_selected_norm", temperature=3.0).fit(clusters.reference).score(rows), energy(logits, temperature=3.0))


def test_the_length_of_the_feature_is_not_read(clusters):
    longer = replace(clusters.fresh, features=9 * clusters.fresh.features)
    fitted = make("energy_selected_norm").fit(clusters.reference)
    torch.testing.assert_close(fitted.score(longer), fitted.score(clusters.fresh), rtol=1e-6, atol=1e-6)


def test_a_stronger_selected_block_is_more_known(clusters):
    stronger = replace(clusters.fresh, norms=clusters.fresh.norms * torch.tensor([1.0, 1.0, 2.0]))
    other = replace(clusters.fresh, norms=clusters.fresh.norms * torch.tensor([2.0, 2.0, 1.0]))
    for name in ("energy_selected_norm", "featurenorm"):
        fitted = make(name).fit(clusters.reference)
        assert (fitted.score(stronger) > fitted.score(clusters.fresh)).double().mean() > 0.99
        assert torch.equal(fitted.score(other), fitted.score(clusters.fresh))


def test_a_network_without_head_is_explained(clusters):
    headless = replace(clusters.reference, head=None)
    for name in ("msp_selected_norm", "energy_selected_norm"):
        with pytest.raises(InputError, match="no linear head, which this detector computes logits with"):
            make(name).fit(headless)


def test_feature_norm_reads_the_selected_block_or_another(clusters):
    assert torch.equal(make("featurenorm").fit(clusters.reference).score(clusters.fresh), clusters.fresh.norms[:, 2].double())
    assert torch.equal(make("featurenorm", block="early").fit(clusters.reference).score(clusters.fresh), clusters.fresh.norms[:, 0].double())
    with pytest.raises(InputError, match="no block 'nowhere'; this network's blocks are early, middle, late"):
        make("featurenorm", block="nowhere").fit(clusters.reference).score(clusters.fresh)
