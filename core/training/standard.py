"""Standard training: the cross-entropy of each picture's own label."""

from torch.nn import functional as F


def loss(network, images, labels, *, generator):
    """Return the mean cross-entropy of a batch.

    Args: images: (N, 3, H, W) normalised; labels: (N,) int64; generator: unused here, for methods that draw.
    Returns: scalar tensor, nats.
    """
    return F.cross_entropy(network(images), labels)
