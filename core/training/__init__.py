"""Training methods by name: how a batch becomes a loss. Parameters are defaults that the command line overrides. This table needs no torch."""

from core.table import Entry, with_formulas
from core.training.formulas import FORMULAS

METHODS = {
    "standard": Entry("Standard training", "core.training.standard:loss"),
    "mixup": Entry("Mixup", "core.training.mixup:loss", {"alpha": 1.0}, "Zhang et al., ICLR 2018"),
    "m-tlat": Entry("M-TLAT", "core.training.m_tlat:loss", {"alpha": 1.0, "eps": 2 / 255}, "Laugros, Caplier & Ospici, ECCV Workshops 2020"),
    "adversarial-mixup": Entry(
        "Adversarial-Mixup", "core.training.adversarial_mixup:loss", {"alpha": 0.3, "eps": 2 / 255, "reading": "blend"}, "Gwon & Yoo, 2021"
    ),
}
METHODS = with_formulas(METHODS, FORMULAS)
