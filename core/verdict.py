"""Say of each picture whether the network knows what it is looking at.

A `Judge` holds every detector fitted on one reference, with the scores of the held-out known pictures,
so that thresholds and p-values at any share of known pictures kept cost nothing more.
"""

from dataclasses import asdict, dataclass

from core.conformal import conformal_p, threshold_at
from core.detectors import DEFAULT, DETECTORS, ONE_PASS, TWO_PASSES, make
from core.errors import InputError, unknown

ID, OOD = "ID", "OOD"


@dataclass(frozen=True)
class Opinion:
    """What one detector says: score and threshold (higher = more ID), p-value in (0, 1], verdict "ID" or "OOD"."""

    score: float
    threshold: float
    p_value: float
    verdict: str


@dataclass(frozen=True)
class Verdict:
    """What is known of one picture.

    Attributes:
        label: index of the class; class_name; confidence: its softmax probability; probabilities: (C,) of all classes.
        detector: who decided; verdict, score, threshold, p_value: what it says.
        block: the selected block. opinions: {detector: Opinion} of all. members: {detector: p-value} of the consensus.
        agreement: the share of the single detectors (all but the consensus) that say the same.
    """

    label: int
    class_name: str
    confidence: float
    probabilities: tuple
    detector: str
    verdict: str
    score: float
    threshold: float
    p_value: float
    block: str
    opinions: dict
    members: dict
    agreement: float


def as_row(verdict, name):
    """Return a `Verdict` ready for JSON: what the command line and the service answer for a picture. Args: name: of its file."""
    return {
        "file": str(name),
        "class": verdict.class_name,
        "confidence": verdict.confidence,
        "verdict": verdict.verdict,
        "detector": verdict.detector,
        "block": verdict.block,
        "score": verdict.score,
        "threshold": verdict.threshold,
        "p_value": verdict.p_value,
        "members": verdict.members,
        "detectors": {detector: asdict(opinion) for detector, opinion in verdict.opinions.items()},
        "error": None,
    }


@dataclass(frozen=True)
class Opinions:
    """What detectors say of N pictures, as arrays: what a `Verdict` holds for one.

    Attributes:
        probabilities: (N, C) float64. scores: {detector: (N,) float64}; thresholds: {detector: float}; members: {member of the consensus: (N,) p-values}.
        known_scores: {detector: scores of the held-out known pictures}, which p-values count.
    """

    probabilities: object
    scores: dict
    thresholds: dict
    members: dict
    known_scores: dict

    def p_values(self, detector):
        """Return (N,) float64 p-values in (0, 1]."""
        return conformal_p(self.known_scores[detector], self.scores[detector])

    def known(self, detector):
        """Return (N,) bool: whether the detector calls each picture ID."""
        return self.scores[detector] > self.thresholds[detector]


class Judge:
    """Fit detectors on a reference and judge measured pictures.

    Args: reference: a `core.reference.Reference`; detectors: their names, all that need one pass only by default.
    Attributes: detectors: {name: fitted detector}; known_scores: {name: scores of the held-out known pictures};
        unavailable: {name: sentence} of those that this network cannot have.
    Raises: InputError for an unknown detector.
    """

    def __init__(self, reference, detectors=ONE_PASS):
        self.reference, self.detectors, self.known_scores, self.unavailable = reference, {}, {}, {}
        for name in detectors:
            if name not in DETECTORS:
                raise unknown("detector", name, DETECTORS)
            try:
                fitted = self._members().get(name) or make(name).fit(reference)
                self.known_scores[name] = fitted.held_out_scores(reference).cpu()
                self.detectors[name] = fitted
            except InputError as error:
                self.unavailable[name] = str(error)

    def scores(self, activations):
        """Return {detector: (N,) float64 scores}; two-pass detectors are left out where only one pass was made."""
        return self._measure(activations)[0]

    def _measure(self, activations):
        """Score with every detector once. Returns: ({detector: scores}, {member of the consensus: p-values})."""
        skipped = ("consensus",) if activations.perturbed is not None else ("consensus", *TWO_PASSES)
        scores = {name: detector.score(activations).cpu() for name, detector in self.detectors.items() if name not in skipped}
        if "consensus" not in self.detectors:
            return scores, {}
        consensus = self.detectors["consensus"]
        missing = {name: detector.score(activations).cpu() for name, detector in consensus.fitted.items() if name not in scores}
        members = consensus.member_p({**scores, **missing})
        scores["consensus"] = consensus.combine(members)
        return {name: scores[name] for name in self.detectors if name in scores}, members

    def _members(self):
        """Return {member: detector} that the consensus has fitted already."""
        return self.detectors["consensus"].fitted if "consensus" in self.detectors else {}

    def thresholds(self, keep=0.95):
        """Return {detector: the threshold that keeps this share of known pictures}."""
        return {name: threshold_at(scores, keep) for name, scores in self.known_scores.items()}

    def opinions(self, activations, *, detector=DEFAULT, keep=0.95):
        """Return the `Opinions` of all detectors on N measured pictures.

        Args: detector: who will decide; keep: the share of known pictures called ID, in (0, 1).
        Raises: InputError if the detector is unknown or not available on this network.
        """
        if detector in self.unavailable:
            raise InputError(self.unavailable[detector], key="detector.unavailable", name=detector)
        if detector not in self.detectors:
            raise unknown("detector", detector, self.detectors)
        scores, members = self._measure(activations)
        return Opinions(activations.logits.double().softmax(1), scores, self.thresholds(keep), members, self.known_scores)

    def judge(self, activations, class_names, *, detector=DEFAULT, keep=0.95):
        """Return a `Verdict` for each of N measured pictures.

        Args: class_names: a name for each logit; detector, keep: as `opinions`.
        Raises: as `opinions`.
        """
        said = self.opinions(activations, detector=detector, keep=keep)
        p_values, known = ({name: of(name) for name in said.scores} for of in (said.p_values, said.known))
        verdicts = []
        for i, row in enumerate(said.probabilities):
            opinions = {
                name: Opinion(s[i].item(), said.thresholds[name], p_values[name][i].item(), ID if known[name][i] else OOD) for name, s in said.scores.items()
            }
            decided, label = opinions[detector], int(row.argmax())
            single = [o.verdict == decided.verdict for name, o in opinions.items() if name != "consensus"]
            verdicts.append(
                Verdict(
                    label=label,
                    class_name=class_names[label],
                    confidence=row[label].item(),
                    probabilities=tuple(row.tolist()),
                    detector=detector,
                    verdict=decided.verdict,
                    score=decided.score,
                    threshold=decided.threshold,
                    p_value=decided.p_value,
                    block=self.reference.selected,
                    opinions=opinions,
                    members={name: p[i].item() for name, p in said.members.items()},
                    agreement=sum(single) / len(single) if single else 1.0,
                )
            )
        return verdicts
