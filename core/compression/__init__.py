"""Compression by name: ways to make a network smaller. This table needs no torch.

Each is a function (network, images (N, 3, S, S) preprocessed, ...) -> a smaller copy in eval mode, with the same modules under the same names. The images
show how the network runs; int8 takes the ranges of its inputs from them. None of them changes or hooks the network.
"""

from core.table import Entry, look_up

COMPRESSIONS = {
    "magnitude": Entry("Magnitude pruning", "core.compression.pruning:magnitude", {"amount": 0.5}, "Han et al., NeurIPS 2015"),
    "structured": Entry("Channel pruning", "core.compression.pruning:structured", {"amount": 0.5, "norm": 1}, "Li et al., ICLR 2017"),
    "int8": Entry("int8", "core.compression.int8:int8", {}, "Jacob et al., CVPR 2018"),
}
PRUNINGS = ("magnitude", "structured")
FINETUNINGS = {
    "none": "leave it as it is",
    "plain": "with cross-entropy alone",
    "matching": "with cross-entropy and the large network's attributions",
}


def compress(name, network, images, **parameters):
    """Make a smaller copy of a network.

    Args: name: of COMPRESSIONS. network: a classifier, never changed. images: (N, 3, S, S) float, preprocessed. **parameters: instead of the table's.
    Returns: the copy, in eval mode. `core.compression.size.bytes_of` says what it takes.
    Raises: InputError for an unknown name or an amount outside 0 to 1.
    """
    entry = look_up(COMPRESSIONS, name, kind="compression")
    return entry.load()(network, images, **{**entry.parameters, **parameters})
