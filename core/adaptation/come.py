"""COME: TENT with an opinion in place of the softmax, which may also be that the network does not know.

Where TENT makes every prediction surer, the entropy of an opinion can fall by doubting too, so that pictures of nothing known do less harm.

Source: Zhang et al., ICLR 2025, and its code, whose constant 1000 is the number of classes there.
"""

import math

from torch.nn import functional as F

from core.adaptation.losses import entropy
from core.adaptation.tent import Tent


def opinion(logits):
    """Return logits of the beliefs and, last, of the uncertainty: their softmax is the subjective opinion whose evidence is exp(logits).

    How long each row of logits is counts, but has no gradient: only its direction is learnt.

    Args: logits: (N, C). Returns: (N, C + 1).
    """
    length = logits.norm(dim=1, keepdim=True)
    held = logits / length.clamp_min(1e-12) * length.detach()
    return F.pad(held, (0, 1), value=math.log(logits.shape[1]))


class COME(Tent):
    """Take one step down the mean entropy of each batch's opinions, on the scales and shifts of the normalisation layers."""

    def loss(self, logits):
        return entropy(opinion(logits)).mean()
