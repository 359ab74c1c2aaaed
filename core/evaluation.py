"""How good every detector and every block is on sets of pictures that were measured once.

ID accuracy comes first: with a wrong preprocessing every other number means nothing.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from core.metrics import auroc_columns, intervals, measure

DOUBTFUL = 0.1  # of the way from guessing to perfect; below it, preprocessing or labels are more likely wrong than the network


@dataclass(frozen=True)
class Evaluation:
    """What detectors and blocks say of known and unknown pictures. Scores are higher = more ID.

    Attributes:
        accuracy: share of known pictures that are classified right, or None without labels; classes: how many there are.
        known: {detector: (N,) float64 array}; unknown: {set: {detector: (M,) float64 array}}.
        blocks: K names; selected: the one that NormRatio selected; by_permutation: K NormRatios for each shuffle, or ().
        block_auroc: {set: (K,) array}, each block's FeatureNorm as a score.
        unavailable: {detector: sentence} of those that cannot work here.
    """

    accuracy: float | None
    classes: int
    known: dict
    unknown: dict
    blocks: tuple
    selected: str
    block_auroc: dict
    by_permutation: tuple = ()
    unavailable: dict = field(default_factory=dict)

    @property
    def doubtful(self):
        """Whether the accuracy is so low that no OOD number should be believed."""
        return self.accuracy is not None and self.accuracy < least_plausible(self.classes)


def least_plausible(classes):
    """Return the accuracy below which no OOD number should be believed: a tenth of the way from guessing among so many classes to 1."""
    return 1 / classes + DOUBTFUL * (1 - 1 / classes)


def evaluate(judge, unknown, *, known=None, labels=None, by_permutation=()):
    """Score known and unknown pictures with every detector of a judge, and with every block's FeatureNorm.

    Args:
        judge: a `core.verdict.Judge`.
        unknown: {set: Activations}.
        known, labels: known pictures and their (N,) classes, -1 where unknown; by default the reference's held-out ones,
            each left out of the calibration that it is judged by.
    Returns: Evaluation. A two-pass detector is left out where some picture was measured in one pass.
    """
    reference = judge.reference
    if known is None:
        known, labels, scores = reference.held_out, reference.held_out_labels, judge.known_scores
    else:
        scores = judge.scores(known)
    scored = {name: judge.scores(measured) for name, measured in unknown.items()}
    kept = [d for d in judge.detectors if d in scores and all(d in s for s in scored.values())]
    lost = {d: "This detector needs a second pass, which was not made for all pictures." for d in judge.detectors if d not in kept}
    return Evaluation(
        accuracy=_accuracy(known, labels),
        classes=known.logits.shape[1],
        known={d: scores[d].numpy() for d in kept},
        unknown={name: {d: s[d].numpy() for d in kept} for name, s in scored.items()},
        blocks=known.blocks,
        selected=reference.selected,
        block_auroc={name: auroc_columns(known.norms.numpy(), measured.norms.numpy()) for name, measured in unknown.items()},
        by_permutation=tuple(by_permutation),
        unavailable={**judge.unavailable, **lost},
    )


def figures(evaluation, *, convention="id_positive", resamples=500, seed=0, detectors=None):
    """Return {detector: {set: {auroc, aupr_in, aupr_out, fpr95, ci}}} in percent.

    Args: convention: a name of `core.metrics.CONVENTIONS`; resamples: of the bootstrap; 0 leaves `ci` out; detectors: names, by default all.
    `ci` holds 95 % intervals: {auroc: [low, high], fpr95: [low, high]}.
    """
    table = {}
    for detector in evaluation.known if detectors is None else detectors:
        known, table[detector] = evaluation.known[detector], {}
        for name, scores in evaluation.unknown.items():
            m = measure(known, scores[detector], convention=convention)
            row = {key: _percent(getattr(m, key)) for key in ("auroc", "aupr_in", "aupr_out", "fpr95")}
            if resamples:
                found = intervals(known, scores[detector], convention=convention, resamples=resamples, seed=seed)
                row["ci"] = {key: [_percent(end) for end in ends] for key, ends in found.items()}
            table[detector][name] = row
    return table


def document(evaluation, detectors, *, convention, blocks=True):
    """Return all that an evaluation tells, ready for JSON: what `python -m core bench` prints and the run store keeps. Percentages.

    Args: detectors: what `figures` returns by this convention.
    """
    first = next(iter(evaluation.known), None)
    counts = {"known": len(evaluation.known[first]), **{name: len(scores[first]) for name, scores in evaluation.unknown.items()}} if first else {}
    return {
        "accuracy": None if evaluation.accuracy is None else round(100 * evaluation.accuracy, 3),
        "selected": evaluation.selected,
        "convention": convention,
        "pictures": counts,
        "detectors": detectors,
        "unavailable": evaluation.unavailable,
        **({"blocks": block_table(evaluation)} if blocks else {}),
    }


def keep_scores(evaluation):
    """Return {"set/detector": scores} for the run store; the set of known pictures is called "known"."""
    sets = {"known": evaluation.known, **evaluation.unknown}
    return {f"{name}/{detector}": scores for name, each in sets.items() for detector, scores in each.items()}


def run_title(network, evaluation):
    """Return what a kept evaluation is called: the network and its sets, the third and further ones counted. Args: network: a name."""
    names = list(evaluation.unknown)
    return f"{network}: {', '.join(names[:2])}{f' + {len(names) - 2}' if len(names) > 2 else ''}"


def block_table(evaluation):
    """Say how well NormRatio chose: every block's AUROC on every set, in percent.

    Returns: {names, auroc: {set: K numbers}, mean: K numbers, selected, oracle: the block with the highest mean,
        behind_oracle: points of mean AUROC that the selected block falls short of it, votes: {block: shuffles that choose it}}.
    """
    if not evaluation.block_auroc:
        return {"names": list(evaluation.blocks), "auroc": {}, "mean": [], "selected": evaluation.selected}
    mean = np.mean(list(evaluation.block_auroc.values()), axis=0)
    chosen, best = evaluation.blocks.index(evaluation.selected), int(mean.argmax())
    votes = Counter(evaluation.blocks[int(np.argmax(row))] for row in evaluation.by_permutation)
    return {
        "names": list(evaluation.blocks),
        "auroc": {name: [_percent(v) for v in values] for name, values in evaluation.block_auroc.items()},
        "mean": [_percent(v) for v in mean],
        "selected": evaluation.selected,
        "oracle": evaluation.blocks[best],
        "behind_oracle": _percent(mean[best] - mean[chosen]),
        "votes": dict(votes.most_common()),
    }


def _accuracy(known, labels):
    if labels is None or not (labels >= 0).any():
        return None
    return (known.logits.argmax(1) == labels)[labels >= 0].double().mean().item()


def _percent(fraction):
    return round(100 * float(fraction), 4)
