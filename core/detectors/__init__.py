"""Detectors by name: how measured pictures become scores, higher = more ID. This table needs no torch.

A detector is made with its parameters, fitted on a `core.reference.Reference` and then scores
`Activations`: `make("knn").fit(reference).score(activations)` -> (N,) float64. All but
`TWO_PASSES` work on what one forward pass has measured.
"""

from core.detectors.formulas import FORMULAS
from core.table import Entry, look_up, with_formulas

_NORM = "Yu et al., CVPR 2023"

DETECTORS = {
    "consensus": Entry("Consensus", "core.detectors.consensus:Consensus", {}, "Fisher 1925; Bates et al., Annals of Statistics 2023"),
    "featurenorm": Entry("FeatureNorm", "core.detectors.feature_norm:FeatureNorm", {}, _NORM),
    "msp": Entry("Maximum softmax (MSP)", "core.detectors.logits:MSP", {}, "Hendrycks & Gimpel, ICLR 2017"),
    "maxlogit": Entry("MaxLogit", "core.detectors.logits:MaxLogit", {}, "Hendrycks et al., ICML 2022"),
    "energy": Entry("Energy", "core.detectors.logits:Energy", {"temperature": 1.0}, "Liu et al., NeurIPS 2020"),
    "gen": Entry("GEN", "core.detectors.logits:GEN", {"gamma": 0.1, "top": 100}, "Liu et al., CVPR 2023"),
    "odin": Entry("ODIN", "core.detectors.odin:ODIN", {"temperature": 1000.0}, "Liang et al., ICLR 2018"),
    "msp_selected_norm": Entry("MSP with the selected norm", "core.detectors.selected_norm:MSPSelectedNorm", {}, _NORM),
    "energy_selected_norm": Entry("Energy with the selected norm", "core.detectors.selected_norm:EnergySelectedNorm", {"temperature": 1.0}, _NORM),
    "odin_selected_norm": Entry("ODIN with the selected norm", "core.detectors.odin:ODINSelectedNorm", {"temperature": 1000.0}, _NORM),
    "knn": Entry("Nearest neighbours (KNN)", "core.detectors.knn:KNN", {"k": 50}, "Sun et al., ICML 2022"),
    "nnguide": Entry("NNGuide", "core.detectors.nnguide:NNGuide", {"k": 10}, "Park et al., ICCV 2023"),
    "mahalanobis": Entry("Mahalanobis", "core.detectors.mahalanobis:Mahalanobis", {}, "Lee et al., NeurIPS 2018"),
    "mahalanobis_middle": Entry("Mahalanobis at the middle block", "core.detectors.mahalanobis:MahalanobisMiddle", {"block": None}, "Lee et al., NeurIPS 2018"),
    "rmds": Entry("RMDS", "core.detectors.mahalanobis:RMDS", {}, "Ren et al., 2021"),
    "vim": Entry("ViM", "core.detectors.vim:ViM", {"dim": None}, "Wang et al., CVPR 2022"),
    "fdbd": Entry("fDBD", "core.detectors.fdbd:FDBD", {}, "Liu & Qin, ICML 2024"),
    "nci": Entry("NCI", "core.detectors.nci:NCI", {"alpha": 1e-4}, "Liu & Qin, CVPR 2025"),
    "react": Entry("ReAct", "core.detectors.shaping:ReAct", {"percentile": 90.0}, "Sun et al., NeurIPS 2021"),
    "ash_b": Entry("ASH-B", "core.detectors.shaping:ASHB", {"percentile": 90.0}, "Djurisic et al., ICLR 2023"),
    "ash_s": Entry("ASH-S", "core.detectors.shaping:ASHS", {"percentile": 65.0}, "Djurisic et al., ICLR 2023"),
    "scale": Entry("SCALE", "core.detectors.shaping:SCALE", {"percentile": 85.0}, "Xu et al., ICLR 2024"),
    "nac": Entry("NAC-UE", "core.detectors.nac:NAC", {"steepness": 100.0, "bins": 50, "full": 50}, "Liu et al., ICLR 2024"),
    "jigsaw": Entry("Jigsaw regression", "core.detectors.jigsaw:Jigsaw", {"logits": 10}, f"our own, after {_NORM}"),
}
DETECTORS = with_formulas(DETECTORS, FORMULAS)
DEFAULT = "consensus"
TWO_PASSES = ("odin", "odin_selected_norm")  # they read a second pass over changed pictures
ONE_PASS = tuple(name for name in DETECTORS if name not in TWO_PASSES)


def make(name, **parameters):
    """Make a detector, unfitted. Args: **parameters: instead of the table's. Raises: InputError for an unknown name."""
    entry = look_up(DETECTORS, name, kind="detector")
    return entry.load()(**{**entry.parameters, **parameters})
