"""Let half of a pack's held-out pictures calibrate, so that the other half is new: pictures for a stream that need no forward pass."""

from dataclasses import replace

import torch

from core.conformal import conformal_p
from core.errors import InputError
from core.verdict import Judge


class Half:
    """A detector that half of the held-out pictures of a reference calibrate.

    Args: seed: of who is in which half. Attributes: known: how many calibrate; fresh: p-values of the others, float64 array.
    Raises: InputError if this network cannot have the detector.
    """

    def __init__(self, reference, detector, *, seed=0):
        order = torch.randperm(len(reference.held_out), generator=torch.Generator().manual_seed(seed))
        mine, others = order[: len(order) // 2], order[len(order) // 2 :]
        labels = reference.held_out_labels[mine]
        self._detector = detector
        self._judge = Judge(replace(reference, held_out=reference.held_out[mine], held_out_labels=labels), (detector,))
        if detector in self._judge.unavailable:
            raise InputError(self._judge.unavailable[detector], key="detector.unavailable", name=detector)
        self.known = len(mine)
        self.fresh = self.p_values(reference.held_out[others])

    def p_values(self, activations):
        """Return the p-values of N measured pictures: (N,) float64 array."""
        return conformal_p(self._judge.known_scores[self._detector], self._judge.scores(activations)[self._detector]).numpy()
