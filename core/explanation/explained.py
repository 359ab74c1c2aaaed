"""One method's map of one picture, and what the picture's pixels do when they go in its order."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from core.explanation import EXPLANATIONS, OF_NORM, explain
from core.explanation.common import classes_of, norm_of
from core.explanation.faithfulness import area, deletion, insertion, probability_of, random_maps

RANDOM = 3  # random orders that deletion and insertion are held against


@dataclass(frozen=True)
class Explained:
    """A map with its faithfulness on this picture.

    Attributes: method: of EXPLANATIONS; block: whose map or norm it is, or None; values: (S, S) float32 array, signed; seconds: to make the map.
        deletion, insertion: areas under the class's probability, or under the block's FeatureNorm for those of `OF_NORM`; random: the same of
        random orders, {"deletion", "insertion"}. Lower deletion and higher insertion are better.
    """

    method: str
    block: str | None
    values: np.ndarray
    seconds: float
    deletion: float
    insertion: float
    random: dict

    @property
    def title(self):
        return EXPLANATIONS[self.method].title

    @property
    def peak(self):
        """The column and the row of the highest pixel."""
        return tuple(reversed([int(i) for i in np.unravel_index(self.values.argmax(), self.values.shape)]))

    @property
    def positive(self):
        """The share of the map that is positive, in [0, 1]."""
        return float(self.values.clip(0).sum() / max(np.abs(self.values).sum(), 1e-12))

    @property
    def better_than_random(self):
        """Whether its order takes the evidence away faster, and gives it back faster, than random ones do on this picture."""
        return self.deletion < self.random["deletion"] and self.insertion > self.random["insertion"]


def explained(method, pack, image, *, target=None, block=None):
    """Explain one picture and measure the map on it.

    Args: method: of EXPLANATIONS. pack: a loaded `Pack`. image: (1, 3, S, S), preprocessed, on its device.
        target: index of a class, by default the predicted one. block: by default the selected one for those of `OF_NORM`, else the method's own.
    Returns: `Explained`. Raises: InputError as `core.explanation.explain`.
    """
    at = block or (pack.selection.selected if method in OF_NORM else None)
    classes = classes_of(pack.network, image, target)
    began = time.perf_counter()
    values = explain(method, pack.network, image, target=classes, block=at)
    return weighed(method, pack, image, values, time.perf_counter() - began, classes=classes, block=at)


def weighed(method, pack, image, values, seconds, *, classes, block=None):
    """Measure a map that is there already. Args: values: (1, S, S); seconds: that it took; classes: (1,) int64; the others, Returns: as `explained`."""
    copies = image.expand(1 + RANDOM, -1, -1, -1)
    measure = norm_of(pack.network, block) if method in OF_NORM else probability_of(pack.network, classes.expand(len(copies)))
    orders = torch.cat([values, random_maps(copies[1:], generator=torch.Generator().manual_seed(0))])
    areas = {way.__name__: area(way(measure, copies, orders)).tolist() for way in (deletion, insertion)}
    floors = {way: sum(found[1:]) / RANDOM for way, found in areas.items()}
    return Explained(method, block, values[0].cpu().numpy(), seconds, areas["deletion"][0], areas["insertion"][0], floors)


def regions(values, side=8):
    """Add up a map over squares of the picture.

    Args: values: (S, S) signed; side: how many squares in a row; where S is no multiple of it the squares differ by a pixel.
    Returns: (side, side) float64: each square's share of the sum of absolute values, signed, in [-1, 1].
    """
    side = min(side, len(values))
    cuts = [round(k * len(values) / side) for k in range(side)]
    summed = np.add.reduceat(np.add.reduceat(values.astype(np.float64), cuts, 0), cuts, 1)
    return summed / max(np.abs(values).sum(dtype=np.float64), 1e-12)


def place(values):
    """Say where the positive map lies.

    Returns: ((row, column) of the third of the picture with most of it, counted 0 to 2 from the upper left; the smallest share of the picture that
    holds half of it, in (0, 1]: 0.5 if it is the same everywhere).
    """
    positive = np.sort(values.clip(0), axis=None)[::-1].astype(np.float64)
    half = int(np.searchsorted(positive.cumsum(), positive.sum() / 2)) + 1
    row, column = np.unravel_index(regions(values.clip(0), 3).argmax(), (min(3, len(values)),) * 2)
    return (int(row), int(column)), half / values.size
