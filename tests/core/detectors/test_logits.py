"""Detectors on logits, by hand and against pytorch-ood (whose score is higher = more OOD)."""

import math

import pytest
import torch

from core.detectors import make
from core.detectors.logits import energy, max_logit, msp


def test_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    assert msp(logits).tolist() == pytest.approx([0.75, 0.5])
    assert max_logit(logits).tolist() == pytest.approx([math.log(3), 0])
    assert energy(logits).tolist() == pytest.approx([math.log(4), math.log(2)])
    assert energy(logits, temperature=2.0).tolist() == pytest.approx([2 * math.log(math.sqrt(3) + 1), 2 * math.log(2)])


def test_msp_tells_confident_pictures_apart():
    logits = torch.tensor([[20.0, 0.0], [21.0, 0.0]])
    assert logits.softmax(1).amax(1).unique().numel() == 1  # single precision ties them at 1
    low, high = msp(logits)
    assert low < high < 1


@pytest.mark.parametrize(
    ("name", "theirs", "parameters"), [("msp", "MaxSoftmax", {}), ("maxlogit", "MaxLogit", {}), ("energy", "EnergyBased", {"temperature": 2.5})]
)
def test_as_pytorch_ood(name, theirs, parameters, clusters):
    detectors = pytest.importorskip("pytorch_ood.detector")
    oracle = getattr(detectors, theirs)(None, **({"t": 2.5} if parameters else {}))
    ours = make(name, **parameters).fit(clusters.reference).score(clusters.fresh)
    torch.testing.assert_close(ours, -oracle.predict_logits(clusters.fresh.logits.double()))
