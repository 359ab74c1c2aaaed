"""Training in several processes, on one machine or many: `torchrun --nproc-per-node 2 -m core train ...`.

Every process holds the network and takes every `count()`-th picture of each batch; the gradients' mean makes all of them take the
same step. Batch statistics are those of a process's own pictures.
"""

import os
from contextlib import contextmanager

import torch
from torch import distributed


@contextmanager
def processes(device):
    """Join the processes that torchrun started, for as long as the context lasts; alone there is nothing to join. Args: device: its kind chooses NCCL or Gloo.

    Yields: the device of this process.
    """
    if "LOCAL_RANK" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def rank():
    """Return the number of this process, 0 where it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count():
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def average_(tensors):
    """Put the mean over all processes into tensors, in one exchange. Args: floating point, on one device. Returns: the tensors."""
    if tensors and count() > 1:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, mean in zip(tensors, (flat / count()).split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))
    return tensors
