"""What pages compute, cached by names and ids. Torch is imported inside, so that a page paints first.

What is cached as a resource is shared by everybody: read it, never change it.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.packs import describe, list_packs


@dataclass(frozen=True)
class Look:
    """One picture as one network sees it.

    Attributes: measured: Activations of one picture; seen: (S, S, 3) uint8, the network's input;
        activity: {block: (h, w) float in [0, 1]}, where the selected and the last block respond.
    """

    measured: object
    seen: np.ndarray
    activity: dict


def packs():
    """Return {name: Description} of every pack."""
    return list_packs()


def pack(name):
    """Return the loaded pack, one for all sessions; loaded anew when its files change."""
    return _load(name, (describe(name).folder / "pack.toml").stat().st_mtime_ns)


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(name, stamp):
    from core.packs import load_pack

    loaded = load_pack(name)
    loaded.judge  # noqa: B018  fitted now, so that the first verdict does not wait for it
    return loaded


@st.cache_data(show_spinner=False, max_entries=1000)
def look(pack_name, picture_id, _item):
    """Measure a picture with one pass. Args: picture_id: what the cache knows the `Item` by. Raises: InputError if it cannot be read."""
    from core.images.preprocess import stack
    from core.probe import activity_maps

    loaded = pack(pack_name)
    seen = loaded.preprocessing.see(_item.open(near=loaded.preprocessing.size))
    images = stack([seen])
    measured = loaded.probe(images)
    wanted = {loaded.selection.selected, loaded.selection.blocks[-1]}
    maps = activity_maps(loaded.network, loaded.preprocessing.normalise(images.to(loaded.device)), wanted)
    return Look(measured, seen, {block: m[0].cpu().numpy() for block, m in maps.items()})


def verdicts(pack_name, looks, *, detector, keep):
    """Judge measured pictures. Args: looks: a list of `Look`. Returns: a list of `core.verdict.Verdict`."""
    from core.probe import concatenate

    loaded = pack(pack_name)
    measured = concatenate(look.measured for look in looks)
    return loaded.judge.judge(measured, loaded.classes, detector=detector, keep=keep)


@st.cache_data(show_spinner=False, max_entries=64)
def known_scores(pack_name, detector):
    """Return the scores of the held-out known pictures: (N,) float64 array."""
    return pack(pack_name).judge.known_scores[detector].numpy()


@st.cache_data(show_spinner=False, max_entries=64)
def reference_norms(pack_name):
    """Return {set: (N, K) float32 array} of block norms: "known" for held-out known pictures, then each unknown set."""
    reference = pack(pack_name).reference
    return {"known": reference.held_out.norms.numpy(), **{name: a.norms.numpy() for name, a in reference.unknown.items()}}


@dataclass(frozen=True)
class Puzzle:
    """A picture's jigsaw and what it does: `seen` (S, S, 3) uint8; `norms` and `original` (K,) float arrays."""

    seen: np.ndarray
    norms: np.ndarray
    original: np.ndarray


@st.cache_data(show_spinner=False, max_entries=500)
def puzzle(pack_name, picture_id, _item, *, tiles, seed):
    """Cut a picture into tiles x tiles, shuffle them by the seed and measure the puzzle. Returns: `Puzzle`."""
    import torch

    from core.images.preprocess import stack
    from core.jigsaw import jigsaw

    loaded, original = pack(pack_name), look(pack_name, picture_id, _item)
    images = jigsaw(stack([original.seen]), generator=torch.Generator().manual_seed(seed), tiles=tiles, border=loaded.selection.border)
    norms = loaded.probe(images).norms[0].numpy()
    return Puzzle(images[0].permute(1, 2, 0).numpy(), norms, original.measured.norms[0].numpy())


@dataclass(frozen=True)
class Choice:
    """Which block NormRatio selects, and how firmly.

    Attributes: blocks: K names; ratios: K NormRatios; low, high: the least and the greatest of each over the shuffles;
        norm_id, norm_jigsaw: K mean FeatureNorms; selected; runner_up: second highest ratio, None if there is one block;
        votes: {block: how many shuffles choose it}, most votes first; shuffles, images, mode, border.
    """

    blocks: tuple
    ratios: tuple
    low: tuple
    high: tuple
    norm_id: tuple
    norm_jigsaw: tuple
    selected: str
    runner_up: str | None
    votes: dict
    shuffles: int
    images: int
    mode: str
    border: str

    def ratio(self, block):
        return self.ratios[self.blocks.index(block)]


def choice(facts):
    """Read the `Choice` from what a pack says of itself, without loading it. Args: facts: of its `Description`."""
    selection = facts["selection"]
    blocks, ratios = tuple(selection["blocks"]), tuple(selection["norm_ratio"])
    rows = np.array(selection["by_permutation"])  # (R, K)
    votes = Counter(blocks[k] for k in rows.argmax(1))
    others = sorted((b for b in blocks if b != selection["selected"]), key=lambda b: -ratios[blocks.index(b)])
    return Choice(
        blocks=blocks,
        ratios=ratios,
        low=tuple(rows.min(0).tolist()),
        high=tuple(rows.max(0).tolist()),
        norm_id=tuple(selection["norm_id"]),
        norm_jigsaw=tuple(selection["norm_jigsaw"]),
        selected=selection["selected"],
        runner_up=others[0] if others else None,
        votes=dict(votes.most_common()),
        shuffles=len(rows),
        images=selection["images"],
        mode=selection["mode"],
        border=selection.get("border", "zero"),
    )


@st.cache_data(show_spinner=False, max_entries=64)
def passing(pack_name, keep=0.95):
    """Let each block's FeatureNorm decide alone.

    Returns: ((K,) thresholds that keep a share of the held-out known pictures, {set: (K,) share that passes as known}).
    """
    import torch

    from core.conformal import threshold_at

    norms = reference_norms(pack_name)
    thresholds = np.array([threshold_at(column, keep) for column in torch.from_numpy(norms["known"]).T])
    return thresholds, {name: (values > thresholds).mean(0) for name, values in norms.items()}
