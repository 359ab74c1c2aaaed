"""Detectors on logits, by hand and against pytorch-ood (whose score is higher = more OOD)."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.detectors import make
from core.detectors.logits import energy, gen, max_logit, msp


def test_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    assert msp(logits).tolist() == pytest.approx([0.75, 0.5])
    assert max_logit(logits).tolist() == pytest.approx([math.log(3), 0])
    assert energy(logits).tolist() == pytest.approx([math.log(4), math.log(2)])
    assert gen(logits, gamma=0.5).tolist() == pytest.approx([-2 * math.sqrt(3 / 16), -1])
    assert gen(logits, gamma=0.5, top=1).tolist() == pytest.approx([-math.sqrt(3 / 16), -0.5])
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


@pytest.mark.parametrize("top", [2, 3, 100])
def test_gen_as_pytorch_ood(top, clusters):
    detectors = pytest.importorskip("pytorch_ood.detector")
    logits = clusters.fresh.logits.double()
    assert logits.softmax(1).min() > 1e-7  # below, pytorch-ood cuts off
    # theirs is the mean over the classes, not the sum
    torch.testing.assert_close(gen(logits, top=top), -min(top, 3) * detectors.GEN(None, gamma=0.1, M=top).predict_logits(logits))


@given(shift=st.floats(-100, 100), gamma=st.floats(0.01, 1))
def test_gen_reads_probabilities_only_and_prefers_sure_ones(shift, gamma):
    logits = torch.tensor([[4.0, 1.0, 0.0, -1.0], [2.0, 0.5, 0.0, -0.5], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    scores = gen(logits + shift, gamma=gamma)
    torch.testing.assert_close(scores, gen(logits, gamma=gamma))
    assert scores[0] > scores[1] > scores[2]
