"""NCI: how far a centred feature reaches along the row of the head that its class has, and how strong the feature is.

Where a network's features have collapsed onto its head, known pictures lie along their class's row; unknown ones do not, and lie nearer to the
origin.

Source: Liu & Qin, CVPR 2025, equations 5 and 6.
"""

from core.detectors.detector import Detector, linear_head


class NCI(Detector):
    """Score by the length of the class's row along the centred feature, and a share of the feature's L1 norm.

    Args: alpha: that share, 0 or more. The paper picks it from 0.0001, 0.001, 0.01 and 0.1 by a set of noise; the released code starts from 0.0001.
    """

    def __init__(self, *, alpha=1e-4):
        self.alpha = alpha

    def fit(self, reference):
        self._weight, _ = linear_head(reference)
        self._mean = reference.bank.features.double().mean(0)
        return self

    def score(self, activations):
        features = activations.features.double()
        weight, mean = (t.to(features.device) for t in (self._weight, self._mean))
        centred = features - mean
        rows = weight[activations.logits.argmax(1)]  # (N, D)
        return (centred * rows).sum(1) / centred.norm(dim=1).clamp_min(1e-8) + self.alpha * features.abs().sum(1)
