"""Notice without labels that a method collapses, and go back.

Three signals, each from what the authors of a method watch: predictions of few classes (marginal entropy), predictions that are sure of
everything (SAR's moving average of the entropy, its 0.2 scaled from a thousand classes to as many as there are), and weights far from
those of the source. One alone proves little: a stream sorted by class has few classes, a clean one sure predictions. Two call an alarm.
The limits are our choice and not tuned.
"""

import math
from dataclasses import dataclass

import torch

from core.adaptation.losses import entropy

ACTIONS = ("warn", "good", "source")


@dataclass(frozen=True)
class Limits:
    """When a signal is up: diversity below, entropy (of ln C) below, drift (relative to the source's weights) above.

    `signals`: how many call an alarm; `memory`: of the moving average of the entropy, so that a fall from its height shows after six batches.
    """

    diversity: float = 0.25
    entropy: float = 0.2 / math.log(1000)
    drift: float = 0.2
    signals: int = 2
    memory: float = 0.5


@dataclass(frozen=True)
class Report:
    """What the guard saw in one batch.

    Attributes: diversity: of the predictions, 0 (one class) to 1 (all alike); entropy: moving average, of ln C; drift: of the weights that
        may change; raised: names of the signals that are up; alarm: whether they suffice; went_back: "good", "source" or None.
    """

    diversity: float
    entropy: float
    drift: float
    raised: tuple
    alarm: bool
    went_back: str | None = None


class Guard:
    """Watches one method, batch by batch."""

    def __init__(self, method, *, limits=None, action="warn", every=5):
        """Args: method: not yet fed; limits: `Limits`; action: on an alarm "warn" only, go back to the last "good" state, or to the "source", how it
        began; every: a good state is kept each so many batches. An alarm within `every` batches of the last return goes back to the source.
        """
        if action not in ACTIONS:
            raise ValueError(f"action is one of {', '.join(ACTIONS)}, not {action!r}")
        self.method, self.limits, self.action, self.every = method, limits or Limits(), action, every
        self._good, self._average, self._since, self._returned = None, None, 0, None

    def check(self, logits, before=None):
        """Look at a batch that the method has just predicted and learnt from, and go back where that is the action.

        Args: logits: (N, C), the method's; before: (N, C), the source's of the same pictures, where known: what it finds poor in classes may be poor.
        Returns: Report.
        """
        classes = logits.shape[1]
        spread = diversity(logits)
        sure = entropy(logits.double()).mean().item() / math.log(classes)
        sure = sure if math.isfinite(sure) else 0.0  # NaN: nothing is left of the network
        self._average = sure if self._average is None else self._average + (1 - self.limits.memory) * (sure - self._average)
        moved = drift(self.method)
        few = spread < self.limits.diversity and (before is None or spread < 0.5 * diversity(before))
        up = {"diversity": few, "entropy": self._average < self.limits.entropy, "drift": not moved <= self.limits.drift}
        raised = tuple(name for name, it_is in up.items() if it_is)
        alarm = len(raised) >= self.limits.signals or not logits.isfinite().all().item()
        went_back = self._go_back() if alarm and self.action != "warn" else None
        self._since += 1
        if not raised and self.action == "good" and self._since % self.every == 0:
            self._good = self.method.snapshot()
        return Report(spread, self._average, moved, raised, alarm, went_back)

    def _go_back(self):
        again = self._returned is not None and self._since - self._returned <= self.every
        to = "good" if self.action == "good" and self._good is not None and not again else "source"
        if to == "good":
            self.method.restore(self._good)
        else:
            self.method.reset()
            self._good = None
        self._average, self._returned = None, self._since
        return to


def diversity(logits):
    """Return how many classes are predicted, all alike likely 1, only one 0. Args: (N, C). Returns: (exp(H) - 1) / (C - 1); H of the mean softmax, nats."""
    return (effective_classes(logits) - 1) / (logits.shape[1] - 1)


def effective_classes(logits):
    """Return exp(H) of the mean softmax: 1 to C; 1 where the logits are no numbers. Args: (N, C)."""
    mean = logits.double().softmax(1).mean(0)
    found = (-(mean * mean.clamp_min(1e-300).log()).sum()).exp().item()
    return found if math.isfinite(found) else 1.0


@torch.no_grad()
def drift(method):
    """Return how far the weights that a method changes are from the source's: the length of the difference over that of the source's."""
    pairs = [(p, o) for p, o in zip(method.network.parameters(), method.origin.parameters(), strict=True) if p.requires_grad]
    if not pairs:
        return 0.0
    apart, length = (torch.stack([part.float().norm() for part in parts]).norm().item() for parts in ([p - o for p, o in pairs], [o for _, o in pairs]))
    return apart / length if length else 0.0
