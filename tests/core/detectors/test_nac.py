"""NAC-UE by hand, by a loop with automatic differentiation, and against pytorch-ood."""

from dataclasses import replace

import pytest
import torch

from core.detectors import make
from core.detectors.nac import inner_edges, states
from core.errors import InputError


class Network(torch.nn.Module):
    """A layer that passes features on, and a head: what pytorch-ood hooks."""

    def __init__(self, head):
        super().__init__()
        self.layer, self.head = torch.nn.Linear(head.in_features, head.in_features, bias=False), head
        torch.nn.init.eye_(self.layer.weight)

    def forward(self, x):
        return self.head(self.layer(x))


def by_gradient(features, head):
    """Return what `states` does, by automatic differentiation of KL(uniform || softmax)."""
    z = features.clone().requires_grad_()
    logits = head(z)
    uniform = torch.full_like(logits, 1 / logits.shape[1])
    divergence = (uniform * (uniform.log() - logits.log_softmax(1))).sum()
    return (z * torch.autograd.grad(divergence, z)[0]).detach()


def test_states_by_hand():
    # softmax of (log 3, 0) is (3/4, 1/4), away from uniform by (1/4, -1/4)
    found = states(torch.tensor([[2.0, 1.0]]), torch.tensor([[3.0, 1.0]]).log(), torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert found.tolist() == [pytest.approx([2 * 0.25, 1 * -0.25 * 2])]


def test_states_are_those_of_the_gradient(exact):
    found = states(exact.fresh.features, exact.fresh.logits, exact.reference.head[0])
    torch.testing.assert_close(found, by_gradient(exact.fresh.features, exact.head), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("spacing", ["even", "geometric"])
@pytest.mark.parametrize("bins", [2, 10, 50])
def test_bins_are_as_many_as_asked_for_and_symmetric(spacing, bins):
    edges = inner_edges(bins, steepness=3.0, spacing=spacing)
    assert len(edges) == bins - 1 and (edges.diff() > 0).all() and edges[bins // 2 - 1] == 0
    torch.testing.assert_close(edges, -edges.flip(0))


def test_even_bins_by_a_loop(exact):
    """The slow way: a histogram of sigmoids for each neuron, filled picture by picture."""
    known, fresh = (torch.sigmoid(5 * by_gradient(a.features, exact.head)).tolist() for a in (exact.reference.bank, exact.fresh[:20]))
    counts = [[0] * 10 for _ in range(24)]
    for row in known:
        for neuron, state in enumerate(row):
            counts[neuron][min(9, max(0, -int(-state * 10 // 1) - 1))] += 1  # (a, b]: a state on an edge is in the lower bin
    expected = []
    for row in fresh:
        places = [min(9, max(0, -int(-state * 10 // 1) - 1)) for state in row]
        expected.append(sum(min(1, counts[neuron][place] / 30) for neuron, place in enumerate(places)) / 24)
    fitted = make("nac", steepness=5.0, bins=10, full=30).fit(exact.reference)
    assert fitted.score(exact.fresh[:20]).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("parameters", [{}, {"steepness": 10.0}, {"steepness": 10.0, "bins": 20, "full": 15}])
def test_geometric_bins_as_pytorch_ood(parameters, exact, oracles):
    ours = make("nac", spacing="geometric", **parameters).fit(exact.reference)
    network = Network(exact.head)
    oracle = oracles.NACUE(network, [network.layer], m_bins=ours.bins, alpha=ours.steepness, o_star=ours.full)
    oracle.fit([(exact.reference.bank.features, exact.reference.bank_labels)])
    scores = ours.score(exact.fresh)
    torch.testing.assert_close(scores, -oracle.predict(exact.fresh.features).double(), rtol=1e-6, atol=1e-6)  # theirs are means of float32
    assert len(scores.unique()) > 20


def test_a_state_that_no_training_picture_was_in_counts_nothing(exact):
    bank = replace(exact.reference.bank[:1], features=torch.full((1, 24), 1.0), logits=exact.reference.bank.logits[:1])
    fitted = make("nac", full=1).fit(replace(exact.reference, bank=bank))
    assert fitted.score(bank).item() == 1
    assert fitted.score(replace(bank, features=-bank.features)).item() == 0  # every state on the other side of 1/2


def test_an_unknown_spacing_is_answered_with_the_known_ones(exact):
    with pytest.raises(InputError, match="no spacing named 'odd'; the known ones are even, geometric"):
        make("nac", spacing="odd").fit(exact.reference)
