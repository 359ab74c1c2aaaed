"""Go on where a device's memory is full: with fewer pictures at once, and where a single one is too many, on the CPU."""

import copy
import logging
from contextlib import contextmanager

import torch

from core.errors import InputError

HALVES, CPU = "halves", "cpu"
FALLBACKS = ("", HALVES, CPU)  # how pictures were measured: as asked, fewer at once, on the CPU


def within_memory(compute, network, images, size, *, device):
    """Compute on pictures in batches for which there is memory.

    A batch that is too large is halved, and so are those after it; where a single picture is too many, what is left goes through a copy of the
    network on the CPU. Both are logged. What was computed stays.

    Args: compute: (network, pictures on its device) -> anything; network: it is not changed; images: (N, ...); size: pictures at once to begin with.
    Yields: (how many pictures are done, what `compute` returned, one of `FALLBACKS`).
    Raises: InputError if the CPU has no memory for a single picture either.
    """
    device, how, done, log = torch.device(device), "", 0, logging.getLogger(__name__)
    while True:
        part, found = images[done : done + size], None
        with _noticing() as noticed:
            found = compute(network, part.to(device))
        if not noticed:
            done += len(part)
            yield done, found, how
            if done >= len(images):
                return
        elif len(part) > 1:  # outside of the handler: the error holds what filled the memory
            size, how = len(part) // 2, how or HALVES
            log.warning("the memory of %s is full: going on with %d pictures at once", device, size)
        elif device.type != "cpu":
            network, device, how = on_cpu(network), torch.device("cpu"), CPU
            log.warning("the device has no memory for a single picture: going on on the CPU")
        else:
            raise _full(1)


@contextmanager
def needing(pictures):
    """Say in a sentence that there is no memory for work that cannot be done on fewer pictures at once, such as a step of training."""
    with _noticing() as noticed:
        yield
    if noticed:
        raise _full(pictures)


def on_cpu(network):
    """Return a copy of a network on the CPU. It is never copied on its device, which has no room for it."""
    memo = {id(p): torch.nn.Parameter(p.detach().cpu(), p.requires_grad) for p in network.parameters()}
    memo |= {id(b): b.detach().cpu() for b in network.buffers()}
    return copy.deepcopy(network, memo)


@contextmanager
def _noticing():
    """Yield a list that is no longer empty after an error of full memory, which is not raised. Other devices than CUDA raise a plain RuntimeError."""
    noticed = []
    try:
        yield noticed
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in ("out of memory", "can't allocate memory")):
            raise
        noticed.append(True)


def _full(pictures):
    sentence = f"The memory is too small for {pictures} pictures at once; take fewer at once, a smaller network, or another device."
    return InputError(sentence, key="memory.full", pictures=pictures)
