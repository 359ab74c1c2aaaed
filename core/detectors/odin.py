"""ODIN: maximum softmax at a high temperature, after a small step of the picture towards its own class.

The one detector here that needs a backward and a second forward pass: `step` makes the changed picture,
the probe measures it (`Activations.perturbed`), and the detectors score what was measured.

Source: Liang, Li & Srikant, ICLR 2018. Temperature and step are those of the paper's CIFAR-10 networks; there they
were tuned on OOD pictures, here they are not tuned at all.
"""

from functools import partial

import torch

from core.blocks import as_map
from core.detectors.detector import Detector, linear_head
from core.detectors.logits import msp
from core.detectors.selected_norm import logits_with_norm
from core.errors import InputError
from core.probe import twin

TEMPERATURE, EPSILON = 1000.0, 0.0014


def step(network, images, *, std, temperature=TEMPERATURE, epsilon=EPSILON):
    """Move each picture so that the softmax of its first class rises.

    Args: images: (N, 3, H, W) float, normalised with `std`, three numbers; epsilon: of a pixel's range of 1.
    Returns: as images; neither they nor the network are changed. Pixels may leave [0, 1] by epsilon.
    Source: equation 2; the step is divided by std, since the paper's is one of pixels.
    """
    run, _ = twin(network)
    with torch.enable_grad():
        moved = images.detach().clone().requires_grad_()
        logits = as_map(run(moved)).float() / temperature
        loss = torch.nn.functional.cross_entropy(logits, logits.argmax(1), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
    return images - epsilon * gradient.sign() / images.new_tensor(std).view(1, 3, 1, 1)


def perturbation(preprocessing):
    """Return `step` for inputs of a preprocessing, as the probe's `perturb`."""
    return partial(step, std=preprocessing.std)


class ODIN(Detector):
    """Score by the highest softmax probability at a high temperature, after a small step of the picture towards its own class."""

    def __init__(self, *, temperature=TEMPERATURE):
        self.temperature = temperature

    def score(self, activations):
        return msp(_perturbed(activations).logits.double() / self.temperature)


class ODINSelectedNorm(Detector):
    """Score as ODIN, once the changed picture's feature takes the selected block's norm as its length; see `core.detectors.selected_norm`."""

    def __init__(self, *, temperature=TEMPERATURE):
        self.temperature = temperature

    def fit(self, reference):
        self._head, self._block = linear_head(reference), reference.selected
        return self

    def score(self, activations):
        changed = _perturbed(activations)
        weight, bias = (t.to(changed.features.device) for t in self._head)
        return msp(logits_with_norm(changed.features, changed.norm(self._block), weight, bias) / self.temperature)


def _perturbed(activations):
    if activations.perturbed is None:
        raise InputError("ODIN needs a second pass over the changed pictures, which was not made here.", key="odin.one_pass")
    return activations.perturbed
