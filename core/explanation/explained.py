"""One method's map of one picture, and what the picture's pixels do when they go in its order."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from core.explanation import EXPLANATIONS, OF_NORM, explain
from core.explanation.common import classes_of, norm_of
from core.explanation.faithfulness import area, deletion, insertion, probability_of, random_maps

SMALL = 64  # pixels of a network's input; every pass of a larger one costs more than a hundred of a small one
ORDERS, STEPS = 9, 16  # random orders that a map is held against, and steps of each curve: an order that knows nothing is the best of ten once in ten times
FEW_ORDERS, FEW_STEPS = 3, 8  # the same for larger inputs


@dataclass(frozen=True)
class Drawn:
    """A map of one picture.

    Attributes: method: of EXPLANATIONS; block: whose map or norm it is, or None; values: (S, S) float32 array, signed; seconds: that it took.
    """

    method: str
    block: str | None
    values: np.ndarray
    seconds: float

    @property
    def title(self):
        return EXPLANATIONS[self.method].title

    @property
    def peak(self):
        """The column and the row of the highest pixel."""
        return _column_and_row(self.values.argmax(), self.values.shape)

    @property
    def trough(self):
        """The column and the row of the lowest pixel."""
        return _column_and_row(self.values.argmin(), self.values.shape)

    @property
    def positive(self):
        """The share of the map that is positive, in [0, 1]: of the sum of its absolute values."""
        return float(self.values.clip(0).sum() / max(np.abs(self.values).sum(), 1e-12))


@dataclass(frozen=True)
class Explained(Drawn):
    """A map with its faithfulness on this picture.

    Attributes: deletion, insertion: areas under the class's probability, or under the block's FeatureNorm for those of `OF_NORM`, as pixels leave or return;
        lower, higher is better. random_deletion, random_insertion: the best such areas of random orders, as many as `effort` says.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float

    @property
    def deletes(self):
        """Whether its order takes the evidence away faster than all random ones."""
        return self.deletion < self.random_deletion

    @property
    def inserts(self):
        """Whether its order gives the evidence back faster than all random ones."""
        return self.insertion > self.random_insertion


def effort(side):
    """Return how much is spent on a map of a picture of this side: (random orders, steps of each curve)."""
    return (ORDERS, STEPS) if side <= SMALL else (FEW_ORDERS, FEW_STEPS)


def draw(method, pack, image, *, target=None, block=None):
    """Draw one map of one picture.

    Args: method: of EXPLANATIONS. pack: a loaded `Pack`. image: (1, 3, S, S), preprocessed, on its device.
        target: index of a class, by default the predicted one. block: by default the selected one for those of `OF_NORM`, else the method's own.
    Returns: `Drawn`. Raises: InputError as `core.explanation.explain`.
    """
    at = block or (pack.selection.selected if method in OF_NORM else None)
    began = time.perf_counter()
    values = explain(method, pack.network, image, target=target, block=at)
    return Drawn(method, at, values[0].cpu().numpy(), time.perf_counter() - began)


def weigh(drawn, pack, image, *, target=None, floors=None):
    """Measure what the picture's pixels do when they go in the order of a map.

    Args: drawn: `Drawn`; pack, image, target: that it was drawn from.
        floors: a dict that keeps what random orders gave, to be handed on to other maps of the same picture and class.
    Returns: `Explained`.
    """
    of_norm, floors, (count, steps) = drawn.method in OF_NORM, {} if floors is None else floors, effort(image.shape[-1])
    classes = classes_of(pack.network, image, target)

    def areas(orders):
        measure = norm_of(pack.network, drawn.block) if of_norm else probability_of(pack.network, classes.expand(len(orders)))
        images = image.expand(len(orders), -1, -1, -1)
        return tuple(area(way(measure, images, orders, steps=steps)) for way in (deletion, insertion))

    measured = drawn.block if of_norm else None
    if measured not in floors:
        away, back = areas(random_maps(image.expand(count, -1, -1, -1), generator=torch.Generator().manual_seed(0)))
        floors[measured] = away.min().item(), back.max().item()
    removed, restored = (of.item() for of in areas(torch.from_numpy(drawn.values)[None].to(image.device)))
    return Explained(drawn.method, drawn.block, drawn.values, drawn.seconds, removed, restored, *floors[measured])


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


def _column_and_row(flat, shape):
    row, column = np.unravel_index(flat, shape)
    return int(column), int(row)
