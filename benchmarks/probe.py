"""What measuring every block adds to a forward pass. Expected: next to nothing for wide networks, some per cent for thin, deep ones."""

import torch

from benchmarks.harness import interleaved, ratio, summary
from core.networks.build import create
from core.probe import probe

# network, width, batch, side of the picture
CASES = (("cifar_resnet18", 64, 64, 32), ("cifar_resnet56", None, 64, 32), ("resnet50", None, 8, 224))


def rows(*, repetitions=20, quick=False):
    """Time `core.probe.probe` against the plain forward pass, both without gradients. Returns: a list of `Row`."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [row for device in devices for case in CASES for row in _measure(device, *case, repetitions=3 if quick else repetitions, quick=quick)]


def _measure(device, arch, width, batch, side, *, repetitions, quick):
    batch = 4 if quick else batch
    network = create(arch, width=width).to(device)
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)

    def plain():
        with torch.no_grad():
            network(images)

    settle = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    seconds = interleaved({"plain": plain, "probe": lambda: probe(network, images)}, repetitions=repetitions, settle=settle)
    title = f"{arch}{f' of width {width}' if width else ''}, batch {batch}, {device}"
    yield ratio("probe", title, seconds, "probe", "plain", "against the plain forward pass")
    yield summary("probe", f"{title}: a plain pass", 1000 * seconds["plain"], "ms")
