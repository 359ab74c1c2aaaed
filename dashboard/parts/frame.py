"""What every page has: language, model, and the way on."""

from dataclasses import dataclass

import streamlit as st

from core.errors import InputError
from dashboard import compute
from dashboard.language import LANGUAGES, browser_language, explain, t
from dashboard.language.document import tell_language
from dashboard.language.text import harmless
from dashboard.parts import choices, own
from dashboard.parts.families import pack_titles
from dashboard.parts.person import remember_person
from dashboard.session import pictures

# Streamlit moves spinners, menus and the sidebar whatever the browser asks for, and writes white on the light blue of the dark theme.
# Browsers break Korean lines inside words unless told otherwise.
_STYLE = """<style>
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation-duration: 1ms !important; animation-iteration-count: 1 !important; transition-duration: 1ms !important; }
}
button[data-testid="stBaseButton-primary"]:not(:disabled) { background-color: #005A8C; color: #FFFFFF; border-color: currentColor; }
:lang(ko) :is(h1, h2, h3, p, li) { word-break: keep-all; overflow-wrap: anywhere; }
</style>"""


@dataclass(frozen=True)
class Frame:
    """The settings of the frame: `pack` is a name, `facts` what its pack.toml says."""

    pack: str
    facts: dict


def frame():
    """Draw the sidebar and return its settings; stops the page with a sentence where there is no pack."""
    with st.sidebar:
        choices.segments("lang", t("frame.language"), LANGUAGES, browser_language())
        packs = own.packs()
        if not packs:
            st.error(t("frame.no_pack"), icon=":material/folder_off:")
            st.stop()
        titles = pack_titles(packs)
        names = list(titles)
        if "pack" in st.query_params:
            _settle()
        chosen = choices.select("pack", t("frame.pack"), titles, "toybox" if "toybox" in names else names[0], on_change=_chose, help=t("frame.pack_help"))
        facts = packs[chosen].facts
        accuracy, n = (facts["figures"].get(name) for name in ("accuracy", "pictures"))
        arch = harmless(facts["arch"])
        st.caption(t("frame.no_labels", n=n, arch=arch) if accuracy is None else t("frame.accuracy", accuracy=accuracy, n=n, arch=arch))
    st.html(_STYLE)
    tell_language()
    remember_person()
    pictures.remember_in_link()
    if pictures.lost():
        st.info(t("frame.lost", page=t("verdict.page")), icon=":material/no_photography:")
    return Frame(chosen, facts)


def photos_to(pack):
    """Judge photos by a pack made for them, unless the person or the link has named a model. For callbacks only."""
    if not st.session_state.get("pack_settled") and pack in compute.packs():
        st.session_state["pack"] = st.session_state["photos_to"] = pack


def _settle():
    st.session_state["pack_settled"] = True


def _chose():
    _settle()
    st.session_state.pop("photos_to", None)


def load(frame):
    """Load the frame's pack, with a sign of life while torch starts; stops the page with a sentence if it cannot be."""
    try:
        with st.spinner(t("frame.loading"), show_time=True):
            return compute.pack(frame.pack)
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        st.stop()
