"""What the Why section computes: pieces of work whose results everybody shares. Torch is imported inside, so that a page paints first."""

import time
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from core.errors import InputError
from core.explanation import EXPLANATIONS
from dashboard import compute
from dashboard.caches import version
from dashboard.session import pictures
from dashboard.session.background import Kept, Task

FAST = "gradcam"  # drawn at once; all others come from the background
MASK, MASKS = "mask", "masks"  # the map of both masks, which comes with them; the masks
WEIGHING = "weighing"  # what the pixels do when they go in the order of a map
CHANGES = {"class_change": ("class", "low_frequency"), "class_patches": ("class", "patches"), "verdict_change": ("verdict", "low_frequency")}
KEPT, KEPT_OF_OWN = 1000, 100  # results; a map of 224 pixels takes 200 kB


@dataclass(frozen=True)
class Question:
    """Why one verdict.

    Attributes: pack; version: of its files; picture: an id; example: the id of a picture of the class that comes second, or None;
        detector: who decides; keep: the share of known pictures that it calls known, in (0, 1).
        kept: where its results are.
    """

    pack: str
    version: int
    picture: str
    example: str | None
    detector: str
    keep: float
    kept: Kept = field(compare=False, repr=False)

    def key(self, name, block=None):
        """Return what a result is kept under. Args: name: a method, `MASKS` or one of `CHANGES`; block: of the map, where it was chosen."""
        more = {"class_patches": (self.example,), "verdict_change": (self.detector, self.keep)}.get(name, (block,))
        return self.pack, self.version, self.picture, name, *more


@dataclass(frozen=True)
class Masked:
    """What `core.explanation.mask.Masks` says of one picture, for the eye.

    Attributes: kept, removed: (S, S, 3) uint8, all but the evidence blurred, and the evidence blurred; keep_share, remove_share: of the picture,
        in [0, 1]; confidence_kept, confidence_removed: in the class, in [0, 1]; cds, cds_reverse: Class Distortion Scores.
    """

    kept: np.ndarray
    removed: np.ndarray
    keep_share: float
    remove_share: float
    confidence_kept: float
    confidence_removed: float
    cds: float
    cds_reverse: float


@st.cache_resource(show_spinner=False)
def kept():
    """Return the results of this server: `Drawn`, `Explained`, `Masked`, `Counterfactual`, or the `InputError` that says why there is none."""
    return Kept(KEPT)


@st.cache_resource(show_spinner=False, scope="session")
def kept_of_own():
    """Return the results on pictures that this session's person brought: nobody else's, and gone with the session."""
    return Kept(KEPT_OF_OWN, line=kept().line)


def question(settings, loaded, picture_id, verdict, keep):
    """Return the `Question` behind a verdict. Args: settings: a `Frame`; loaded: its `Pack`; keep: percent."""
    results = kept_of_own() if picture_id.startswith("upload:") else kept()
    second = sorted(range(len(verdict.probabilities)), key=verdict.probabilities.__getitem__)[-2:][0]  # of a single class, itself
    return Question(
        settings.pack, version(settings.pack), picture_id, _example(settings.facts, loaded, second, picture_id), verdict.detector, keep / 100, results
    )


def cam(asked, seen, block):
    """Return Grad-CAM of one block: a `Drawn`, or the `InputError` that says why there is none. Args: seen: (S, S, 3) uint8, the network's input."""
    key = asked.key(FAST, block)
    if key not in asked.kept:
        asked.kept.add(key, _draw(asked, seen, FAST, block))
    return asked.kept.get(key)


def known(asked, method, block=None):
    """Return the best that is known of a map: `Explained`, else `Drawn`, the `InputError` that says why there is none, or None. Args: block: of Grad-CAM."""
    return asked.kept.get(asked.key(f"{method} weighed", block)) or asked.kept.get(asked.key(method, block))


def tasks(asked, seen, block):
    """Return the `Task`s that answer a question, the fast ones first. Args: seen: (S, S, 3) uint8, the network's input; block: that Grad-CAM was drawn of."""
    names = [name for name in EXPLANATIONS if name not in (FAST, MASK)]
    found = [Task(asked.key(name), name, lambda report, name=name: _draw(asked, seen, name)) for name in names]
    found.append(Task(asked.key(f"{FAST} weighed", block), WEIGHING, lambda report: _weigh(asked, seen, FAST, block)))
    found.append(Task(asked.key(MASKS), MASKS, lambda report: _masks(asked, seen, report)))
    other = asked.example and pictures.find(asked.example)  # here, since a thread has no session to find uploads in
    for name, how in CHANGES.items():
        if how[1] != "patches" or other:
            found.append(Task(asked.key(name), name, lambda report, how=how: _change(asked, seen, *how, other, report)))
    for name in (*names, MASK):
        found.append(Task(asked.key(f"{name} weighed"), WEIGHING, lambda report, name=name: _weigh(asked, seen, name)))
    return found


def _example(facts, loaded, label, picture_id):
    """Return the id of the first held-out picture of a class that is on this machine, or None."""
    for row in np.flatnonzero(loaded.reference.held_out_labels.numpy() == label)[:3]:
        found = pictures.row_id(facts, "held_out", int(row))
        if found != picture_id and pictures.can_open(found):
            return found
    return None


def _image(loaded, seen):
    from core.images.preprocess import stack

    return loaded.preprocessing.normalise(stack([seen]).to(loaded.device))


def _draw(asked, seen, method, block=None):
    from core.explanation.explained import draw

    loaded = compute.unfitted(asked.pack)
    try:
        return draw(method, loaded, _image(loaded, seen), block=block)
    except InputError as error:  # not every network has every map: the sentence is the answer
        return error


def _weigh(asked, seen, method, block=None):
    from core.explanation.explained import weigh

    loaded, floors = compute.unfitted(asked.pack), asked.key("floors")
    drawn = known(asked, method, block) or _draw(asked, seen, method, block)  # much may have been asked for, and forgotten, meanwhile
    if isinstance(drawn, InputError):
        return drawn
    if floors not in asked.kept:
        asked.kept.add(floors, {})  # what random orders gave on this picture
    return weigh(drawn, loaded, _image(loaded, seen), floors=asked.kept.get(floors))


def _masks(asked, seen, report):
    from core.explanation.explained import Drawn
    from core.explanation.mask import agreed, find_masks

    loaded = compute.unfitted(asked.pack)
    image, began = _image(loaded, seen), time.perf_counter()
    found = find_masks(loaded.network, image, progress=report)
    asked.kept.add(asked.key(MASK), Drawn(MASK, None, agreed(found)[0].cpu().numpy(), time.perf_counter() - began))
    alone, without = (loaded.preprocessing.pixels(each)[0] for each in (found.kept, found.removed))
    shares = (found.keep.mean().item(), found.remove.mean().item())
    return Masked(alone, without, *shares, *(v.item() for v in (found.confidence_kept, found.confidence_removed, found.cds, found.cds_reverse)))


def _change(asked, seen, kind, basis, other, report):
    from core.explanation.counterfactual import counterfactual

    loaded = compute.pack(asked.pack)
    other = loaded.preprocessing.see(other.open(near=loaded.preprocessing.size)) if basis == "patches" else None
    words = {"kind": kind, "basis": basis, "other": other, "detector": asked.detector, "keep": asked.keep}
    try:
        return counterfactual(loaded, loaded.judge, seen, progress=report, **words)
    except InputError as error:  # the example may be taken for something else by this very network
        return error
