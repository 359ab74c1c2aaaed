"""The source model: nothing adapts. What every method is compared with."""

from core.adaptation.method import Method


class Source(Method):
    def step(self, images):
        return self.classify(images)
