"""Detectors by name: how measured pictures become scores, higher = more ID. This table needs no torch.

A detector is made with its parameters, fitted on a `core.reference.Reference` and then scores
`Activations`: `make("knn").fit(reference).score(activations)` -> (N,) float64. All work on what one
forward pass has measured.
"""

from core.table import Entry, look_up

_NORM = "Yu et al., CVPR 2023"

DETECTORS = {
    "consensus": Entry("Consensus", "core.detectors.consensus:Consensus", {}, "Fisher 1925; Bates et al., Annals of Statistics 2023"),
    "featurenorm": Entry("FeatureNorm", "core.detectors.feature_norm:FeatureNorm", {}, _NORM),
    "msp": Entry("Maximum softmax (MSP)", "core.detectors.logits:MSP", {}, "Hendrycks & Gimpel, ICLR 2017"),
    "maxlogit": Entry("MaxLogit", "core.detectors.logits:MaxLogit", {}, "Hendrycks et al., ICML 2022"),
    "energy": Entry("Energy", "core.detectors.logits:Energy", {"temperature": 1.0}, "Liu et al., NeurIPS 2020"),
    "msp_selected_norm": Entry("MSP with the selected norm", "core.detectors.selected_norm:MSPSelectedNorm", {}, _NORM),
    "energy_selected_norm": Entry("Energy with the selected norm", "core.detectors.selected_norm:EnergySelectedNorm", {"temperature": 1.0}, _NORM),
    "knn": Entry("Nearest neighbours (KNN)", "core.detectors.knn:KNN", {"k": 50}, "Sun et al., ICML 2022"),
    "jigsaw": Entry("Jigsaw regression", "core.detectors.jigsaw:Jigsaw", {"logits": 10}, f"our own, after {_NORM}"),
    "mahalanobis_middle": Entry("Mahalanobis at the middle block", "core.detectors.mahalanobis:MahalanobisMiddle", {"block": None}, "Lee et al., NeurIPS 2018"),
}
DEFAULT = "consensus"


def make(name, **parameters):
    """Make a detector, unfitted. Args: **parameters: instead of the table's. Raises: InputError for an unknown name."""
    entry = look_up(DETECTORS, name, kind="detector")
    return entry.load()(**{**entry.parameters, **parameters})
