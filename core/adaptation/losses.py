"""What adaptation methods minimise, and how they scale what they weigh by. Pure functions, a number for each picture."""


def entropy(logits):
    """Return the entropy of the softmax. Args: (N, C). Returns: (N,) nats, from 0, sure, to ln C."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


def symmetric_cross_entropy(one, other):
    """Return half the cross-entropy each way. Args: one, other: (N, C) logits. Returns: (N,) nats. Source: Döbler et al., CVPR 2023, eq. 2."""
    there, back = other.softmax(1) * one.log_softmax(1), one.softmax(1) * other.log_softmax(1)
    return -0.5 * (there + back).sum(1)


def min_max(values, *, equal=0.0):
    """Scale values to [0, 1]. Args: values: (N,); equal: what all become where all are the same, as in a batch of one."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else values.new_full(values.shape, equal)
