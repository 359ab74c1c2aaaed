"""Measure all that a report says of one picture. What comes out is numbers and names alone; no sentence is made here."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from core.calibration import confidence_of
from core.detectors import DEFAULT
from core.errors import InputError
from core.explanation import EXPLANATIONS
from core.explanation.explained import draw, effort, weigh
from core.images.preprocess import stack
from core.provenance import pack_hash, provenance
from core.report import METHODS, RISK, SHARE
from core.table import look_up
from core.trust import Trust

SCORE = "both"  # the hand-off's: unknown pictures and wrong answers may come, and it minds either


@dataclass(frozen=True)
class HandOff:
    """How far the confidence can be taken for the share of right answers, and whether the machine may decide alone; fractions.

    Attributes:
        temperature; calibrated: the confidence at it; ece, ece_calibrated: before and after, on `told` held-out pictures; fitted: on how many others.
        risk, share: asked and assumed; p_both: the lower p-value of confidence and consensus; p_least: the machine decides where p_both is above it,
            inf where no threshold keeps the promise, 0 where every picture is decided; coverage: of a stream of such pictures, decided by the machine.
    """

    temperature: float
    calibrated: float
    ece: float
    ece_calibrated: float
    fitted: int
    told: int
    risk: float
    share: float
    p_both: float
    p_least: float
    coverage: float


@dataclass(frozen=True)
class Facts:
    """All that a report says of one picture and one pack; shares are fractions, higher scores = more ID.

    Attributes:
        file: its name; spec: "SOURCE/INDEX" where a source holds it, None for a file; made: date and time in UTC.
        pack, arch, training, classes: what judged, how it was trained, how many classes it has; weights, pack_hash: SHA-256; versions: {library: version}.
        class_name, confidence, runner_up, runner_up_confidence: of the highest and the second softmax probability.
        detector, verdict, score, threshold, p_value, keep: who decided, "ID" or "OOD", and by which numbers; held_out: known pictures behind them.
        opinions: {detector: `core.verdict.Opinion`}; members: {member of the consensus: p-value}.
        block, norm_ratio: selected, and why; norm: of this picture; norm_mean: of known ones; norm_higher: share of these with no lower norm.
        hand_off: `HandOff`, None where the pack has too few labelled pictures or no consensus.
        maps: of `core.explanation.explained.Explained`; missing: methods that this network cannot have.
        orders, steps: random orders that maps are held against, and steps of each curve.
        seen: (S, S, 3) uint8, the network's input.
    """

    file: str
    spec: str | None
    made: str
    pack: str
    arch: str
    training: str
    classes: int
    weights: str | None
    pack_hash: str
    versions: dict
    class_name: str
    confidence: float
    runner_up: str
    runner_up_confidence: float
    detector: str
    verdict: str
    score: float
    threshold: float
    p_value: float
    keep: float
    held_out: int
    opinions: dict
    members: dict
    block: str
    norm_ratio: float
    norm: float
    norm_mean: float
    norm_higher: float
    hand_off: HandOff | None
    maps: tuple
    missing: tuple
    orders: int
    steps: int
    seen: np.ndarray

    @property
    def single(self):
        """Return how many detectors there are besides the consensus."""
        return sum(name != DEFAULT for name in self.opinions)

    @property
    def same(self):
        """Return how many of these say what the report says."""
        return sum(name != DEFAULT and opinion.verdict == self.verdict for name, opinion in self.opinions.items())

    @property
    def strictest(self):
        """Return the member of the consensus with the lowest p-value, None where the network has no consensus."""
        return min(self.members, key=self.members.__getitem__, default=None)


def gather(pack, item, *, spec=None, detector=DEFAULT, keep=0.95, risk=RISK, share=SHARE, methods=METHODS, trust=None):
    """Measure a picture.

    Args:
        pack: a `core.packs.pack.Pack`. item: a `core.images.item.Item`. spec: "SOURCE/INDEX" by which the command line finds it, None for a file.
        detector, keep: who decides, and the share of known pictures that it keeps. risk, share: of the hand-off, as `core.trust.Trust.rule`; a pack
            that measured no unknown pictures takes the share as 0. methods: of `core.explanation.EXPLANATIONS`.
        trust: the pack's `core.trust.Trust` where there is one already.
    Returns: `Facts`.
    Raises: InputError if the picture cannot be read, or a name or fraction is none.
    """
    for name in methods:
        look_up(EXPLANATIONS, name, kind="explanation")
    seen = pack.preprocessing.see(item.open(near=pack.preprocessing.size))
    pixels = stack([seen])
    measured = pack.probe(pixels)
    verdict = pack.judge.judge(measured, pack.classes, detector=detector, keep=keep)[0]
    second = np.argsort(verdict.probabilities)[::-1][:2][-1]  # of a single class, itself
    block, known = verdict.block, pack.reference.held_out
    norm, norms = measured.norm(block).item(), known.norm(block)
    maps, missing = _explained(pack, pack.preprocessing.normalise(pixels.to(pack.device)), verdict.label, methods)
    orders, steps = effort(len(seen))
    return Facts(
        file="".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in item.name),
        spec=spec,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        pack=pack.name,
        arch=pack.facts["arch"],
        training=pack.facts["training"]["method"],
        classes=len(pack.classes),
        weights=pack.facts.get("files", {}).get("weights.safetensors"),
        pack_hash=pack_hash(pack),
        versions=provenance()["versions"],
        class_name=verdict.class_name,
        confidence=verdict.confidence,
        runner_up=pack.classes[second],
        runner_up_confidence=verdict.probabilities[second],
        detector=detector,
        verdict=verdict.verdict,
        score=verdict.score,
        threshold=verdict.threshold,
        p_value=verdict.p_value,
        keep=keep,
        held_out=len(known),
        opinions=verdict.opinions,
        members=verdict.members,
        block=block,
        norm_ratio=pack.selection.norm_ratio[pack.selection.blocks.index(block)],
        norm=norm,
        norm_mean=norms.mean().item(),
        norm_higher=(norms >= norm).double().mean().item(),
        hand_off=_hand_off(pack, measured, risk, share, trust),
        maps=maps,
        missing=missing,
        orders=orders,
        steps=steps,
        seen=seen,
    )


def _hand_off(pack, measured, risk, share, trust):
    try:
        trust = trust or Trust(pack.reference)
    except InputError as error:
        if error.key != "trust.labels":
            raise
        return None
    if SCORE not in trust.scores:
        return None
    share = share if trust.unknown else 0.0
    rule = trust.rule(SCORE, risk=risk, share=share)
    calibrated = trust.calibrated()
    return HandOff(
        temperature=trust.temperature,
        calibrated=float(confidence_of(measured.logits.numpy(), trust.temperature)[0]),
        ece=calibrated["before"]["ece"],
        ece_calibrated=calibrated["temperature"]["ece"],
        fitted=len(trust.rows["fit"]),
        told=len(trust.labels),
        risk=risk,
        share=share,
        p_both=float(trust.judged(measured).scores[SCORE][0]),
        p_least=max(rule.threshold, 0.0),  # all p-values are above 0
        coverage=trust.outcome(rule, SCORE, share=share).coverage,
    )


def _explained(pack, image, label, methods):
    """Return (`Explained` maps, methods that the network cannot have)."""
    maps, missing, floors = [], [], {}
    for method in dict.fromkeys(methods):
        try:
            maps.append(weigh(draw(method, pack, image, target=label), pack, image, target=label, floors=floors))
        except InputError as error:
            if error.key != "explanation.unavailable":
                raise
            missing.append(method)
    return tuple(maps), tuple(missing)
