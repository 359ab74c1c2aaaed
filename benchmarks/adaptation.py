"""What adapting to a stream costs: each method against the plain forward pass of the network that adapts, on batches of 200 noisy pictures.

Expected: LAME and BN little more than a pass; a step on scales and shifts 2 to 5 passes; teachers and more views 5 to 14. CoTTA has a line more: on
this stream the source is sure enough to look at each batch once, and with its 32 views of an unfamiliar batch it costs by far the most. DPLOT
saves one of three forward passes over both views, next to two backward ones: some per cent. Set-up on source pictures is timed apart, and kept
small: its length is for the user to choose.
"""

import itertools
import time

import numpy as np
import torch

from benchmarks.harness import interleaved, ratio, summary
from core.adaptation import ADAPTATIONS, make
from core.adaptation.dplot import DPLOT
from core.adaptation.losses import entropy
from core.adaptation.method import gradients, step_by
from core.adaptation.stream import Stream
from core.adaptation.teacher import follow
from core.corruptions import COMMON
from core.images.sources import open_source, read
from core.packs import load_pack

PACK, BATCH, NOISES, SEVERITY = "toybox", 200, COMMON[:3], 5
BLOCKS = ("layer1.0", "layer1.1", "layer2.0")  # given, for selecting them is set-up and takes a training pass for each block
SMALL = {"eata": {"fisher_pictures": 400}, "rmt": {"warmup": 2}, "dplot": {"warmup": 2, "blocks": BLOCKS}}  # set-up alone, not what a batch costs


def rows(*, repetitions=5, quick=False):
    """Let every method adapt to the same stream, side by side with the plain pass. Returns: a list of `Row`."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [row for device in devices for row in _measure(device, 20 if quick else BATCH, 1 if quick else repetitions)]


def _measure(device, size, repetitions):
    pack = load_pack(PACK, device=device)
    source = read(open_source("toybox:train"), pack.preprocessing, stop=2 * size)
    pictures = read(open_source("toybox:test"), pack.preprocessing, stop=2 * size)
    stream = [batch.images.to(device) for batch in Stream(pictures.images, pictures.labels, NOISES, severity=SEVERITY, batch_size=size)]
    settle = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    methods, seconds_setup = {}, {}
    for name in ADAPTATIONS:
        settle()
        began = time.perf_counter()
        methods[name] = make(name, pack.network, pack.preprocessing, source=source, **SMALL.get(name, {}))
        settle()
        seconds_setup[name] = time.perf_counter() - began
    methods["all views"] = make("cotta", pack.network, pack.preprocessing, threshold=2.0)  # no batch is as sure as that
    methods["two forwards"] = TwoForwards(pack.network, pack.preprocessing, source=source, **SMALL["dplot"])

    def plain(images):
        with torch.no_grad():
            pack.network(pack.preprocessing.normalise(images))

    timed = {name: _over(stream, step) for name, step in {"plain": plain, **{name: method.adapt for name, method in methods.items()}}.items()}
    seconds = interleaved(timed, repetitions=repetitions, warm_up=1, settle=settle)
    title = f"ResNet-18 of width 16, batch {size}, {device}"
    for name, entry in ADAPTATIONS.items():
        note = f"against the plain pass; {np.median(_per_thousand(seconds[name], size)):.2f} s per 1,000 pictures"
        yield ratio("adaptation", f"{title}: {entry.title}", seconds, name, "plain", note)
    note = f"against the plain pass; {np.median(_per_thousand(seconds['all views'], size)):.2f} s per 1,000 pictures"
    yield ratio("adaptation", f"{title}: CoTTA, every batch unfamiliar", seconds, "all views", "plain", note)
    yield ratio("adaptation", f"{title}: DPLOT, two student passes", seconds, "two forwards", "plain", "against the plain pass")
    yield ratio("adaptation", f"{title}: DPLOT, two student passes against one", seconds, "two forwards", "dplot", "above 1: one is faster")
    yield summary("adaptation", f"{title}: 1,000 pictures, a plain pass", _per_thousand(seconds["plain"], size), "s")
    for name, entry in ADAPTATIONS.items():
        if "pictures" in entry.needs:
            yield summary("adaptation", f"{title}: set-up of {entry.title}", [seconds_setup[name]], "s", f"{len(source.images)} source pictures")


def _per_thousand(seconds, size):
    return seconds * 1000 / size


def _over(stream, step):
    """Return a function without arguments that takes the next batch of the stream at each call, and goes round."""
    batches = itertools.cycle(stream)
    return lambda: step(next(batches))


class TwoForwards(DPLOT):
    """DPLOT in the order of its paper: the entropy's step on the selected blocks, a new student pass, the agreement's step on all."""

    def step(self, images):
        n = len(images)
        views = torch.cat([images, images.flip(3)]) if self.paired else images
        with torch.no_grad():
            taught = self.classify(views, self.teacher)
        logits = self.classify(views)
        step_by(self.optimiser, self.tuned, gradients(entropy(logits).mean(), self.tuned))
        step_by(self.optimiser_all, self.all, gradients(self.agreement(self.classify(views), taught, n), self.all))
        follow(self.teacher, self.network, self.momentum)
        return self.predict(logits.detach(), taught, n)
