"""A guided tour for teaching: six questions, each with something to do and an answer that the model in use gives."""

import streamlit as st

from dashboard.language import t
from dashboard.parts import tour_numbers as numbers
from dashboard.parts.frame import frame, load
from dashboard.parts.link import remember, to_page
from dashboard.parts.tour_stage import LARGE, SHOWN, TOP, Stage, answer, forget, go, present, recall, restart
from dashboard.parts.tour_steps import DRAW
from dashboard.parts.worksheet import offer

LAST = len(numbers.STEPS)
WITH_PICTURES = ("look", "tiles", "why")  # steps about a pair of pictures
CLOSER = {"look": "verdict", "sure": "confidence", "tiles": "blocks", "line": "detector", "why": "verdict", "ask": "trust"}


def main():
    remember("present", range(2), 0)
    presenting = bool(st.session_state["present"])
    st.set_page_config(initial_sidebar_state="collapsed" if presenting else "auto")
    settings = frame()
    if st.session_state.setdefault("tour_of", settings.pack) != settings.pack:
        st.session_state["tour_of"] = settings.pack
        forget()
    remember("step", range(1, LAST + 1), 1)
    number = st.session_state["step"]
    recall(number)
    step = numbers.STEPS[number - 1]
    if presenting:
        st.html(LARGE)
    else:
        st.progress(number / LAST, t("tour.progress", number=number, last=LAST))
    st.title(t(f"tour.{step}_question"))
    load(settings)
    cast = numbers.cast(settings)
    remember("pair", range(len(cast.pairs)), 0)
    stage = Stage(settings, cast, number, st.session_state["pair"], presenting, st.container())
    do = t("tour.look_do_alone") if step == "look" and stage.known is None else t(f"tour.{step}_do")
    if not presenting:
        if stage.known is None and step in WITH_PICTURES:
            stage.head.info(t("tour.no_known"), icon=":material/info:")
        stage.head.markdown(f":material/front_hand: **{do}**")
    elif not stage.shown:
        stage.head.subheader(do)
    DRAW[step](stage)
    if stage.shown and not presenting:
        st.markdown(t(f"tour.{step}_why"))
        page = CLOSER[step]
        title = t("detect.page") if page == "detector" else t(f"{page}.page")
        to_page(f"views/{page}.py", t("tour.closer", page=title), icon=":material/arrow_outward:")
        if number == LAST:
            to_page("views/verdict.py", t("tour.end"), icon=":material/arrow_forward:")
    st.components.v2.component("tour_top", js=TOP)(data={"at": number}, key="tour_top")
    with st.bottom if presenting else st.container():
        onward(stage)
    if not presenting:
        offer(settings)


def onward(stage):
    """Draw the way back and on, for the arrow keys too. Who presents sees the answer before the next question."""
    number, reveal = stage.number, stage.presenting and not stage.shown
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(t("tour.back"), shortcut="Left", key="tour_back", disabled=number == 1, on_click=go, args=(max(number - 1, 1),))
        st.button(
            t("tour.next"),
            type="primary",
            shortcut="Right",
            key="tour_next",
            disabled=number == LAST and not reveal,
            on_click=answer if reveal else go,
            args=(number, SHOWN) if reveal else (min(number + 1, LAST),),
        )
        if stage.step in WITH_PICTURES and len(stage.cast.pairs) > 1:
            st.button(t("tour.another"), icon=":material/autorenew:", key="tour_another", on_click=_another, args=(len(stage.cast.pairs),))
        if stage.presenting:
            st.button(t("tour.present_end"), icon=":material/close_fullscreen:", shortcut="Escape", key="tour_present", on_click=present, args=(False,))
            st.caption(t("tour.progress", number=number, last=LAST))
        else:
            st.button(t("tour.restart"), icon=":material/restart_alt:", key="tour_restart", on_click=restart)
            about = t("tour.present_help")
            st.button(t("tour.present"), icon=":material/co_present:", key="tour_present", on_click=present, args=(True,), help=about)


def _another(count):
    st.session_state["pair"] = (st.session_state["pair"] + 1) % count


main()
