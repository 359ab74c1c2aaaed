"""Where to compute and how precisely."""

import contextlib
import os

import torch

from core.errors import InputError, unknown

PRECISIONS = ("fp32", "bf16")


def pick_device(name=None):
    """Return the device named, or the best there is: CUDA, else Apple MPS, else the CPU.

    Raises: InputError if the named device is not on this machine.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name is None:
        return torch.device(next(kind for kind, there in usable.items() if there))
    kind = str(name).split(":")[0]
    if kind not in usable:
        raise unknown("device", name, usable)
    if not usable[kind]:
        raise InputError(f"This machine has no {kind} device; use --device cpu.", key="device.absent", name=kind)
    return torch.device(name)


def share_cores(among=1):
    """Let this thread compute on its share of the cores, one of which is left to whoever draws pages; OMP_NUM_THREADS, where it is set, decides instead.

    Threads that wait for each other at every operation are no gain where other work keeps their cores busy, but a loss.

    Args: among: how many threads compute at the same time.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, ((os.cpu_count() or 2) - 1) // among))


def autocast(device, precision="fp32"):
    """Return the context for `precision`: nothing for fp32, the reference; bfloat16 autocast for bf16."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)
