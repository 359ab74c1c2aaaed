"""Measure the same pictures under one corruption after another."""

import torch

from core.corruptions import COMMON, corrupt
from core.probe import concatenate

BATCH = 50  # pictures between two looks at whether to stop


def measure_corrupted(pack, images, severity, *, names=COMMON, seed=0, progress=lambda done, total: None):
    """Measure pictures clean and under corruptions.

    Args: pack: a `core.packs.pack.Pack`; images: (N, 3, S, S) uint8 as its network sees them; severity, names: see `core.corruptions.corrupt`;
        seed: of what is drawn at random, the same for each corruption; progress: told (done, total) forward passes; may raise to end it.
    Returns: {"clean" or a corruption: Activations of N pictures}, clean first.
    """
    found, total = {}, len(images) * (1 + len(names))
    for of, name in enumerate(("clean", *names)):
        generator, parts = torch.Generator().manual_seed(seed), []
        for start in range(0, len(images), BATCH):
            seen = images[start : start + BATCH]
            if name != "clean":
                seen = (255 * corrupt(seen.float() / 255, name, severity, generator=generator)).round().byte()
            parts.append(pack.probe(seen))
            progress(of * len(images) + start + len(seen), total)
        found[name] = concatenate(parts)
    return found
