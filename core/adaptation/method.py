"""What every adaptation method is: a copy of a network that predicts a batch and learns from it, without labels.

Predictions are prequential: each picture is predicted once, by what the method knew before it (or with it, where the paper says so).
"""

import copy

import torch

from core.adaptation.norms import has_batch_norm, has_norm
from core.blocks import as_map, find_head
from core.errors import InputError
from core.memory import needing

MISSING = {  # what a method may need: the key of the error where it lacks, and its sentence
    "batch norm": (
        "adaptation.batch_norm",
        "This network has no batch normalisation, which {} works by; choose source or lame, or take a network with it.",
    ),
    "norm": ("adaptation.norm", "This network has no normalisation layers, whose scales and shifts {} changes; choose source, cotta or lame."),
    "head": ("adaptation.head", "This network has no linear head, whose inputs {} compares; choose source, bn or tent."),
    "pictures": ("adaptation.pictures", "{} needs pictures of the source, which the network was trained on; give some, on the command line with --source SRC."),
    "labels": ("adaptation.labels", "{} needs labelled pictures of the source, which the network was trained on; give a source with labels."),
}


class Method:
    """One method at work. `step` and the keyword arguments are what a method adds; `adapt`, `reset`, `snapshot` and `restore` are for all.

    Attributes:
        needs: names of `MISSING`; network: the copy that changes; origin: the network that was given, never changed.
        selected_blocks: names of the blocks that are tuned apart from the others, or None where the method knows no such thing.
    """

    needs: tuple[str, ...] = ()
    selected_blocks: tuple | None = None
    fixed = frozenset({"preprocessing", "source", "origin", "anchor", "generator", "progress", "stop", "device", "needs", "_first"})

    def __init__(self, network, preprocessing, *, source=None, generator=None, progress=None, stop=None):
        """Args:
        network: any classifier; a deep copy adapts, on the network's device. preprocessing: normalises pixels.
        source: a `core.images.sources.Batch` of labelled pictures that the network was trained on, for methods that need one.
        generator: whose state all randomness starts from; it is not advanced. By default one with seed 0.
        progress: called with (done, total) during set-up; stop: a `threading.Event` that ends set-up with `core.jobs.Stopped`.
        Raises: InputError where the network or the source lacks what the method needs.
        """
        self.origin, self.preprocessing, self.source = network, preprocessing, source
        self.progress, self.stop, self._first = progress, stop, None
        self.generator = torch.Generator(generator.device if generator else "cpu").manual_seed(0)
        if generator:
            self.generator.set_state(generator.get_state())
        self.device = next(network.parameters()).device
        self._check()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def adapt(self, images):
        """Predict a batch and learn from it.

        Args: images: (N, 3, S, S) float pixels in [0, 1], on any device.
        Returns: (N, C) float32 logits on the network's device.
        Raises: InputError for pictures that are not so, or a batch too small for batch statistics; the method's state is as before.
        """
        check_pixels(images)
        if self._first is None:
            self._first = self.snapshot()
        try:
            with torch.enable_grad(), needing(len(images)):
                logits = self.step(images.to(self.device, torch.float32))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise InputError("A single picture has no batch statistics where maps are one pixel small; use larger batches.", key="adaptation.single") from error
        return logits.detach().float()

    def step(self, images):
        raise NotImplementedError

    def reset(self):
        """Go back to how it was before the first batch: weights, buffers, optimisers, teachers, memories, randomness."""
        if self._first is not None:
            self.restore(self._first)

    def snapshot(self):
        """Return all that adapting changes, for `restore`. It takes as much memory as the method itself."""
        changing = {name: value for name, value in vars(self).items() if name not in self.fixed}
        return copy.deepcopy(changing), self.generator.get_state()  # one deep copy: optimisers keep pointing at their parameters

    def restore(self, snapshot):
        """Go back to a snapshot of this method, which may be used again."""
        changing, state = snapshot
        vars(self).update(copy.deepcopy(changing))
        self.generator.set_state(state)

    def classify(self, pixels, network=None):
        """Return the (N, C) float32 logits of pixels in [0, 1], by the copy or by another network."""
        return as_map((network or self.network)(self.preprocessing.normalise(pixels))).float()

    def features(self, pixels, network=None):
        """Return the (N, D) inputs of the linear head, and the logits as `classify`."""
        network, kept = network or self.network, []
        handle = network.get_submodule(find_head(network)).register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            logits = self.classify(pixels, network)
        finally:
            handle.remove()
        return kept[-1].float(), logits

    @torch.no_grad()
    def _check(self):
        has = {"batch norm": has_batch_norm, "norm": has_norm, "head": find_head}
        for need in self.needs:
            if need == "pictures":
                there = self.source is not None and len(self.source.images)
            elif need == "labels":
                there = self.source is not None and (self.source.labels >= 0).any()
            else:
                there = has[need](self.origin)
            if not there:
                key, sentence = MISSING[need]
                raise InputError(sentence.format(type(self).__name__), key=key, method=type(self).__name__)


def descend(optimiser, loss):
    """Take one step down a loss, and leave no gradients behind."""
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def gradients(loss, parameters, **options):
    """Return the gradient of a loss for each parameter, zero where it does not depend on it. Args: **options: as `torch.autograd.grad`."""
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True, **options)


def step_by(optimiser, parameters, by):
    """Take one step of an optimiser with gradients that were taken before, and leave none behind."""
    for p, g in zip(parameters, by, strict=True):
        p.grad = g
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def check_pixels(images):
    """Raises: InputError unless images are (N, 3, H, W) finite floats, at least one."""
    if images.ndim != 4 or images.shape[1] != 3 or not len(images) or not images.is_floating_point():
        shape = f"{tuple(images.shape)} of {str(images.dtype).removeprefix('torch.')}"
        raise InputError(f"Adaptation needs a batch of (N, 3, H, W) float pixels in [0, 1], not {shape}.", key="adaptation.shape")
    if count := int((~finite(images)).sum()):
        raise InputError(f"{count} of {len(images)} pictures hold NaN or infinity; leave them out.", key="adaptation.nan", count=count)


def finite(images):
    """Return (N,) bool: which pictures hold neither NaN nor infinity."""
    return images.isfinite().flatten(1).all(1)
