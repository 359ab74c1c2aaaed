"""What every detector does."""


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
