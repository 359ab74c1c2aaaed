"""Pictures by id, and the selection that all pages share.

An id is "SOURCE/INDEX" for a picture of a source ("toybox:test/12", "data:ood/mnist/5", "noise:uniform/3"), which a link
can carry, or "upload:HASH" for one that a person brought, which stays in the session. "puzzle:SEED:SOURCE/INDEX" is the
jigsaw that a pack's figures were measured on.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from core.errors import InputError
from core.images.decode import decode
from core.images.item import Item, Source
from core.images.sources import data_folder, open_source
from core.limits import limits
from dashboard.caches import per_picture
from dashboard.charts.pictures import enlarged
from dashboard.language import catalogue, class_name, language, set_name
from dashboard.language.text import harmless
from dashboard.session.presence import hold, session

log = logging.getLogger(__name__)

THUMB = 128  # pixels of a picture in a strip
SIDE = 384  # pixels of a picture on screen, shorter side
BROUGHT = "brought"  # in the link instead of the id of an upload, which a link cannot carry
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Upload:
    name: str
    data: bytes


def add_upload(name, data):
    """Keep what a person brought, as long as the session lasts; of too many the oldest go.

    Returns: its id. Raises: InputError if it is not a picture that can be read, or if all sessions together hold too much.
    """
    uploads, allowed = st.session_state.setdefault("uploads", {}), limits()
    picture_id = f"upload:{hashlib.sha256(data).hexdigest()[:32]}"
    if picture_id not in uploads:
        try:
            if _held_by_others() + _size(uploads) + len(data) > allowed.upload_mb * 10**6:
                raise InputError("This server holds as many pictures as it can just now; try again in a few minutes.", key="limits.uploads")
            decode(data, near=SIDE)
        except InputError as error:
            log.info("picture refused", extra={"bytes": len(data), "key": error.key})
            raise
        log.info("picture brought", extra={"bytes": len(data)})
    uploads[picture_id] = uploads.pop(picture_id, None) or Upload(name, data)  # the newest: what is brought again does not go first
    while len(uploads) > allowed.pictures or (len(uploads) > 1 and _size(uploads) > allowed.person_mb * 10**6):
        uploads.pop(next(iter(uploads)))
    _sizes()[session()] = _size(uploads)
    hold("uploads", session(), partial(_sizes().pop, session(), None))
    return picture_id


@st.cache_resource(show_spinner=False)
def _sizes():
    """Return {session: bytes of the pictures that it holds}."""
    return {}


def _size(uploads):
    return sum(len(upload.data) for upload in uploads.values())


def _held_by_others():
    return sum(size for of, size in list(_sizes().items()) if of != session())


def find(picture_id):
    """Return the `Item` of an id. Raises: InputError if the id stands for nothing in this session."""
    if picture_id.startswith("upload:"):
        upload = st.session_state.get("uploads", {}).get(picture_id)
        if upload is None:
            raise InputError("This picture was uploaded in another session and is not kept; upload it again.", key="picture.gone")
        return Item(upload.name, upload.data)
    return _sourced(picture_id)


def truth(picture_id):
    """Return the name of a picture's true class, or None where it is not known or has none."""
    if picture_id.startswith("upload:"):
        return None
    spec = picture_id.rpartition("/")[0]
    label, classes = find(picture_id).label, source(spec).classes or (CIFAR10 if "cifar10" in spec else None)
    return classes[label] if classes and 0 <= label < len(classes) else None


def view(picture_id):
    """Return a picture for the screen, at most `SIDE` pixels on its shorter side. Raises: InputError as `find`."""
    return _view(picture_id, find(picture_id))


@per_picture(max_entries=300)
def _view(picture_id, _item):
    picture = _item.open(near=SIDE)
    factor = SIDE / min(picture.size)
    return picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))) if factor < 1 else picture


def thumbnail(picture_id):
    """Return a small picture whose pixels stay visible. Raises: InputError as `find`."""
    return _thumbnail(picture_id, find(picture_id))


@per_picture(max_entries=1000)
def _thumbnail(picture_id, _item):
    picture = _item.open(near=THUMB)
    picture.thumbnail((THUMB, THUMB))
    return enlarged(np.asarray(picture), THUMB)


def row_id(facts, name, row):
    """Return the id of the picture behind a row of a pack's numbers, or None where the pack does not say.

    Args: facts: of the pack's `Description`; name: "held_out" or an unknown set; row: counted from 0.
    """
    found = facts.get("pictures", {}).get(name)
    if not found:
        return None
    puzzle = f"puzzle:{found['puzzle_seed']}:" if "puzzle_seed" in found else ""
    return f"{puzzle}{found['source']}/{found['rows'][row] if 'rows' in found else row}"


def can_open(picture_id):
    """Tell whether a picture is on this machine and in this session. None stands for no picture."""
    try:
        return picture_id is not None and find(picture_id) is not None
    except InputError:
        return False


def title(picture_id):
    """Return a short name: the file's for an upload, else the id."""
    upload = st.session_state.get("uploads", {}).get(picture_id)
    return upload.name if upload else picture_id


def name_of(picture_id):
    """Return what a person calls a picture: its class, its set (with its row where the set is a file), its file; harmless wherever it is shown."""
    true_class = truth(picture_id)
    spec, _, row = picture_id.rpartition("/")
    if not true_class and spec.startswith("data:"):
        return f"{set_name(spec)}, {row}"
    kind = picture_id.partition(":")[2].split("/")[0]
    return class_name(true_class) if true_class else catalogue(language()).get(f"picker.{kind}") or harmless(title(picture_id))


def names_of(picture_ids):
    """Return what a person calls each picture; two of one name are told apart by their titles."""
    names = {i: name_of(i) for i in picture_ids}
    return [name if list(names.values()).count(name) == 1 else f"{name} ({harmless(title(i))})" for i, name in names.items()]


def data_sets():
    """Return the ids of local picture sets: the Parquet files of BLOCKSCOPE_DATA."""
    folder = data_folder()
    return [f"data:{f.relative_to(folder).with_suffix('').as_posix()}" for f in sorted(folder.rglob("*.parquet"))] if folder else []


def primary():
    """Return the id of the picture that all pages look at: chosen before, or named by the link, or None."""
    linked = st.query_params.get("picture")
    return st.session_state.get("primary") or (None if linked == BROUGHT else linked)


def pinned():
    """Return the id of the picture to compare with, or None."""
    return st.session_state.get("pinned") or st.query_params.get("pinned")


def choose(picture_id):
    """Make a picture the primary one. For callbacks: what a person chose."""
    st.session_state["primary"] = picture_id
    st.session_state.pop("lost", None)


def begin_with(picture_id):
    """Make a picture the primary one where none is, and put it into the address."""
    if primary() is None:
        st.session_state["primary"] = picture_id
    remember_in_link()


def lost():
    """Tell whether the link is about a picture that was brought and is gone, until another one is chosen."""
    return st.session_state.get("lost", False)


def pin(picture_id):
    """Make a picture the one to compare with; None lets go."""
    st.session_state["pinned"] = picture_id
    if picture_id is None:
        st.query_params.pop("pinned", None)


def remember_in_link():
    """Put the selection into the address, so that it can be copied; of an upload only that there was one, since a link cannot carry it."""
    if primary() is None and st.query_params.get("picture") == BROUGHT:
        st.session_state["lost"] = True
    for name, picture_id in (("picture", primary()), ("pinned", pinned())):
        if picture_id and not picture_id.startswith("upload:"):
            st.query_params[name] = picture_id
        elif picture_id and name == "picture":
            st.query_params[name] = BROUGHT
        elif name in st.query_params:
            del st.query_params[name]


@st.cache_resource(show_spinner=False, max_entries=1000)
def _sourced(picture_id):
    """Return the `Item` of a source's picture; kept, since a toy is drawn anew each time it is asked for."""
    spec, _, index = picture_id.rpartition("/")
    found = source(spec)
    if not index.isdecimal() or len(index) > 9 or int(index) >= len(found):
        raise _no_such(picture_id)
    return found[int(index)]


@st.cache_resource(show_spinner=False, max_entries=16)
def source(spec):
    """Return the sequence of `Item`s that ids of a source stand for. Raises: InputError if it is not on this machine."""
    kind, _, rest = spec.partition(":")
    if kind == "data" and spec in data_sets():
        return open_source(data_folder() / f"{rest}.parquet")
    if kind in ("toybox", "noise", "torchvision"):
        return open_source(spec)
    if kind == "puzzle":
        seed, _, of = rest.partition(":")
        if seed.isdecimal() and len(seed) < 10 and not of.startswith("puzzle:"):
            return _Puzzles(source(of), int(seed))
    raise _no_such(spec)


class _Puzzles(Source):
    """The jigsaws of the first held-out pictures, as `core.packs.build` makes them."""

    def __init__(self, source, seed):
        import torch

        from core.jigsaw import permutations
        from core.packs.build import PUZZLES

        self._source, self._orders = source, permutations(PUZZLES, 3, generator=torch.Generator().manual_seed(seed))

    def __len__(self):
        return min(len(self._orders), len(self._source))

    def __getitem__(self, i):
        from core.images.preprocess import stack
        from core.jigsaw import shuffle

        item = self._source[i]
        image = shuffle(stack([np.asarray(item.open())]), self._orders[i : i + 1], border="crop")
        return Item(item.name, image[0].permute(1, 2, 0).numpy())


def _no_such(picture_id):
    return InputError(f"There is no picture {picture_id!r} here; choose another one.", key="picture.unknown", name=picture_id)
