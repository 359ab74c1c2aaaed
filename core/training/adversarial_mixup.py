"""Adversarial-Mixup: each picture is blended with its own adversarial copy.

x_adv = x + eps * sign(grad_x CE(f(x), y)); x~ = lambda x + (1 - lambda) x_adv, lambda ~ Beta(alpha, alpha).

Source: Gwon & Yoo, IEMEK J. Embed. Sys. Appl. 16(1), 2021, equations 1 to 3. Equation 3 is worded as a linear combination, by the same
lambda, of the cross-entropy of the picture and that of its adversarial copy, and can be read in two ways:

- `blend`: one pass of x~; both terms carry the label y, so that they add up to CE(f(x~), y).
- `two-term`: lambda CE(f(x), y) + (1 - lambda) CE(f(x_adv), y), a pass of each picture and one of each copy.

`blend` is the default, and what the packs use: it is what equation 2 makes x~ for, which the other reading never shows to the network, and
it costs one pass less. alpha and eps are not in the paper: the defaults come from a small search on known and pseudo-OOD pictures alone
(benchmarks/training_grid.py; docs/training.md reports it).
"""

from torch.nn import functional as F

from core.errors import unknown
from core.training.draw import blend, shares
from core.training.fgsm import fgsm

READINGS = ("blend", "two-term")


def loss(classify, images, labels, *, generator, alpha=0.3, eps=2 / 255, reading="blend"):
    """Return the mean cross-entropy of pictures that are blended with their own adversarial copies, by one reading of equation 3.

    Args: as `core.training.standard.loss`; alpha: of Beta(alpha, alpha), above 0; eps: change of a pixel, of its range of 1;
        reading: a name of `READINGS`. Returns: scalar tensor, nats. Raises: InputError for another reading.
    """
    if reading not in READINGS:
        raise unknown("reading of equation 3", reading, READINGS)
    share = shares(len(images), alpha, generator).to(images.device)
    copies = fgsm(classify, images, lambda logits: F.cross_entropy(logits, labels, reduction="sum"), eps)
    if reading == "blend":
        return F.cross_entropy(classify(blend(share, images, copies)), labels)
    own, adversarial = (F.cross_entropy(classify(x), labels, reduction="none") for x in (images, copies))
    return (share * own + (1 - share) * adversarial).mean()
