"""The smallest change of a picture that turns the class, or the verdict.

Two bases. `low_frequency` adds a smooth change, of the lowest frequencies of the discrete cosine transform. It follows gradients, its length shrinks whenever
the picture has turned and grows while it has not (Rony et al., CVPR 2019, decoupled direction and norm), and is halved down to the end along the best
direction found. `patches` exchanges cells of the picture with the same cells of another one, the most effective first, then takes back those that were
not needed (after Goyal et al., ICML 2019, who exchange cells of a feature map and may move them).

Gradients follow smooth scores of what decides; whether a picture has turned is always said by the judge itself, of the picture rounded to 8 bits.
"""

from dataclasses import dataclass

import numpy as np
import torch

from core.detectors import DEFAULT, TWO_PASSES
from core.errors import InputError, unknown
from core.explanation.aim import class_aim, verdict_aim
from core.images.preprocess import stack
from core.probe import probe
from core.verdict import Verdict

KINDS, BASES = ("class", "verdict"), ("low_frequency", "patches")
FIRST = 8.0  # levels of 255 that the search begins with
GROWTH = 0.1  # of the length in a step
HALVINGS = 8
GRID = 8  # cells a side


@dataclass(frozen=True)
class Counterfactual:
    """What was found for one picture.

    Attributes:
        pixels: (S, S, 3) uint8, the changed picture; the nearest miss where nothing was found. found: whether the judge says that it turned.
        kind: class or verdict; basis; before, after: the judge's `Verdict`s on the picture and on the changed one.
        size: root mean square of the change, 0 to 255. cells: (exchanged, of how many), or None. changed: (S, S) float32, the same by pixel.
    """

    pixels: np.ndarray
    found: bool
    kind: str
    basis: str
    before: Verdict
    after: Verdict
    size: float
    cells: tuple | None
    changed: np.ndarray


def counterfactual(
    pack,
    judge,
    pixels,
    *,
    kind,
    basis="low_frequency",
    other=None,
    target=None,
    detector=DEFAULT,
    keep=0.95,
    steps=60,
    frequencies=8,
    bound=64.0,
    seed=0,
    progress=None,
):
    """Search for the smallest change that turns one picture.

    Args:
        pack: a `core.packs.pack.Pack`; judge: who decides, such as `pack.judge`. pixels: (S, S, 3) uint8 as `pack.preprocessing.see` gives them.
        kind: what has to turn, class or verdict. basis: of the change, low_frequency or patches; patches come from `other`, pixels of the other kind.
        target: index of the class to turn to; by default the runner-up, with patches the class of `other`.
        detector, keep: as `core.verdict.Judge.judge`.
        steps: of the search, frequencies: a side, and bound: of the change's root mean square, 0 to 255, for low_frequency. seed: of its first direction.
        progress: called with (done, total); what it raises ends the work.
    Returns: `Counterfactual`.
    Raises: InputError for what was asked wrongly, such as an `other` that is no example of what to turn to.
    """
    for name, known, what in ((kind, KINDS, "kind"), (basis, BASES, "basis")):
        if name not in known:
            raise unknown(what, name, known)
    if detector in TWO_PASSES:
        raise InputError(f"{detector} reads a second pass over changed pictures; choose a detector of one pass.", key="counterfactual.detector", name=detector)

    def judged(seen):
        return judge.judge(pack.probe(stack([seen])), pack.classes, detector=detector, keep=keep)[0]

    before = judged(pixels)
    example = None
    if basis == "patches":
        if other is None:
            raise InputError("Patches come from another picture; give one of the other class or verdict.", key="counterfactual.other")
        example = judged(other)
    if kind == "class":
        aim = class_aim(_target(before, example, target, len(pack.classes)))
    else:
        aim = verdict_aim(judge, before.verdict, detector=detector, keep=keep)

    def turned(seen):
        return bool(aim.turned(pack.probe(stack([seen])))[0])

    if example is not None and not turned(other):
        says = example.class_name if kind == "class" else example.verdict
        raise InputError(f"The other picture is {says}, which this one is not to turn to; choose another.", key="counterfactual.example", says=says)
    if basis == "patches":
        found, cells = _exchange(pack, aim, turned, pixels, other, progress)
    else:
        found, cells = _smooth(pack, aim, turned, pixels, steps, frequencies, bound, seed, progress), None
    after = judged(found)
    change = found.astype(np.float32) - pixels
    ok = after.label == aim.goal if kind == "class" else after.verdict == aim.goal
    size, by_pixel = float(np.sqrt(np.square(change).mean())), np.sqrt(np.square(change).mean(2))
    return Counterfactual(found, ok, kind, basis, before, after, size, cells, by_pixel)


def waves(size, frequencies):
    """Return the lowest cosines of the orthonormal DCT-II over `size` pixels: (frequencies, size) float32."""
    k, x = torch.arange(min(frequencies, size))[:, None], torch.arange(size)[None]
    cosines = (torch.pi * (x + 0.5) * k / size).cos() * (2 / size) ** 0.5
    return torch.cat([cosines[:1] / 2**0.5, cosines[1:]])


def _smooth(pack, aim, turned, pixels, steps, frequencies, bound, seed, progress):
    """Search along smooth changes. Returns: (S, S, 3) uint8."""
    image = stack([pixels]).to(pack.device).float() / 255
    size = image.shape[-1]
    level = (3 * size * size) ** 0.5 / 255  # the length of a change of one level everywhere
    basis = waves(size, frequencies).to(image)
    direction = torch.randn(1, 3, len(basis), len(basis), generator=torch.Generator().manual_seed(seed)).to(image)
    change, radius = direction * level / direction.norm(), min(FIRST, bound) * level
    best, nearest = None, (-torch.inf, change)

    def picture(change):
        return (image + basis.T @ change @ basis).clamp(0, 1)

    def rounded(change):
        return (255 * picture(change)[0]).round().byte().permute(1, 2, 0).cpu().numpy()

    for step in range(steps):
        change = change.detach().requires_grad_()
        with torch.enable_grad():
            exact = picture(change)
            seen = exact + ((255 * exact).round() / 255 - exact).detach()
            options = {"blocks": pack.selection.blocks, "means": (pack.reference.middle,), "gradients": True}
            measured = probe(pack.network, pack.preprocessing.normalise(seen), **options)
            value = aim.measure(measured).sum()
            slope = torch.autograd.grad(value, change)[0]
        change = change.detach()
        if bool(aim.turned(measured)[0]):
            length = change.norm().item()
            best = min(best or (length, change), (length, change), key=lambda one: one[0])
            radius *= 1 - GROWTH
        else:
            nearest = max(nearest, (value.item(), change), key=lambda one: one[0])
            radius = min(radius * (1 + GROWTH), bound * level)
        share = 0.05 + 0.45 * (1 - step / steps)  # of the radius: long steps first
        change = change + share * radius * slope / slope.norm().clamp_min(1e-12)
        change = change * (radius / change.norm().clamp_min(1e-12))
        if progress:
            progress(step + 1, steps)
    if best is None:
        return rounded(nearest[1])
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if turned(rounded(middle * best[1])) else (middle, high)
    return rounded(high * best[1])


def _exchange(pack, aim, turned, pixels, other, progress):
    """Exchange cells, the most effective first. Returns: ((S, S, 3) uint8, (exchanged, of how many))."""
    size = len(pixels)
    grid = min(GRID, size)
    line = np.arange(size) * grid // size
    cell = line[:, None] * grid + line  # (S, S): which cell each pixel is in

    def exchanged(cells):
        return np.where(np.isin(cell, list(cells))[..., None], other, pixels)

    total, chosen = grid * grid, []
    while len(chosen) < total:
        rest = [c for c in range(total) if c not in chosen]
        measured = pack.probe(stack([exchanged([*chosen, c]) for c in rest]))
        values, done = aim.measure(measured), aim.turned(measured)
        if done.any():
            values = values.where(done, -torch.inf)
        chosen.append(rest[int(values.argmax())])
        if progress:
            progress(len(chosen), total)
        if turned(exchanged(chosen)):
            break
    for c in list(chosen):
        if turned(exchanged([kept for kept in chosen if kept != c])):
            chosen.remove(c)
    return exchanged(chosen), (len(chosen), total)


def _target(before, example, target, count):
    """Return the class to turn to."""
    if target is None:
        target = example.label if example else int(np.argsort(before.probabilities)[-2:][0])
    if not 0 <= target < count:
        raise InputError(f"This network has {count} classes, counted from 0; choose one of them.", key="explanation.target", count=count)
    if target == before.label:
        name = before.class_name
        raise InputError(f"The picture is {name} already; choose another class to turn it to.", key="counterfactual.already", name=name)
    return target
