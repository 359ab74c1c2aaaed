"""One picture under several corruptions, small and side by side."""

import streamlit as st

from dashboard import compute
from dashboard.charts.pictures import enlarged
from dashboard.language import corruption_name, t
from dashboard.session import pictures

CLEAN = "clean"
SIDE = 128  # pixels of a picture in a strip, at least


def strip(pack, picture_id, names, severity, *, seed=0):
    """Draw what a network sees of a picture: clean first, then under each of some corruptions.

    Args: pack: its name; names: of `core.corruptions.CORRUPTIONS`; severity: 1 to 5; seed: of what is drawn at random.
    Raises: InputError if the picture cannot be read.
    """
    found = compute.corrupted(pack, picture_id, pictures.find(picture_id), names=tuple(names), severities=(severity,), seed=seed)
    with st.grid(min_column_width=96, gap="small"):
        for (name, degree), pixels in zip(found.cells, found.seen, strict=True):
            st.image(enlarged(pixels, SIDE), caption=corruption_name(name), width="stretch", alt=alt(picture_id, name, degree))


def alt(picture_id, name, severity):
    """Return the alternative text of a picture under a corruption, or of the clean one."""
    of = {"name": pictures.name_of(picture_id)}
    if name == CLEAN:
        return t("corruptions.alt_clean", **of)
    return t("corruptions.alt", corruption=corruption_name(name), severity=severity, **of)
