"""Consensus of complementary detectors, calibrated so that its own verdict is a p-value.

Each member's score becomes a conformal p-value against held-out known pictures: how many of them
look this unfamiliar to that member. The logarithms are added (Fisher's rule). The members are not
independent, so the sum is calibrated once more, against the sums of the held-out pictures, each
computed with itself left out of its members' calibration.

Source: our own. Fisher, 1925, section 21.1, for the rule; Bates et al., Annals of Statistics 2023,
for conformal p-values of outliers.
"""

from core.conformal import conformal_p, left_out_p
from core.detectors import make
from core.detectors.detector import Detector
from core.errors import InputError

MEMBERS = ("energy_selected_norm", "knn", "mahalanobis_middle", "jigsaw")


class Consensus(Detector):
    """Args: members: names of detectors. Attributes: fitted: {member: detector}, once fitted."""

    def __init__(self, *, members=MEMBERS):
        self.members = tuple(members)

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
        """Return the sum of the members' log p-values: (N,) float64 <= 0; higher = more ID."""
        return self.combine(self.member_p({name: detector.score(activations) for name, detector in self.fitted.items()}))

    def held_out_scores(self, reference):
        """Return the sums of the held-out pictures, each left out of its own calibration."""
        return sum(left_out_p(scores).log() for scores in self._calibration.values())

    def member_p(self, scores):
        """Return {member: (N,) conformal p-values} of {member: (N,) scores}; low = this member finds the picture unfamiliar."""
        return {name: conformal_p(self._calibration[name].to(scores[name].device), scores[name]) for name in self.fitted}

    def combine(self, p_values):
        """Return the sum of the logarithms of {member: (N,) p-values}: (N,) float64 <= 0."""
        return sum(p.log() for p in p_values.values())
