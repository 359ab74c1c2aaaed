"""Count what a network takes in a file, exactly, without writing one."""

from core.compression.pruning import weights_of


def bytes_of(network, *, bits=32):
    """Return the bytes of all parameters and buffers, but for counters of batches.

    Args: network: pruned or not. bits: of a weight of convolutions, linear layers and attention projections: 32, or 8 with a float32 scale for each
        output channel. All else takes 32.
    Each of these weights is laid out as takes least: whole; without the output channels that are zero, and a bit a channel to say which; or without any zero,
    and a bit a weight. Weights that read a pruned channel alone are counted, though a network that is cut could do without them.
    """
    weights = [values for _, _, values in weights_of(network)]
    shared = {id(values) for values in weights}
    others = [v for v in (*network.parameters(), *network.buffers()) if id(v) not in shared and v.is_floating_point()]
    return sum(_least(values.detach(), bits // 8) for values in weights) + sum(4 * v.numel() for v in others)


def zeros_of(network):
    """Return the share of these weights that are zero."""
    weights = [values.detach() for _, _, values in weights_of(network)]
    return sum((values == 0).sum().item() for values in weights) / sum(values.numel() for values in weights)


def _least(values, each):
    rows, scale = len(values), 4 * (each == 1)
    kept = values.flatten(1).any(1).sum().item()
    whole = values.numel() * each + rows * scale
    cut = kept * (values[0].numel() * each + scale) + -(-rows // 8)
    return min(whole, cut, values.count_nonzero().item() * each + -(-values.numel() // 8) + rows * scale)
