"""Choose pictures: from a gallery, by upload, by camera. The first choice makes the page's primary picture."""

from itertools import accumulate

import streamlit as st

from core.errors import InputError
from core.images import toybox
from core.images.sources import downloaded
from core.limits import limits
from dashboard.language import explain, t
from dashboard.language.text import plain
from dashboard.parts.download import offer_download
from dashboard.parts.frame import photos_to
from dashboard.session import pictures

DRAWN = {
    "toybox:test": (2, 0, 7, 3, 6),
    "toybox:near": (5, 4),
    "toybox:letters": (3,),
    "toybox:textures": (0,),
    "toybox:noise": (0,),
}
SHAPES = ("image/*",)
BEFORE, NAME = 10, 24  # pictures that were brought before and letters of the name of one, at most
SHOWN = 5  # files that cannot be read, of which each gets its sentence


def pick_pictures(settings):
    """Draw the ways to choose a picture.

    Returns: ids of the pictures that were brought or, if none, the primary one; what cannot be read gets a sentence.
    """
    ids = gallery_ids(settings)
    pictures.begin_with(ids[0])
    gallery, upload, camera = st.tabs([t("picker.gallery"), t("picker.upload"), t("picker.camera")])
    with gallery:
        known = any(pictures.truth(i) in settings.facts["classes"] for i in ids)
        st.caption(t("picker.gallery_caption" if known else "picker.gallery_unknown"))
        _choices({i: pictures.name_of(i) for i in ids}, pictures.view)
        if tuple(settings.facts["classes"]) == pictures.CIFAR10 and not any("cifar10" in i.lower() for i in ids):
            offer_download()
    with upload:
        files = st.file_uploader(
            t("picker.upload_label"),
            type=list(SHAPES),
            accept_multiple_files=True,
            key="files",
            on_change=_look_at_new,
            args=("files",),
            help=t("picker.upload_help"),
        )
    with camera:
        photo = _camera()
    files = [*([photo] if photo else []), *(files or [])]
    brought, unreadable = _read(files)
    with upload:
        _brought_before([i for i in reversed(st.session_state.get("uploads", {})) if i not in brought][:BEFORE])
    if len(taken := _taken(files)) < len(files):
        allowed = limits()
        st.warning(t("picker.too_many", n=f"{len(files):,}", taken=len(taken), most=allowed.pictures, size=allowed.person_mb))
    for name, error in unreadable[:SHOWN]:
        st.error(f"**{plain(name)}**: {explain(error)}", icon=":material/broken_image:")
    if len(unreadable) > SHOWN:
        st.error(t("picker.more_unreadable", n=f"{len(unreadable) - SHOWN:,}"), icon=":material/broken_image:")
    if st.session_state.get("photos_to") == settings.pack:
        upload.caption(t("picker.switched"))
    return brought or [pictures.primary()]


def gallery_ids(settings):
    """Return the ids that the gallery shows for a pack: pictures of its kinds where there are any, then unknown ones."""
    if tuple(settings.facts["classes"]) == toybox.KNOWN:
        return [f"{spec}/{i}" for spec, indices in DRAWN.items() for i in indices]
    known = []
    if "data:cifar10_test" in pictures.data_sets():
        known = [f"data:cifar10_test/{i}" for i in range(5)]
    elif downloaded("CIFAR10"):
        known = [f"torchvision:CIFAR10/test/{i}" for i in range(5)]
    return [*known, "toybox:test/2", "toybox:near/4", "toybox:letters/3", "toybox:textures/0", "toybox:noise/0"]


def _brought_before(ids):
    """Draw pictures that the session still holds, though the field for files is empty: it forgets them when its page is left."""
    if not ids:
        return
    st.caption(t("picker.before"))
    names = {i: pictures.name_of(i) for i in ids}
    _choices({i: plain(name if len(name) <= NAME else f"{name[: NAME // 2]}…{name[-NAME // 2 :]}") for i, name in names.items()}, pictures.thumbnail)


def _choices(names, draw):
    """Draw pictures to choose one of. Args: names: {picture id: what its button says}; draw: called with an id, returns its image."""
    with st.grid(min_column_width=80, gap="small"):
        for picture_id, name in names.items():
            with st.container(gap="xxsmall"):
                st.image(draw(picture_id), width="stretch", alt=name)
                chosen = ":material/check:" if picture_id == pictures.primary() else None
                st.button(name, key=f"pick_{picture_id}", icon=chosen, width="stretch", on_click=pictures.choose, args=(picture_id,))


def _camera():
    """Ask for the camera only after a click: a browser asks for leave at once. Returns: the photo or None."""
    if not st.toggle(t("picker.camera_on"), key="camera_on"):
        return None
    return st.camera_input(t("picker.camera_label"), key="photo", on_change=_look_at_new, args=("photo",))


def _look_at_new(key):
    """Make what was just brought the primary picture, if it can be read; photos go to the model made for them."""
    before, files = set(st.session_state.get("uploads", {})), st.session_state[key] or []
    new = [i for i in _read(files if isinstance(files, list) else [files])[0] if i not in before]
    if new:
        pictures.choose(new[0])
        photos_to("cifar10")


def _taken(files):
    """Return the first of the uploaded files, as many as a session keeps."""
    allowed, total = limits(), accumulate(file.size for file in files)
    return [file for file, size in zip(files[: allowed.pictures], total, strict=False) if size <= allowed.person_mb * 10**6]


def _read(files):
    """Keep uploaded files, the first ones where there are too many. Returns: (ids of those that are pictures, [(name, InputError)] of the others)."""
    ids, unreadable = [], []
    for file in _taken(files):
        try:
            ids.append(pictures.add_upload(file.name, file.getvalue()))
        except InputError as error:
            unreadable.append((file.name, error))
    return list(dict.fromkeys(ids)), unreadable
