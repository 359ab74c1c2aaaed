"""What a counterfactual aims at: a smooth score that rises towards the turn, and the judge's own word on whether it has come."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from core.detectors.feature_norm import FeatureNorm
from core.verdict import ID, OOD


@dataclass(frozen=True)
class Aim:
    """Attributes: goal: the class's index or the verdict; measure: Activations -> (N,) float64, differentiable; turned: Activations -> (N,) bool."""

    goal: int | str
    measure: Callable
    turned: Callable


def class_aim(target):
    """Aim at a class: its logit less the highest other one."""

    def margin(activations):
        logits = activations.logits.double().cpu()
        others = logits.index_fill(1, torch.tensor([target]), -torch.inf)
        return logits[:, target] - others.amax(1)

    return Aim(target, margin, lambda activations: (activations.logits.argmax(1) == target).cpu())


def verdict_aim(judge, verdict, *, detector, keep):
    """Aim at the other verdict than the one given, of one of the judge's detectors.

    The smooth score is Fisher's sum of ln p over the members of the consensus, or of the one detector, with `log_share` in place of conformal p-values. A
    detector whose score has no gradient, as NAC's counts, is followed by the selected block's FeatureNorm.
    """
    decides, threshold = judge.detectors[detector], judge.thresholds(keep)[detector]
    members = list(decides.fitted.values()) if detector == "consensus" else [decides]
    fallback = FeatureNorm().fit(judge.reference)
    usual = {one: _usual(one.held_out_scores(judge.reference)) for one in (*members, fallback)}
    sign, goal = (-1, OOD) if verdict == ID else (1, ID)

    def familiar(activations):
        def smooth(one):
            mean, deviation = usual[one]
            return log_share((one.score(activations).cpu() - mean) / deviation)

        terms = [smooth(one) for one in members]
        if activations.logits.requires_grad:
            terms = [term for term in terms if term.requires_grad] or [smooth(fallback)]
        return sign * torch.stack(terms).sum(0)

    return Aim(goal, familiar, lambda activations: (decides.score(activations).cpu() > threshold) == (goal == ID))


def log_share(z):
    """Return ln of the distribution function of Student's t with two degrees of freedom. Args: z: float64.

    Its tail is heavy: a conformal p-value cannot fall below 1 / (n + 1), so that one strange score must not outweigh all others, as a normal tail lets it.
    """
    root = (2 + z * z).sqrt()
    tail = 1 / (root * (root + z.abs()))  # (1 - |z| / root) / 2 without cancellation
    return torch.where(z < 0, tail.log(), torch.log1p(-tail))


def _usual(scores):
    return scores.mean().item(), max(scores.std().item(), 1e-12)
