"""NNGuide: the energy of a picture times how alike it is to confident training pictures.

Source: Park et al., ICCV 2023. k = 10 as in the released code, over the whole bank of the reference; OpenOOD takes 100 of 1 % of the
training pictures.
"""

from core.detectors.detector import Detector
from core.detectors.knn import highest_products, unit
from core.detectors.logits import energy


class NNGuide(Detector):
    """Multiply a picture's energy by how alike it is to its nearest training pictures, each weighed by its own energy.

    Args: k: neighbours that the guidance is the mean of.
    """

    def __init__(self, *, k=10):
        self.k = k

    def fit(self, reference):
        self._bank = unit(reference.bank.features) * energy(reference.bank.logits)[:, None]
        return self

    def score(self, activations):
        guidance = highest_products(activations.features, self._bank.to(activations.features.device), k=self.k).mean(1)
        return guidance * energy(activations.logits)
