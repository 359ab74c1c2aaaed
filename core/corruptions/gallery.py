"""One picture under many corruptions, and what a network and its detector make of each.

Every picture is drawn from the same seed on its own: it is the same whichever others are asked for, and a higher severity of a
corruption is more of the same noise, not other noise. Source of the corruptions: Hendrycks & Dietterich, ICLR 2019.
"""

import torch

from core.corruptions import CORRUPTIONS, SEVERITIES, corrupt

CLEAN = ("clean", 0)  # the first cell, the picture itself
OUTCOMES = ("held", "doubted", "noticed", "unnoticed")


def cells(names=tuple(CORRUPTIONS), severities=SEVERITIES):
    """Return ((name, severity), ...): the clean picture, then every severity of each corruption in turn."""
    return (CLEAN, *((name, severity) for name in names for severity in severities))


def gallery(picture, names=tuple(CORRUPTIONS), severities=SEVERITIES, *, seed=0):
    """Corrupt one picture in many ways.

    Args: picture: (3, H, W) uint8, as the network sees it; names, severities: see `core.corruptions.corrupt`; seed: from 0.
    Returns: (1 + names * severities, 3, H, W) uint8 in the order of `cells`; the picture itself first.
    Raises: InputError for a corruption or a severity that there is not.
    """
    clean = picture[None].float() / 255
    drawn = [corrupt(clean, *cell, generator=torch.Generator().manual_seed(seed)) for cell in cells(names, severities)[1:]]
    return torch.cat([picture[None], *((255 * image).round().byte() for image in drawn)])


def outcome(verdict, expected):
    """Say what became of a picture that a corruption has changed.

    Args: verdict: a `core.verdict.Verdict`; expected: the name of the class that is right, or of the answer for the clean picture.
    Returns: one of OUTCOMES: "held" answer as expected, accepted (ID); "doubted" as expected, but rejected (OOD); "noticed" another answer,
        and rejected; "unnoticed" another answer, and accepted.
    """
    accepted = verdict.verdict == "ID"
    if verdict.class_name == expected:
        return "held" if accepted else "doubted"
    return "unnoticed" if accepted else "noticed"
