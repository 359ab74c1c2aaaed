"""Choose the block that knows what the network does not know, without any OOD picture.

Source: Yu et al., CVPR 2023, section 3.2. NormRatio of a block is the mean over pictures of
FeatureNorm(picture) / FeatureNorm(its jigsaw); the block with the highest ratio is selected.
The released code feeds both sides un-normalised, a range the network never saw in training;
that is mode "as_released". "normalised" (ours, default) feeds what the network expects.
"""

from dataclasses import dataclass
from typing import Any

import torch

from core.errors import InputError, unknown
from core.images.preprocess import Preprocessing
from core.jigsaw import jigsaw
from core.probe import probe_all

MODES = ("normalised", "as_released")
UNCHANGED: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


@dataclass(frozen=True)
class Selection:
    """Which block was selected and why.

    Attributes:
        blocks: K names. norm_id, norm_jigsaw: K mean FeatureNorms. norm_ratio: K means of per-picture ratios over all puzzles.
        by_permutation: for each of R puzzles a picture, K ratios. selected: the name of the block with the highest ratio.
        mode: see above. images: how many pictures were measured. border: of the puzzles, as `core.jigsaw.jigsaw`.
    """

    blocks: tuple
    norm_id: tuple
    norm_jigsaw: tuple
    norm_ratio: tuple
    by_permutation: tuple
    selected: str
    mode: str
    images: int
    border: str = "zero"


def norm_ratio(norms, jigsaw_norms):
    """Return the mean over pictures of norm / norm of the jigsaw.

    Args: norms, jigsaw_norms: (N, K). Returns: (K,) float64; a block that is silent on a jigsaw counts as tiny, not as zero.
    """
    return (norms.double() / jigsaw_norms.double().clamp_min(1e-12)).mean(0)


def select_block(
    network,
    images,
    preprocessing,
    *,
    mode="normalised",
    permutations=1,
    seed=0,
    tiles=3,
    border="zero",
    known=None,
    progress=None,
    probing=probe_all,
    **options,
):
    """Measure NormRatio on pictures and select a block.

    Args:
        images: (N, 3, S, S) uint8, known pictures.
        permutations: puzzles a picture; the ratio is their mean, their spread tells how stable the choice is.
        known: Activations of the same pictures if they were probed before (mode "normalised" only).
        progress: called with (done, total) pictures; probing: what measures pictures, called as `probe_all`.
        **options: device, batch_size, precision, as `probe_all`.
    Returns: Selection.
    Raises: InputError for no pictures or an unknown mode.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if not len(images) or permutations < 1:
        raise InputError("NormRatio needs at least one picture and one permutation.", key="selection.empty")
    if mode == "as_released":
        preprocessing, known = Preprocessing(preprocessing.size, **UNCHANGED), None
    total, n = len(images) * (permutations + (known is None)), len(images)

    def step(before):
        return progress and (lambda done, _: progress(before + done, total))

    if known is None:
        known = probing(network, images, preprocessing, progress=step(total - permutations * n - n), **options)
    generator = torch.Generator().manual_seed(seed)
    ratios, jigsaw_norms = [], []
    for r in range(permutations):
        puzzles = jigsaw(images, generator=generator, tiles=tiles, border=border)
        measured = probing(network, puzzles, preprocessing, progress=step(total - (permutations - r) * n), **options)
        ratios.append(norm_ratio(known.norms, measured.norms))
        jigsaw_norms.append(measured.norms.double().mean(0))
    ratio = torch.stack(ratios).mean(0)
    return Selection(
        blocks=known.blocks,
        norm_id=tuple(known.norms.double().mean(0).tolist()),
        norm_jigsaw=tuple(torch.stack(jigsaw_norms).mean(0).tolist()),
        norm_ratio=tuple(ratio.tolist()),
        by_permutation=tuple(tuple(r.tolist()) for r in ratios),
        selected=known.blocks[int(ratio.argmax())],
        mode=mode,
        images=n,
        border=border,
    )
