"""Measure how far attribution maps move when a network is compressed, while its answers stay.

Both networks explain the class that the large one names, so that a map which moves is not merely the map of another class.
"""

from dataclasses import dataclass

import torch

from core.explanation import DEFAULT, explain
from core.explanation.common import classes_of
from core.explanation.faithfulness import energy, spearman

BATCH = 20


@dataclass(frozen=True)
class Drift:
    """What became of N pictures' maps.

    Attributes:
        before, after: (N,) int64, the classes that the large and the small network name.
        cosine, spearman: (N,) in [-1, 1], of the signed maps of the two; higher = the map moved less. 0 where one of them is constant.
        energy_before, energy_after: (N,) in [0, 1], the share of the positive map on the object, or None without masks.
    """

    before: torch.Tensor
    after: torch.Tensor
    cosine: torch.Tensor
    spearman: torch.Tensor
    energy_before: torch.Tensor | None = None
    energy_after: torch.Tensor | None = None

    def figures(self, labels=None):
        """Return the means: shares in percent, correlations as they are. Args: labels: (N,), below 0 for unknown; None for the figures without accuracy."""
        same = self.before == self.after
        known = torch.zeros_like(same) if labels is None else labels >= 0
        energies = {"energy_before": self.energy_before, "energy_after": self.energy_after}
        return {
            "accuracy_before": _percent((self.before == labels)[known]) if known.any() else None,
            "accuracy_after": _percent((self.after == labels)[known]) if known.any() else None,
            "same_class": _percent(same),
            "cosine": _mean(self.cosine),
            "spearman": _mean(self.spearman),
            "spearman_same_class": _mean(self.spearman[same]) if same.any() else None,
            **{name: None if values is None else _percent(values) for name, values in energies.items()},
        }


def drift(network, small, images, *, method=DEFAULT, masks=None, progress=None, **parameters):
    """Explain pictures with the large and with the small network and compare the maps.

    Args: network, small: classifiers of the same classes; neither is changed. images: (N, 3, S, S), preprocessed. method: of
        `core.explanation.EXPLANATIONS`. masks: (N, S, S) bool, where the object is, none of them empty, or None. progress: called with (done, total).
        **parameters: of the method, and `block`.
    Returns: Drift, on the CPU. Raises: InputError as `core.explanation.explain`.
    """
    found = []
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        classes, others = classes_of(network, batch), classes_of(small, batch)
        one, two = (explain(method, each, batch, target=classes, **parameters) for each in (network, small))
        measured = [classes, others, torch.cosine_similarity(one.flatten(1), two.flatten(1)), spearman(one, two)]
        if masks is not None:
            measured += [energy(maps, masks[first : first + BATCH].to(maps.device)) for maps in (one, two)]
        found.append([values.cpu() for values in measured])
        if progress:
            progress(min(first + BATCH, len(images)), len(images))
    return Drift(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _mean(values):
    return round(values.double().mean().item(), 4)


def _percent(values):
    return round(100 * values.double().mean().item(), 2)
