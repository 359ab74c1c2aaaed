"""FeatureNorm of the selected block, or of any other.

Source: Yu et al., CVPR 2023, equation 3.
"""

from core.detectors.detector import Detector


class FeatureNorm(Detector):
    """Measure how strongly one block responds: the L2 norm of its rectified map, mean over channels.

    Args: block: a block's name; by default the reference's selected block.
    """

    def __init__(self, *, block=None):
        self.block = block

    def fit(self, reference):
        self._block = self.block or reference.selected
        return self

    def score(self, activations):
        return activations.norm(self._block).double()
