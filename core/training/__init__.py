"""Training methods by name: how a batch becomes a loss. This table needs no torch."""

from core.table import Entry

METHODS = {
    "standard": Entry("Standard training", "core.training.standard:loss"),
}
