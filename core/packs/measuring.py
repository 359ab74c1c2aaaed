"""Measure pictures for a pack so that the work can be watched, stopped and taken up again.

What a batch measured is kept in a file that is named by all that decides its numbers: the network's values, what is asked of it, the pixels.
The next call with the same batch reads the file instead, so that going on gives the very numbers that going through would have given.
"""

import hashlib
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors

from core.blocks import find_blocks
from core.disk import saying, write_whole
from core.jobs import Stopped
from core.probe import Activations, concatenate, probe_all

PIXELS = 2**19  # of the pictures of one batch: 512 pictures of 32 pixels, 10 of 224
TWO_PASSES = 3  # what a picture costs that is measured again after ODIN's step, which has a backward pass: in pictures


def batch_size(size):
    """Return how many pictures are measured at once. Args: size: of the input in pixels."""
    return max(1, min(256, PIXELS // size**2))


class Measuring:
    """Measure pictures as `core.probe.probe_all` does, whose place an instance takes.

    Args: folder: of the files that are kept; total: what `progress(done, total)` counts to, in pictures through the network, over all calls;
        stop: a `threading.Event`.
    """

    def __init__(self, folder, *, total, progress=None, stop=None):
        self.folder, self.total, self.progress, self.stop = Path(folder), total, progress, stop
        self._done, self._network = 0, (None, None)
        with saying(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, network, images, preprocessing, *, device="cpu", progress=None, **options):
        """Return Activations on the CPU; `progress` of a single call gives way to that of all. Raises: Stopped between two batches once `stop` is set."""
        parts, size = [], batch_size(images.shape[-1])
        asked = f"{preprocessing.mean} {preprocessing.std} {torch.device(device)} {sorted(options.get('means', ()))} {bool(options.get('perturb'))}"
        for batch in images.split(size):
            if self.stop is not None and self.stop.is_set():
                raise Stopped
            file = self.folder / f"{_digest(self._values(network), asked.encode(), batch.numpy().tobytes())}.safetensors"
            measured = _read(file, find_blocks(network))
            if measured is None:
                measured = probe_all(network, batch, preprocessing, device=device, batch_size=size, **options)
                _write(file, measured)
            parts.append(measured)
            self._done += len(batch) * (TWO_PASSES if options.get("perturb") else 1)
            if self.progress:
                self.progress(min(self._done, self.total), self.total)
        return concatenate(parts)

    def forget(self):
        """Delete what was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _values(self, network):
        """Return the digest of a network's values; they do not change while it is measured."""
        held, digest = self._network
        if held is not network:
            state = network.state_dict()
            digest = _digest(torch.__version__.encode(), *(x for k, v in state.items() for x in (k.encode(), _bytes(v)))).encode()
            self._network = network, digest
        return digest


def _bytes(tensor):
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _digest(*parts):
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _write(file, measured):
    again = {f"perturbed.{k}": v for k, v in _tensors(measured.perturbed).items()} if measured.perturbed else {}
    write_whole(file, save_tensors({**_tensors(measured), **again}))


def _tensors(measured):
    named = {"logits": measured.logits, "features": measured.features, "norms": measured.norms}
    return {k: v.contiguous() for k, v in {**named, **{f"means.{block}": mean for block, mean in measured.means.items()}}.items()}


def _read(file, blocks):
    """Return the Activations of a file, or None where it is missing or cut short."""
    try:
        tensors = load_file(file) if file.is_file() else None
    except (SafetensorError, OSError):
        return None
    if tensors is None:
        return None
    again = {k.removeprefix("perturbed."): v for k, v in tensors.items() if k.startswith("perturbed.")}
    return _activations(tensors, blocks, _activations(again, blocks, None) if again else None)


def _activations(tensors, blocks, perturbed):
    means = {k.removeprefix("means."): v for k, v in tensors.items() if k.startswith("means.")}
    return Activations(blocks, tensors["logits"], tensors["features"], tensors["norms"], means, perturbed)
