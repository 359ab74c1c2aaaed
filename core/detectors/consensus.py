"""Consensus of complementary detectors, calibrated so that its own verdict is a p-value.

Each member's score becomes a conformal p-value against held-out known pictures: how many of them
look this unfamiliar to that member. A rule combines them; Fisher's adds the logarithms. The members are
not independent, so the result is calibrated once more, against that of the held-out pictures, each
computed with itself left out of its members' calibration.

Source: our own. Fisher, 1925, section 21.1; Stouffer et al., 1949; Tippett, 1931 (minimum); Wilson, PNAS 2019
(harmonic mean), for the rules; Bates et al., Annals of Statistics 2023, for conformal p-values of outliers.
"""

import torch

from core.conformal import conformal_p, left_out_p
from core.detectors import make
from core.detectors.detector import Detector
from core.errors import InputError, unknown

RULES = {
    "fisher": lambda p: p.log().sum(0),
    "stouffer": lambda p: torch.special.ndtri(p.clamp_max(1 - 1e-6)).sum(0),
    "minimum": lambda p: p.log().amin(0),
    "harmonic": lambda p: -p.reciprocal().mean(0).log(),
}
MEMBERS = ("energy_selected_norm", "knn", "mahalanobis_middle", "jigsaw")


class Consensus(Detector):
    """Combine the conformal p-values of complementary detectors, by default four of them by the sum of their logarithms.

    Args: members: names of detectors; rule: a name of `RULES`. Attributes: fitted: {member: detector}, once fitted.
    """

    def __init__(self, *, members=MEMBERS, rule="fisher"):
        if rule not in RULES:
            raise unknown("rule", rule, RULES)
        self.members, self.rule = tuple(members), rule

    def fit(self, reference):
        """Fit and calibrate the members; one that this network cannot have is left out. Raises: InputError if all are."""
        self.fitted, self._calibration, lacking = {}, {}, []
        for name in self.members:
            try:
                fitted = make(name).fit(reference)
                self._calibration[name] = fitted.held_out_scores(reference)
                self.fitted[name] = fitted
            except InputError as error:
                lacking.append(str(error))
        if not self.fitted:
            raise InputError(f"No member of the consensus works on this network: {' '.join(lacking)}", key="consensus.none")
        return self

    def score(self, activations):
        """Return the members' combined p-values: (N,) float64; higher = more ID."""
        return self.combine(self.member_p({name: detector.score(activations) for name, detector in self.fitted.items()}))

    def held_out_scores(self, reference):
        """Return what the held-out pictures get, each left out of its own calibration."""
        return self.combine({name: left_out_p(scores) for name, scores in self._calibration.items()})

    def member_p(self, scores):
        """Return {member: (N,) conformal p-values} of {member: (N,) scores}; low = this member finds the picture unfamiliar."""
        return {name: conformal_p(self._calibration[name].to(scores[name].device), scores[name]) for name in self.fitted}

    def combine(self, p_values):
        """Combine {member: (N,) p-values} by the rule: (N,) float64."""
        return RULES[self.rule](torch.stack(list(p_values.values())))
