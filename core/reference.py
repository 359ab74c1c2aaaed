"""What detectors are fitted on: measured pictures, as numbers only."""

from dataclasses import dataclass

import torch

from core.probe import Activations


@dataclass(frozen=True)
class Reference:
    """Measured pictures that a detector is fitted on and judged by.

    Attributes:
        bank: Activations of training pictures (about 2,000); bank_labels: (N,) int64.
        held_out: Activations of known pictures that training never saw: they set thresholds and p-values.
        held_out_labels: (M,) int64.
        unknown: {name of an OOD set: Activations}, for histograms and figures; no detector is fitted on them.
        selected: the block that NormRatio selected; middle: the block whose mean Mahalanobis distances are taken of.
        head: (weight (C, D), bias (C,)) of the linear head, or None.
        puzzles: Activations of jigsaws of training pictures, or None.
    """

    bank: Activations
    bank_labels: torch.Tensor
    held_out: Activations
    held_out_labels: torch.Tensor
    unknown: dict
    selected: str
    middle: str
    head: tuple | None
    puzzles: Activations | None = None
