"""Corruptions of a whole batch against the same in NumPy and SciPy, a picture at a time, at 32 x 32.

A ratio is the plain loop's seconds a picture over ours, both in one repetition and over all five severities. "All" is the ratio of the sums of
those seconds over the corruptions, what corrupting a data set takes; zoom weighs a third of the loop's sum. The mean of the ratios stands beside.
Expected on one core: all together about 20 times faster; zoom 100 and more, defocus, fog and the changes of HSV 20 to 70, other blurs, warps and
weather 6 to 20. Noise gains 3 to 5 times, for random numbers cost much the same on both sides; JPEG and pixelate 2 to 4, which Pillow does in C.
The slow side is no straw man: it draws all of a picture's random numbers at once and filters with SciPy.
"""

import numpy as np
import torch

from benchmarks import plain_corruptions as plain
from benchmarks.harness import interleaved, summary
from core.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from core.images.sources import open_source

PICTURES, SLOW = 200, 20  # of a batch, and how many of them the slow one does in a repetition


def rows(*, repetitions=9, quick=False):
    """Time every corruption over all severities. Returns: a list of `Row`, each of how many times faster a picture is."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [row for device in devices for row in _measure(device, 3 if quick else repetitions)]


def _measure(device, repetitions):
    source = open_source("toybox:test")
    pictures = np.stack([np.asarray(source[i].open().resize((32, 32))) for i in range(PICTURES)])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().to(device).float() / 255
    generator, rng = torch.Generator(device).manual_seed(0), np.random.default_rng(0)
    settle = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    total, faster = {"ours": 0, "plain": 0}, []
    for name in plain.SMALL:

        def ours(name=name):
            for severity in SEVERITIES:
                corrupt(images, name, severity, generator=generator)

        def slow(name=name):
            for severity in SEVERITIES:
                for picture in pictures[:SLOW]:
                    plain.corrupt(picture, name, severity, rng)

        seconds = interleaved({"ours": ours, "plain": slow}, repetitions=repetitions, warm_up=1, settle=settle)
        each = {"ours": seconds["ours"] / PICTURES / len(SEVERITIES), "plain": seconds["plain"] / SLOW / len(SEVERITIES)}
        total = {side: total[side] + each[side] for side in total}
        faster.append(each["plain"] / each["ours"])
        yield _row(f"{CORRUPTIONS[name].title}, {device}", each)
    yield _row(f"all {len(plain.SMALL)}, {device}", total)
    yield summary("corruptions", f"mean of the {len(plain.SMALL)} ratios, {device}", np.mean(faster, 0), "x", "times faster")


def _row(title, each):
    note = "times faster; {ours:.0f} against {plain:.0f} us a picture".format(**{side: 1e6 * np.median(values) for side, values in each.items()})
    return summary("corruptions", title, each["plain"] / each["ours"], "x", note)
