"""What every detector does, and what many of them need."""

from core.errors import InputError


class Detector:
    """Fit on a `Reference`, then score `Activations`. Whoever subclasses writes `score`, and `fit` where there is something to fit."""

    def fit(self, reference):
        """Learn from known pictures and return self. Raises: InputError if the network lacks what the detector reads."""
        return self

    def score(self, activations):
        """Score N measured pictures. Returns: (N,) float64; higher = more ID. The activations are not changed."""
        raise NotImplementedError

    def held_out_scores(self, reference):
        """Return the (M,) scores of the held-out known pictures, which set thresholds and p-values."""
        return self.score(reference.held_out)


def linear_head(reference):
    """Return the head's weight (C, D) and bias (C,), float64. Raises: InputError if the network has no linear head."""
    if reference.head is None:
        raise InputError("This network has no linear head, which this detector computes logits with.", key="network.no_head")
    weight, bias = reference.head
    return weight.double(), bias.double()
