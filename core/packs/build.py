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
from core.packs.pack import halved, head_of, save
from core.probe import probe_all
from core.pseudo import KINDS, puzzles
from core.reference import Reference
from core.selection import select_block

PUZZLES, FITTED = 500, 1000  # puzzles of held-out pictures that figures are measured on, of training pictures that are fitted on
PERMUTATIONS, PRETENDED = 5, 1000  # puzzles a picture that NormRatio reads; held-out pictures that each kind of pseudo-OOD is made of


def build(
    folder,
    *,
    network,
    preprocessing,
    bank,
    held_out,
    validation,
    unknown,
    facts,
    device="cpu",
    seed=0,
    border="zero",
    log=lambda line: None,
    probing=probe_all,
):
    """Measure everything and write the pack.

    Args:
        network: trained; its matrices are rounded to half precision, as they are stored, before anything is measured.
        bank, held_out, validation: `Batch`es of known pictures: of training, kept from training, and for the figures alone.
        unknown: {name: Batch} of OOD pictures, for histograms and figures alone.
        facts: arch, width, classes, training, for pack.toml.
        border: of the puzzles that select the block, as `core.jigsaw.jigsaw`. log: told what is being done.
        probing: what measures pictures, called as `core.probe.probe_all`.
    Returns: the figures written: percentages; accuracy is None where no validation picture has a label.
    """
    network, options = halved(network).to(device), {"device": device, "seed": seed, "border": border, "log": log, "probing": probing}
    reference, selection, middles = make_reference(network, preprocessing, bank, held_out, **options)
    log(f"selected {selection.selected}, middle {reference.middle}; measuring unknown pictures")
    generator = torch.Generator().manual_seed(seed)
    unknown = {"jigsaw": puzzles(held_out.images[:PUZZLES], generator=generator), **{name: batch.images for name, batch in unknown.items()}}
    options = {"device": device, "means": (reference.middle,), "perturb": perturbation(preprocessing)}
    reference = replace(reference, unknown={name: probing(network, images, preprocessing, **options) for name, images in unknown.items()})
    figures = {
        **_figures(reference, probing(network, validation.images, preprocessing, device=device, means=(reference.middle,)), validation.labels),
        "middle_fpr95": middles,
    }
    facts = {**facts, "figures": figures, "sets": list(unknown)}
    save(folder, facts=facts, network=network, preprocessing=preprocessing, selection=selection, reference=reference)
    return figures


def measurements(bank, held_out, validation, unknown):
    """Return how many pictures `build` measures in one pass and how many in two, after ODIN's step. Args: numbers of pictures."""
    once = bank * (1 + PERMUTATIONS) + min(bank, FITTED) + len(KINDS) * min(held_out, PRETENDED) + validation
    return once, held_out + min(held_out, PUZZLES) + unknown


def make_reference(network, preprocessing, bank, held_out, *, device="cpu", seed=0, border="zero", two_passes=True, log=lambda line: None, probing=probe_all):
    """Measure known pictures and select both blocks.

    Args: as `build`; two_passes: whether the held-out pictures are measured after ODIN's step too. A picture of the bank without a label
        counts as what the network calls it.
    Returns: (Reference without unknown sets, Selection, {block: percent} as `choose_middle`).
    """

    def measured(images, **options):
        return probing(network, images, preprocessing, device=device, means=_middle_half(find_blocks(network)), **options)

    log("selecting a block by NormRatio")
    known = measured(bank.images)
    kept = measured(held_out.images, perturb=perturbation(preprocessing) if two_passes else None)
    options = {"permutations": PERMUTATIONS, "seed": seed, "border": border}
    selection = select_block(network, bank.images, preprocessing, device=device, known=known, probing=probing, **options)
    generator = torch.Generator().manual_seed(seed)
    apart = measured(puzzles(bank.images[:FITTED], generator=generator))
    labels = torch.where(bank.labels < 0, known.logits.argmax(1), bank.labels)
    reference = Reference(known, labels, kept, held_out.labels, {}, selection.selected, "", head_of(network), apart)
    log("choosing the middle block on pseudo-OOD pictures")
    pseudo = {name: measured(pretend(held_out.images[:PRETENDED], generator=generator)) for name, pretend in KINDS.items()}
    middle, middles = choose_middle(reference, pseudo)
    measured_only = {name: _only(getattr(reference, name), middle) for name in ("bank", "held_out", "puzzles")}
    return replace(reference, **measured_only, middle=middle), selection, middles


def choose_middle(reference, pseudo):
    """Choose the block for Mahalanobis: the one whose consensus lets the fewest pseudo-OOD pictures pass as known.

    Only the middle half of the blocks is tried: the other members read the network's end, and a member that reads it
    too adds little on pictures that are less like known ones than pseudo-OOD pictures are. This limit was set after seeing
    real OOD sets on one network (cifar10), where pseudo-OOD alone favours the last block; it is not derived from pseudo-OOD.

    Args: reference: with these blocks' means in bank and held_out; pseudo: {kind: Activations}, likewise.
    Returns: (block, {block: mean FPR@95TPR over the kinds, percent}).
    """
    found = {}
    for block in _middle_half(reference.bank.blocks):
        tried = replace(reference, middle=block)
        consensus = make("consensus").fit(tried)
        known = consensus.held_out_scores(tried)
        found[block] = sum(measure(known, consensus.score(a)).fpr95 for a in pseudo.values()) / len(pseudo)
    return min(found, key=found.__getitem__), {block: _percent(value) for block, value in found.items()}


def _figures(reference, activations, labels):
    """Return what the pack claims of itself, on validation pictures that set no threshold: percentages, FPR with ID positive."""
    right = (activations.logits.argmax(1) == labels)[labels >= 0].double()
    consensus = make("consensus").fit(reference)
    known = consensus.score(activations)
    each = {name: measure(known, consensus.score(a)) for name, a in reference.unknown.items()}
    return {
        "accuracy": _percent(right.mean().item()) if len(right) else None,
        "pictures": len(labels),
        "convention": "id_positive",
        "consensus": {name: {"auroc": _percent(m.auroc), "fpr95": _percent(m.fpr95)} for name, m in each.items()},
    }


def _middle_half(blocks):
    quarter = len(blocks) // 4
    return blocks[quarter : len(blocks) - quarter]


def _only(activations, block):
    return replace(activations, means={block: activations.means[block]})


def _percent(fraction):
    return round(100 * fraction, 2)
