"""The source model: nothing adapts. What every method is compared with."""

from core.adaptation.method import Method


class Source(Method):
    """Predict with the network as it is: nothing adapts."""

    def step(self, images):
        return self.classify(images)
