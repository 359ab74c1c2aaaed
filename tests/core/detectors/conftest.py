"""What is compared with pytorch-ood: the same pictures in double precision, and its detectors made to keep it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest


@pytest.fixture
def exact(clusters):
    """Return `reference`, `fresh`, and `head` (a linear layer with a bias), all float64."""
    import torch

    weight, bias = clusters.reference.head[0].double(), torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    head = torch.nn.Linear(*reversed(weight.shape), dtype=torch.float64)
    head.load_state_dict({"weight": weight, "bias": bias})

    def widened(activations):
        features = activations.features.double()
        return replace(activations, features=features, logits=features @ weight.T + bias)

    bank, held_out, fresh = (widened(a) for a in (clusters.reference.bank, clusters.reference.held_out, clusters.fresh))
    return SimpleNamespace(reference=replace(clusters.reference, bank=bank, held_out=held_out, head=(weight, bias)), fresh=fresh, head=head)


@pytest.fixture
def oracles(monkeypatch):
    """Return pytorch-ood's detectors, whose score is higher = more OOD; they round to single precision, which is kept from them here."""
    import torch

    detectors = pytest.importorskip("pytorch_ood.detector")
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield detectors
    torch.set_default_dtype(before)
