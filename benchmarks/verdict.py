"""How long one verdict takes, from the bytes of a JPEG of one megapixel to the decision of every detector."""

import io

import numpy as np
import torch
from PIL import Image

from benchmarks.harness import Row, interleaved, ratio, summary
from core.images.decode import decode
from core.images.preprocess import stack
from core.packs import list_packs, load_pack

PACKS = ("toybox", "cifar10")


def rows(*, repetitions=200, quick=False):
    """Time `Pack.verdict` beside its own forward pass for each pack that is here. Returns: a list of `Row`."""
    return [row for name in PACKS if name in list_packs() for row in _measure(name, 10 if quick else repetitions)]


def megapixel():
    """Return a JPEG of 1152 x 868 pixels with large shapes and fine grain, as photographs have."""
    y, x = np.mgrid[:868, :1152] / 100
    shapes = np.stack([np.sin(x + y), np.sin(1.7 * x - y), np.cos(2.3 * y)], -1) * 90 + 128
    grain = np.random.default_rng(0).normal(0, 12, shapes.shape)
    buffer = io.BytesIO()
    Image.fromarray((shapes + grain).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _measure(name, repetitions):
    pack, data = load_pack(name, device="cpu"), megapixel()
    inputs = pack.preprocessing.normalise(stack([pack.preprocessing.see(decode(data, near=pack.preprocessing.size))]))

    def plain():
        with torch.no_grad():
            pack.network(inputs)

    timed = {"verdict": lambda: pack.verdict(data), "decode": lambda: decode(data, near=pack.preprocessing.size), "plain": plain}
    seconds = interleaved(timed, repetitions=repetitions)
    milliseconds = 1000 * seconds["verdict"]
    p95 = float(np.percentile(milliseconds, 95))
    yield summary("verdict", f"{name}: bytes to decision, p50", milliseconds, "ms", f"JPEG of {len(data) / 1e6:.1f} MB, cpu")
    yield Row("verdict", f"{name}: bytes to decision, p95", p95, p95, p95, "ms", repetitions)
    yield ratio("verdict", f"{name}: bytes to decision", seconds, "verdict", "plain", "against the plain forward pass of one picture")
    yield ratio("verdict", f"{name}: decoding", seconds, "decode", "verdict", "share of the whole")
