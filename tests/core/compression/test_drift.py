"""Drift against scipy and by hand."""

import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.stats import spearmanr

from core.compression import compress
from core.compression.drift import Drift, drift
from core.explanation import explain
from core.explanation.common import classes_of


def test_no_map_moves_without_compression(tiny, pictures):
    masks = torch.zeros(6, 32, 32, dtype=torch.bool)
    masks[:, 8:24, 8:24] = True
    found = drift(tiny(), tiny(), pictures, masks=masks)
    assert torch.allclose(found.cosine, torch.ones(6)) and torch.allclose(found.spearman, torch.ones(6).double())
    assert torch.equal(found.before, found.after) and torch.equal(found.energy_before, found.energy_after)


def test_the_maps_are_of_the_class_that_the_large_network_names(tiny, pictures):
    network = tiny()
    small = compress("magnitude", network, pictures, amount=0.8)
    small.linear.weight.data = small.linear.weight.data.flip(0)  # other answers
    found, classes = drift(network, small, pictures, method="integrated_gradients", steps=4), classes_of(network, pictures)
    assert not torch.equal(found.before, found.after) and torch.equal(found.before, classes)
    pairs = zip(*(explain("integrated_gradients", each, pictures, target=classes, steps=4).flatten(1) for each in (network, small)), strict=True)
    for i, (one, other) in enumerate(pairs):
        assert found.spearman[i].item() == pytest.approx(spearmanr(one, other).statistic, abs=1e-6)
        assert found.cosine[i].item() == pytest.approx(1 - cosine(one, other), abs=1e-5)


def test_figures_are_means_in_percent():
    classes, others = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0])
    values = torch.tensor([1.0, 0.5, 0.0, -0.5]).double()
    found = Drift(classes, others, values, values).figures(torch.tensor([0, 1, -1, 0]))
    assert found["accuracy_before"] == 66.67 and found["accuracy_after"] == 100.0 and found["same_class"] == 75.0
    assert found["spearman"] == 0.25 and found["spearman_same_class"] == 0.5 and found["energy_after"] is None
    assert Drift(classes, others, values, values).figures()["accuracy_after"] is None
