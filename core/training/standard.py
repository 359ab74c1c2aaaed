"""Standard training: the cross-entropy of each picture's own label."""

from torch.nn import functional as F


def loss(classify, images, labels, *, generator):
    """Return the mean cross-entropy of a batch, each picture with its own label.

    Args: classify: (N, 3, H, W) pixels in [0, 1] -> (N, C) logits; images: such pixels; labels: (N,) int64;
        generator: unused here, for methods that draw.
    Returns: scalar tensor, nats.
    """
    return F.cross_entropy(classify(images), labels)
