"""MSP and Energy with the selected norm.

The penultimate feature keeps its direction and takes the selected block's FeatureNorm as its length;
the head then gives new logits. The last block's overconfident length is so replaced by the norm
that NormRatio trusts.

Source: Yu et al., CVPR 2023 (poster: "with selected norm"); the released code has no line for it.
"""

from core.detectors.detector import Detector, linear_head
from core.detectors.logits import energy, msp


def logits_with_norm(features, norms, weight, bias):
    """Compute logits of features that are set to a given length.

    Args: features: (N, D); norms: (N,) >= 0; weight: (C, D); bias: (C,).
    Returns: (N, C) float64; a zero feature stays zero.
    """
    features = features.double()
    length = features.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return features / length * norms.double()[:, None] @ weight.double().T + bias.double()


class _SelectedNorm(Detector):
    def fit(self, reference):
        self._head, self._block = linear_head(reference), reference.selected
        return self

    def _logits(self, activations):
        weight, bias = (t.to(activations.features.device) for t in self._head)
        return logits_with_norm(activations.features, activations.norm(self._block), weight, bias)


class MSPSelectedNorm(_SelectedNorm):
    """Score by the highest softmax probability once the feature's length is the selected block's norm."""

    def score(self, activations):
        return msp(self._logits(activations))


class EnergySelectedNorm(_SelectedNorm):
    """Score by the energy once the feature's length is the selected block's norm."""

    def __init__(self, *, temperature=1.0):
        self.temperature = temperature

    def score(self, activations):
        return energy(self._logits(activations), temperature=self.temperature)
